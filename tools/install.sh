#!/usr/bin/env bash
# Installs the command `curricle` as one file that needs no Swift on the machine it runs on, its man pages and completions, and
# libcurricle with its header.
#   tools/install.sh [PREFIX]      default /usr/local
# The command wants these libraries of the system: libomp5-14 libturbojpeg0 libpng16-16 zlib1g (Debian's names); probe,
# attend --pca and bench kernels libopenblas0 besides.
set -euo pipefail
cd "$(dirname "$0")/.."
prefix=${1:-/usr/local}
command=$(tools/static_command.sh)
install -d "$prefix/bin"
install -m 755 "$command" "$prefix/bin/curricle"
strip --strip-unneeded "$prefix/bin/curricle" 2>/dev/null || true
tools/install_manual.sh "$prefix/bin/curricle" "$prefix/share"
make -s -C CSupport install PREFIX="$(realpath "$prefix")"
echo "installed $prefix/bin/curricle, $prefix/share/man/man1/curricle*.1, completions for bash, zsh and fish,"
echo "$prefix/lib/libcurricle.so, $prefix/include/curricle.h"
