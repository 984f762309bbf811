"""A stage runs once: what it cost is kept beside what it left, and a killed run goes on after it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Facts = dict[str, Any]
DONE = "done.json"


class StageFailed(Exception):
    """A stage that ended early, with where its log is."""


class Run:
    """The stages of one run, each in a folder of its own.

    Args:
        folder: where those folders are.
        key: what all of them depend on; a stage that was done with another one is done again.
        say: where a line for each stage goes.
    """

    def __init__(self, folder: Path, key: Facts, say: Callable[[str], None] = print) -> None:
        self.folder, self.key, self.say = folder, key, say

    def stage(self, name: str, settings: Facts, work: Callable[[Path], Facts | None]) -> Facts:
        """Do a stage, unless it was done with the same key and settings; what it found, and what it cost.

        Args:
            name: of the stage and its folder.
            settings: what decides its result, as JSON.
            work: does it in an empty folder, and returns what it found.
        """
        folder = self.folder / name
        asked = json.loads(json.dumps({"key": self.key, "settings": settings}))
        done = folder / DONE
        if done.is_file() and (kept := json.loads(done.read_text(encoding="utf-8")))["asked"] == asked:
            self.say(f"{name}: done before")
            return dict(kept["found"])
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        self.say(f"{name}: begins")
        before, began = processor_seconds(), time.monotonic()
        found = work(folder) or {}
        found["seconds"] = round(time.monotonic() - began, 1)
        found["cpu_seconds"] = round(processor_seconds() - before, 1)
        # Written last and at once: a stage that was killed has none.
        (folder / "done.part").write_text(json.dumps({"asked": asked, "found": found}), encoding="utf-8")
        (folder / "done.part").rename(done)
        self.say(f"{name}: {found['seconds']:.0f} s")
        return found


def processor_seconds() -> float:
    """What processes that ended have used of all cores: this one's children, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def command(arguments: list[str], folder: Path, variables: dict[str, str], log: str = "log.txt") -> int:
    """Run a program to its end; the most memory that one of its processes had, in MB.

    Raises:
        StageFailed: its exit status was not 0.
    """
    path = folder / log
    with path.open("w") as output:
        process = subprocess.Popen(
            arguments, cwd=folder, env=variables, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
        )
        peak = wait(process)
    if process.returncode:
        raise StageFailed(f"{' '.join(arguments[:3])} ended with {process.returncode}: {path.read_text()[-3000:]}")
    return peak


def wait(process: subprocess.Popen[Any]) -> int:
    """Wait for a process; the most memory that it, or one that it started, had, in MB."""
    try:
        _, status, used = os.wait4(process.pid, 0)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_maxrss // 1024
