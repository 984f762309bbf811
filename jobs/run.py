"""One job: its files, what solves it, and the verdict."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.live import Zygote

HERE = Path(__file__).resolve().parent
SITE = HERE.parent / "docs" / "_build" / "html"
#: The folder of each job, by its name.
JOBS = {path.parent.name: path.parent for path in sorted(HERE.glob("*/question.txt"))}


@dataclass(frozen=True)
class Outcome:
    """How a job ended: whether the answer is right, what is wrong with it, and how long it took."""

    right: bool
    said: str
    seconds: float


@contextlib.contextmanager
def ready() -> Iterator[dict[str, str]]:
    """The variables that jobs run with: a reader's commands, whose servers start as fast as in the site's tests."""
    with Zygote() as zygote:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        yield os.environ | zygote.env(path) | {"SITE": str(SITE), "COLUMNS": "80"}


def reference(name: str) -> list[str]:
    """The command that does a job by its reference solution."""
    return ["bash", "-eu", str(JOBS[name] / "reference.sh")]


def solve(
    name: str, command: list[str], variables: dict[str, str], limit: float = 1800, keep: Path | None = None
) -> Outcome:
    """Do a job in a new folder.

    Args:
        name: of the job.
        command: what gets the question on its standard input.
        variables: what `ready` gives.
        limit: seconds for the command.
        keep: where the folder is made, to be looked at later.
    """
    with tempfile.TemporaryDirectory(prefix=f"{name}-") as made:
        folder = keep / name if keep else Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        if failed := run([sys.executable, str(JOBS[name] / "start.py")], folder, variables, 120):
            raise RuntimeError(f"{name}: start.py: {failed}")
        question = (JOBS[name] / "question.txt").read_text(encoding="utf-8")
        began = time.monotonic()
        failed = run(command, folder, variables, limit, question)
        seconds = time.monotonic() - began
        wrong = run([sys.executable, str(JOBS[name] / "check.py")], folder, variables, 300)
    return Outcome(not (failed or wrong), failed or wrong, seconds)


def run(command: list[str], folder: Path, variables: dict[str, str], limit: float, given: str = "") -> str:
    """Run a program to its end; the end of what it said if it failed, or nothing."""
    variables = variables | {"PYTHONPATH": str(HERE.parent)} if command[0] == sys.executable else variables
    try:
        done = subprocess.run(
            command, cwd=folder, env=variables, input=given, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {limit:.0f} seconds"
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()[-2000:] or f"status {done.returncode}"
