"""The side of the test session: start the zygote when something first needs it, call into it, end it."""

import json
import os
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from harness.live import wire
from harness.live.quiet import QUIET_ENV

ROOT = Path(__file__).resolve().parents[2]
CLIENT = Path(__file__).with_name("client.py")
SOCKET_VARIABLE = "GYM_ZYGOTE_SOCKET"
_END_SECONDS = 10

# Imported libraries start no threads of their own, which a fork would not have.
SINGLE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


class CallError(Exception):
    """A function that was called in the zygote raised. ``traceback`` is its traceback, as text."""

    def __init__(self, message: str, traceback: str) -> None:
        super().__init__(message)
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.args[0]}\n\n{self.traceback}"


class Zygote:
    """A live NeMo Gym for the pages of one test session.

    ``env`` is the environment to import NeMo Gym in (default: this process's). Use it as a context manager, or
    call ``start`` and ``close``. Starting is free: the process comes into being when a shim or a call first connects.
    """

    def __init__(self, env: Mapping[str, str] | None = None) -> None:
        self.variables = {**(os.environ if env is None else env), **QUIET_ENV}
        self.process: subprocess.Popen | None = None
        self.directory: Path | None = None  # of its socket, shims and log
        self._lock = threading.Lock()

    def __enter__(self) -> "Zygote":
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> "Zygote":
        """Bind the socket and write the shims; the zygote itself waits for the first connection."""
        self.directory = Path(tempfile.mkdtemp(prefix="gym-"))
        self._work = self.directory / "work"
        self._work.mkdir()
        self.log = self.directory / "zygote.log"
        self.log.touch()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.directory / "socket"))
        self._listener.listen(128)
        write_shims(self.directory / "bin")
        self._closing, self._close = os.pipe()
        threading.Thread(target=self._launch_when_needed, daemon=True, name="live NeMo Gym").start()
        return self

    def _launch_when_needed(self) -> None:
        readable = select.select([self._listener, self._closing], [], [])[0]
        if self._closing not in readable:
            self.launch()

    def launch(self) -> None:
        """Start the process now, without waiting for its imports, if it does not run yet."""
        with self._lock:
            if self.process is not None:
                return
            fd = self._listener.fileno()
            variables = {**self.variables, "PYTHONPATH": str(ROOT), **SINGLE_THREAD}
            variables.pop("PYTHONUNBUFFERED", None)  # its forks inherit its streams: see `child.become`
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(
                    [sys.executable, "-m", "harness.live.zygote", str(fd), str(ROOT)],
                    cwd=self._work,
                    env=variables,
                    pass_fds=[fd],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )

    def env(self, path: str | None = None) -> dict[str, str]:
        """The variables that make a shell use this: shims first on PATH, the socket, and what keeps it quiet.

        ``path`` is what comes after the shims (default: the PATH of this object's environment).
        """
        path = os.pathsep.join([str(self.directory / "bin"), path or self.variables.get("PATH", os.defpath)])
        return {**QUIET_ENV, "PATH": path, SOCKET_VARIABLE: self._listener.getsockname()}

    def call(self, target: str, *arguments: Any, cwd: str | Path | None = None) -> Any:
        """Call ``module:function`` with JSON arguments in a fork of the zygote; return its JSON result.

        It runs in ``cwd`` (default: the current directory) with this object's environment. Raises CallError with
        the function's own message and traceback, or with the process's fate if it died before it answered.
        """
        request = {
            "verb": "call",
            "target": target,
            "arguments": json.dumps(arguments),
            "cwd": str(cwd or Path.cwd()),
            "env": self.variables,
        }
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(self._listener.getsockname())
            wire.send(sock, request)
            answer = wire.receive(sock)
        message = answer[0] if answer else {"exit": "the live NeMo Gym ended"}
        if "result" in message:
            return json.loads(message["result"])
        if "exit" in message:
            fate = f"{target} did not answer: its process ended with {message['exit']}"
            raise CallError(fate, f"{self.log.read_text(errors='replace')[-4000:]}")
        raise CallError(message["error"], message["traceback"])

    def close(self) -> None:
        """End the zygote and every process that descends from it; remove its files."""
        if self.directory is None:
            return
        os.write(self._close, b"x")
        if self.process is not None:
            self.process.stdin.close()
            try:
                self.process.wait(_END_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._listener.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory = None


def write_shims(directory: Path) -> None:
    """Write one shim for each console script of the installed NeMo Gym into ``directory``."""
    directory.mkdir()
    text = f"#!{sys.executable} -IS\n{CLIENT.read_text()}"
    for script in entry_points(group="console_scripts"):
        if script.value.startswith("nemo_gym."):
            shim = directory / script.name
            shim.write_text(text)
            shim.chmod(0o755)
