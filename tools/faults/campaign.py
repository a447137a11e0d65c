"""Campaigns of faults and kills against a built command; tools/faults.sh and tools/kills.sh call it."""

import itertools
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from digits import make_digits

CALLS = ["open", "write", "fsync", "rename", "mmap", "unlink", "opendir", "readdir", "close", "read"]
KINDS = ["EIO", "ENOSPC", "EINTR", "SHORT", "ZERO", "KILL"]
LONGEST = 60  # seconds that a command may take: these take less than one
MODEL = (
    "--image-size 8 --patch-size 2 --channels 1 --embed-dim 16 --depth 1 --num-heads 2 --decoder-embed-dim 16 --decoder-depth 1 "
    "--decoder-num-heads 2 --augment none --mean 0.5 --std 0.5 --batch-size 8 --warmup-epochs 1 --threads 1"
).split()


def log_without_times(path: Path) -> list[str]:
    return [line.split(',"time_s"')[0] for line in path.read_text().splitlines()] if path.exists() else []


@dataclass
class Scenario:
    name: str
    arguments: list[str]
    results: list[str]  # files below the working folder that must come out right
    is_run: bool = False  # goes on with --resume

    def outcome(self, work: Path) -> list[object]:
        found: list[object] = [(work / name).read_bytes() if (work / name).exists() else None for name in self.results]
        return found + ([log_without_times(work / "out/log.jsonl")] if self.is_run else [])


