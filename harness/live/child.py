"""What a process forked from the zygote does before it is the command, the call or the server asked for.

The zygote has imported NeMo Gym but never run it: no configuration is parsed, no Hydra singleton, no event loop
and no HTTP client exists. What remains to make a fork indistinguishable from a fresh interpreter is here: its
arguments, environment, directory, search path, streams, signals, random numbers and the three directories that
``nemo_gym`` derives from the current directory when it is imported.
"""

import contextlib
import ctypes
import importlib
import json
import os
import random
import runpy
import signal
import sys
import threading
import traceback
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nemo_gym
import nemo_gym.global_config
import nemo_gym.server_utils

from harness.live import wire
from harness.reader import outside
from harness.watch import harness_watch

BIN = Path(sys.executable).parent
_HERE = str(Path(__file__).parent)
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1


def become(
    argv: Sequence[str],
    cwd: str,
    env: dict[str, str],
    fds: Sequence[int],
    search_path: Sequence[str],
    keep: Sequence[int] = (),
) -> None:
    """Turn this fork into a fresh process: everything of the zygote's that it must not share is replaced.

    ``fds`` become standard input, output and error. Every other descriptor is closed, except those in ``keep``.
    """
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    for target, fd in enumerate(fds):
        os.dup2(fd, target)
    _close_all_but({0, 1, 2, *keep})
    # The stream objects stay, since imported modules hold on to them; what they buffer depends on the descriptor. Where
    # the page's PYTHONUNBUFFERED asks for no buffer there is one nevertheless: NeMo Gym's `print` empties it each time,
    # and without it a line and its end would be written one after the other, with a server's line between them.
    sys.stdout.reconfigure(line_buffering=os.isatty(1), write_through=False)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115

    os.environ.clear()
    os.environ.update(outside(env))
    os.chdir(cwd)
    sys.argv = list(argv)
    main = types.ModuleType("__main__")
    main.__file__ = argv[0]
    sys.modules["__main__"] = main
    sys.path[:] = search_path
    importlib.invalidate_caches()
    harness_watch.install()
    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    _forget_import_directory()


def end_with_the_parent() -> None:
    """Have the kernel kill this process when its parent ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _close_all_but(keep: set[int]) -> None:
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd not in keep:
            with contextlib.suppress(OSError):  # the descriptor that listed the directory
                os.close(fd)


def _forget_import_directory() -> None:
    """Do again what ``import nemo_gym`` did with the directory and environment of the zygote."""
    working = Path.cwd()
    for module in (nemo_gym, nemo_gym.global_config, nemo_gym.server_utils):
        module.WORKING_DIR = working
    for module in (nemo_gym, nemo_gym.global_config):
        module.CACHE_DIR = working / "cache"
        module.RESULTS_DIR = working / "results"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    for name in ("HF_DATASETS_CACHE", "HF_HOME"):
        os.environ.setdefault(name, str(working / "cache" / "huggingface"))
    if hasattr(nemo_gym, "_augment_sys_path"):  # since 0.5
        nemo_gym._augment_sys_path()


def finish(body: Callable[[], None]) -> int:
    """Run ``body`` as the interpreter runs a main program, to the end of its exit handlers; return its status."""
    status = 0
    try:
        body()
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            print(end.code, file=sys.stderr)
        status = 0 if end.code is None else end.code & 0xFF if isinstance(end.code, int) else 1
    except KeyboardInterrupt as error:
        _report(error)
        status = -signal.SIGINT
    except BaseException as error:
        _report(error)
        status = 1
    try:
        threading._shutdown()
        __import__("atexit")._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        status = status or 120
    return status


def _report(error: BaseException) -> None:
    """Print the traceback from where the installed code begins, without the frames of this package."""
    frame = error.__traceback__
    while frame is not None and (
        frame.tb_frame.f_code.co_filename.startswith((_HERE, "<frozen")) and frame.tb_next is not None
    ):
        frame = frame.tb_next
    sys.stdout.flush()
    sys.excepthook(type(error), error.with_traceback(frame), frame)


def leave(status: int) -> None:
    """End this process at once, by a signal where ``status`` is a negative signal number."""
    if status < 0:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status & 0xFF)


def run_command(zygote: str) -> None:
    """Run the console script named by ``sys.argv[0]`` as the install defines it.

    ``zygote`` is the path of the socket on which servers are asked for.
    """
    from harness.live import servers

    (script,) = importlib.metadata.entry_points(group="console_scripts", name=Path(sys.argv[0]).name)
    servers.install(zygote)
    if strict_cli := sys.modules.get("harness.consumers.command_line"):
        strict_cli.install(sys.argv)
    sys.exit(script.load()())


def call(target: str, arguments: str) -> dict[str, Any]:
    """Call ``module:function`` with the JSON list ``arguments``; return its result, or what it raised, as text."""
    try:
        module, _, name = target.partition(":")
        result = getattr(importlib.import_module(module), name)(*json.loads(arguments))
        return {"result": json.dumps(result)}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}


def serve(entrypoint: str) -> None:
    """Run a server's ``app.py`` as ``python app.py`` does in its directory."""
    from harness.live import servers

    servers.install_in_server()
    runpy.run_path(entrypoint, run_name="__main__")


def reply(connection: int, message: dict[str, Any]) -> None:
    """Send one message on a connection that this fork was asked to keep."""
    import socket

    with socket.socket(fileno=connection) as sock:
        wire.send(sock, message)
