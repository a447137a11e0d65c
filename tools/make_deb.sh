#!/usr/bin/env bash
# Makes Debian packages: curricle, libcurricle1, libcurricle-dev, curricle-openmpi, curricle-mpich.
#   tools/make_deb.sh [FOLDER] [CURRICLE]     default dist; CURRICLE: the command of an earlier build with Swift's libraries inside
# Needs debhelper (tools/setup.sh --mpi debhelper dpkg-dev).
set -euo pipefail
cd "$(dirname "$0")/.."
dist=$(realpath -m "${1:-dist}")
command=$(tools/static_command.sh "${@:2:1}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tree="$work/curricle"
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH)
version=$("$command" --version | cut -d' ' -f2)
date=$(git log -1 --format=%cD 2>/dev/null || date -R)
mkdir -p "$tree/stage/usr/bin" "$dist"
cp -r packaging/debian "$tree/debian"
printf 'curricle (%s) unstable; urgency=medium\n\n  * Release %s.\n\n -- Curricle <curricle@localhost.invalid>  %s\n' "$version" "$version" "$date" > "$tree/debian/changelog"
install -m 755 "$command" "$tree/stage/usr/bin/curricle"
tools/install_manual.sh "$command" "$tree/stage/usr/share"
make -s -C CSupport install DESTDIR="$tree/stage" PREFIX=/usr LIBDIR="/usr/lib/$triplet" BUILD="$work/c"
tools/build_engines.sh "$tree/stage/usr/lib/$triplet/curricle" > /dev/null
(cd "$tree" && SOURCE_DATE_EPOCH=$(date -d "$date" +%s) dpkg-buildpackage -b -us -uc > "$work/log" 2>&1) || { cat "$work/log"; exit 1; }
cp "$work"/*.deb "$dist/"
ls -l "$dist"/*.deb
