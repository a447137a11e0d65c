#!/usr/bin/env bash
# The C library by every compiler that is named: built without a warning (ISO C17), its tests, and the same bits of every kernel from all
# of them, on every ISA of this machine with fused multiply-adds.
# Usage: tools/test_compilers.sh [COMPILER …]     default: clang on the PATH (Swift's), the oldest that are promised, clang-14 and gcc-12
set -euo pipefail
cd "$(dirname "$0")/.."
. tools/compilers.sh
expected=""
for compiler in "${compilers[@]}"; do
    said=$(make -s -C CSupport CC="$compiler" CFLAGS="-O3 -Werror" KERNELS=all BUILD="../.build/c/compilers-$compiler" all check)
    bits=$(grep -o 'bits .*' <<< "$said" || true)
    echo "$("$compiler" --version | head -n 1): ${bits:-no ISA with fused multiply-adds}"
    if [ -n "$expected" ] && [ "$bits" != "$expected" ]; then echo "$compiler gives other bits" >&2; exit 1; fi
    expected=$bits
done
