"""The process in which a page's Python blocks run, one after the other, as in a reader's own interpreter.

It is started as a script in the page's directory. Over two pipes it reads one JSON request a line and answers
each with one JSON line. What a block prints, also from processes that it starts, goes to a file by the file
descriptor, so that nothing is lost and nothing is mixed with the answers.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import linecache
import os
import sys
import traceback
import types
from typing import Any

HERE = __file__
GYM_PACKAGES = frozenset(
    {"nemo_gym", "resources_servers", "responses_api_agents", "responses_api_models", "environment_servers"}
)
LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")
_reached_for: list[str] = []


def _watch_network(event: str, args: tuple[Any, ...]) -> None:
    """Note every host beyond this machine that Python code asks for, also where the error is then swallowed."""
    if event == "socket.getaddrinfo":
        host = args[0]
    elif event in ("socket.connect", "socket.sendto"):
        host = args[1][0] if isinstance(args[1], tuple) else None  # a path is a socket of this machine
    else:
        return
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if host and not str(host).startswith(LOOPBACK) and host != os.uname().nodename:
        _reached_for.append(str(host))
        if os.environ.get("HARNESS_NETWORK") != "isolated":
            raise PermissionError(f"a snippet may reach this machine only, not {host}")


def _refuse_unknown_fields(path: str) -> None:
    """Let a page's own code give NeMo Gym's classes only fields that they have: they drop others in silence."""
    try:
        from pydantic.main import BaseModel
    except ImportError:  # nor is NeMo Gym there, then
        return

    plain = BaseModel.__init__

    def strict(self: BaseModel, /, **data: Any) -> None:
        kind = type(self)
        if sys._getframe(1).f_code.co_filename == path and kind.__module__.partition(".")[0] in GYM_PACKAGES:
            known = {*kind.model_fields, *(info.alias for info in kind.model_fields.values() if info.alias)}
            if unknown := sorted(set(data) - known):
                near = difflib.get_close_matches(unknown[0], known, 1) or sorted(known)
                raise TypeError(f"{kind.__name__} has no field {unknown[0]!r} and would ignore it: see {near}")
        plain(self, **data)

    strict.__pydantic_base_init__ = True  # pydantic's own mark of its constructor
    BaseModel.__init__ = strict


def _run(request: dict[str, Any], namespace: dict[str, Any], watched: bool) -> dict[str, Any]:
    path, text = request["path"], request["text"]
    linecache.cache[path] = (len(text), None, [line + "\n" for line in text.split("\n")], path)
    try:
        # Blank lines before the block give tracebacks the page's own line numbers.
        source = "\n" * (request["line"] - 1) + request["source"]
        if watched:
            watch = sys.modules["harness_watch"]
            code = watch.compiled(source, path, "page")
            watch.follow(code, "page")
        else:
            code = compile(source, path, "exec", dont_inherit=True)
        exec(code, namespace)
    except BaseException as error:
        return {
            "error": _traceback(error, path),
            "said": "".join(traceback.TracebackException.from_exception(error).format_exception_only()).strip("\n"),
            "type": type(error).__name__,
            "as_said": _is(error, request["fails"]),
            "line": _line(error, path),
        }
    return {}


def _traceback(error: BaseException, path: str) -> str:
    trace = traceback.TracebackException.from_exception(error)
    chain: traceback.TracebackException | None = trace
    while chain is not None:
        kept = [frame for frame in chain.stack if frame.filename != HERE]
        chain.stack = traceback.StackSummary.from_list(kept)
        chain = chain.__cause__ or chain.__context__
    return "".join(trace.format())


def _line(error: BaseException, path: str) -> int | None:
    """The page's line at which an exception left it."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == path]
    return lines[-1] if lines else None


def _is(error: BaseException, wanted: str | None) -> bool:
    """Whether an exception is just of the class of that name, which may name a module that has it before a dot."""
    module, _, name = (wanted or "").rpartition(".")
    return getattr(sys.modules.get(module), name, None) is type(error) if module else type(error).__name__ == name


def main(requests: int, answers: int, watched: bool) -> None:
    """Serve requests from one file descriptor to another until the first is closed.

    Where it is ``watched``, nothing reaches beyond this machine, and NeMo Gym's classes take no unknown fields.
    """
    sys.path[0] = ""  # the page's directory, as for `python`, instead of this script's
    sys.argv = [""]
    module = types.ModuleType("__main__")
    module.__dict__["__builtins__"] = __builtins__
    sys.modules["__main__"] = module
    if watched:
        sys.addaudithook(_watch_network)
    with os.fdopen(requests, encoding="utf-8") as incoming, os.fdopen(answers, "w", encoding="utf-8") as outgoing:
        for number, row in enumerate(incoming):
            request = json.loads(row)
            if watched and number == 0 and "nemo_gym" in request["text"]:
                _refuse_unknown_fields(request["path"])
            _reached_for.clear()
            answer = _run(request, module.__dict__, watched)
            with contextlib.suppress(ValueError, OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            answer |= {"reached_for": list(dict.fromkeys(_reached_for))}
            outgoing.write(json.dumps(answer) + "\n")
            outgoing.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "watched")
