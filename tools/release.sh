#!/usr/bin/env bash
# Makes a release in one go: the source archive, the Python wheel, Debian's packages, and the checksums of all.
#   tools/release.sh [FOLDER] [CURRICLE]     default dist; CURRICLE: the command of an earlier build with Swift's libraries inside
# The version stands once, in CSupport/include/curricle.h; CHANGELOG.md must have it. From the same commit come the same bytes: times are the
# commit's, and what is packed is sorted.
set -euo pipefail
cd "$(dirname "$0")/.."
dist=$(realpath -m "${1:-dist}")
part() { sed -n "s/.define CURRICLE_VERSION_$1 //p" CSupport/include/curricle.h; }
version=$(part MAJOR).$(part MINOR)
fail() { echo "release: $1" >&2; exit 2; }
[ -z "$(git status --porcelain)" ] || fail "the work tree has changes: commit them, so that the release is of a commit"
grep -q "^## $version\b" CHANGELOG.md || fail "CHANGELOG.md has no section for $version"
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
# Built in a folder of one name, whatever folder this is and whoever builds: what the compiler makes of it goes by that name.
source=/tmp/curricle-$version-source
if [ $# -ge 2 ]; then
    command=$2
else
    mkdir -m 700 "$source" 2> /dev/null || fail "$source is there already: remove it, if nobody else is making a release"
    trap 'rm -rf "$source"' EXIT
    git clone -q . "$source"
    command=$source/$("$source/tools/static_command.sh")
fi
told=$("$command" --version | cut -d' ' -f2)
[ "$told" = "$version" ] || fail "the command is of version $told, the header of $version"
rm -rf "$dist"
mkdir -p "$dist"
git archive --format=tar --prefix="curricle-$version/" HEAD | gzip -n -9 > "$dist/curricle-$version.tar.gz"
tools/setup.sh --mpi debhelper dpkg-dev >&2
tools/make_wheel.sh "$dist" "$command"
tools/make_deb.sh "$dist" "$command"
(cd "$dist" && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum > SHA256SUMS && cat SHA256SUMS)
echo "release $version of $(git rev-parse --short HEAD): tag it v$version"
