#!/usr/bin/env bash
# The C library's tests, those of the training kernels too, for whatever Debian has a compiler and an emulator for. Where there are fused
# multiply-adds the hash of all that the kernels wrote must be this machine's.
# Usage: tools/test_targets.sh     (tools/test_arm.sh runs programs of the Swift side on ARM; tools/test_bare.sh is without an operating system)
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh clang-14 gcc-12 lld-14 qemu-user libc6-dev-arm64-cross libgcc-12-dev-arm64-cross libc6-dev-armhf-cross libgcc-12-dev-armhf-cross \
    gcc-12-aarch64-linux-gnu gcc-12-riscv64-linux-gnu libc6-dev-riscv64-cross gcc-12-multilib libc6-dev-i386 musl-tools \
    gcc-mingw-w64-x86-64-posix wasi-libc libclang-rt-14-dev-wasm32
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
expected=$(make -s -C CSupport KERNELS=all BUILD="$work/here" check | grep -o 'bits .*')
echo "this machine: $expected"

# check NAME EXACT MAKE'S ARGUMENTS…     EXACT: whether the bits must be this machine's
check() {
    local name=$1 exact=$2 said bits
    shift 2
    said=$(make -s -C CSupport OPENMP=0 KERNELS=all BUILD="$work/build" "$@" check 2>"$work/errors") || { cat "$work/errors"; exit 1; }
    rm -rf "$work/build"
    bits=$(grep -o 'bits .*' <<< "$said" || true)
    if [ "$exact" = yes ] && [ "$bits" != "$expected" ]; then echo "$name: other bits, $bits" >&2; exit 1; fi
    echo "$name: $(grep -c ' 0 failures' <<< "$said") tests pass${bits:+, the same bits}"
}
aarch64="qemu-aarch64 -L /usr/aarch64-linux-gnu" arm="qemu-arm -L /usr/arm-linux-gnueabihf"
check "aarch64, clang" yes TARGET=aarch64-linux-gnu ISA=neon RUN="$aarch64"
check "aarch64, gcc 12" yes CC=aarch64-linux-gnu-gcc-12 ISA=neon RUN="$aarch64"
check "armv7 without fused multiply-adds, clang" no TARGET=arm-linux-gnueabihf ISA=baseline RUN="$arm"
check "armv7 VFPv4, clang" yes TARGET=arm-linux-gnueabihf ISA=baseline RUN="$arm" CFLAGS="-O3 -mcpu=cortex-a7 -mfpu=vfpv4-d16"
check "armv7 NEON VFPv4, clang" no TARGET=arm-linux-gnueabihf ISA=baseline RUN="$arm" CFLAGS="-O3 -mcpu=cortex-a7 -mfpu=neon-vfpv4"
check "riscv64, gcc 12" yes CC=riscv64-linux-gnu-gcc-12 ISA=baseline RUN="qemu-riscv64 -L /usr/riscv64-linux-gnu"
check "i386 SSE2, gcc 12" no CC="gcc-12 -m32" ISA=baseline CFLAGS="-O3 -msse2 -mfpmath=sse"
if grep -q -w fma /proc/cpuinfo; then check "i386 FMA, gcc 12" yes CC="gcc-12 -m32" ISA=baseline CFLAGS="-O3 -mavx -mfma -mfpmath=sse"; fi
check "x86-64 musl, gcc 12" yes CC=musl-gcc

tools/amalgamate.sh "$work"
x86_64-w64-mingw32-gcc-posix -std=c17 -pedantic -O2 -Wall -Wextra -Werror -Wno-psabi -mavx2 -mfma -c "$work/curricle.c" -o "$work/windows.o"
echo "Windows x86-64, mingw-w64 gcc 12: curricle.c compiles"
clang-14 --target=wasm32-wasi -std=c17 -O2 -msimd128 -Wno-psabi -DCURRICLE_BARE -ICSupport -I"$work" -include "$work/curricle.c" \
    CSupport/tests/test_encoder.c -lm -o "$work/encoder.wasm"
if command -v node >/dev/null; then
    said=$(node --no-warnings CSupport/tests/run_wasi.mjs "$work/encoder.wasm")
    echo "WebAssembly SIMD, clang 14, node: $said"
else
    echo "WebAssembly SIMD, clang 14: compiles; there is no node to run it"
fi
