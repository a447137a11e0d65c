"""Runs the contenders of a comparison in turn and sums up what they report."""

from __future__ import annotations

import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
# What a record may hold that is summed up over the rounds.
FIGURES = ("img_s", "img_s_per_core", "core_share", "gflop_s", "peak_gflop_s", "peak_share", "rss_mb", "arena_mb", "first_step_s",
           "stream_gb_s", "beyond_l3_mb", "roofline_share", "others_share", "steal_share")  # fmt: skip
# Settings of other runs that would change the thread counts of a contender behind the command's back.
FOREIGN_SETTINGS = ("OMP_", "KMP_", "GOMP_", "MKL_", "OPENBLAS_")


@dataclass(frozen=True)
class Contender:
    """One command whose last line of output is a JSON record.

    The command's first word is ``curricle`` or ``python``; the paths in it are relative to the repository.
    """

    runtime: str
    command: tuple[str, ...]
    setting: dict = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Comparison:
    """Contenders that are run in turn; ratios are the first one's figure over each other's."""

    section: str
    title: str
    contenders: tuple[Contender, ...]
    metric: str = "img_s"


class Failure(Exception):
    """A contender did not report."""


class Runner:
    """Runs commands with the executables of this machine."""

    def __init__(self, curricle: str, python: str | None, timeout: float):
        self.executables = {"curricle": curricle, "python": python}
        self.timeout = timeout

    def records(self, command: tuple[str, ...]) -> list[dict]:
        """Every JSON object that a command prints."""
        executable = self.executables[command[0]]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN_SETTINGS)}
        try:
            done = subprocess.run([executable, *command[1:]], cwd=REPOSITORY, env=environment, capture_output=True,
                                  text=True, timeout=self.timeout)  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Failure(str(error)) from error
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise Failure(f"exit code {done.returncode}: {said[:300]}")
        try:
            found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        except ValueError as error:
            raise Failure(f"its output is not JSON: {error}") from error
        if not found:
            raise Failure("it printed no JSON object")
        return found


def spread(values: list[float]) -> dict | None:
    """Median, least and largest of some values."""
    if not values:
        return None
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def share_the_count(subject: dict, other: dict) -> dict:
    """`other` with GFLOP/s and share of the peak, by the subject's count of the work and the subject's peak."""
    if "gflop_s" in other or not {"gflop_s", "img_s", "peak_gflop_s"} <= subject.keys() or "img_s" not in other:
        return other
    rate = subject["gflop_s"] / subject["img_s"] * other["img_s"]
    return other | {"gflop_s": rate, "peak_gflop_s": subject["peak_gflop_s"], "peak_share": rate / subject["peak_gflop_s"]}


def summary(contender: Contender, rounds: dict[int, dict], subject: dict[int, dict], metric: str, own: bool) -> dict:
    """A contender's figures over its rounds, and the subject's ratio to it in the rounds both have."""
    last = rounds[max(rounds)]
    out = {"runtime": contender.runtime, "command": shlex.join(contender.command)} | contender.setting
    out |= {key: last[key] for key in ("mode", "isa", "version", "precision", "kernel", "rows", "columns", "depth", "count") if key in last}
    out["figures"] = {key: spread([r[key] for r in rounds.values() if key in r]) for key in FIGURES if key in last}
    both = [] if own else [i for i in rounds if i in subject and rounds[i].get(metric) and subject[i].get(metric)]
    out["ratio"] = spread([subject[i][metric] / rounds[i][metric] for i in both])
    memory = [subject[i]["rss_mb"] / rounds[i]["rss_mb"] for i in both if rounds[i].get("rss_mb") and "rss_mb" in subject[i]]
    out["memory_ratio"] = spread(memory)
    out["records"] = [rounds[i] for i in sorted(rounds)]
    return out


