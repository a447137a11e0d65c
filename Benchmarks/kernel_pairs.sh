#!/bin/sh
# Times the kernels of another checkout against this one's, each instruction in turn in one process of one thread (kernel_pairs.c).
#   Benchmarks/kernel_pairs.sh CHECKOUT [avx2|avx512] [SECONDS] [PART OF A NAME]     e.g. after: git worktree add ../before v1.0
set -eu
cd "$(dirname "$0")/.."
before=$(cd "${1:?the other checkout}" && pwd)
isa=${2:-avx2}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# As SwiftPM compiles them: with a frame pointer, which takes a register.
flags="-std=c17 -O3 -ffp-contract=off -fno-math-errno -fno-omit-frame-pointer -Wno-psabi -Wno-unused-function"
compile() {
    clang $flags -I"$1/CSupport/include" -I"$1/CSupport" -Dkernels_$isa="kernels_$2" -Dpeak_$isa="peak_$2" -Ddot2_is_exact_$isa="dot2_$2" \
        -c "$1/CSupport/isa_$isa.c" -o "$out/$2.o"
}
compile "$before" before
compile . now
clang -std=c17 -O2 -Wall -Wextra -ICSupport/include -ICSupport Benchmarks/kernel_pairs.c "$out/before.o" "$out/now.o" -lm -o "$out/kernel_pairs"
"$out/kernel_pairs" "${3:-1}" ${4:+"$4"}
