"""Files of results: those of compare.py, and those of `curricle bench all --output`."""
from __future__ import annotations

import json
import os
from pathlib import Path


def load(path: Path) -> dict:
    """A file of compare.py's runs; an empty one where there is none."""
    if not path.exists():
        return {"runs": []}
    content = json.loads(path.read_text())
    if not isinstance(content, dict) or "runs" not in content:
        raise SystemExit(f"{path}: not a file of compare.py")
    return content


def save(path: Path, content: dict) -> None:
    """Replaces the file at once, so that a run that is stopped leaves the last complete one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(content, indent=1) + "\n")
    os.replace(partial, path)


def newest(content: dict, machine: dict | None = None) -> tuple[dict, list[dict]]:
    """A machine (the newest run's unless given) and the newest comparison of each kind that was made on it."""
    runs = content["runs"]
    if not runs:
        return machine or {}, []
    machine = machine or runs[-1]["machine"]
    found: dict[tuple, dict] = {}
    for run in runs:
        if run["machine"] == machine:
            for comparison in run["comparisons"]:
                threads = comparison["contenders"][0].get("threads") if comparison["contenders"] else None
                found[comparison["section"], comparison["title"], threads] = comparison
    return machine, list(found.values())
