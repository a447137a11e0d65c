#!/usr/bin/env python3
"""Fewer tokens at inference: what is left of the features when only a share of the patches enters the encoder, by each rule of --keep-by.

    swift build -c release --product curricle
    Benchmarks/pruning.py run --sets eurosat,plankton [--seeds 0,1,2] [--runs DIR] [--real64 DIR]     lowest priority, resumable
    Benchmarks/pruning.py table                                                                     of Benchmarks/pruning-results.jsonl
    Benchmarks/pruning.py speed --weights RUN/model.safetensors         programs of 16 images in turn, on a machine that does nothing else

A set's model, recipe and epochs are those of Benchmarks/learning.toml. Features are the mean of the kept tokens; kNN and ridge judge the last
epoch on images that were not trained on. Training features and test features are pruned alike. "random" is the mean of three orders of
patches, each the same for all images: what a rule has to beat.
"""

import argparse
import json
import os
import pathlib
import random
import shlex
import statistics
import subprocess
import sys
import tempfile

from learning import ROOT, Commands, experiments

RESULTS = ROOT / "Benchmarks" / "pruning-results.jsonl"
JUDGES = ("kNN", "ridge")
SHARES = (0.75, 0.5, 0.25)
ORDERS = 3  # of "random"


def rules(run):
    """Options of each rule, by its name; maps and maskers are those of the run."""
    return {
        "grid": "--keep-by grid",
        "contrast": "--keep-by contrast",
        "map of the partner": f"--keep-by map --keep-map {run}/partner.txt",
        "map of the final masker": f"--keep-by map --keep-map {run}/final.txt",
        "map of the final masker, lowest": f"--keep-by map --keep-map {run}/lowest.txt",
        "partner": f"--keep-by masker --keep-masker {run}/partner.safetensors",
        "final masker": f"--keep-by masker --keep-masker {run}/model.safetensors",
        **{f"random {i}": f"--keep-by map --keep-map {run}/random{i}.txt" for i in range(ORDERS)},
    }


