#!/usr/bin/env python3
"""Compare what `curricle plan` predicts with what training takes.

usage: plan_check.py --data FOLDER [--curricle PATH] [--threads N] [--skip-timing] [--precision KIND] [--moments KIND] [--limits | --ranks]

For six configurations from tiny-p16, batch 1, to base-p16, batch 16: the predicted peak memory beside that of
`curricle pretrain` on a folder of images, and the predicted seconds of a step beside those of `curricle bench step`.
--limits: base-p16, batch 8, under ever smaller limits: peak memory beside the limit, and the time of a step against
that of the plain run, the two in turn.
--ranks: under mpirun, the predicted memory of the rank with the most beside that measured, for 1, 2 and 8 groups of gradients.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile

CONFIGURATIONS = [("tiny-p16", 1), ("tiny-p16", 16), ("tiny-p16", 64), ("small-p16", 16), ("base-p16", 8), ("base-p16", 16)]


def measured(command: list[str]) -> int:
    """Runs a command and returns its peak resident memory in bytes."""
    # A launcher speaks to its ranks through files that are open already.
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, close_fds=False)
    error = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed: {error}")
    return usage.ru_maxrss * 1024


def images(folder: str) -> list[str]:
    """The folder's images."""
    found = [os.path.abspath(os.path.join(place, name)) for place, _, names in os.walk(folder) for name in names]
    return sorted(path for path in found if path.lower().endswith((".jpg", ".jpeg", ".png")))


def seconds_a_step(folder: str) -> float:
    """Mean seconds of a step in the last epoch of a run, by its log."""
    with open(f"{folder}/log.jsonl") as log:
        lines = [json.loads(line) for line in log]
    last = [line for line in lines if "time_s" in line][-1]
    steps = sum(1 for line in lines if "lr" in line and line["epoch"] == last["epoch"])
    return last["time_s"] / steps


def limits(options: argparse.Namespace) -> None:
    """The price of a limit on memory."""
    shape = ["--model", "base-p16", "--batch-size", "8", "--norm-pix-loss", "--threads", options.threads]
    plan = json.loads(
        subprocess.run([options.curricle, "plan", *shape, "--skip-timing", "--json"], capture_output=True, text=True, check=True).stdout
    )

    def run(limit: list[str]) -> tuple[float, int]:
        with tempfile.TemporaryDirectory() as folder:
            command = [options.curricle, "pretrain", "--data", options.data, "--output", f"{folder}/run", *shape, "--epochs", "2", *limit]
            resident = measured(command)
            return seconds_a_step(f"{folder}/run"), resident

    print(
        "| limit MB | arena MB of the plain plan's | a second time, of all FLOPs | measured MB | seconds a step | against the plain run |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    for share in (1.0, 0.75, 0.5):
        limit = plan["predicted_rss_bytes"] - int((1 - share) * plan["arena_bytes"])
        flag = [] if share == 1 else ["--memory-limit", str(limit)]
        chosen = json.loads(
            subprocess.run(
                [options.curricle, "plan", *shape, *flag, "--skip-timing", "--json"], capture_output=True, text=True, check=True
            ).stdout
        )
        plain, (seconds, resident) = run([])[0], run(flag)
        flops = chosen["flops_a"] + chosen["flops_b"]
        print(
            f"| {limit / 1e6:.0f} | {chosen['arena_bytes'] / 1e6:.0f} ({chosen['arena_bytes'] / plan['arena_bytes']:.2f}) | "
            f"{1 - (plan['flops_a'] + plan['flops_b']) / flops:.3f} | {resident / 1e6:.0f} | {seconds:.3f} | {seconds / plain:.3f} |",
            flush=True,
        )


def rank_of(folder: str, command: list[str]) -> None:
    """Runs a command as one rank, and leaves its peak resident memory in a file."""
    resident = measured(command)
    with open(f"{folder}/rank-{os.getpid()}", "w") as file:
        file.write(str(resident))


def ranks(options: argparse.Namespace) -> None:
    """Memory a rank."""
    print("| configuration | groups | ranks | implementation | predicted MB | measured MB | ratio |")
    print("| --- | ---: | ---: | --- | ---: | ---: | ---: |")
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_rmaps_base_oversubscribe="1")
    for preset, batch, groups, count in [
        (preset, batch, groups, count)
        for preset, batch in [("tiny-p16", 8), ("base-p16", 2)]
        for groups in [1, 2, 8]
        for count in [1, 2, 4]
        if count <= groups
    ]:
        shape = ["--model", preset, "--batch-size", str(batch), "--threads", "1", "--norm-pix-loss"]
        shape += ["--accum-iter", "8", "--gradient-groups", str(groups)]
        plan = json.loads(
            subprocess.run(
                [options.curricle, "plan", *shape, "--ranks", str(count), "--skip-timing", "--json"], capture_output=True, text=True, check=True
            ).stdout
        )
        for kind in ["openmpi", "mpich"] if count > 1 else ["-"]:
            with tempfile.TemporaryDirectory() as folder:
                os.mkdir(f"{folder}/data")
                for image in images(options.data)[: 16 * batch]:
                    os.symlink(image, f"{folder}/data/{os.path.basename(image)}")
                run = [sys.executable, os.path.abspath(__file__), "--rank-of", folder, "--"]
                run += [options.curricle, "pretrain", "--data", f"{folder}/data", "--output", f"{folder}/run", *shape, "--epochs", "1"]
                launcher = [f"mpirun.{kind}", "-n", str(count)] if count > 1 else []
                subprocess.run([*launcher, *run], env=environment, capture_output=True, check=True)
                found = [int(open(f"{folder}/{name}").read()) for name in os.listdir(folder) if name.startswith("rank-")]
            row = [f"{preset}, batch {batch}", str(groups), str(count), kind, f"{plan['rank_bytes'] / 1e6:.0f}", f"{max(found) / 1e6:.0f}"]
            print("| " + " | ".join([*row, f"{plan['rank_bytes'] / max(found):.3f}"]) + " |", flush=True)


