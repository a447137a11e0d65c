#!/usr/bin/env python3
"""Print one Markdown table of results from several machines.

usage: table.py FILE.json …

Takes files that `curricle bench all --output FILE.json` or compare.py --output wrote, of this machine or others. Where a
machine has several figures of the same row, the newest counts. Figures of different machines, or of one machine on
different days, say little about each other; ratios between runtimes are compare.py's.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

from report import describe, number
from results import newest

PRESETS = ("tiny-p16", "small-p16", "base-p16", "base-p8", "large-p16", "huge-p14")
KINDS = {"step": "Training step", "infer": "Encoder features", "loader": "Loader"}
PRECISIONS = {"f32": "float32", "bf16": "bfloat16"}


def flat(contender: dict) -> dict:
    """A row from a contender of compare.py."""
    row = {key: value for key, value in contender.items() if key not in ("figures", "records", "ratio", "memory_ratio")}
    row |= {key: value["median"] for key, value in contender["figures"].items() if value}
    if not contender.get("ours") and contender.get("kind") == "infer":
        row.pop("peak_share", None)
    row["bench"] = contender["kind"]
    own = contender.get("ours") or contender["kind"] == "kernels" and "isa" in contender
    row["runtime"] = "Curricle" if own else contender["runtime"]
    return row


def rows_of(path: Path) -> list[dict]:
    """The rows of a file, each with its machine and date."""
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"table.py: {path}: {error}") from error
    if "results" in content and "machine" in content:
        extra = {"runtime": "Curricle", "machine": describe(content["machine"]), "date": content.get("date", "")}
        return [row | extra for row in content["results"]]
    if "runs" not in content:
        raise SystemExit(f"table.py: {path}: neither a file of `curricle bench all` nor of compare.py")
    rows = []
    machines = []
    for run in content["runs"]:
        if run["machine"] not in machines:
            machines.append(run["machine"])
    for machine in machines:
        for comparison in newest(content, machine)[1]:
            for contender in comparison["contenders"]:
                row = flat(contender) | {"machine": describe(machine), "date": comparison["date"]}
                if comparison["section"] == "kernels":
                    if row["runtime"] != "Curricle":
                        continue
                    row["ratio"] = comparison["contenders"][1]["ratio"]["median"]
                rows.append(row)
    return rows


def order(row: dict) -> tuple:
    """What sorts a row and tells it from others: preset (its own sizes first), batch, machine, runtime."""
    preset = row.get("preset", "")
    place = PRESETS.index(preset) if preset in PRESETS else len(PRESETS)
    own = int(preset.rpartition("-p")[2]) if "-p" in preset else 0
    image, patch = row.get("image", 224), row.get("patch", own)
    return (place, preset, image != 224 or patch != own, patch, image, row.get("batch", 0), row["machine"], row["runtime"] != "Curricle",
            row["runtime"], row.get("isa", ""), row.get("threads", 0))  # fmt: skip


def unique(rows: list[dict]) -> list[dict]:
    """The newest row of each configuration, runtime and machine, in order."""
    found: dict[tuple, dict] = {}
    for row in sorted(rows, key=lambda r: r["date"]):
        found[order(row)] = row
    return [found[key] for key in sorted(found)]


def configuration(row: dict) -> str:
    """Preset, and the sizes where they are not the preset's own."""
    text = row.get("preset", "")
    if row.get("image", 224) != 224:
        text += f", {row['image']} px"
    if "patch" in row and not text.split(",")[0].endswith(f"-p{row['patch']}"):
        text += f", patch {row['patch']}"
    return text


def shown(row: dict, key: str, digits: int | None = None) -> str:
    value = row.get(key)
    return "" if value is None else number(value) if digits is None else f"{value:.{digits}f}"


def markdown(headings: list[str], rows: list[list[str]], left: int) -> str:
    """A Markdown table without the columns that are empty."""
    full = [i for i in range(len(headings)) if any(row[i] for row in rows)]
    lines = ["| " + " | ".join(headings[i] for i in full) + " |", "|" + "|".join(" --- " if i < left else " ---: " for i in full) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row[i] for i in full) + " |" for row in rows])


def speeds(kind: str, rows: list[dict]) -> str:
    """The table of training steps, of features or of the loader."""
    headings = ["configuration", "machine", "runtime", "ISA", "precision", "batch", "threads", "images/s", "images/s a core", "GFLOP/s",
                "of peak", "share", "peak MB", "date"]  # fmt: skip
    cells = []
    for r in unique(rows):
        cells.append([
            configuration(r), r["machine"], r["runtime"], r.get("isa", ""), PRECISIONS.get(r.get("precision"), r.get("precision", "")),
            str(r.get("batch", "")), str(r.get("threads", "")), shown(r, "img_s"), shown(r, "img_s_per_core"),
            *(("", "", "") if "peak_share" not in r else (shown(r, "gflop_s"), shown(r, "peak_gflop_s"), shown(r, "peak_share", 2))),
            shown(r, "rss_mb").split(".")[0], r["date"][:10],
        ])  # fmt: skip
    return f"## {KINDS[kind]}\n\n" + markdown(headings, cells, 5)


def products(rows: list[dict]) -> str:
    """The table of matrix products: a row a preset and machine, over all shapes."""
    groups: dict[tuple, dict[tuple, dict]] = {}
    for row in sorted(rows, key=lambda r: r["date"]):
        shape = tuple(row[k] for k in ("kernel", "rows", "columns", "depth"))
        groups.setdefault((*order(row), row.get("isa", "")), {})[shape] = row
    cells = []
    for key in sorted(groups):
        found = list(groups[key].values())
        ratios = [r["ratio"] for r in found]
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        r = found[-1]
        cells.append([
            configuration(r), r["machine"], r.get("isa", ""), str(r.get("batch", "")), str(r.get("threads", "")), str(len(found)),
            f"{mean:.2f}", f"{min(ratios):.2f}", f"{min(x['peak_share'] for x in found):.2f}", max(x["date"] for x in found)[:10],
        ])  # fmt: skip
    headings = [
        "configuration",
        "machine",
        "ISA",
        "batch",
        "threads",
        "shapes",
        "ratio to OpenBLAS (mean)",
        "lowest ratio",
        "lowest share of peak",
        "date",
    ]
    return "## Matrix products\n\n" + markdown(headings, cells, 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.json")
    rows = [row for path in parser.parse_args().files for row in rows_of(path)]
    parts = [speeds(kind, found) for kind in KINDS if (found := [r for r in rows if r.get("bench") == kind])]
    if found := [r for r in rows if r.get("bench") == "kernels"]:
        parts.append(products(found))
    print("\n\n".join(parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
