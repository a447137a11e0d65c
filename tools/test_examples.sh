#!/usr/bin/env bash
# The examples in C, C++, Python and Rust, as people copy them: against the installed library, on programs of one and of three channels, of one
# image and of eight a run; C and C++ under AddressSanitizer and UndefinedBehaviorSanitizer, library and all. Their features are held against
# tools/read_program.py, which knows only the format's description. Needs no Swift.
# Usage: tools/test_examples.sh
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -c "import numpy" 2>/dev/null || tools/setup.sh python3-numpy
make="make -s -C CSupport"
$make install PREFIX="$work/prefix" >/dev/null
$make ISA=avx2 OPENMP=0 CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all" BUILD="$work/sanitized" "$work/sanitized/libcurricle.a"
export PKG_CONFIG_PATH="$work/prefix/lib/pkgconfig" LD_LIBRARY_PATH="$work/prefix/lib"

strict="-fuse-ld=lld -O1 -g -Wall -Wextra -pedantic -fsanitize=address,undefined -fno-sanitize-recover=all $(pkg-config --cflags curricle)"
# shellcheck disable=SC2086
clang -std=c17 $strict CSupport/examples/features.c "$work/sanitized/libcurricle.a" -lm -o "$work/features_c"
# shellcheck disable=SC2086
clang++ -std=c++17 $strict CSupport/examples/features.cpp "$work/sanitized/libcurricle.a" -lm -o "$work/features_cpp"
# And by what pkg-config says, shared and static.
# shellcheck disable=SC2046
clang CSupport/examples/features.c $(pkg-config --cflags --libs curricle) -o "$work/features_shared"
# shellcheck disable=SC2046
clang $(pkg-config --cflags curricle) CSupport/examples/features.c "$work/prefix/lib/libcurricle.a" \
    $(pkg-config --static --libs curricle | sed 's/-lcurricle//') -o "$work/features_static"
examples=(features_c features_cpp features_shared features_static)
if command -v rustc >/dev/null; then
    rustc -O -D warnings CSupport/examples/features.rs -L "$work/prefix/lib" -l curricle -o "$work/features_rust"
    examples+=(features_rust)
else
    echo "the Rust example was skipped: there is no rustc"
fi
clang -std=c17 -O1 -ICSupport -ICSupport/include CSupport/tests/make_program.c "$work/prefix/lib/libcurricle.a" \
    $(pkg-config --static --libs curricle | sed 's/-lcurricle//') -o "$work/make_program"

# Programs of 240 pixels, for which pictures of that size stay as they are; eleven of these, in colour and grey, and one of another size.
"$work/make_program" "$work/one.curricle" 1 15 15 16 3 20 2 36 1
"$work/make_program" "$work/eight.curricle" 8 15 15 16 1 20 2 36 2
python3 - "$work" <<'PYTHON'
import sys
import numpy as np
work = sys.argv[1]
rng = np.random.default_rng(5)
for name, channels, kind in ("one", 3, 6), ("eight", 1, 5):
    pictures = rng.integers(0, 256, (11, 240, 240, channels), np.uint8)
    np.save(f"{work}/{name}.npy", pictures)
    for i, picture in enumerate([*pictures, pictures[0][:200, :133]]):
        header = b"P%d\n%d %d\n255\n" % (kind, picture.shape[1], picture.shape[0])
        open(f"{work}/{name}-{i:02}.pnm", "wb").write(header + picture.tobytes())
np.save(f"{work}/floats.npy", pictures.astype(np.float32))
PYTHON
for name in one eight; do
    python3 CSupport/examples/features.py "$work/$name.curricle" "$work/$name.npy" "$work/$name-features.npy"
    python3 tools/read_program.py "$work/$name.curricle" "$work/$name.npy" "$work/$name-features.npy"
    for example in "${examples[@]}"; do
        "$work/$example" "$work/$name.curricle" "$work/$name"-*.pnm > "$work/$name-$example.txt"
    done
done
python3 - "$work" "${examples[@]}" <<'PYTHON'
import sys
import numpy as np
work, *examples = sys.argv[1:]
for name in "one", "eight":
    expected = np.load(f"{work}/{name}-features.npy")
    printed = [np.loadtxt(f"{work}/{name}-{example}.txt", np.float32) for example in examples]
    for example, rows in zip(examples, printed):
        assert rows[: expected[..., 0].size].tobytes() == expected.tobytes(), f"{example} gives other features than features.py"
        assert rows.tobytes() == printed[0].tobytes(), f"{example} gives other features of a picture of another size"
print(f"examples: Python, {', '.join(examples)}: 11 and 12 pictures, the same bits")
PYTHON

# What is wrong is refused with a word of why.
refused() { # EXIT PATTERN COMMAND …
    local code=$1 pattern=$2 actual=0
    shift 2
    "$@" >/dev/null 2>"$work/refused" || actual=$?
    if [ "$actual" != "$code" ] || ! grep -q "$pattern" "$work/refused"; then
        echo "$*: exit $actual, not $code with \"$pattern\": $(cat "$work/refused")" >&2
        exit 1
    fi
}
head -c 2000 "$work/one-00.pnm" > "$work/short.pnm"
head -c 5000 "$work/one.curricle" > "$work/short.curricle"
printf 'P6\n-240 240\n255\n' > "$work/negative.pnm"
printf 'P' > "$work/letter.pnm"
for example in "${examples[@]}"; do
    refused 2 "usage: features" "$work/$example" "$work/one.curricle"
    refused 1 "not a program file" "$work/$example" "$work/one-00.pnm" "$work/one-00.pnm"
    refused 1 "cut short" "$work/$example" "$work/short.curricle" "$work/one-00.pnm"
    refused 1 "no-such-file" "$work/$example" "$work/no-such-file" "$work/one-00.pnm"
    refused 1 "number of channels" "$work/$example" "$work/one.curricle" "$work/eight-00.pnm"
    refused 1 "impossible size" "$work/$example" "$work/one.curricle" "$work/short.pnm"
    refused 1 "impossible size" "$work/$example" "$work/one.curricle" "$work/negative.pnm"
    refused 1 "no binary PPM" "$work/$example" "$work/one.curricle" "$work/letter.pnm"
    refused 1 "no binary PPM" "$work/$example" "$work/one.curricle" "$work/one.curricle"
done
python="python3 CSupport/examples/features.py"
refused 2 "usage: features.py" $python "$work/one.curricle"
refused 1 "not a program file" $python "$work/one.npy" "$work/one.npy" "$work/out.npy"
refused 1 "takes bytes" $python "$work/eight.curricle" "$work/floats.npy" "$work/out.npy"
refused 1 "takes bytes" $python "$work/eight.curricle" "$work/one.npy" "$work/out.npy"
refused 1 "No such file" $python "$work/no-such-file" "$work/one.npy" "$work/out.npy"
