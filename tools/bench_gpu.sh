#!/bin/sh
# Builds a folder that runs on a CUDA machine with a Python torch 2.11.0 beside it: `make bench-gpu`, copy the folder there,
# and `./run.sh`. Nothing of ours is needed there, no Rust and no network.
#
#   tools/bench_gpu.sh FOLDER     CARGO="cargo …" names another cargo
set -eu
folder=${1:?"usage: tools/bench_gpu.sh FOLDER"}
cargo=${CARGO:-cargo}
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

# The path of the executable that cargo built last for a target of that name.
built() {
    kind=$1 name=$2
    shift 2
    $cargo "$@" --locked --message-format=json | python3 -c '
import json, sys
kind, name, found = sys.argv[1], sys.argv[2], None
for line in sys.stdin:
    try:
        message = json.loads(line)
    except ValueError:
        continue
    target = message.get("target", {})
    if message.get("executable") and target.get("name") == name and kind in target.get("kind", []):
        found = message["executable"]
sys.exit(f"cargo built no {kind} {name}") if found is None else print(found)
' "$kind" "$name"
}

program=$(built bin wasabi build --release --bin wasabi)
tests=$(built test all test --release --no-run --test all)
training=$(built bench training bench --no-run --bench training)
generation=$(built bench generation bench --no-run --bench generation)

mkdir -p "$folder/bin"
cp "$program" "$folder/bin/wasabi"
cp "$tests" "$folder/bin/tests"
cp "$training" "$folder/bin/training"
cp "$generation" "$folder/bin/generation"
rm -rf "$folder/golden"
cp -r tests/golden "$folder/golden"
cp tools/bench_gpu_run.sh "$folder/run.sh"
chmod +x "$folder/run.sh"
echo "made $folder: copy it to the CUDA machine and start run.sh there"
