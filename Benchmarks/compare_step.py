#!/usr/bin/env python3
"""Times a joint training iteration of Curricle and of the PyTorch peer in turn, and prints the ratios.

usage: compare_step.py [--preset tiny-p16] [--batch-size 16] [--threads 2] [--rounds 3] [--modes eager sdpa]
                       [--curricle PATH] [--python PATH]

Both compute the same iteration (step A and its update, step B and its update; 224 px, patch 16, mask ratio 0.75,
normalised targets). They alternate, so that a machine whose speed drifts treats them alike; medians of the rounds count.
`--python` is the interpreter of an environment made by peer/setup.sh.
"""
import argparse
import json
import statistics
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent


def run(command: list[str]) -> dict:
    """The last line of a command's output, which is a JSON object."""
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return json.loads(out.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny-p16")
    parser.add_argument("--batch-size", default="16")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--modes", nargs="+", default=["eager", "sdpa"])
    parser.add_argument("--curricle", default=str(HERE.parent / ".build/release/curricle"))
    parser.add_argument("--python", default=str(HERE / "peer/.venv/bin/python"))
    o = parser.parse_args()

    ours = [o.curricle, "bench", "step", "--model", o.preset, "--batch-size", o.batch_size, "--threads", o.threads, "--norm-pix-loss", "--repeats", "5", "--json"]
    peers = {m: [o.python, str(HERE / "peer/step.py"), "--preset", o.preset, "--batch-size", o.batch_size, "--threads", o.threads, "--mode", m, "--repeats", "3", "--warmup", "1", "--json"] for m in o.modes}
    own: list[dict] = []
    others: dict[str, list[dict]] = {m: [] for m in o.modes}
    for _ in range(o.rounds):
        own.append(run(ours))
        for mode, command in peers.items():
            others[mode].append(run(command))

    median = lambda rows, field: statistics.median(r[field] for r in rows)
    print(f"{o.preset}, batch {o.batch_size}, {o.threads} threads, f32, median of {o.rounds} rounds in turn")
    print(f"{'':18} {'images/s':>9} {'peak MB':>8} {'ratio':>6}")
    print(f"{'Curricle ' + own[0]['isa']:18} {median(own, 'img_s'):9.2f} {median(own, 'rss_mb'):8.0f}        {median(own, 'peak_share'):.3f} of {median(own, 'peak_gflop_s'):.0f} GFLOP/s")
    for mode, rows in others.items():
        print(f"{'PyTorch ' + mode:18} {median(rows, 'img_s'):9.2f} {median(rows, 'rss_mb'):8.0f} {median(own, 'img_s') / median(rows, 'img_s'):6.2f}")


if __name__ == "__main__":
    main()
