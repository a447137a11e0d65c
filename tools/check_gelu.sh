#!/bin/sh
# GELU and its derivative at every float, on each instruction set of this CPU: errors in units of the last place. Some two minutes each.
#   tools/check_gelu.sh [STEP]     every STEP-th float, for a quick look
set -eu
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
clang -std=c17 -O3 -ffp-contract=off -fno-math-errno -Wall -Wextra -Wno-psabi -Wno-unused-function -ICSupport/include -ICSupport CSupport/tests/check_gelu.c \
    CSupport/program_check.c CSupport/checksum.c CSupport/dispatch.c CSupport/execute.c CSupport/team.c CSupport/isa_*.c -lm -o "$out/check_gelu"
"$out/check_gelu" "$@"
