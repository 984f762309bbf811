"""The shells in which a page's console commands run: one that keeps its state, and terminals that stay busy."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.apart import Launch, launch

#: The columns of a reader's terminal.
COLUMNS = 80


class Timeout(Exception):
    """A command did not end, or did not get ready, in time. Its text is what it had printed."""


@dataclass(frozen=True)
class FailedPart:
    """A part of a command that failed although the command went on: its line in the command, from 1, and status."""

    line: int
    status: int


@dataclass(frozen=True)
class Result:
    """What a command came to.

    ``status`` is its exit status: of a pipeline, that of its last part that failed. ``output`` is standard output
    and error as a terminal mixes them. ``failed_parts`` are the parts that failed without ending it. ``asked`` says
    whether it read what a reader would have had to type.
    """

    status: int
    output: str
    failed_parts: tuple[FailedPart, ...] = ()
    asked: bool = False


@dataclass(frozen=True)
class FailedJob:
    """A job in the background that has ended with another exit status than success, and the command that began it."""

    command: str
    status: int


@dataclass(frozen=True)
class _Note:
    """What bash notes of a command that fails: where, how many subshells deep, and the lines of the calls around it."""

    status: int
    line: int
    subshell: int
    calls: tuple[int, ...]

    @property
    def depth(self) -> int:
        """How deep it is: 0 for the reading of the whole command, 1 for a part of it, more within a part."""
        return self.subshell + len(self.calls)

    @property
    def place(self) -> int:
        """Its line in the command: of what fails in a function, that of its call, since another command may hold it."""
        return self.calls[-2] if len(self.calls) > 1 else self.line


class Screen:
    """A terminal as a reader has it: `COLUMNS` wide, and what is written to it goes to ``log``.

    Attributes:
        device: the path that a program opens to read from it and write to it.
    """

    def __init__(self, log: Path) -> None:
        self.log = log
        log.write_bytes(b"")
        self._master, self._slave = pty.openpty()
        self.device = os.ttyname(self._slave)
        termios.tcsetwinsize(self._slave, (24, COLUMNS))
        settings = termios.tcgetattr(self._slave)
        settings[1] &= ~termios.ONLCR
        settings[3] &= ~termios.ECHO  # what is typed is on the page already
        termios.tcsetattr(self._slave, termios.TCSANOW, settings)
        self._drained = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._copy, daemon=True, name=f"screen {log.name}").start()

    def drain(self) -> None:
        """Wait until all that has been written so far is in the log."""
        with self._lock:
            self._drained.clear()
            os.write(self._slave, b"\x1e")  # a record separator, which nothing else writes to a terminal
            self._drained.wait(10)

    def interrupt(self) -> None:
        """Type Ctrl-C."""
        os.write(self._master, b"\x03")

    def close(self) -> None:
        """End the terminal: whatever still has it open is hung up."""
        self.drain()
        os.close(self._slave)

    def _copy(self) -> None:
        with self.log.open("ab", buffering=0) as log:
            while True:
                try:
                    data = os.read(self._master, 65536)
                except OSError:  # nobody has it open any more
                    break
                log.write(data.replace(b"\x1e", b""))
                if b"\x1e" in data:
                    self._drained.set()
        os.close(self._master)


#: What the shell of a page does. A `wait` for all jobs tells of none of them how it has ended, and bash forgets it.
_READS = """
wait() {{
  [ $# -eq 0 ] || {{ builtin wait "$@"; return; }}
  local job process
  for job in $(jobs); do
    case $job in \\[[0-9]*\\]*) job=${{job#[}}; job=%${{job%%]*}} ;; *) continue ;; esac
    process=$(jobs -p "$job")
    builtin wait "$job" || echo "$process $?" >>{jobs}
  done
}}
while read -r l; do eval "$l"; done
exit 0
"""


class Shell:
    """A reader's terminal: one bash, so that ``cd``, ``export`` and ``source`` last from command to command.

    Args:
        directory: where it starts.
        environment: its whole environment.
        log: the file that takes what the commands print.
        screen: the terminal whose log that is; without one, commands write to the file and read nothing.

    Attributes:
        late: what jobs in the background printed while no command ran.
        failed_jobs: those of the jobs in the background of which nobody has asked yet.
        launch: what starts it.
    """

    def __init__(
        self,
        directory: Path,
        environment: Mapping[str, str],
        log: Path,
        screen: Screen | None = None,
        launch: Launch = launch,
    ) -> None:
        self.directory = directory
        self.log = log
        self.screen = screen
        self.script = log.with_suffix(".sh")
        self._place = re.compile(rf"^{re.escape(str(self.script))}: line \d+: ", re.MULTILINE)
        self.failed = log.with_suffix(".failed")
        self._told = 0  # how much of the log is the output of a command that has ended
        self.late = ""
        self.failed_jobs: list[FailedJob] = []
        self.jobs = log.with_suffix(".jobs")
        self._jobs: dict[int, str] = {}  # those that have not been seen to end: the command that began each
        self.jobs.write_bytes(b"")
        if screen is None:
            log.write_bytes(b"")
        status_read, status_write = os.pipe()
        self.status = status_read
        # All that a command can read is one empty line. The shell has the same open file, so that what is read is seen.
        typed = log.with_suffix(".typed")
        typed.write_text("\n", encoding="utf-8")
        self.typed = os.open(typed, os.O_RDONLY)
        self.process = launch(
            # A part of a pipeline that fails makes the pipeline fail: a reader sees its message, a test its status.
            ["bash", "--noprofile", "--norc", "-o", "pipefail", "-c", _READS.format(jobs=shlex.quote(str(self.jobs)))],
            directory,
            environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[status_write, self.typed],
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
        self.failed.write_bytes(b"")
        start = self._settled()
        # What the command starts must not hold the status pipe: its end says that the shell itself has ended.
        closed = f"{self.status_fd}>&- {self.typed}<&-"
        # With -E also what fails in a function, in parentheses or in a substitution is noted.
        said = "$? $LINENO $BASH_SUBSHELL ${BASH_LINENO[*]-}"
        note = f"""set -E; trap 'echo "{said}" >>{shlex.quote(str(self.failed))}' ERR"""
        streams = f'<>"{self.screen.device}" >&0 2>&1' if self.screen else f'<&{self.typed} >>"{self.log}" 2>&1'
        os.lseek(self.typed, 0, os.SEEK_SET)
        line = f'{note}; . "{self.script}" {streams} {closed}; echo -n "$?" >&{self.status_fd}; trap - ERR; set +E; '
        line += f"{self._asks_for_jobs()}; echo >&{self.status_fd}\n"
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return Result(1, "the shell of this page has ended: an earlier command called `exit`")
        ready, _, _ = select.select([self.status], [], [], timeout)
        if not ready:
            output = self._since(start)
            self.close()
            raise Timeout(output)
        answer = b""
        while not answer.endswith(b"\n") and (more := os.read(self.status, 64)):
            answer += more
        self._see_jobs(command)
        status = int(answer) if answer.strip() else self.process.wait()  # `exit` ended the shell itself
        if status == _CUT_SHORT:
            status = 0
        asked = os.lseek(self.typed, 0, os.SEEK_CUR) > 0
        return Result(status, self._since(start), self._failed_parts(status), asked)

    def leave(self, patience: float) -> None:
        """End the shell as a reader leaves theirs: what that prints is `late`, and its jobs go on.

        After ``patience`` seconds it is left as it is.
        """
        with contextlib.suppress(BrokenPipeError, subprocess.TimeoutExpired):
            self.process.stdin.write(f"exec >>{shlex.quote(str(self.log))} 2>&1\n".encode())
            self.process.stdin.close()
            self.process.wait(patience)
        self._settled()

    def state(self, timeout: float) -> tuple[Path, dict[str, str]]:
        """The folder in which the shell is by now, as it sees it, and what it hands to a program that it starts."""
        environment = self.log.with_suffix(".environment")
        self.run(f"env -0 >{shlex.quote(str(environment))}", timeout)
        variables = variables_of(environment.read_bytes())
        variables.pop("_", None)
        return self.folder, variables

    @property
    def folder(self) -> Path:
        """The folder in which the shell is by now, as it sees it; where it started, once it has ended."""
        try:
            return Path(f"/proc/{self.process.pid}/cwd").readlink()
        except OSError:
            return self.directory

    def serves(self) -> bool:
        """Whether something that the shell has started, and that it still knows of, waits for connections."""
        parents = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has ended meanwhile
                parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        found = {self.process.pid}
        while more := {each for each, parent in parents.items() if parent in found} - found:
            found |= more
        return any(map(_listens, found))

    def _asks_for_jobs(self) -> str:
        """What the shell does after a command, to say which jobs are there and how those that it knew have ended.

        Bash itself forgets a job that has ended as soon as the next command has, but not its exit status.
        """
        ended = (
            f"kill -0 {job} 2>/dev/null || {{ builtin wait {job} && echo {job} 0 || echo {job} $?; }}; "
            for job, began in self._jobs.items()
            if began
        )
        asked = f'{"".join(ended)}jobs -p; echo "${{!-}}"'
        return f"{{ {asked}; }} >>{shlex.quote(str(self.jobs))} 2>&1"

    def _see_jobs(self, command: str) -> None:
        """Take what the shell said of its jobs after a command."""
        rows = [row.split() for row in self.jobs.read_text(encoding="utf-8").splitlines()]
        self.jobs.write_bytes(b"")
        disowned = {word for row in rows if "child" in row for word in row}  # "pid 7 is not a child of this shell"
        for row in rows:
            if not all(map(str.isdigit, row)):
                continue
            match list(map(int, row)):
                case [job]:
                    self._jobs.setdefault(job, command)
                case [job, status]:
                    began = self._jobs.get(job, command)
                    self._jobs[job] = ""  # `$!` goes on naming it
                    if began and status not in (0, _CUT_SHORT) and str(job) not in disowned:
                        self.failed_jobs.append(FailedJob(began, status))

    def _failed_parts(self, status: int) -> tuple[FailedPart, ...]:
        """What was noted, but for the end of a command that failed as a whole: its last line, and the command."""
        rows = [list(map(int, row.split())) for row in self.failed.read_text(encoding="utf-8").splitlines()]
        notes = [_Note(*row[:3], tuple(row[3:])) for row in rows if row[0] != _CUT_SHORT]
        if status:
            notes = notes[:-2]
            # What failed last in a function or in parentheses has failed with them: it is noted once at each depth.
            depth = 1
            while notes and notes[-1].depth == depth + 1 and notes[-1].status == status:
                depth = notes.pop().depth
        return tuple(FailedPart(note.place, note.status) for note in notes)

    def _settled(self) -> int:
        """The size of the log; what came since the last command ended is ``late``."""
        told = self._told
        self.late += self._since(told)
        return self._told

    def _since(self, start: int) -> str:
        if self.screen:
            self.screen.drain()
        with self.log.open("rb") as log:
            log.seek(start)
            printed = log.read()
            self._told = log.tell()
            # What bash says of a command that a reader types, it says without the place of the command.
            return self._place.sub("bash: ", printed.decode(errors="replace"))

    def close(self) -> None:
        """End the shell and all that it started."""
        stop(self.process)


def _listens(process: int) -> bool:
    """Whether a process waits for connections by TCP."""
    folder = Path("/proc", str(process))
    with contextlib.suppress(OSError):
        sockets = {str(each.readlink()) for each in (folder / "fd").iterdir()}
        rows = [row.split() for name in ("tcp", "tcp6") for row in (folder / "net" / name).read_text().split("\n")[1:]]
        return any(f"socket:[{row[9]}]" in sockets for row in rows if len(row) > 9 and row[3] == "0A")
    return False


def held_open(log: Path) -> bool:
    """Whether another process can still write to a file that it has open."""
    own, sought = str(os.getpid()), log.stat()
    for each in Path("/proc").glob("[0-9]*/fd/*"):
        # Not by its name: a page's processes may see it at another place.
        with contextlib.suppress(OSError):
            if each.parts[2] != own and os.path.samestat(each.stat(), sought):
                return True
    return False


def variables_of(printed: bytes) -> dict[str, str]:
    """The variables that ``env -0`` printed."""
    return dict(row.split("=", 1) for row in os.fsdecode(printed).split("\0") if "=" in row)


#: The exit status of a program that the next part of a pipeline, such as `head`, no longer reads from.
_CUT_SHORT = 128 + signal.SIGPIPE


class Terminal:
    """A terminal of its own in which one command stays running, such as a server.

    Args:
        command: the command.
        directory: where it starts.
        environment: its whole environment.
        log: the file that takes what it prints.
        screen: the terminal whose log that is; without one, the command writes to the file and reads nothing.
        name: what the page calls the terminal.
        line: the command's line on the page.

    Attributes:
        ready: whether it has printed what `wait` waited for.
        started: when it started, on the clock of `time.monotonic`.
        after: how many blocks of the page its start came after.
        ends: whether the page says that it ends by itself.
    """

    def __init__(
        self,
        command: str,
        directory: Path,
        environment: Mapping[str, str],
        log: Path,
        screen: Screen | None = None,
        name: str | None = None,
        line: int | None = None,
        launch: Launch = launch,
    ) -> None:
        self.command = command
        self.name = name
        self.line = line
        self.ready = False
        self.shown = ""
        self.quiet = False
        self.ends = False
        self.after = 0
        self.started = time.monotonic()
        self.log = log
        self.screen = screen
        if screen is not None:
            command = f"exec 0<>{screen.device} >&0 2>&1\n{command}"
        with log.open("ab") as output:
            self.process = launch(
                ["bash", "--noprofile", "--norc", "-c", command],
                directory,
                environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What the command has printed so far."""
        if self.screen:
            self.screen.drain()
        return self.log.read_text(encoding="utf-8", errors="replace")

    def wait(self, until: Callable[[str], bool], timeout: float) -> None:
        """Wait until ``until`` holds of what the command has printed, or it has ended.

        Raises:
            Timeout: neither came within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            ended = self.process.poll() is not None
            self.ready = until(self.output)
            if self.ready or ended:
                return
            if time.monotonic() > deadline:
                raise Timeout(self.output)
            time.sleep(0.02 if self.screen is None else 0.25)  # a genuine start takes long, and prints much

    def close(self) -> None:
        """End the command and all that it started."""
        stop(self.process)

    def interrupt(self, patience: float) -> bool:
        """Type Ctrl-C, as a reader stops a server; say whether the command ended within ``patience`` seconds."""
        self.screen.interrupt()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        return self.process.poll() is not None


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
