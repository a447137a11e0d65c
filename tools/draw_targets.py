#!/usr/bin/env python3
"""Draws which module imports which, from `swift package describe --type json`, between two marks in ARCHITECTURE.md.

    tools/draw_targets.py            writes the picture
    tools/draw_targets.py --check    says whether it is as it would be drawn (exit code 1 if not)
"""
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- targets: drawn by tools/draw_targets.py -->", "<!-- end of targets -->"


def targets() -> dict[str, set[str]]:
    """Modules of the product, by their folders, with what each depends on."""
    text = subprocess.run(["swift", "package", "describe", "--type", "json"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    described = json.loads(text[text.index("{"):])["targets"]
    folder = {t["name"]: pathlib.Path(t["path"]).name for t in described}
    kept = {
        folder[t["name"]]: {folder[name] for name in t.get("target_dependencies", [])} for t in described if t["type"] in ("library", "executable")
    }
    below: set[str] = set()
    waiting = ["curricle", "Curricle", "CurricleTraining"]
    while waiting:
        name = waiting.pop()
        if name in kept and name not in below:
            below.add(name)
            waiting += kept[name]
    return {name: kept[name] & below for name in below}


def reachable(arrows: dict[str, set[str]], name: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(arrows[name])
    while waiting:
        other = waiting.pop()
        if other not in seen:
            seen.add(other)
            waiting += arrows[other]
    return seen


def picture() -> str:
    """A line a floor, the highest first: a module stands above all that it imports. Behind each, the modules that it imports and that no
    other of its imports brings along."""
    arrows = targets()
    below = {name: reachable(arrows, name) for name in arrows}
    depth: dict[str, int] = {}

    def height(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((height(other) for other in arrows[name]), default=-1)
        return depth[name]

    lines = []
    for floor in range(max(map(height, arrows)), -1, -1):
        entries = []
        for name in sorted(n for n in arrows if depth[n] == floor):
            direct = sorted(o for o in arrows[name] if not any(o in below[other] for other in arrows[name]))
            entries.append(name + (" → " + ", ".join(direct) if direct else ""))
        lines.append(f"{floor:2}  " + "   ·   ".join(entries))
    return "```\n" + "\n".join(lines) + "\n```"


def main() -> int:
    page = PAGE.read_text()
    start, end = page.index(BEGIN) + len(BEGIN), page.index(END)
    drawn = page[:start] + "\n" + picture() + "\n" + page[end:]
    if "--check" in sys.argv[1:]:
        if drawn != page:
            print("ARCHITECTURE.md's picture of targets is stale: run tools/draw_targets.py", file=sys.stderr)
        return int(drawn != page)
    PAGE.write_text(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