class Campaign:
    def __init__(self, curricle: str, shim: str, folder: Path) -> None:
        self.curricle, self.shim, self.folder = os.path.abspath(curricle), shim, folder
        self.work, self.told = folder / "work", folder / "told"
        self.tries = self.fired = 0
        self.failures: list[str] = []
        self.data, self.run_folder = folder / "data", folder / "run"
        make_digits(self.data, 24)
        self.must("pretrain", "--data", self.data, "--output", self.run_folder, *MODEL, "--epochs", 2)
        self.weights = self.run_folder / "model.safetensors"
        self.must("export", "--weights", self.weights, "--layout", "mae", "-o", folder / "mae.safetensors")

    def must(self, *arguments: object) -> None:
        done = self.command([str(a) for a in arguments])
        if done.returncode != 0:
            sys.exit(f"without a fault: {arguments}: {done.stderr}")

    def command(self, arguments: list[str], **faults: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **({"LD_PRELOAD": self.shim} if faults else {}), **faults}
        return subprocess.run(
            [self.curricle, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LONGEST,
            env=environment,
            stdin=subprocess.DEVNULL,
        )

    def scenarios(self) -> list[Scenario]:
        data, weights, out = str(self.data), str(self.weights), str(self.work / "out")
        pretrain = ["pretrain", "--data", data, "--output", out, *MODEL, "--epochs", "2", "--save-every-steps", "2", "--strict"]
        finetune = [
            "finetune",
            "--weights",
            weights,
            "--train",
            data,
            "--test",
            data + "/t10k-images-idx3-ubyte",
            "--output",
            out,
            "--epochs",
            "2",
            "--batch-size",
            "12",
            "--augment",
            "none",
            "--mixup",
            "0",
            "--cutmix",
            "0",
            "--threads",
            "1",
            "--strict",
        ]
        return [
            Scenario("pretrain", pretrain, ["out/state-000000006.safetensors", "out/model.safetensors"], True),
            Scenario("finetune", finetune, ["out/model.safetensors", "out/model-best.safetensors"], True),
            Scenario(
                "extract",
                ["extract", "--weights", weights, "--data", data, "-o", out + ".npy", "--csv", out + ".csv", "--threads", "1"],
                ["out.npy", "out.csv"],
            ),
            Scenario("report", ["report", str(self.run_folder), "-o", out + ".html"], ["out.html"]),
            Scenario(
                "import",
                [
                    "import",
                    str(self.folder / "mae.safetensors"),
                    "--num-heads",
                    "2",
                    "--decoder-num-heads",
                    "2",
                    "-o",
                    out + ".safetensors",
                ],
                ["out.safetensors"],
            ),
            Scenario("export", ["export", "--weights", weights, "--layout", "timm", "-o", out + ".safetensors"], ["out.safetensors"]),
            Scenario("compile", ["compile", "--weights", weights, "-o", out + ".curricle"], ["out.curricle"]),
        ]

    def fresh(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()

    def reference(self, scenario: Scenario) -> list[object]:
        self.fresh()
        self.must(*scenario.arguments)
        return scenario.outcome(self.work)

    def attempt(self, scenario: Scenario, right: list[object], call: str, kind: str, at: int) -> bool:
        """One fault; false where it did not fire."""
        self.fresh()
        self.told.unlink(missing_ok=True)
        self.tries += 1
        place = f"{scenario.name}: {call} {at} {kind}"
        try:
            done = self.command(
                scenario.arguments,
                FAULT_CALLS=call,
                FAULT_BELOW=str(self.folder),
                FAULT_AT=str(at),
                FAULT_AS=kind,
                FAULT_TOLD=str(self.told),
            )
        except subprocess.TimeoutExpired:
            self.failures.append(f"{place}: hangs")
            return True
        if not self.told.exists():
            return False
        self.fired += 1
        where = self.told.read_text().strip()
        wrong = self.judge(scenario, right, done, kind)
        if wrong:
            self.failures.append(f"{place} ({where}): {wrong}")
        return True

    def judge(self, scenario: Scenario, right: list[object], done: subprocess.CompletedProcess[str], kind: str) -> str | None:
        if done.returncode == 0:
            if scenario.outcome(self.work) == right or scenario.is_run and self.again(scenario) == right:
                return None
            return "exit 0, but what came out is not right"
        if done.returncode != (-signal.SIGKILL if kind == "KILL" else 2):
            return f"exit {done.returncode}: {done.stderr[-300:]}"
        if kind != "KILL" and not re.search(r"^curricle: .+$", done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""):
            return f"no line that says what is wrong: {done.stderr[-300:]}"
        try:
            return None if self.again(scenario) == right else "what comes out after it is not right"
        except RuntimeError as error:
            return f"cannot go on after it: {error}"

    def again(self, scenario: Scenario) -> list[object]:
        """What comes out when the command is given once more, without a fault."""
        resumes = scenario.is_run and (self.work / "out").exists()
        done = self.command(scenario.arguments + (["--resume"] if resumes else []))
        if done.returncode != 0:
            raise RuntimeError(done.stderr[-300:])
        hidden = [str(p) for p in self.work.rglob(".*") if p.name != ".lock"]
        if hidden:
            raise RuntimeError(f"left behind: {hidden}")
        return scenario.outcome(self.work)

    def all_faults(self) -> None:
        for scenario in self.scenarios():
            right, fired, failed = self.reference(scenario), self.fired, len(self.failures)
            for call, kind in itertools.product(CALLS, KINDS):
                if kind in ("SHORT", "ZERO") and call != "write":
                    continue
                at = 1
                while self.attempt(scenario, right, call, kind, at):
                    at += 1
            print(f"{scenario.name}: {self.fired - fired} faults, {len(self.failures) - failed} wrong", flush=True)

    def some_faults(self, seconds: float) -> None:
        chance, end = random.Random(7), time.monotonic() + seconds
        prepared = [(scenario, self.reference(scenario)) for scenario in self.scenarios()]
        while time.monotonic() < end:
            scenario, right = chance.choice(prepared)
            call, kind = chance.choice(CALLS), chance.choice(KINDS[:3] + KINDS[5:])
            self.attempt(scenario, right, call, kind, chance.randint(1, 12))

    def kills(self, wanted: int) -> None:
        """Runs with a state each step, killed and resumed until they end."""
        chance, runs, killed, steps = random.Random(11), 0, 0, 30
        base = ["pretrain", "--data", str(self.data), *MODEL[:-2], "--epochs", "10", "--save-every-steps", "1", "--knn-every", "1"]
        names = [f"out/state-{steps:09d}.safetensors", "out/model.safetensors"]
        scenario = Scenario("kills", [*base, "--output", str(self.work / "out"), "--threads", "1"], names, True)
        started = time.monotonic()
        right = self.reference(scenario)
        whole = time.monotonic() - started
        while killed < wanted:
            self.fresh()
            runs += 1
            while True:
                resumes = (self.work / "out").exists()
                arguments = [*scenario.arguments[:-1], str(chance.randint(1, 3)), *(["--resume"] if resumes else [])]
                process = subprocess.Popen([self.curricle, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                try:
                    _, errors = process.communicate(timeout=chance.uniform(0, 0.6 * whole))
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.communicate()
                    killed += 1
                    continue
                if process.returncode != 0:
                    self.failures.append(f"run {runs} after {killed} kills: exit {process.returncode}: {errors[-300:]}")
                elif scenario.outcome(self.work) != right:
                    self.failures.append(f"run {runs} after {killed} kills: other bits")
                break
        self.tries, self.fired = runs, killed

    def report(self) -> int:
        for failure in self.failures:
            print(failure)
        print(json.dumps({"tries": self.tries, "faults": self.fired, "wrong": len(self.failures)}))
        return 1 if self.failures else 0


def main() -> int:
    curricle, shim, *mode = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="curricle-faults-") as folder:
        campaign = Campaign(curricle, shim, Path(folder).resolve())
        if mode[:1] == ["kills"]:
            campaign.kills(int(mode[1]))
        elif mode and mode[0] != "all":
            campaign.some_faults(float(mode[0]))
        else:
            campaign.all_faults()
        return campaign.report()


sys.exit(main())