def now() -> str:
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def run(comparison: Comparison, rounds: int, runner: Runner) -> dict:
    """Runs every contender once a round, in order; one that fails is left out of the rounds that follow."""
    records: dict[str, dict[int, dict]] = {}
    failures: dict[str, str] = {}
    for i in range(rounds):
        for contender in comparison.contenders:
            if contender.runtime in failures:
                continue
            try:
                record = runner.records(contender.command)[-1]
            except Failure as failure:
                failures[contender.runtime] = str(failure)
                say(f"{comparison.title}: {contender.runtime} failed: {failure}")
                continue
            records.setdefault(contender.runtime, {})[i] = record
            say(
                f"round {i + 1} of {rounds}, {comparison.title}, {contender.runtime}: {record.get(comparison.metric, float('nan')):.4g} {comparison.metric}"
            )
    first = comparison.contenders[0].runtime
    subject = records.get(first, {})
    for name, mine in records.items():
        if name != first:
            records[name] = {i: share_the_count(subject[i], r) if i in subject else r for i, r in mine.items()}
    return {
        "section": comparison.section, "title": comparison.title, "metric": comparison.metric, "date": now(), "rounds": rounds,
        "contenders": [summary(c, records[c.runtime], subject, comparison.metric, c.runtime == first) for c in comparison.contenders if c.runtime in records],
        "failures": failures,
    }  # fmt: skip


def run_kernels(comparison: Comparison, rounds: int, runner: Runner) -> list[dict]:
    """`bench kernels` alternates the two libraries itself; each of its shapes becomes a comparison."""
    contender = comparison.contenders[0]
    shapes: dict[tuple, list[dict]] = {}
    failures: dict[str, str] = {}
    for i in range(rounds):
        try:
            for record in runner.records(contender.command):
                shapes.setdefault(tuple(record[k] for k in ("kernel", "rows", "columns", "depth")), []).append(record)
        except Failure as failure:
            failures[contender.runtime] = str(failure)
            say(f"{comparison.title} failed: {failure}")
            break
        say(f"round {i + 1} of {rounds}, {comparison.title}: {len(shapes)} shapes")
    results = []
    for shape, found in shapes.items():
        ours = dict(enumerate(found))
        theirs = {i: {"gflop_s": r["openblas_gflop_s"]} for i, r in ours.items()}
        yardstick = Contender("OpenBLAS", contender.command, contender.setting)
        results.append({
            "section": "kernels", "title": f"{comparison.title}, {shape[0]} {' × '.join(map(str, shape[1:]))}", "metric": "gflop_s",
            "date": now(), "rounds": len(found), "failures": {},
            "contenders": [summary(contender, ours, ours, "gflop_s", True), summary(yardstick, theirs, ours, "gflop_s", False)],
        })  # fmt: skip
    if failures:
        results.append({"section": "kernels", "title": comparison.title, "metric": "gflop_s", "date": now(), "rounds": rounds,
                        "contenders": [], "failures": failures})  # fmt: skip
    return results


@dataclass(frozen=True)
class Machine:
    """What the figures were measured on."""

    cpu: str
    processors: int
    cores: int
    isa: str
    memory_gb: float
    system: str

    @staticmethod
    def this() -> Machine:
        text = Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
        allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
        cores, name, flags = set(), platform.processor() or platform.machine(), set()
        for block in text.strip().split("\n\n"):
            entries = dict((part.strip() for part in line.split(":", 1)) for line in block.splitlines() if ":" in line)
            name = entries.get("model name", name)
            flags |= set(entries.get("flags", "").split())
            if int(entries.get("processor", -1)) in allowed and "core id" in entries:
                cores.add((entries.get("physical id"), entries["core id"]))
        isa = "neon" if platform.machine() in ("aarch64", "arm64") else "baseline"
        if {"avx2", "fma"} <= flags:
            isa = "avx512" if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= flags else "avx2"
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
        return Machine(name, len(allowed), len(cores) or len(allowed), isa, round(memory, 1), f"{platform.system()} {platform.machine()}")

    def as_dict(self) -> dict:
        return asdict(self)


def say(text: str) -> None:
    """A line of progress, on standard error."""
    print(text, file=sys.stderr, flush=True)
