#!/bin/sh
# Kernels under AddressSanitizer and UndefinedBehaviorSanitizer: once with one thread, once with a team.
# Usage: tools/test_c.sh [clang]
set -eu
cd "$(dirname "$0")/.."
clang=${1:-clang}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags="-std=c17 -O1 -g -ffp-contract=off -fno-math-errno -Wall -Wextra -Wno-psabi -fsanitize=address,undefined -fno-sanitize-recover=all -ICSupport/include -ICSupport"
sources="CSupport/dispatch.c CSupport/execute.c CSupport/team.c CSupport/isa_baseline.c CSupport/isa_avx2.c CSupport/isa_avx512.c CSupport/isa_neon.c"

# The linker's warnings are of interest only where it fails.
link() {
    # shellcheck disable=SC2086
    "$clang" $flags "$out"/*.o "$@" 2> "$out/link.log" || { cat "$out/link.log"; exit 1; }
}

for source in $sources CSupport/tests/test_kernels.c; do
    # shellcheck disable=SC2086
    "$clang" $flags -c "$source" -o "$out/$(basename "$source" .c).o"
done
link -lm -o "$out/one"
"$out/one"

# shellcheck disable=SC2086
"$clang" $flags -fopenmp -c CSupport/team.c -o "$out/team.o"
link -lomp5 -lm -o "$out/team"
# The runtime keeps its threads to the end: not a leak of ours.
ASAN_OPTIONS=detect_leaks=0 "$out/team"
