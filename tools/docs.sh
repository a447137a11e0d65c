#!/usr/bin/env bash
# Makes the Swift library's documentation, a page a type and the articles, as a static site that any web server can serve. No network, no plugin:
# the toolchain's own docc reads the symbols that the compiler tells of.
#   tools/docs.sh [FOLDER]      default docs-site; then: python3 -m http.server -d docs-site, and open /documentation
set -euo pipefail
cd "$(dirname "$0")/.."
site=$(realpath -m "${1:-docs-site}")
if [ -e "$site" ] && [ ! -d "$site/documentation" ]; then echo "docs: $site is there, and no documentation: name another folder" >&2; exit 2; fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
toolchain=$(dirname "$(realpath "$(command -v swift)")")
[ -x "$toolchain/docc" ] || { echo "docs: $toolchain has no docc: install a toolchain of swift.org, 6.2 or later" >&2; exit 2; }
graphs=$PWD/.build/docs/symbols
mkdir -p "$graphs"
swift build --scratch-path .build/docs --product CurricleTraining \
    -Xswiftc -emit-symbol-graph -Xswiftc -emit-symbol-graph-dir -Xswiftc "$graphs" -Xswiftc -symbol-graph-minimum-access-level -Xswiftc public
for module in Curricle CurricleTraining; do
    mkdir "$work/$module"
    cp "$graphs/$module.symbols.json" "$work/$module/"
    "$toolchain/docc" convert "Sources/$module/$module.docc" --additional-symbol-graph-dir "$work/$module" --output-path "$work/$module.doccarchive" \
        --fallback-display-name "$module" --fallback-bundle-identifier "$module" --transform-for-static-hosting --hosting-base-path / \
        --warnings-as-errors
done
rm -rf "$site"
"$toolchain/docc" merge "$work/Curricle.doccarchive" "$work/CurricleTraining.doccarchive" --synthesized-landing-page-name Curricle --output-path "$site"
echo "documentation: $site/documentation"