def call(curricle, words):
    done = subprocess.run([curricle, *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"curricle {shlex.join(words)} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout


def write_maps(curricle, run, data):
    """Orders of patches: of both maskers, the final one's turned round, and random ones."""
    for name, weights in (("final", "model"), ("partner", "partner")):
        drawn = f"masks --weights {run}/{weights}.safetensors --data {data} --split train --images 8 -o {run}/{name}.png --map {run}/{name}.txt"
        call(curricle, drawn.split())
    order = [float(x) for x in (run / "final.txt").read_text().split()]
    (run / "lowest.txt").write_text("\n".join(str(-x) for x in order))
    for i in range(ORDERS):
        numbers = random.Random(i)
        (run / f"random{i}.txt").write_text("\n".join(str(numbers.random()) for _ in order))


def key_of(name, seed, rule, share, judge):
    """What a result is known by."""
    return f"{name} {seed} {rule} {share} {judge}"


def result(name, seed, rule, share, judge, accuracy):
    """A line of the results."""
    key = key_of(name, seed, rule, share, judge)
    return {"key": key, "set": name, "seed": seed, "rule": rule, "keep": share, "judge": judge, "acc1": accuracy}


def prune(options, plan, name, seed, known):
    setting, run = plan["sets"][name], pathlib.Path(options.runs).resolve() / f"{name}-{seed}"
    commands = Commands(setting)
    data = commands.data(options.real64, "")
    jobs = [("all", 1.0, "")] + [(rule, share, f"--keep {share} {how}") for share in SHARES for rule, how in rules(run).items()]
    jobs = [(rule, share, how, judge) for rule, share, how in jobs for judge in JUDGES]
    jobs = [(rule, share, how, judge) for rule, share, how, judge in jobs if key_of(name, seed, rule, share, judge) not in known]
    if not jobs:
        return
    if not (run / "done").exists():
        resume = ["--resume"] if any(run.glob("state-*")) else []
        call(options.curricle, commands.train(setting["epochs"], seed, "").split() + ["--data", data, "--output", str(run), *resume])
        (run / "done").touch()
    write_maps(options.curricle, run, data)
    for rule, share, how, judge in jobs:
        words = Commands(setting, plan["judges"][judge]).judge("mean", "", options.real64, f"--weights {run}/model.safetensors", seed)
        found = json.loads(call(options.curricle, words.split() + how.split()).strip().splitlines()[-1])
        row = result(name, seed, rule, share, judge, found["acc1"])
        with RESULTS.open("a") as file:
            file.write(json.dumps(row) + "\n")


def table(rows):
    """Accuracies in per cent: the mean over the seeds that a rule was judged with."""
    found = {}
    for r in rows:
        rule = "random" if r["rule"].startswith("random") else r["rule"]
        found.setdefault((r["set"], r["judge"]), {}).setdefault(rule, {}).setdefault(r["keep"], {}).setdefault(r["seed"], []).append(r["acc1"])
    for (name, judge), by_rule in found.items():
        seeds = sorted(by_rule["all"][1.0])
        everything = 100 * statistics.mean(sum(by_rule["all"][1.0].values(), []))
        print(f"\n{name}, {judge}, {f'seeds {seeds}' if len(seeds) > 1 else f'seed {seeds[0]}'}: all tokens {everything:.1f}\n")
        print("| rule | " + " | ".join(f"{share:g} kept" for share in SHARES) + " |\n" + "|---" * (1 + len(SHARES)) + "|")
        for rule in [rule for rule in by_rule if rule != "all"]:
            cells = [sum(by_rule[rule].get(share, {}).values(), []) for share in SHARES]
            print(f"| {rule} | " + " | ".join(f"{100 * statistics.mean(c):.1f}" if c else "" for c in cells) + " |")


def speed(options):
    """Time of all tokens' program over each rule's, in rounds that run all of them: median, least and most. A map costs what the grid does."""
    programs = {}
    with tempfile.TemporaryDirectory() as folder:
        for rule, share in [("", 1.0)] + [(rule, share) for share in SHARES[1:] for rule in ("grid", "contrast", "masker")]:
            how = f"--keep {share} --keep-by {rule}".split() if rule else []
            how += ["--keep-masker", options.weights] if rule == "masker" else []
            programs[rule, share] = f"{folder}/{rule}{share}.curricle"
            call(options.curricle, ["compile", "--weights", options.weights, "--batch", "16", "--pool", "mean", *how, "-o", programs[rule, share]])
        times = {key: [] for key in programs}
        for _ in range(options.rounds):
            for key, file in programs.items():
                times[key].append(json.loads(call(options.curricle, ["bench", "infer", "--program", file, "--json"]))["infer_s"])
    for (rule, share), each in times.items():
        ratios = sorted(a / b for a, b in zip(times["", 1.0], each, strict=True))
        print(f"{rule or 'all'} {share:g}: {statistics.median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["run", "table", "speed"])
    parser.add_argument("--sets", default="eurosat,plankton")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--runs", default="runs/pruning", help="folder of the runs, outside what is committed")
    parser.add_argument("--real64", default="real64", help="folder with eurosat, plankton, … (train.tar, test.tar)")
    parser.add_argument("--curricle", default=str(ROOT / ".build/release/curricle"))
    parser.add_argument("--weights", help="of a run: whose encoder and masker are timed")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    if options.what == "speed":
        speed(options)
        return
    rows = [json.loads(line) for line in RESULTS.read_text().splitlines()] if RESULTS.exists() else []
    if options.what == "table":
        table(rows)
        return
    os.nice(19)
    plan = experiments((ROOT / "Benchmarks" / "learning.toml").read_text())
    for seed in map(int, options.seeds.split(",")):
        for name in options.sets.split(","):
            prune(options, plan, name, seed, {r["key"] for r in rows})


if __name__ == "__main__":
    main()
