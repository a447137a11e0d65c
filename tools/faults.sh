#!/bin/sh
# Faults injected into a built command's system calls, one at a time: each must end in a typed error or the right result.
#   tools/faults.sh [CURRICLE] [all | SECONDS]      (default: the released command, all)
#   tools/faults.sh CURRICLE kills N                a training killed N times at random moments
set -eu
cd "$(dirname "$0")/.."
curricle=${1:-.build/release/curricle}
[ $# -gt 0 ] && shift
shim=$(mktemp -d)
trap 'rm -rf "$shim"' EXIT
clang -shared -fPIC -O1 -std=gnu17 -Wall -Wextra -o "$shim/shim.so" tools/faults/shim.c -ldl
python3 tools/faults/campaign.py "$curricle" "$shim/shim.so" "$@"
