#!/usr/bin/env python3
"""What features are worth: CL-MAE, MAE and an untrained encoder, three seeds each, by every evaluation there is.

    swift build -c release --product curricle
    Benchmarks/learning.py [--runs runs/learning] [--seeds 0,1,2] [--curricle .build/release/curricle]

Pretrains on 4,000 digits by the recipe of docs/RECIPES.md, judges on 1,000 others, and prints the commands and a table. About half an hour
on two cores; what was done in the folder already is not done again.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = "Tests/Fixtures/mnist5k"
PRETRAIN = """pretrain --data {data} --output {run} --image-size 28 --patch-size 4 --channels 3
    --embed-dim 96 --depth 4 --num-heads 4 --decoder-embed-dim 64 --decoder-depth 2 --decoder-num-heads 4
    --batch-size 64 --epochs 20 --blr 8e-3 --warmup-epochs 2 --augment none --mean 0.1307 --std 0.3081 --seed {seed} {masks}"""
KINDS = {"CL-MAE": "", "MAE": "--masking random", "untrained": "--max-steps 0"}
JUDGED = "--weights {run}/model.safetensors --train {data} --test {data} --json"
POOLED = {
    "kNN": "knn --pool {pool} " + JUDGED,
    "ridge": "probe --method ridge --pool {pool} " + JUDGED,
    "LARS": "probe --method lars --pool {pool} --seed {seed} " + JUDGED,
    "5-shot": "fewshot --ways 10 --shots 5 --pool {pool} --seed {seed} " + JUDGED,
}
FINETUNE = "finetune --epochs 20 --blr 8e-3 --layer-decay 0.75 --augment none --seed {seed} " + JUDGED


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default="runs/learning")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--curricle", default=".build/release/curricle")
    options = parser.parse_args()
    runs, seeds = pathlib.Path(options.runs), [int(s) for s in options.seeds.split(",")]
    results = runs / "results.json"
    known = json.loads(results.read_text()) if results.exists() else {}

    def curricle(command, **values):
        words = command.format(data=DATA, **values).split()
        done = subprocess.run([options.curricle] + words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
        return done.stdout.strip().splitlines()

    def accuracy(command, **values):
        key = command.format(data=DATA, **(values | {"run": values["run"].name}))
        if key not in known:
            known[key] = json.loads(curricle(command, **values)[-1])["acc1"]
            results.write_text(json.dumps(known, indent=1))
        return known[key]

    runs.mkdir(parents=True, exist_ok=True)
    columns = [f"{name} {pool}" for name in POOLED for pool in ("cls", "mean")] + ["fine-tuned"]
    rows = {}
    for kind, masks in KINDS.items():
        rows[kind] = {column: [] for column in columns}
        for seed in seeds:
            run = runs.resolve() / f"{kind.lower()}-{seed}"
            print(f"{kind}, seed {seed}", file=sys.stderr)
            # A run that is finished already says so at once.
            curricle(PRETRAIN + (" --resume" if run.exists() else ""), run=run, seed=seed, masks=masks)
            for name, command in POOLED.items():
                for pool in ("cls", "mean"):
                    rows[kind][f"{name} {pool}"].append(accuracy(command, run=run, seed=seed, pool=pool))
            rows[kind]["fine-tuned"].append(accuracy(FINETUNE, run=run, seed=seed))

    print("Commands, RUN for each of " + ", ".join(f"{kind} ({masks or 'as it stands'})" for kind, masks in KINDS.items()) + ":\n")
    for command in [PRETRAIN, *POOLED.values(), FINETUNE]:
        print(
            "    curricle "
            + command.format(data=DATA, run="RUN", seed="SEED", pool="cls|mean", masks="…").replace("\n    ", " \\\n        ")
        )
    print("\n| mean of seeds (each) | " + " | ".join(columns) + " |\n|" + "---|" * (len(columns) + 1))
    for kind, values in rows.items():
        cells = [f"{statistics.mean(v):.3f} ({', '.join(f'{x:.3f}' for x in v)})" for v in values.values()]
        print(f"| {kind} | " + " | ".join(cells) + " |")


main()
