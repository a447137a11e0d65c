#!/usr/bin/env python3
"""What features are worth: sets x methods x seeds of Benchmarks/learning.toml, judged on images that were not trained on.

    swift build -c release --product curricle
    Benchmarks/learning.py run --sets digits [--methods "CL-MAE,rank"] [--runs DIR] [--real64 DIR]     at the lowest priority, resumable
    Benchmarks/learning.py table --sets digits                                                        tables and paired differences

Each result is a line of Benchmarks/learning-results.jsonl as soon as it is there, with its command, minutes, FLOPs and machine; what has one is
not done again, and a run that was ended goes on with --resume. SIGTERM pauses: the run saves its state, and the next call goes on from it.
The last epoch is judged, never the best. An interval of a difference is two standard errors over pairs of the same seed.
"""

import argparse
import json
import math
import os
import pathlib
import shlex
import signal
import statistics
import subprocess
import sys
import time
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULTS = ROOT / "Benchmarks" / "learning-results.jsonl"


def flops(curricle, setting, options, threads):
    """Of one image, by `curricle plan`; options that a plan has no use for decide no work."""
    planned = [w for name, w in pairs(options) if name in ("--masking", "--masker", "--masker-every")]
    words = setting["model"].split() + sum(planned, []) + ["--batch-size", "64", "--json", "--skip-timing", "--threads", str(threads)]
    plan = json.loads(subprocess.run([curricle, "plan", *words], capture_output=True, text=True, check=True).stdout)
    return (plan["flops_a"] + plan["flops_b"]) / 64


def pairs(options):
    words = options.split()
    return [(words[i], words[i : i + 2]) for i in range(0, len(words) - 1, 2)]


def difference(ours, theirs):
    """Mean and two standard errors of paired differences; infinite for a single pair."""
    d = [a - b for a, b in zip(ours, theirs, strict=True)]
    error = statistics.stdev(d) / math.sqrt(len(d)) if len(d) > 1 else math.inf
    return statistics.mean(d), 2 * error


def self_test():
    mean, interval = difference([0.5, 0.7, 0.9], [0.4, 0.5, 0.6])  # 0.1, 0.2, 0.3: deviation 0.1
    assert abs(mean - 0.2) < 1e-12 and abs(interval - 0.2 / math.sqrt(3)) < 1e-12
    assert difference([1.0], [0.5]) == (0.5, math.inf)
    assert pairs("--a 1 --b 2") == [("--a", ["--a", "1"]), ("--b", ["--b", "2"])]


