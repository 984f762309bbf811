"""Note which files of a page a Python process reads and runs, and which of their lines it reaches.

Every Python of a page imports this as it starts (`harness.uses`), and the forks of the live NeMo Gym call `install`.
It needs nothing but the standard library, and where `VARIABLE` is not
set it does nothing. Each note is a line of its own, written at once: a process may end in any way.

=========  ====================================================================
note       the fields after it, cut by tabs
=========  ====================================================================
``read``   the path of a file of the page's folder that was opened for reading
``run``    the path of a file whose code was executed
``line``   the path, and the line that was reached for the first time
=========  ====================================================================
"""

import os
import sys
import threading
import types

#: The file for the notes, and the folder whose files are noted.
VARIABLE = "HARNESS_SEEN"

# Before Python 3.12 a trace function takes the part of `sys.monitoring`: slower, but it sees the same lines.
_MONITORING = hasattr(sys, "monitoring")
_TOOL = 3  # of `sys.monitoring`; debuggers, coverage and profilers have numbers of their own
_notes = ""
_folder = ""
_noted: set[tuple[str, ...]] = set()
_paths: dict[str, str] = {}


def install() -> bool:
    """Begin to note; say whether something is to be noted. A second call, in a fork, notes for another page."""
    global _notes, _folder
    before, (_notes, _, _folder) = _notes, os.environ.get(VARIABLE, "").partition(os.pathsep)
    if not _notes:
        return False
    _folder = _folder.rstrip(os.sep) + os.sep
    _noted.clear()
    if not before:
        if _MONITORING and sys.monitoring.get_tool(_TOOL) is None:
            sys.monitoring.use_tool_id(_TOOL, "harness")
            sys.monitoring.register_callback(_TOOL, sys.monitoring.events.LINE, _reached)
        sys.addaudithook(_audit)
    return True


def follow(code: types.CodeType, path: str) -> None:
    """Note each line of ``code``, and of what is defined in it, when it is first reached, as one of ``path``."""
    _paths[code.co_filename] = path
    if not _MONITORING:
        if sys.gettrace() is None:  # a debugger, or coverage, goes first
            threading.settrace(_trace)
            sys.settrace(_trace)
    elif sys.monitoring.get_tool(_TOOL) == "harness":
        for each in _all_in(code):
            sys.monitoring.set_local_events(_TOOL, each, sys.monitoring.events.LINE)


def _all_in(code: types.CodeType) -> list[types.CodeType]:
    """A code object, and those of what is defined in it."""
    return [code] + [each for inner in code.co_consts if isinstance(inner, types.CodeType) for each in _all_in(inner)]


def _reached(code: types.CodeType, line: int) -> object:
    _note("line", _paths[code.co_filename], str(line))
    return sys.monitoring.DISABLE


def _trace(frame: types.FrameType, event: str, _: object) -> object:
    """Trace the lines of what is followed, and nothing within other functions."""
    path = _paths.get(frame.f_code.co_filename)
    if path is None:
        return None
    if event == "line":
        _note("line", path, str(frame.f_lineno))
    return _trace


def _audit(event: str, args: tuple) -> None:
    if event == "open":
        name, mode, flags = args
        reads = "r" in mode or "+" in mode if isinstance(mode, str) else flags & os.O_ACCMODE != os.O_WRONLY
        if reads and isinstance(name, (str, bytes)) and (path := _inside(os.fsdecode(name))):
            _note("read", path)
    elif event == "exec":
        (code,) = args
        if isinstance(code, types.CodeType) and (path := _paths.get(code.co_filename) or _inside(code.co_filename)):
            _note("run", path)
            follow(code, path)


def _inside(name: str) -> str | None:
    """The path of a file that lies in the page's folder."""
    if not os.path.isabs(name):
        if name.startswith("<"):
            return None
        try:
            name = os.path.join(os.getcwd(), name)
        except OSError:  # a folder that is gone
            return None
    path = os.path.normpath(name) if "/." in name else name
    return path if path.startswith(_folder) else None


def _note(*fields: str) -> None:
    if fields in _noted:
        return
    _noted.add(fields)
    try:  # a file that stays open would be closed, and its number taken, by programs that close all
        notes = os.open(_notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(notes, ("\t".join(fields) + "\n").encode(errors="surrogateescape"))
    finally:
        os.close(notes)


if __name__ == "harness_watch":  # not as a part of the harness, whose own processes are not watched
    install()
