#!/bin/sh
# Golden tests in float32, a training step, an epoch-equivalent (105 minutes of 16 kHz audio, window 131072, batch 1, 8 and 2
# layers) and generation, on a GPU. Prints lines `figure NAME VALUE UNIT`.
#
#   WASABI_LIBTORCH=…/torch/lib   libtorch 2.11.0 with CUDA; by default that of `python3 -c "import torch"`
#   WASABI_GPU=cuda:1             another device; `cpu` tries the folder without a GPU
set -eu
here=$(cd "$(dirname "$0")" && pwd)
libtorch=${WASABI_LIBTORCH:-$(python3 -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')}
[ -e "$libtorch/libtorch_cpu.so" ] || { echo "no libtorch_cpu.so in $libtorch: set WASABI_LIBTORCH to a torch/lib of 2.11.0" >&2; exit 1; }
# The binaries' own run path is the folder that they were built against, which is not here.
export WASABI_LIBTORCH="$libtorch" LD_LIBRARY_PATH="$libtorch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
gpu=${WASABI_GPU:-cuda}
export WASABI_GOLDEN="$here/golden" WASABI_TEST_DEVICE="$gpu" WASABI_BENCH_DEVICE="$gpu"

echo "== this machine"
"$here/bin/wasabi" doctor || true
echo "== golden tests in float32 on $gpu"
"$here/bin/tests" golden_model:: --test-threads 1
echo "== training on $gpu"
"$here/bin/training" ${WASABI_QUICK:+--quick} ${WASABI_ONLY:-train/2l/8192 train/8l/8192 train/2l/131072 train/8l/131072} | grep -v /plain
echo "== generation"
"$here/bin/generation" ${WASABI_QUICK:+--quick}
