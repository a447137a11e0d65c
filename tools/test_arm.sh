#!/usr/bin/env bash
# The C library on ARM, under emulation: built by clang's cross target and gcc's cross compiler with Debian's C libraries, run by qemu.
#   aarch64: the kernels' tests, golden traces' programs and features of images, with the same bits as on this machine
#   arm hf:  the same on the baseline path, 32 bits without fused multiply-adds, within tolerances
# Usage: tools/test_arm.sh [CURRICLE]     the built command (default .build/release/curricle, built if it is not there)
set -euo pipefail
cd "$(dirname "$0")/.."
curricle=${1:-.build/release/curricle}

tools/setup.sh qemu-user libc6-dev-arm64-cross libgcc-12-dev-arm64-cross libc6-dev-armhf-cross libgcc-12-dev-armhf-cross gcc-12-aarch64-linux-gnu
if [ ! -x "$curricle" ]; then swift build -c release --product curricle; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What this machine computes: programs of traces with their results, and features of 50 digits.
for trace in micro odd; do "$curricle" compile --trace "Tests/Fixtures/$trace.safetensors" --output "$work/$trace" >/dev/null; done
# IDX: its magic, 50 images of 28×28, then the pixels.
gzip -dc Tests/Fixtures/mnist5k/t10k-images-idx3-ubyte.gz > "$work/all"
{ printf '\0\0\10\3\0\0\0\62\0\0\0\34\0\0\0\34'; head -c $((16 + 50 * 784)) "$work/all" | tail -c +17; } > "$work/digits-images-idx3-ubyte"
"$curricle" pretrain --data Tests/Fixtures/mnist5k --output "$work/run" --image-size 28 --patch-size 4 --channels 1 --embed-dim 40 --depth 2 --num-heads 4 \
    --decoder-embed-dim 16 --decoder-depth 1 --decoder-num-heads 2 --batch-size 8 --epochs 2 --warmup-epochs 1 --max-steps 2 --augment none --mean 0.1307 --std 0.3081 >/dev/null
for pool in cls mean tokens int8 bf16; do
    form="--pool $pool"
    if [ $pool = int8 ] || [ $pool = bf16 ]; then form="--pool mean --precision $pool"; fi
    # shellcheck disable=SC2086
    "$curricle" compile --weights "$work/run/model.safetensors" $form --batch 5 --output "$work/$pool.curricle" >/dev/null
    "$curricle" extract --program "$work/$pool.curricle" --data "$work/digits-images-idx3-ubyte" --preprocess none --output "$work/$pool.npy" >/dev/null
done

# check COMPILER TARGET ISA [TOLERANCE]     COMPILER as make takes it: TARGET=… or CC=…
check() {
    local compiler=$1 target=$2 isa=$3 tolerance=${4:-} build=".build/c/arm-${1%%=*}-$2" run="qemu-${2%%-*} -L /usr/$2"
    make -s -C CSupport "$compiler" ISA="$isa" KERNELS=all OPENMP=0 BUILD="../$build" RUN="$run" test all
    for program in "$work"/*/*.program; do $run "$build/test_program" "$program" $tolerance; done
    # A number half way between two bytes, or two of bf16, may become either where bits differ.
    for pool in cls mean tokens int8 bf16; do
        if [ $pool = int8 ]; then tolerance=${tolerance:+0.02}; fi
        $run "$build/test_features" "$work/$pool.curricle" "$work/digits-images-idx3-ubyte" "$work/$pool.npy" $tolerance
    done
}
echo "aarch64 by clang and by gcc, same bits:"
check TARGET=aarch64-linux-gnu aarch64-linux-gnu neon
check CC=aarch64-linux-gnu-gcc-12 aarch64-linux-gnu neon
echo "arm hf without fused multiply-adds, within 4e-5 of each result's largest number:"
check TARGET=arm-linux-gnueabihf arm-linux-gnueabihf baseline 4e-5
