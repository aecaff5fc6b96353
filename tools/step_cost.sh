#!/usr/bin/env bash
# How many instructions a step of the engine takes (2 layers, one stream, one core), and one with its draw (temperature 1,
# likelihood and entropy), counted and not timed: the same on a busy machine. Fails when either is a fifth more than when its
# budget was set. Valgrind knows no AVX-512: it counts the AVX2 form.
set -euo pipefail
cd "$(dirname "$0")/.."

STEPS=94327  # instructions a step, 2026-11-24, rustc 1.95.0
DRAWS=105889 # instructions a step with its draw
ROUND=16     # steps a round

command -v valgrind >/dev/null || { echo "step cost: not counted, there is no valgrind here"; exit 0; }
[ "$(uname -m)" = x86_64 ] || { echo "step cost: not counted, the budget is of x86-64"; exit 0; }
built=$(cargo bench --locked --bench generation --no-run --message-format=json-render-diagnostics) ||
    { echo "step cost: the bench does not build" >&2; exit 1; }
bench=$(sed -n 's/.*"name":"generation".*"executable":"\([^"]*\)".*/\1/p' <<<"$built" | tail -1)

# Only what is done in the function of that name counts: libtorch's start differs from run to run.
failed=0
count() {
    local what=$1 budget=$2 counted each
    counted=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect="*counted_$what*" "$bench" --count 4 2>&1 |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p')
    each=$((counted / (4 * ROUND)))
    echo "step cost: $each instructions ($what); the budget is $budget and a fifth"
    if [ $((each * 2)) -lt "$budget" ]; then
        echo "step cost: of $what hardly anything was counted; is counted_$what still a function of its own?" >&2
        failed=1
    fi
    if [ $((each * 5)) -gt $((budget * 6)) ]; then
        echo "step cost: $what became dearer by more than a fifth" >&2
        failed=1
    fi
}
count steps "$STEPS"
count draws "$DRAWS"
exit $failed
