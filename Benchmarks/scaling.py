#!/usr/bin/env python3
"""Time two ranks beside two processes that know nothing of each other, and beside what `curricle plan --ranks 2` says.

usage: scaling.py [--curricle PATH] [--kind openmpi|mpich] [--rounds N] [--rates memory,10gbit,1gbit,100mbit] [--presets tiny-p16:16,…]

Each rank has one thread. Rates other than `memory` are of the cable between two hosts of this machine (tools/two_hosts.sh: root). A line of the
table is medians of rounds, in each of which the contenders come one after another; `plan` is told what `bench exchange` measured just before.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile

HOSTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools", "two_hosts.sh")


def lines(command: list[str]) -> list[dict]:
    """The JSON lines that a command prints."""
    environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_hwloc_base_binding_policy="none")
    text = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=900).stdout
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def both(command: list[str]) -> float:
    """Two of a command at once: the mean of their seconds an update."""
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(2)]
    return statistics.mean(json.loads(process.communicate()[0].splitlines()[-1])["update_s"] for process in running)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time two ranks beside two processes and beside the plan.")
    parser.add_argument("--curricle", default=".build/release/curricle")
    parser.add_argument("--kind", default="openmpi")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rates", default="memory,10gbit,1gbit,100mbit")
    parser.add_argument("--presets", default="tiny-p16:16,small-p16:16")
    options = parser.parse_args()
    curricle = os.path.realpath(options.curricle)
    print("| preset, batch | between ranks | GB/s | alone s | two ranks s | alone over ranks | waited s | plan s | plan over measured | the same, batches as long as alone | plan waits s |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for rate in options.rates.split(","):
        if rate == "memory":
            launch = [f"mpirun.{options.kind}", "-n", "2"]
        else:
            subprocess.run([HOSTS, "down"], check=False, capture_output=True)
            subprocess.run([HOSTS, "up", rate], check=True)
            launch = [HOSTS, "run", options.kind]
        for preset, batch in (entry.split(":") for entry in options.presets.split(",")):
            shape = ["--model", preset, "--batch-size", batch, "--norm-pix-loss"]
            step = [curricle, "bench", "step", *shape, "--threads", "1", "--repeats", "3", "--warmup", "1", "--json"]
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                network = lines([*launch, curricle, "bench", "exchange", "--repeats", "5", "--json"])[-1]
                json.dump(network, file)
                file.flush()
                found = []
                for _ in range(options.rounds):
                    alone, ranks = both([*step, "--accum-iter", "1"]), lines([*launch, *step])[-1]
                    plan = lines([curricle, "plan", *shape, "--threads", "1", "--ranks", "2", "--network", file.name, "--json"])[-1]
                    update, planned = ranks["update_s"], plan["update_s"]
                    exact = (planned - plan["batch_s"] + alone) / update
                    found.append((alone, update, alone / update, ranks["waited_s"], planned, planned / update, exact, plan["exposed_s"]))
            alone, update, ratio, waited, planned, accuracy, exact, exposed = (statistics.median(column) for column in zip(*found))
            print(
                f"| {preset}, {batch} | {rate} | {network['bytes_s'] / 1e9:.3f} | {alone:.3f} | {update:.3f} | {ratio:.3f} | {waited:.3f} | "
                f"{planned:.3f} | {accuracy:.2f} | {exact:.2f} | {exposed:.3f} |",
                flush=True,
            )
    subprocess.run([HOSTS, "down"], check=False, capture_output=True)


if __name__ == "__main__":
    main()
