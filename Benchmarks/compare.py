#!/usr/bin/env python3
"""Time Curricle beside its peers, in turn in one run, and report the ratios.

usage: compare.py [--only SECTION …] [--quick] [--output FILE.json] [--markdown FILE.md] [--picture FILE.png]

Makes the peers' virtual environment (peer/.venv) where it is needed and missing. Every round runs Curricle and then
each peer, so that a machine whose speed drifts treats them alike; a ratio is the median of the rounds' ratios. --output
is appended to, and the report shows the newest figures it holds of each row; --render reports it without measuring.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import measure
import plan
import report
import results

HERE = Path(__file__).resolve().parent
FIND_MODULES = "import importlib.util, sys; print(*[m for m in sys.argv[1:] if not importlib.util.find_spec(m)])"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=plan.SECTIONS, default=list(plan.SECTIONS), help="sections to measure (all)")
    parser.add_argument("--preset", nargs="+", default=[], choices=list(plan.BATCHES), help="presets to measure (those of each section)")
    parser.add_argument("--batch-size", type=int, help="images a batch (16; 8 for base)")
    parser.add_argument("--threads", type=int, help="threads of every runtime (physical cores)")
    parser.add_argument("--rounds", type=int, help="times each row is run (3; 1 with --quick)")
    parser.add_argument("--quick", action="store_true", help="one round, the smallest preset, few repeats")
    parser.add_argument("--output", type=Path, metavar="FILE.json", help="append the results to this file")
    parser.add_argument("--markdown", type=Path, metavar="FILE.md", help="write the tables as Markdown")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="draw the results (.png, .svg or .pdf)")
    parser.add_argument("--render", action="store_true", help="measure nothing: report what --output holds")
    parser.add_argument("--list", action="store_true", help="measure nothing: print the commands of the plan")
    parser.add_argument("--curricle", default=str(HERE.parent / ".build/release/curricle"), help="the command to measure")
    parser.add_argument("--python", help="interpreter of an environment that peer/setup.sh made")
    parser.add_argument("--data", help="folder of JPEG images for the loader (generated)")
    parser.add_argument("--timeout", type=float, default=3600, help="seconds that a command may take (3600)")
    options = parser.parse_args()
    if options.render and not options.output:
        parser.error("--render reads the file that --output names")
    for name in ("rounds", "threads", "batch_size"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')} is at least 1")
    return options


def missing(python: str, modules: list[str]) -> list[str]:
    """Those of `modules` that an interpreter does not find."""
    done = subprocess.run([python, "-c", FIND_MODULES, *modules], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"compare.py: {python} does not run: {done.stderr.strip()}")
    return done.stdout.split()


def environment(given: str | None, modules: list[str]) -> str | None:
    """An interpreter with `modules`: the one given, or that of peer/.venv, which is made where it is missing."""
    if not modules:
        return given
    if given:
        # Not resolved: a virtual environment's interpreter is a link whose own place is what makes it one.
        python = shutil.which(given) or given
        python = os.path.abspath(python)
        if not os.path.exists(python):
            raise SystemExit(f"compare.py: no interpreter {given}")
        absent = missing(python, modules)
        if absent:
            raise SystemExit(f"compare.py: {given} lacks {', '.join(absent)}; see Benchmarks/peer/requirements.txt")
        return python
    python = str(HERE / "peer/.venv/bin/python")
    if not os.path.exists(python) or missing(python, modules):
        measure.say("making the peers' environment, peer/.venv")
        subprocess.run([str(HERE / "peer/setup.sh"), str(HERE / "peer/.venv")], check=True, stdout=sys.stderr)
    return python


def prepare_images(options: argparse.Namespace, python: str | None) -> str:
    """The loader's folder, made where none is given."""
    if options.data:
        return os.path.abspath(options.data)
    count = "64" if options.quick else "512"
    folder = f"{plan.LOADER_FOLDER}-{count}"
    subprocess.run(
        [str(python), str(HERE / "loader_peer.py"), "--data", folder, "--make", count], cwd=HERE.parent, check=True, stdout=sys.stderr
    )
    return folder


def warn_if_busy() -> None:
    """Says so where other programs are running."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0
    if load > 0.5:
        measure.say(f"the load is {load:.1f}: figures of a machine that is not quiet do not count")


def measured(options: argparse.Namespace, python: str | None) -> dict:
    """Runs the plan; the file of --output grows by every comparison that is finished."""
    machine = measure.Machine.this()
    data = prepare_images(options, python) if "loader" in options.only and not options.list else plan.LOADER_FOLDER
    chosen = plan.Options(machine, options.threads or machine.cores, options.quick, tuple(options.preset), options.batch_size, data)
    comparisons = [c for section in plan.SECTIONS if section in options.only for c in plan.plan(section, chosen)]
    if options.list:
        for comparison in comparisons:
            print(f"# {report.HEADINGS[comparison.section]}: {comparison.title}")
            print("\n".join(" ".join(c.command) for c in comparison.contenders))
        raise SystemExit(0)
    curricle = shutil.which(options.curricle)
    if not curricle:
        raise SystemExit(f"compare.py: no command {options.curricle}; swift build -c release --product curricle makes it")
    runner = measure.Runner(os.path.abspath(curricle), python, options.timeout)
    content = results.load(options.output) if options.output else {"runs": []}
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    run = {"machine": machine.as_dict(), "date": measure.now(), "load": load, "comparisons": []}
    content["runs"].append(run)
    warn_if_busy()
    rounds = options.rounds or (1 if options.quick else 3)
    for comparison in comparisons:
        if comparison.section == "kernels":
            run["comparisons"] += measure.run_kernels(comparison, rounds, runner)
        else:
            run["comparisons"].append(measure.run(comparison, rounds, runner))
        if options.output:
            results.save(options.output, content)
    return content


def main() -> int:
    options = parse()
    modules = [] if options.render or options.list else [m for s in options.only for m in plan.MODULES.get(s, ())]
    modules += ["matplotlib"] if options.picture else []
    python = environment(options.python, sorted(set(modules)))
    content = results.load(options.output) if options.render else measured(options, python)
    if not content["runs"]:
        raise SystemExit("compare.py: no results")

    machine, comparisons = results.newest(content)
    if options.render:
        comparisons = [c for c in comparisons if c["section"] in options.only]
    else:
        print("\n\n".join(t.text() for t in report.tables(content["runs"][-1]["comparisons"])))
    if options.render and not options.markdown and not options.picture:
        print("\n\n".join(t.text() for t in report.tables(comparisons)))
    if options.markdown:
        options.markdown.write_text(report.markdown(machine, comparisons))
        measure.say(f"wrote {options.markdown}")
    if options.picture:
        source = options.output or options.picture.with_suffix(".json")
        if not options.output:
            results.save(source, content)
        subprocess.run([str(python), str(HERE / "picture.py"), str(source), str(options.picture)], check=True)
    failed = any(c["failures"] for c in (comparisons if options.render else content["runs"][-1]["comparisons"]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
