"""Training by the command, and what it leaves in a run's folder."""

from __future__ import annotations

import json
import struct
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
from numpy.typing import NDArray

from ._command import CurricleError, command, message

Progress = Callable[[Dict[str, Any]], None]
_DTYPES = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "I32": np.int32, "I64": np.int64, "U8": np.uint8}


@dataclass(frozen=True)
class Run:
    """A run's folder: log, weights and pictures."""

    folder: Path

    @property
    def model(self) -> Path:
        """The newest weights; of a fine-tuning that was judged, the best epoch's."""
        best = self.folder / "model-best.safetensors"
        return best if best.exists() else self.folder / "model.safetensors"

    @property
    def log(self) -> List[Dict[str, Any]]:
        """A dict a step, and one an epoch (with ``time_s``), as in ``log.jsonl``."""
        with open(self.folder / "log.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]

    @property
    def epochs(self) -> List[Dict[str, Any]]:
        """The epochs' lines of the log."""
        return [line for line in self.log if "time_s" in line]

    @property
    def pictures(self) -> List[Path]:
        """Masks and reconstructions, an epoch each (PNG)."""
        return sorted((self.folder / "pictures").glob("*.png"))

    def weights(self) -> Dict[str, NDArray[Any]]:
        """The weights under the reference's names, read from ``model``."""
        raw = self.model.read_bytes()
        (length,) = struct.unpack("<Q", raw[:8])
        header = json.loads(raw[8 : 8 + length])
        body = raw[8 + length :]
        return {
            name: np.frombuffer(body[slice(*entry["data_offsets"])], _DTYPES[entry["dtype"]]).reshape(entry["shape"]).copy()
            for name, entry in header.items()
            if name != "__metadata__"
        }


def pretrain(data: str, output: str, *, progress: Optional[Progress] = None, **options: object) -> Run:
    """Pretrains a CL-MAE (or with ``masking="random"`` an MAE) on images, without labels.

    Args:
        data: folder, list, tar shards or array of images.
        output: folder of the run, which must not hold one yet unless ``resume=True``.
        progress: called after each step with its line of the log (``step``, ``epoch``, ``loss``, ``lambda_cl`` …), from another thread. An
            exception that it raises ends the run after its step, and is raised here.
        options: any of ``curricle pretrain --help``, with ``_`` for ``-``: ``model="tiny-p16"``, ``batch_size=64``, ``resume=True``.

    Returns:
        The run that has ended.

    Raises:
        CurricleError: the command's own message.
        KeyboardInterrupt: after the state was saved: ``resume=True`` goes on.
    """
    return _run("pretrain", output, progress, {"data": data, **options})


def finetune(
    weights: str, train: str, output: str, *, test: Optional[str] = None, progress: Optional[Progress] = None, **options: object
) -> Run:  # fmt: skip
    """Fine-tunes an encoder with a head on labelled images, judged on ``test`` or on a part of ``train`` (``holdout=0.2``); the rest as
    ``pretrain``'s."""
    return _run("finetune", output, progress, {"weights": weights, "train": train, "test": test, **options})


def _run(name: str, output: str, progress: Optional[Progress], options: Dict[str, object]) -> Run:
    words = [name, "--output", str(output)]
    for key, value in options.items():
        option = f"--{key.replace('_', '-')}"
        words += [option] if value is True else [] if value is False or value is None else [option, str(value)]
    run = Run(Path(output))
    log = run.folder / "log.jsonl"
    seen = log.stat().st_size if options.get("resume") and log.exists() else 0
    process = subprocess.Popen([command(), *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="surrogateescape")
    failure: List[BaseException] = []
    watcher = threading.Thread(target=_follow, args=(log, seen, process, progress, failure), daemon=True)
    if progress:
        watcher.start()
    try:
        _, errors = process.communicate()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    if progress:
        watcher.join()
    if failure:
        raise failure[0]
    if process.returncode == 130:
        raise KeyboardInterrupt(f"interrupted: pretrain(..., output={str(output)!r}, resume=True) goes on")
    if process.returncode != 0:
        raise CurricleError(message(errors) or f"curricle {name} ended with {process.returncode}")
    return run


def _follow(log: Path, seen: int, process: subprocess.Popen[str], progress: Progress, failure: List[BaseException]) -> None:
    """Hands on the log's new lines until the process has ended."""
    rest = b""
    while True:
        ended = process.poll() is not None
        try:
            with open(log, "rb") as file:
                file.seek(seen)
                new = file.read()
        except OSError:
            new = b""
        seen += len(new)
        lines = (rest + new).split(b"\n")
        rest = lines.pop()
        for line in lines:
            entry = json.loads(line)
            if "lr" not in entry:
                continue
            try:
                progress(entry)
            except BaseException as error:  # noqa: BLE001: it is raised where the run was started
                failure.append(error)
                process.terminate()
                return
        if ended:
            return
        time.sleep(0.05)
