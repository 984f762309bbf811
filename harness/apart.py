"""Keep a page apart from all others: a home and temporary folders of its own, and processes that end with it.

Where the system allows it, what a page starts has its own process and mount namespaces. `/tmp`, `/var/tmp` and
`/dev/shm` are the page's, its processes see no others, and the kernel ends them all, whatever became of their
parents, with the first of them, the *keeper*. The keeper waits for the end of a pipe, so that it does not outlive
the test run either.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, cached_property
from pathlib import Path
from typing import Any

#: Starts a program, given its name and arguments, where, and with which variables; options are `subprocess.Popen`'s.
Launch = Callable[..., subprocess.Popen]

APART = "apart"

#: Folders that all programs of a machine share: each page has its own.
SHARED_FOLDERS = (Path("/tmp"), Path("/var/tmp"))

#: The keeper: it mounts what is the page's, says which process it is outside, and waits. Its arguments are pairs of
#: a folder and where it is to be seen.
_KEEPER = """
read -r process _ </proc/self/stat
set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /dev/shm
while [ $# -gt 0 ]; do mount --rbind "$1" "$2"; shift 2; done
echo "$process"
read -r _ || true
"""


@cache
def state() -> str:
    """Say whether pages can be kept apart here: ``"apart"``, or ``"together: <why>"``."""
    if not hasattr(os, "setns"):
        return "together: it is not Linux"
    with tempfile.TemporaryDirectory() as folder:
        page = Apart(Path(folder))
        try:
            page.launch_inside(["true"], Path("/"), {"PATH": os.defpath}).wait()
        except OSError as error:
            return f"together: this system allows no process and mount namespaces ({error.strerror or error})"
        finally:
            page.close()
    return APART


def launch(command: Sequence[str], directory: Path, environment: Mapping[str, str], **options: Any) -> subprocess.Popen:
    """Start a program.

    Args:
        command: its name, which is looked for on the PATH of ``environment``, and its arguments.
        directory: where it starts.
        environment: all its variables.
        options: others of `subprocess.Popen`.
    """
    return subprocess.Popen(command, cwd=directory, env=dict(environment), **options)


class Together:
    """What a page starts, beside all that runs on the machine: where its reader's own machine is meant."""

    #: Variables of the page's processes.
    variables: Mapping[str, str] = {}

    def launch(
        self, command: Sequence[str], directory: Path, environment: Mapping[str, str], **options: Any
    ) -> subprocess.Popen:
        """Start a program among the page's processes, as `launch` does; ``directory`` is as these see it."""
        return launch(command, directory, environment, **options)

    def close(self) -> None:
        """End what still runs."""


class Apart(Together):
    """What one page starts, apart from others. It costs nothing before the first program starts.

    Args:
        folder: where its home and temporary folders are made.
        visible: folders that its processes need, should they lie below one that is the page's own.
    """

    def __init__(self, folder: Path, visible: Iterable[Path] = ()) -> None:
        self.folder = folder
        self.visible = [folder, *visible]
        self.home = folder / "home"
        self._started: list[subprocess.Popen] = []

    @cached_property
    def variables(self) -> Mapping[str, str]:
        """Where programs look for what is the user's: settings, caches, and room for temporary files."""
        self.home.mkdir(parents=True, exist_ok=True)
        return {"HOME": str(self.home), "TMPDIR": str(self._temporary)}

    @cached_property
    def _temporary(self) -> Path:
        if state() == APART:
            return SHARED_FOLDERS[0]
        return Path(tempfile.mkdtemp(prefix="page-"))  # short, as the paths of sockets must be

    @cached_property
    def _keeper(self) -> tuple[subprocess.Popen, Path]:
        """What waits for the keeper, its first process, and the folder that holds the namespaces of that one.

        Raises:
            OSError: the system does not allow it.
        """
        mounts: list[str] = []
        for at, shared in enumerate(SHARED_FOLDERS):
            own = self.folder / f"tmp{at}"
            own.mkdir(parents=True, exist_ok=True)
            own.chmod(0o1777)
            for path in _outermost(self.visible):
                if path.is_relative_to(shared):
                    inside = own / path.relative_to(shared)
                    inside.mkdir(parents=True, exist_ok=True)
                    mounts += [str(path), str(inside)]
            mounts += [str(own), str(shared)]
        waiting = subprocess.Popen(
            [
                *(_program("unshare"), "--mount", "--pid", "--fork", "--propagation", "private"),
                *("bash", "--noprofile", "--norc", "-c", _KEEPER, "keeper", *mounts),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        number = waiting.stdout.readline().strip()
        if not number:
            problem = waiting.communicate()[1].strip()
            raise OSError(problem or f"unshare ended with {waiting.returncode}")
        return waiting, Path("/proc", number, "ns")

    def launch(
        self, command: Sequence[str], directory: Path, environment: Mapping[str, str], **options: Any
    ) -> subprocess.Popen:
        """Start a program among the page's processes; see `launch`."""
        begin = self.launch_inside if state() == APART else super().launch
        self._started.append(begin(command, directory, environment, **options))
        return self._started[-1]

    def launch_inside(
        self, command: Sequence[str], directory: Path, environment: Mapping[str, str], **options: Any
    ) -> subprocess.Popen:
        """Start a program in the page's namespaces.

        Raises:
            OSError: the system does not allow it.
        """
        _, spaces = self._keeper
        enter = [_program("nsenter"), f"--mount={spaces / 'mnt'}", "--", "env", "-C", str(directory), *command]

        def begin() -> subprocess.Popen:
            with (spaces / "pid").open() as space:
                os.setns(space.fileno(), os.CLONE_NEWPID)
            return subprocess.Popen(enter, env=dict(environment), **options)

        # What a thread starts after this is in the namespace, and there may be no way back for the thread itself.
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(begin).result()

    def close(self) -> None:
        """End every process that descends from one started here, and forget the temporary files."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.wait()  # the keeper cannot end before those that are children of others are gone
        self._started.clear()
        if keeper := self.__dict__.pop("_keeper", None):
            keeper[0].communicate()
        elif "variables" in self.__dict__:
            _kill_all(lambda variables: variables.get(b"HOME") == os.fsencode(self.home))
        if "_temporary" in self.__dict__ and self._temporary not in SHARED_FOLDERS:
            shutil.rmtree(self._temporary, ignore_errors=True)
        for at in range(len(SHARED_FOLDERS)):
            shutil.rmtree(self.folder / f"tmp{at}", ignore_errors=True)


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise OSError(f"there is no `{name}`")
    return found


def _outermost(paths: Iterable[Path]) -> list[Path]:
    """The paths that lie in no other of them, real and sorted."""
    kept: list[Path] = []
    for path in sorted({path.resolve() for path in paths if path.exists()}):
        if not (kept and path.is_relative_to(kept[-1])):
            kept.append(path)
    return kept


def _kill_all(chosen: Callable[[Mapping[bytes, bytes]], bool]) -> None:
    """Kill the processes of this user whose first variables are ``chosen``, and those that they start meanwhile."""
    if sys.platform != "linux":
        return
    found = True
    while found:
        found = False
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # it has just ended, or is another user's
                rows = (row.partition(b"=") for row in path.read_bytes().split(b"\0"))
                if chosen({name: value for name, _, value in rows}):
                    os.kill(int(path.parent.name), signal.SIGKILL)
                    found = True
        time.sleep(0.01)