def main() -> None:
    if len(sys.argv) > 4 and sys.argv[1] == "--rank-of":
        return rank_of(sys.argv[2], sys.argv[4:])
    parser = argparse.ArgumentParser(description="Compare what `curricle plan` predicts with what training takes.")
    parser.add_argument("--curricle", default=".build/release/curricle")
    parser.add_argument("--data", required=True, help="folder of images")
    parser.add_argument("--threads", default="2")
    parser.add_argument("--skip-timing", action="store_true")
    parser.add_argument("--precision", default="f32")
    parser.add_argument("--moments", default="f32", help="not timed where it is bf16")
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--ranks", action="store_true")
    options = parser.parse_args()
    if options.ranks:
        return ranks(options)
    if options.limits:
        return limits(options)
    print("| configuration | predicted MB | measured MB | ratio | predicted s a step | measured s | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for preset, batch in CONFIGURATIONS:
        shape = ["--model", preset, "--batch-size", str(batch), "--threads", options.threads, "--norm-pix-loss"]
        timing = ["--skip-timing"] if options.skip_timing else []
        numbers = ["--precision", options.precision, "--moments", options.moments]
        plan = json.loads(
            subprocess.run([options.curricle, "plan", *shape, *numbers, *timing, "--json"], capture_output=True, text=True, check=True).stdout
        )
        with tempfile.TemporaryDirectory() as folder:
            # Two steps or more, and what follows at an epoch's end.
            os.mkdir(f"{folder}/data")
            for image in images(options.data)[: max(16, 2 * batch)]:
                os.symlink(image, f"{folder}/data/{os.path.basename(image)}")
            resident = measured(
                [options.curricle, "pretrain", "--data", f"{folder}/data", "--output", f"{folder}/run", *shape, *numbers, "--epochs", "1"]
            )
        row = [
            f"{preset}, batch {batch}",
            f"{plan['predicted_rss_bytes'] / 1e6:.0f}",
            f"{resident / 1e6:.0f}",
            f"{plan['predicted_rss_bytes'] / resident:.3f}",
        ]
        if not options.skip_timing:
            step = json.loads(
                subprocess.run(
                    [options.curricle, "bench", "step", *shape, *numbers[:2], "--repeats", "5", "--warmup", "1", "--json"],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout
            )
            row += [f"{plan['predicted_step_s']:.3f}", f"{step['step_s']:.3f}", f"{plan['predicted_step_s'] / step['step_s']:.3f}"]
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
