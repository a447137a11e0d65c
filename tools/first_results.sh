#!/usr/bin/env bash
# How long a newcomer waits for a first result, in a system that has nothing but the base: by the command, from Python, from C and from Swift.
#   tools/first_results.sh DIST [TOOLCHAIN]      DIST: what tools/release.sh made; TOOLCHAIN: Swift's folder with usr/bin, which a user has
# As root, with Debian and PyPI at hand. Prints each one's minutes, the first with and the others without what came before.
set -euo pipefail
cd "$(dirname "$0")/.."
dist=$(realpath "$1")
toolchain=$(realpath "${2:-$(dirname "$(realpath "$(command -v swift)")")/../..}")
# shellcheck source=tools/bare_system.sh
. tools/bare_system.sh ""
cp -r "$dist" "$root/dist"
inside sh -c 'mkdir /source && tar xf /dist/curricle-*.tar.gz -C /source --strip-components 1'

timed() {
    local name=$1 started=$SECONDS
    shift
    inside env PIP_ROOT_USER_ACTION=ignore bash -euo pipefail -c "$*" > "$root.told" 2>&1 || { tail -n 20 "$root.told"; echo "$name: failed" >&2; exit 1; }
    tail -n 1 "$root.told"
    printf '%s: %d min %02d\n' "$name" $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60))
}

timed "command: installed, a recipe, pretrained, judged" '
    apt-get install -y -q --no-install-recommends /dist/curricle_*.deb
    cd /root
    curricle quickstart /source/Tests/Fixtures/mnist5k --minutes 1
    curricle pretrain --config quickstart.json --output run
    curricle compile --weights run --pool mean -o encoder.curricle
    curricle knn --weights run --train /source/Tests/Fixtures/mnist5k --test /source/Tests/Fixtures/mnist5k --pool mean'
timed "Python: installed, features of an array" '
    apt-get install -y -q --no-install-recommends python3-venv
    cd /root
    python3 -m venv p
    p/bin/pip install -q /dist/curricle-*.whl
    p/bin/python -c "
import curricle, numpy
encoder = curricle.Encoder(\"/root/run\", pool=\"mean\")
print(encoder.features(numpy.zeros((2, 28, 28, 1), numpy.uint8)).shape)"'
timed "C: installed, compiled, features of a picture" '
    apt-get install -y -q --no-install-recommends gcc libc6-dev /dist/libcurricle1_*.deb /dist/libcurricle-dev_*.deb
    cd /root
    { printf "P5 28 28 255\n"; head -c 784 /dev/zero; } > picture.pgm
    cc /source/CSupport/examples/features.c -o features -lcurricle -lm
    ./features encoder.curricle picture.pgm | wc -w'
mkdir "$root/swift"
mount --bind -o ro "$toolchain" "$root/swift"
timed "Swift: libraries installed, built with the package, features of a folder" '
    export PATH=/swift/usr/bin:$PATH
    cd /source
    apt-get install -y -q --no-install-recommends libc6-dev libstdc++-12-dev libgcc-12-dev binutils git ca-certificates libcurl4 libxml2 libncurses6 libsqlite3-0 tzdata
    tools/setup.sh
    swift run -c release --package-path Examples/Folder FolderFeatures /root/run Tests/Fixtures/mnist5k'
