#!/bin/sh
# Kernels and the encoder's library under AddressSanitizer and UndefinedBehaviorSanitizer, once with one thread, once with a team, once with
# one whose processor others want; runs at the same time under ThreadSanitizer.
# Usage: tools/test_c.sh [COMPILER]     default clang
set -eu
cd "$(dirname "$0")/.."
compiler=${1:-clang}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags="-std=c17 -O1 -g -ffp-contract=off -fno-math-errno -Wall -Wextra -Wno-psabi -pedantic -fsanitize=address,undefined -fno-sanitize-recover=all -ICSupport/include -ICSupport"
sources="CSupport/curricle.c CSupport/program_check.c CSupport/checksum.c CSupport/resize_crop.c CSupport/resize_rows.c CSupport/resample.c
    CSupport/dispatch.c CSupport/execute.c CSupport/calibrate.c CSupport/team.c CSupport/isa_baseline.c CSupport/isa_avx2.c CSupport/isa_avx512.c CSupport/isa_neon.c"

# The linker's warnings are of interest only where it fails.
link() {
    # shellcheck disable=SC2086
    "$compiler" $flags "$out"/*.o "$@" 2> "$out/link.log" || { cat "$out/link.log"; exit 1; }
}

for source in $sources; do
    # shellcheck disable=SC2086
    "$compiler" $flags -c "$source" -o "$out/$(basename "$source" .c).o"
done
for test in test_kernels test_encoder test_resize; do
    link "CSupport/tests/$test.c" -lm -o "$out/one_$test"
    "$out/one_$test"
done
link CSupport/tests/check_gelu.c -lm -o "$out/check_gelu"
"$out/check_gelu" 99991

# shellcheck disable=SC2086
"$compiler" $flags -fopenmp -c CSupport/team.c -o "$out/team.o"
case $("$compiler" --version) in *clang*) runtime=omp5 ;; *) runtime=gomp ;; esac
link CSupport/tests/test_kernels.c -l$runtime -lm -o "$out/team"
# The runtime keeps its threads to the end: not a leak of ours.
ASAN_OPTIONS=detect_leaks=0 "$out/team"
link CSupport/tests/test_crowded.c -l$runtime -lm -o "$out/crowded"
ASAN_OPTIONS=detect_leaks=0 "$out/crowded"

# By gcc: ThreadSanitizer of Swift's clang wants libdispatch.
command -v gcc >/dev/null || tools/setup.sh gcc
# shellcheck disable=SC2086
gcc -std=c17 -D_POSIX_C_SOURCE=200809L -O1 -g -ffp-contract=off -w -Wno-psabi -fsanitize=thread -DCURRICLE_INFERENCE_ONLY -ICSupport/include -ICSupport \
    CSupport/tests/test_threads.c $sources -lm -lpthread -o "$out/threads" 2> "$out/link.log" || { cat "$out/link.log"; exit 1; }
"$out/threads"
