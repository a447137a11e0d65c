"""The command that the package brings along."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


class CurricleError(Exception):
    """What the command or the library refuses, in its own words: they name the file or option and what to do."""


def command() -> str:
    """Path of the ``curricle`` command: ``$CURRICLE_COMMAND``, or the package's own."""
    return os.environ.get("CURRICLE_COMMAND") or str(Path(__file__).parent / "bin" / "curricle")


def run_command(*words: str) -> str:
    """Runs ``curricle WORDS…`` to its end.

    Returns:
        What it prints to standard output.

    Raises:
        CurricleError: with its message, where it ends with another code than 0.
    """
    done = subprocess.run([command(), *words], capture_output=True, text=True, errors="surrogateescape")
    if done.returncode != 0:
        raise CurricleError(message(done.stderr) or f"curricle {words[0]} ended with {done.returncode}")
    return done.stdout


def message(stderr: str) -> str:
    """The last line that the command complains with."""
    lines = [line for line in stderr.splitlines() if line.startswith("curricle: ")]
    return lines[-1][len("curricle: ") :] if lines else stderr.strip()


def main() -> int:
    """The ``curricle`` on the path: becomes the command."""
    os.execv(command(), [command(), *sys.argv[1:]])
