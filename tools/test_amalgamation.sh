#!/usr/bin/env bash
# The library in one file (tools/amalgamate.sh) by every compiler and for every CPU of this machine's kind: without a warning, exporting what
# curricle.h declares and curricle_… alone, passing the library's tests, and giving the features of the library that chooses at run time.
# Usage: tools/test_amalgamation.sh [COMPILER …]     default: clang clang-14 gcc-12
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/compilers.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tools/amalgamate.sh "$work"
make -s -C CSupport OPENMP=0 BUILD="$work/build" "$work/build/libcurricle.a" "$work/build/test_encoder" >/dev/null
clang -std=c17 -O1 -ICSupport -ICSupport/include CSupport/tests/make_program.c "$work/build/libcurricle.a" -lm -o "$work/make_program"
clang -std=c17 -O1 -ICSupport/include CSupport/examples/features.c "$work/build/libcurricle.a" -lm -o "$work/expected"
"$work/make_program" "$work/program" 2 7 7 4 3 40 4 160 1
{ printf 'P6\n37 50\n255\n'; head -c $((37 * 50 * 3)) CSupport/tests/test_kernels.c; } > "$work/picture.ppm"
"$work/expected" "$work/program" "$work/picture.ppm" > "$work/expected.txt"

# Flags of CPUs, and what /proc/cpuinfo calls what they need. -std=gnu17: gcc would fuse products and sums where it is not told otherwise.
for compiler in "${compilers[@]}"; do
    for flags in "" "-mavx2 -mfma" "-march=skylake-avx512"; do
        case $flags in *avx2*) grep -q -w avx2 /proc/cpuinfo || continue ;; *avx512*) grep -q -w avx512vl /proc/cpuinfo || continue ;; esac
        # shellcheck disable=SC2086
        "$compiler" -std=c17 -pedantic -O2 -Wall -Wextra -Werror -Wno-psabi $flags -c "$work/curricle.c" -o "$work/curricle.o"
        leaked=$(nm --defined-only --extern-only "$work/curricle.o" | awk '$3 !~ /^curricle_/')
        if [ -n "$leaked" ]; then echo "$compiler $flags: the library defines $leaked" >&2; exit 1; fi
        # shellcheck disable=SC2086
        "$compiler" -std=gnu17 -O2 -w -Wno-psabi $flags -ICSupport -I"$work" -include "$work/curricle.c" CSupport/tests/test_encoder.c -lm -o "$work/test_encoder"
        said=$("$work/test_encoder")
        # shellcheck disable=SC2086
        "$compiler" -std=gnu17 -O2 -w -Wno-psabi $flags -I"$work" CSupport/examples/features.c "$work/curricle.c" -lm -o "$work/features"
        "$work/features" "$work/program" "$work/picture.ppm" > "$work/features.txt"
        # Without fused multiply-adds the bits are others, and the tests' tolerance must do.
        if [ -n "$flags" ] && ! cmp -s "$work/features.txt" "$work/expected.txt"; then echo "$compiler $flags: other features" >&2; exit 1; fi
        echo "one file by $compiler $flags: $said"
    done
done
