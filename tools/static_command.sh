#!/usr/bin/env bash
# Prints the path of the command `curricle` with Swift's libraries inside, as it is installed and packed: CURRICLE, where one is named, else
# built. What is linked how decides what is built, so the build is one of its own.
#   tools/static_command.sh [CURRICLE]
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -ge 1 ]; then
    echo "$1"
    exit
fi
tools/setup.sh >&2
# The same source gives the same bytes: where it was built is no part of it, the compiler's own tables have one order, whether by hashes or by
# addresses, and neither what it would know a module again by nor what a debugger wants is in it, whose sum is the command's own number.
export SWIFT_DETERMINISTIC_HASHING=1
fixed=()
if setarch "$(uname -m)" -R true 2> /dev/null; then fixed=(setarch "$(uname -m)" -R); fi
"${fixed[@]}" swift build -c release --static-swift-stdlib --scratch-path .build/static --product curricle \
    -Xswiftc -Xfrontend -Xswiftc -disable-incremental-llvm-codegen -Xlinker -S \
    -Xswiftc -file-prefix-map -Xswiftc "$PWD=." -Xcc "-ffile-prefix-map=$PWD=." >&2
echo .build/static/release/curricle
