#!/usr/bin/env bash
# libcurricle as its users meet it: built by its Makefile, installed and found (tools/test_install.sh), run by the examples
# (tools/test_examples.sh), of which two must give the bits of `curricle extract`; the small build's size; a short fuzz run.
# Usage: tools/test_library.sh [CURRICLE]     the built command (default .build/release/curricle, built if it is not there)
set -euo pipefail
cd "$(dirname "$0")/.."
curricle=$(realpath -m "${1:-.build/release/curricle}")
if [ ! -x "$curricle" ]; then swift build -c release --product curricle; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make="make -s -C CSupport"

$make test KERNELS=all
$make test KERNELS=all OPENMP=0
most=$((190 * 1024))
for isa in baseline avx2 avx512; do
    bytes=$($make size ISA=$isa OPENMP=0 BUILD=../.build/c/size-$isa)
    echo "libcurricle for $isa, inference only, stripped: $bytes bytes"
    if [ "$bytes" -gt $most ]; then echo "that is more than $most" >&2; exit 1; fi
done
$make test ISA=baseline OPENMP=0
# No allocation, no file: the library asks the system for nothing but these.
asked=$(nm -D --undefined-only .build/c/size-avx2/libcurricle.so | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' | sort | tr '\n' ' ')
for name in $asked; do
    case $name in ceil|clock_gettime|memcpy|memset|memcmp|memmove|sched_yield) ;; *) echo "the library calls $name" >&2; exit 1 ;; esac
done

tools/test_install.sh
tools/test_examples.sh
tools/test_abi.sh

# Weights of a model that has hardly learned, and features of digits by the command.
data=Tests/Fixtures/mnist5k
"$curricle" pretrain --data $data --output "$work/run" --image-size 28 --patch-size 4 --channels 3 --embed-dim 40 --depth 2 --num-heads 4 \
    --decoder-embed-dim 16 --decoder-depth 1 --decoder-num-heads 2 --batch-size 8 --epochs 2 --warmup-epochs 1 --max-steps 2 --augment none >/dev/null 2>&1
"$curricle" compile --weights "$work/run/model.safetensors" --pool mean --output "$work/encoder.curricle" >/dev/null
# Resized and cropped as for evaluation, which the C++ example does; and the pixels as they are, which the Python example takes.
"$curricle" extract --program "$work/encoder.curricle" --data $data --split test --output "$work/expected.npy" >/dev/null 2>&1
"$curricle" extract --program "$work/encoder.curricle" --data $data --split test --preprocess none --output "$work/asis.npy" >/dev/null 2>&1

$make install PREFIX="$work/prefix" >/dev/null
export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$work/prefix/lib"
clang++ -std=c++17 -Wall -Wextra CSupport/examples/features.cpp $(pkg-config --cflags --libs curricle) -o "$work/features"

if ! python3 -c "import numpy" 2>/dev/null; then
    tools/setup.sh python3-numpy
fi
# The digits as an array and the first of them as a picture; then what both examples make of them.
python3 - "$work" $data <<'PYTHON'
import gzip, sys
import numpy as np
work, data = sys.argv[1:]
digits = np.frombuffer(gzip.open(f"{data}/t10k-images-idx3-ubyte.gz").read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
pictures = np.repeat(digits, 3, axis=3)
np.save(f"{work}/pictures.npy", pictures)
open(f"{work}/first.ppm", "wb").write(b"P6\n28 28\n255\n" + pictures[0].tobytes())
PYTHON
python3 CSupport/examples/features.py "$work/encoder.curricle" "$work/pictures.npy" "$work/python.npy"
"$work/features" "$work/encoder.curricle" "$work/first.ppm" > "$work/cpp.txt"
python3 - "$work" <<'PYTHON'
import sys
import numpy as np
work = sys.argv[1]
expected, asis, python, cpp = np.load(f"{work}/expected.npy"), np.load(f"{work}/asis.npy"), np.load(f"{work}/python.npy"), np.loadtxt(f"{work}/cpp.txt", np.float32)
assert asis.shape == python.shape and asis.tobytes() == python.tobytes(), "the Python example gives other features"
assert expected[0].tobytes() == cpp.tobytes(), "the C++ example gives other features"
print(f"examples: {len(python)} and 1 images, the bits of curricle extract")
PYTHON
# Each pool, held against a reader that knows only the format's description.
python3 -c "import numpy as np, sys; np.save(sys.argv[2], np.load(sys.argv[1])[:10])" "$work/pictures.npy" "$work/ten.npy"
for form in cls mean tokens "mean --precision int8" "cls --precision int8" "mean --precision bf16" "cls --precision bf16" "mean --keep 0.5" "cls --keep 0.3 --keep-by contrast"; do
    # shellcheck disable=SC2086
    "$curricle" compile --weights "$work/run/model.safetensors" --pool $form --batch 2 --output "$work/form.curricle" >/dev/null
    "$curricle" extract --program "$work/form.curricle" --data $data --split test --preprocess none --output "$work/form.npy" >/dev/null 2>&1
    python3 tools/read_program.py "$work/form.curricle" "$work/ten.npy" "$work/form.npy"
done
$make fuzz RUNS="${FUZZ_RUNS:-50000}" OPENMP=0 2>&1 | tail -n 1
