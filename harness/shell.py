"""The shells in which a page's console commands run: one that keeps its state, and terminals that stay busy."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class Timeout(Exception):
    """A command did not end, or did not get ready, in time. Its text is what it had printed."""


@dataclass(frozen=True)
class Result:
    """What a command came to: its exit status, and standard output and error as a terminal mixes them."""

    status: int
    output: str


class Shell:
    """A reader's terminal: one bash, so that ``cd``, ``export`` and ``source`` last from command to command.

    Args:
        directory: where it starts.
        environment: its whole environment.
        log: the file that takes what the commands print.
    """

    def __init__(self, directory: Path, environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        self.script = log.with_suffix(".sh")
        log.write_bytes(b"")
        status_read, status_write = os.pipe()
        self.status = status_read
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", 'while read -r line; do eval "$line"; done; exit 0'],
            cwd=directory,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[status_write],
            start_new_session=True,
        )
        self.status_fd = status_write
        os.close(status_write)

    def run(self, command: str, timeout: float) -> Result:
        """Run one command to its end.

        Raises:
            Timeout: it did not end within ``timeout`` seconds.
        """
        self.script.write_text(command + "\n", encoding="utf-8")
        start = self.log.stat().st_size
        # What the command starts must not hold the status pipe: its end says that the shell itself has ended.
        closed = f"{self.status_fd}>&-"
        line = f'. "{self.script}" </dev/null >>"{self.log}" 2>&1 {closed}; echo "$?" >&{self.status_fd}\n'
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return Result(1, "the shell of this page has ended: an earlier command called `exit`")
        ready, _, _ = select.select([self.status], [], [], timeout)
        output = self._since(start)
        if not ready:
            self.close()
            raise Timeout(output)
        answer = os.read(self.status, 64)
        status = int(answer) if answer.strip() else self.process.wait()  # `exit` ended the shell itself
        return Result(status, self._since(start))

    def _since(self, start: int) -> str:
        with self.log.open("rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")

    def close(self) -> None:
        """End the shell and all that it started."""
        stop(self.process)


class Terminal:
    """A terminal of its own in which one command stays running, such as a server."""

    def __init__(self, command: str, directory: Path, environment: Mapping[str, str], log: Path) -> None:
        self.command = command
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-c", command],
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What the command has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait_until(self, ready, timeout: float) -> bool:
        """Wait until ``ready(output)`` holds; False when the command has ended without it.

        Raises:
            Timeout: neither came within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            ended = self.process.poll() is not None
            if ready(self.output):
                return True
            if ended:
                return False
            if time.monotonic() > deadline:
                raise Timeout(self.output)
            time.sleep(0.02)

    def close(self) -> None:
        """End the command and all that it started."""
        stop(self.process)


def stop(process: subprocess.Popen, patience: float = 5.0) -> None:
    """End a process and its group: first as Ctrl-C does, then for good."""
    for number, wait in ((signal.SIGINT, patience), (signal.SIGKILL, patience)):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            continue
    else:
        _wait_for_group(process.pid, patience)
    if process.stdin is not None:
        with contextlib.suppress(BrokenPipeError):  # a line that a shell which has ended never read
            process.stdin.close()
    process.poll()


def _wait_for_group(group: int, patience: float) -> None:
    """Wait until no process of a group that was killed is alive: only then are its ports free."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and _is_alive(group):
        time.sleep(0.01)


def _is_alive(group: int) -> bool:
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            state, _, its_group = entry.read_text().rpartition(")")[2].split()[:3]
            if its_group == str(group) and state != "Z":
                return True
    return False
