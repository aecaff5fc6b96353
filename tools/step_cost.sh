#!/usr/bin/env bash
# How many instructions a step of the engine takes (2 layers, one stream, one core), counted and not timed: the same on a busy
# machine. Fails when that is a fifth more than when BUDGET was set. Valgrind knows no AVX-512: it counts the AVX2 form.
set -euo pipefail
cd "$(dirname "$0")/.."

BUDGET=94327 # instructions a step, 2026-11-24, rustc 1.95.0
ROUND=16     # steps a round

command -v valgrind >/dev/null || { echo "step cost: not counted, there is no valgrind here"; exit 0; }
[ "$(uname -m)" = x86_64 ] || { echo "step cost: not counted, the budget is of x86-64"; exit 0; }
bench=$(cargo bench --locked --bench generation --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"name":"generation".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
[ -n "$bench" ] || { echo "step cost: the bench does not build; see: cargo bench --bench generation --no-run" >&2; exit 1; }

# Only what is done in the function of that name counts: libtorch's start differs from run to run.
counted=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*counted_steps*' "$bench" --count 4 2>&1 |
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p')
each=$((counted / (4 * ROUND)))
echo "step cost: $each instructions a step; the budget is $BUDGET and a fifth"
if [ $((each * 5)) -gt $((BUDGET * 6)) ]; then
    echo "step cost: a step became dearer by more than a fifth" >&2
    exit 1
fi
