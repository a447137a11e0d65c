#!/usr/bin/env bash
# Installs what Curricle builds with, Debian or Ubuntu packages, and those that are named. Does nothing where they are there already.
#   tools/setup.sh [--mpi] [PACKAGE …]     --mpi: both implementations of MPI that Debian has, for runs on several machines
set -euo pipefail
if [ "${1:-}" = --mpi ]; then
    shift
    set -- openmpi-bin libopenmpi-dev mpich libmpich-dev "$@"
fi

need_swift="6.2"
if ! command -v swift >/dev/null; then
    echo "Curricle needs Swift $need_swift or later: install it from swift.org and put it on the PATH." >&2
    exit 2
fi
version=$(swift --version 2>/dev/null | grep -oE 'Swift version [0-9]+\.[0-9]+' | head -n 1 | grep -oE '[0-9]+\.[0-9]+')
if [ "$(printf '%s\n%s\n' "$need_swift" "$version" | sort -V | head -n 1)" != "$need_swift" ]; then
    echo "Curricle needs Swift $need_swift or later; this is Swift $version." >&2
    exit 2
fi

packages=(
    libomp-dev libopenblas0 libturbojpeg0-dev libpng-dev libwebp-dev zlib1g-dev libzip-dev libarchive-dev pkg-config "$@"
)
missing=()
for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing+=("$package")
done
if [ "${#missing[@]}" -gt 0 ]; then
    as_root=""
    if [ "$(id -u)" != 0 ]; then as_root=sudo; fi
    echo "installing ${missing[*]}"
    $as_root apt-get update -qq
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