class Runner:
    def __init__(self, plan, options):
        self.plan, self.options = plan, options
        self.runs = pathlib.Path(options.runs).resolve()
        self.known = {r["key"]: r for r in map(json.loads, RESULTS.read_text().splitlines())} if RESULTS.exists() else {}
        self.child = None

    def call(self, words):
        """The command's output; at the lowest priority, and paused with us."""
        started = time.monotonic()
        self.child = subprocess.Popen([self.options.curricle, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = self.child.communicate()
        code, self.child = self.child.returncode, None
        if code:
            sys.exit(f"curricle {shlex.join(words)} ended with {code}: {err.strip()[-500:]}")
        return out, (time.monotonic() - started) / 60

    def pause(self, *_):
        if self.child:
            self.child.send_signal(signal.SIGTERM)
            self.child.wait()
        sys.exit("paused: the same command goes on")

    def keep(self, key, **row):
        self.known[key] = {"key": key, **row}
        with RESULTS.open("a") as file:
            file.write(json.dumps(self.known[key]) + "\n")

    def run(self, name, method_name, seed):
        setting, method = self.plan["sets"][name], self.plan["methods"][method_name]
        epochs = setting["epochs"]
        of = {m: flops(self.options.curricle, setting, self.plan["methods"][m]["options"], 1) for m in {method_name, method.get("flops_of", method_name)}}
        if "flops_of" in method:
            epochs = round(epochs * of[method["flops_of"]] / of[method_name])
        data = setting["data"].format(real64=self.options.real64)
        shown = setting["data"].format(real64="REAL64")
        train = f"pretrain --epochs {epochs} --warmup-epochs {epochs / 10:g} {setting['model']} {setting['recipe']} --seed {seed} {method['options']}".strip()
        key = f"{train} --data {shown}"
        run = self.runs / f"{name}-{method_name.replace(' ', '-').replace(',', '')}-{seed}"
        if method_name in ("pixels", "colour", "untrained"):
            epochs = 0
        judged = [(j, pool) for j in self.plan["judges"] for pool in ([method["pool"]] if "pool" in method else ["cls", "mean"])]
        if all(f"{j} {pool}: {key}" in self.known for j, pool in judged):
            return
        print(f"{time.strftime('%H:%M')} {name}, {method_name}, seed {seed}", flush=True)
        minutes = 0
        if not (run / "done").exists():
            words = train.split() + ["--data", data, "--output", str(run)] + (["--resume"] if any(run.glob("state-*")) else [])
            _, minutes = self.call(words)
            (run / "done").write_text(json.dumps(minutes))
        minutes = json.loads((run / "done").read_text())
        epoch_lines = [line for line in map(json.loads, (run / "log.jsonl").read_text().splitlines()) if "time_s" in line]
        for judge, pool in judged:
            words = self.plan["judges"][judge].format(pool=pool, run=run, data=data).split()
            out, _ = self.call(words)
            found = json.loads(out.strip().splitlines()[-1])
            self.keep(
                f"{judge} {pool}: {key}", set=name, method=method_name, seed=seed, judge=judge, pool=pool, acc1=found["acc1"],
                epochs=epochs, minutes=round(minutes, 2), training_minutes=round(sum(line["time_s"] for line in epoch_lines) / 60, 2),
                tflops=round(of[method_name] * setting["images"] * epochs * 1e-12, 2),
                cpu=epoch_lines[-1]["cpu"] if epoch_lines else "", isa=epoch_lines[-1]["isa"] if epoch_lines else "")  # fmt: skip


def table(plan, rows, name):
    methods = [m for m in plan["methods"] if any(r["set"] == name and r["method"] == m for r in rows)]
    setting = plan["sets"][name]
    print(f"Every row: `curricle pretrain --data DATA --output RUN {setting['model']} {setting['recipe']} --epochs E --warmup-epochs E/10 --seed S OPTIONS`, then")
    print(", ".join(f"`curricle {command}`" for command in plan["judges"].values()) + ".\n")
    columns = [(j, p) for j in plan["judges"] for p in ("cls", "mean")]
    print("| method (OPTIONS) | epochs | TFLOP | minutes | " + " | ".join(f"{j}, {p}" for j, p in columns) + " | against CL-MAE (all) | against MAE, same FLOPs |")
    print("|" + "---|" * (6 + len(columns)))
    def values(method, judge, pool):
        found = {r["seed"]: r["acc1"] for r in rows if (r["set"], r["method"], r["judge"]) == (name, method, judge) and r["pool"] in (pool, plan["methods"][method].get("pool"))}
        return [found[s] for s in sorted(found)]
    def cell(v):
        return f"{statistics.mean(v):.3f} ({', '.join(f'{x:.3f}' for x in v)})" if v else ""
    def against(method, other):
        """Of each seed the mean over judges, paired."""
        if method == other or other not in methods:
            return ""
        both = [[values(m, *c) for c in columns] for m in (method, other)]
        if any(len(v) != len(both[1][i]) or not v for i, v in enumerate(both[0])):
            return ""
        seeds = [[statistics.mean(seed) for seed in zip(*v)] for v in both]
        mean, interval = difference(*seeds)
        return f"{100 * mean:+.1f} ± {100 * interval:.1f}"
    for method in methods:
        own = [r for r in rows if (r["set"], r["method"]) == (name, method)]
        runs = {r["seed"]: r for r in own}.values()
        figures = [f"{own[0]['epochs']}", f"{own[0]['tflops']:.1f}", f"{statistics.mean(r['training_minutes'] for r in runs):.1f}"]
        options = plan["methods"][method]["options"]
        print(f"| {method}{f' (`{options}`)' if options and '0' != figures[0] else ''} | " + " | ".join(figures + [cell(values(method, *c)) for c in columns]
              + [against(method, "CL-MAE"), against(method, "MAE, same FLOPs")]) + " |")  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table", "test"])
    parser.add_argument("--sets", default="digits")
    parser.add_argument("--methods", help="some of the file's, by commas and semicolons: A;B")
    parser.add_argument("--runs", default="runs/learning", help="folder of the runs, outside what is committed")
    parser.add_argument("--real64", default="real64", help="folder with eurosat, plankton, … (train.tar, test.tar)")
    parser.add_argument("--curricle", default=str(ROOT / ".build/release/curricle"))
    options = parser.parse_args()
    self_test()
    plan = tomllib.loads((ROOT / "Benchmarks" / "learning.toml").read_text())
    if options.what == "test":
        return
    if options.what == "table":
        rows = list(map(json.loads, RESULTS.read_text().splitlines()))
        for name in options.sets.split(","):
            table(plan, rows, name)
        return
    os.nice(19)
    runner = Runner(plan, options)
    signal.signal(signal.SIGTERM, runner.pause)
    signal.signal(signal.SIGINT, runner.pause)
    # A seed of every method before the next, so that what is there at any time can be compared.
    for seed in plan["seeds"]:
        for name in options.sets.split(","):
            for method in options.methods.split(";") if options.methods else plan["methods"]:
                runner.run(name, method, seed)


if __name__ == "__main__":
    main()
