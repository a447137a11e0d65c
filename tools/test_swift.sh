#!/usr/bin/env bash
# The Swift library as a package that depends on it meets it: the examples are built and run, and what they compute is the command's.
# Usage: tools/test_swift.sh [CURRICLE] [--long]     short: all three as one package; --long: each as it stands, and by a version's tag too
set -euo pipefail
cd "$(dirname "$0")/.."
curricle=$(realpath -m "${1:-.build/release/curricle}")
if [ ! -x "$curricle" ]; then swift build -c release --product curricle; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$PWD

# One package of all three, so that what they depend on is built once.
mkdir -p "$work/all/Sources"
for example in Folder/Sources/FolderFeatures Pixels/Sources/PixelFeatures Pretraining/Sources/Pretrain; do cp -r "Examples/$example" "$work/all/Sources/"; done
cat > "$work/all/Package.swift" <<SWIFT
// swift-tools-version: 6.2
import PackageDescription
let products: [Target.Dependency] = [.product(name: "Curricle", package: "Curricle"), .product(name: "CurricleTraining", package: "Curricle")]
// Modules of one's own may be named as our folders are.
let own = [$(ls -d Sources/[A-Z]* | sed 's#Sources/#"#; s#$#",#' | grep -v '"Curricle' | tr '\n' ' ')]
let package = Package(
    name: "All", dependencies: [.package(name: "Curricle", path: "$root")],
    targets: own.map { .target(name: \$0) }
        + ["FolderFeatures", "PixelFeatures", "Pretrain"].map {
            .executableTarget(name: \$0, dependencies: products + own.map { .target(name: \$0) })
        })
SWIFT
for folder in Sources/[A-Z]*; do
    name=$(basename "$folder")
    case $name in Curricle*) ;; *) mkdir "$work/all/Sources/$name" && echo "let own = \"$name\"" > "$work/all/Sources/$name/Own.swift" ;; esac
done
swift build --package-path "$work/all" -c release --scratch-path .build/examples
built=$(swift build --package-path "$work/all" -c release --scratch-path .build/examples --show-bin-path)

data=Tests/Fixtures/mnist5k
"$built/Pretrain" $data "$work/run"
[ "$("$built/Pretrain" $data "$work/run" | grep -c epoch)" = 0 ] || { echo "a run that is over went on" >&2; exit 1; }
"$built/FolderFeatures" "$work/run" $data | tee "$work/told"
[ "$(grep -c ' is most like ' "$work/told")" = 5 ]
"$built/PixelFeatures" "$work/run" "$work/encoder.curricle"
"$curricle" inspect "$work/encoder.curricle" > /dev/null
# The program that the example wrote gives the bytes that the command's own gives.
"$curricle" compile --weights "$work/run" --pool mean -o "$work/own.curricle" > /dev/null
cmp "$work/encoder.curricle" "$work/own.curricle"
echo "Swift: three examples build and run, beside modules named as our folders; the program that they write is the command's"

if [ "${2:-}" = --long ]; then
    for example in Examples/*/; do swift build --package-path "$example" -c release --scratch-path "$work/scratch-$(basename "$example")"; done
    # By a tag, as from a forge.
    git clone -q . "$work/Curricle"
    git -C "$work/Curricle" tag 99.0.0
    sed "s|.package(name: \"Curricle\", path: \"$root\")|.package(url: \"$work/Curricle\", exact: \"99.0.0\")|" "$work/all/Package.swift" > "$work/tagged"
    mkdir "$work/bytag" && cp -r "$work/all/Sources" "$work/bytag/" && mv "$work/tagged" "$work/bytag/Package.swift"
    swift build --package-path "$work/bytag" -c release --scratch-path "$work/scratch-tag"
    echo "Swift: each example builds alone, and by a version's tag"
fi
