#!/usr/bin/env bash
# The promise of docs/ABI.md: a program compiled against the header of 1.0 (CSupport/tests/abi/1.0) runs with the shared library as it is;
# symbols, enumerators and fields of 1.0 are where they were, and nothing else is exported.
# Usage: tools/test_abi.sh
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
old=CSupport/tests/abi/1.0 new=CSupport/include
make -s -C CSupport BUILD="$work/build" all
export LD_LIBRARY_PATH="$work/lib"
mkdir "$work/lib"
cp "$work/build/libcurricle.so" "$work/lib/libcurricle.so.1"
ln -s libcurricle.so.1 "$work/lib/libcurricle.so"

clang -I$old CSupport/examples/features.c -L"$work/lib" -lcurricle -o "$work/old"
clang -I$new CSupport/examples/features.c -L"$work/lib" -lcurricle -o "$work/new"
clang -std=c17 -O1 -w -ICSupport -I$new CSupport/tests/make_program.c "$work/build/libcurricle.a" $(make -s -C CSupport libraries) -lm -o "$work/make_program"
"$work/make_program" "$work/program" 2 7 7 4 3 40 4 160 1
{ printf 'P6\n37 50\n255\n'; head -c $((37 * 50 * 3)) CSupport/tests/test_kernels.c; } > "$work/picture.ppm"
for program in old new; do "$work/$program" "$work/program" "$work/picture.ppm" > "$work/$program.txt"; done
cmp "$work/old.txt" "$work/new.txt"

# functions HEADER: the names it declares.
functions() { grep -v '^typedef' "$1/curricle.h" | grep -oE '\bcurricle_[a-z_]+\(' | tr -d '(' | sort -u; }
exported=$(nm -D --defined-only "$work/lib/libcurricle.so.1" | awk '$2 == "T" { print $3 }' | sort)
for name in $(functions $old); do grep -qx "$name@@CURRICLE_1.0" <<< "$exported" || { echo "$name is gone, or has another version" >&2; exit 1; }; done
diff <(sed 's/@.*//' <<< "$exported") <(functions $new) || { echo "what is exported is not what curricle.h declares" >&2; exit 1; }

numbers() { grep -oE 'CURRICLE_[A-Z0-9_]+ = [0-9]+' "$1/curricle.h" | sort; }
missing=$(comm -23 <(numbers $old) <(numbers $new))
if [ -n "$missing" ]; then echo "no longer so: $missing" >&2; exit 1; fi
for header in old new; do clang -I"${!header}" CSupport/tests/abi/layout.c -o "$work/layout" && "$work/layout" > "$work/layout-$header.txt"; done
diff "$work/layout-old.txt" "$work/layout-new.txt"
echo "a program of 1.0 runs, $(wc -l <<< "$exported") symbols, $(numbers $old | wc -l) numbers and $(wc -l < "$work/layout-old.txt") places are as they were"
