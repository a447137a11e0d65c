#!/usr/bin/env bash
# The library without an operating system (CURRICLE_BARE), from its one file: a Cortex-M7 (MPS2, AN500) and a 64-bit RISC-V (virt) under
# qemu-system, with the program in flash, no heap and no threads. Features must be the host's, bit for bit; what it takes is printed.
# Usage: tools/test_bare.sh [PROGRAM]     a program file of up to 64×64 pixels; default: a small one of 28×28 with drawn weights
set -euo pipefail
cd "$(dirname "$0")/.."
tools/setup.sh gcc-arm-none-eabi libnewlib-arm-none-eabi gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-arm qemu-system-misc
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tools/amalgamate.sh "$work"
bare=CSupport/tests/bare
program=${1:-$work/program}
if [ $# = 0 ]; then
    make -s -C CSupport OPENMP=0 BUILD="$work/build" "$work/build/libcurricle.a"
    clang -std=c17 -O1 -ICSupport -ICSupport/include CSupport/tests/make_program.c "$work/build/libcurricle.a" -lm -o "$work/make_program"
    "$work/make_program" "$program" 1 7 7 4 1 40 4 160 1
fi
program=$(realpath "$program")

common=(-std=c17 -Wall -Wextra -Werror -Wno-psabi -ffunction-sections -fdata-sections -DCURRICLE_BARE "-DPROGRAM=\"$program\"" -DARENA_BYTES=400000
    -I"$work" -I$bare)
gcc -O2 -mavx2 -mfma "${common[@]}" $bare/main.c $bare/host.c "$work/curricle.c" -lm -o "$work/host"
"$work/host" > "$work/host.txt" || { cat "$work/host.txt"; exit 1; }
grep hash "$work/host.txt"

# check NAME COMPILER BINUTILS MACHINE FLAGS…: COMPILER makes the objects, BINUTILS' gcc links them, MACHINE runs them.
check() {
    local name=$1 compiler=$2 binutils=$3 machine=$4 part=${3%%-*} bytes
    shift 4
    for optimise in -O2 -Os; do
        $compiler "$optimise" "${common[@]}" "$@" -c "$work/curricle.c" -o "$work/curricle.o"
        "$binutils-gcc" $optimise "${common[@]}" "${flags[@]}" -c $bare/main.c -o "$work/main.o"
        "$binutils-gcc" $optimise "${common[@]}" "${flags[@]}" -c "$bare/$part.c" -o "$work/start.o"
        "$binutils-gcc" "${flags[@]}" -nostartfiles -Wl,--gc-sections,-z,noexecstack -T "$bare/$part.ld" "$work/main.o" "$work/start.o" "$work/curricle.o" -lm -o "$work/device.elf"
        timeout 120 $machine -nographic -monitor none -serial none -semihosting -icount shift=0 -kernel "$work/device.elf" > "$work/device.txt" 2>&1 ||
            { cat "$work/device.txt"; exit 1; }
        diff <(grep hash "$work/host.txt") <(grep hash "$work/device.txt") || { echo "$name gives other features" >&2; exit 1; }
        bytes=$("$binutils-size" "$work/device.elf" | awk 'NR == 2 { print $1 + $2 }')
        echo "$name, $optimise: the host's bits; code and constants $((bytes - $(wc -c < "$program"))) bytes; $(grep -v hash "$work/device.txt" | paste -sd';')"
    done
}
flags=(-mcpu=cortex-m7 -mfpu=fpv5-sp-d16 -mfloat-abi=hard -mthumb --specs=nano.specs)
check "Cortex-M7 by gcc" "arm-none-eabi-gcc" arm-none-eabi "qemu-system-arm -M mps2-an500" "${flags[@]}"
check "Cortex-M7 by clang" "clang --target=thumbv7em-none-eabihf -fshort-enums -isystem /usr/include/newlib" arm-none-eabi "qemu-system-arm -M mps2-an500" \
    -mcpu=cortex-m7 -mfpu=fpv5-sp-d16 -mfloat-abi=hard -mthumb
flags=(-march=rv64gc -mabi=lp64d -mcmodel=medany --specs=picolibc.specs)
check "RISC-V by gcc" "riscv64-unknown-elf-gcc" riscv64-unknown-elf "qemu-system-riscv64 -M virt -bios none" "${flags[@]}"

# What each function takes of the stack by itself, the largest first.
arm-none-eabi-gcc -O2 "${common[@]}" -mcpu=cortex-m7 -mfpu=fpv5-sp-d16 -mfloat-abi=hard -mthumb -fstack-usage -c "$work/curricle.c" -o "$work/curricle.o"
echo "stack of functions, bytes, Cortex-M7 by gcc -O2:"
sort -t$'\t' -k2 -n -r "$work/curricle.su" | head -n 8 | awk -F'[:\t]' '{ print "  " $4, $5 }'
