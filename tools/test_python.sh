#!/usr/bin/env bash
# The Python package's tests in a fresh environment.
#   tools/test_python.sh [CURRICLE]           builds the wheel and installs it; a built command to put into it, else one is built
#   tools/test_python.sh --source CURRICLE    the sources as they are, with a command that is built already: no wheel, no notebook
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
tests=(pytest pillow scikit-learn)
if [ "${1:-}" = --source ]; then
    if ! "$work/venv/bin/pip" install -q numpy "${tests[@]}" 2>"$work/log"; then
        echo "the Python package is not tested: $(tail -n 1 "$work/log")"
        exit 0
    fi
    cp -r python/src "$work/src"
    printf 'version = "%s"\n' "$("$2" --version | cut -d' ' -f2)" > "$work/src/curricle/_version.py"
    make -s -C CSupport BUILD="$work/c"
    mkdir "$work/bin"
    ln -s "$(realpath "$2")" "$work/bin/curricle"
    CURRICLE_LIBRARY=$(find "$work/c" -name 'libcurricle.so*' -type f | head -n 1)
    export CURRICLE_LIBRARY CURRICLE_COMMAND="$work/bin/curricle" PYTHONPATH="$work/src" PATH="$work/bin:$PATH"
else
    tools/make_wheel.sh "$work/dist" "$@"
    "$work/venv/bin/pip" install -q "$work"/dist/curricle-*.whl "${tests[@]}" mypy nbclient ipykernel
    "$work/venv/bin/mypy" --strict --python-executable "$work/venv/bin/python" -p curricle
fi
cd "$work" # not the sources' package, the installed one
PATH="$work/venv/bin:$PATH" "$work/venv/bin/python" -m pytest -q -p no:cacheprovider "$root/python/tests"
