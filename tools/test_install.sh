#!/usr/bin/env bash
# How the C library is installed and found: pkg-config and CMake, shared and static, by clang and by gcc, under another LIBDIR and DESTDIR;
# `make uninstall` leaves nothing; what cannot be built is refused with a word.
# Usage: tools/test_install.sh
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
command -v cmake >/dev/null && command -v gcc >/dev/null || tools/setup.sh cmake gcc
make="make -s -C CSupport"
prefix=$work/stage/usr
mkdir "$work/project"
cat > "$work/project/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.18)
project(example C)
find_package(curricle 1 REQUIRED)
foreach(target curricle static)
    add_executable(with_${target} ${EXAMPLE})
    target_link_libraries(with_${target} curricle::${target})
endforeach()
CMAKE

for compiler in clang gcc; do
    install="CC=$compiler PREFIX=$prefix LIBDIR=$prefix/lib/x86_64-linux-gnu"
    # shellcheck disable=SC2086
    $make $install install >/dev/null
    export PKG_CONFIG_PATH="$prefix/lib/x86_64-linux-gnu/pkgconfig"
    # shellcheck disable=SC2046
    "$compiler" CSupport/examples/features.c $(pkg-config --cflags --libs curricle) -o "$work/shared"
    # shellcheck disable=SC2046
    "$compiler" CSupport/examples/features.c $(pkg-config --cflags curricle) -Wl,-Bstatic $(pkg-config --static --libs curricle |
        sed 's/-lcurricle/-lcurricle -Wl,-Bdynamic/') -o "$work/static"
    cmake -S "$work/project" -B "$work/cmake-$compiler" -DCMAKE_C_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_LIBRARY_ARCHITECTURE=x86_64-linux-gnu -DEXAMPLE="$PWD/CSupport/examples/features.c" >/dev/null
    cmake --build "$work/cmake-$compiler" >/dev/null
    for program in "$work/shared" "$work/static" "$work/cmake-$compiler/with_curricle" "$work/cmake-$compiler/with_static"; do
        if LD_LIBRARY_PATH="$prefix/lib/x86_64-linux-gnu" "$program" README.md README.md 2>"$work/said"; then exit 1; fi
        grep -q "not a program file" "$work/said" || { cat "$work/said"; exit 1; }
    done
    # shellcheck disable=SC2086
    $make $install uninstall
    left=$(find "$work/stage" ! -type d)
    if [ -n "$left" ]; then echo "uninstall leaves $left" >&2; exit 1; fi
done
$make DESTDIR="$work/destination" PREFIX=/usr LIBDIR=/usr/lib64 install >/dev/null
test -f "$work/destination/usr/lib64/libcurricle.so.1" -a -f "$work/destination/usr/include/curricle.h"
grep -q "^libdir=/usr/lib64$" "$work/destination/usr/lib64/pkgconfig/curricle.pc"

# refused WORD ARGUMENT …
refused() {
    local word=$1
    shift
    if $make BUILD="$work/refused" "$@" >/dev/null 2>"$work/said" || ! grep -q "$word" "$work/said"; then
        echo "make $*: no \"$word\" in: $(cat "$work/said")" >&2
        exit 1
    fi
}
refused "not an instruction set" ISA=sse5
refused "there would be no kernels" ISA=neon OPENMP=0
refused "no compiler no-such-compiler" CC=no-such-compiler
refused "finds no OpenMP runtime" LDFLAGS=-no-such-option
refused "name the compiler of that target" CC=gcc TARGET=aarch64-linux-gnu
echo "installed, found by pkg-config and CMake, run and uninstalled by clang and gcc"
