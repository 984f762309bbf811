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

import ast
import builtins
import importlib.machinery
import os
import sys
import types

#: The file for the notes, and the folder whose files are noted.
VARIABLE = "HARNESS_SEEN"

#: Before Python 3.12 code that is compiled here notes by itself what it reaches: tracing would make it several times
#: slower. A program that Python itself compiles, as `python program.py`, is traced.
_MONITORING = hasattr(sys, "monitoring")
_REACHED = "__harness_reached__"
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
        if not _MONITORING:
            setattr(builtins, _REACHED, _reached_all)
            importlib.machinery.SourceFileLoader.get_code = _get_code
        elif sys.monitoring.get_tool(_TOOL) is None:
            sys.monitoring.use_tool_id(_TOOL, "harness")
            sys.monitoring.register_callback(_TOOL, sys.monitoring.events.LINE, _reached)
        sys.addaudithook(_audit)
    return True


def follow(code: types.CodeType, path: str) -> None:
    """Note each line of ``code``, and of what is defined in it, when it is first reached, as one of ``path``."""
    _paths[code.co_filename] = path
    if not _MONITORING:
        if _REACHED not in code.co_names and sys.gettrace() is None:  # a debugger, or coverage, goes first
            sys.settrace(_trace)
    elif sys.monitoring.get_tool(_TOOL) == "harness":
        _follow(code)


def compiled(source: str | bytes, filename: str, path: str) -> types.CodeType:
    """Compile code of a page that is to be followed, as one of ``path``."""
    if _MONITORING or not _notes:
        return compile(source, filename, "exec", dont_inherit=True)
    tree = ast.parse(source, filename)
    _tell(tree, path)
    return compile(tree, filename, "exec", dont_inherit=True)


def _follow(code: types.CodeType) -> None:
    sys.monitoring.set_local_events(_TOOL, code, sys.monitoring.events.LINE)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _follow(constant)


def _reached(code: types.CodeType, line: int) -> object:
    _note("line", _paths[code.co_filename], str(line))
    return sys.monitoring.DISABLE


def _reached_all(path: str, first: int, last: int) -> None:
    for line in range(first, last + 1):
        _note("line", path, str(line))


def _trace(frame: types.FrameType, event: str, _: object) -> object:
    path = _paths.get(frame.f_code.co_filename)
    if path is not None and event == "line":
        _note("line", path, str(frame.f_lineno))
    return path and _trace


def _get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> types.CodeType | None:
    """The code of a module: of the page's folder compiled here, and without a file in `__pycache__`."""
    name = self.get_filename(fullname)
    if path := _inside(name):
        return compiled(self.get_data(name), name, path)
    return super(importlib.machinery.SourceFileLoader, self).get_code(fullname)


def _tell(node: ast.AST, path: str, header: int = 0) -> None:
    """Put before each statement in a node a call that notes its lines: of one with a body those before the body.

    Args:
        node: what is changed.
        path: the file that the notes name.
        header: the line from which on what is before the first statement is noted with it.
    """
    for name in ("body", "handlers", "orelse", "finalbody", "cases"):
        inner = getattr(node, name, None)
        if not isinstance(inner, list):  # a lambda, or a conditional expression
            continue
        made = []
        for each in inner:
            first, last = _lines(each)
            if isinstance(each, (ast.ExceptHandler, ast.match_case)):
                _tell(each, path, first)
                made.append(each)
                continue
            _tell(each, path)
            told = _call(path, header or first, last)
            if _stays_first(each, made):
                # What comes next notes it too; where nothing does, the call comes behind it.
                made += [each] if each is not inner[-1] else [each, told]
                header = header or first
            else:
                made += [told, each]
                header = 0
        setattr(node, name, made)


def _call(path: str, first: int, last: int) -> ast.stmt:
    """The statement that notes some lines."""
    (call,) = ast.parse(f"{_REACHED}({path!r}, {first}, {last})").body
    for part in ast.walk(call):
        part.lineno = part.end_lineno = first
    return call


def _lines(node: ast.AST) -> tuple[int, int]:
    """The first line of a statement, its decorators too, and the last one before its body."""
    place = getattr(node, "pattern", node)
    first = min(each.lineno for each in (place, *getattr(node, "decorator_list", ())))
    body = getattr(node, "body", None)
    return first, max(first, _lines(body[0])[0] - 1) if isinstance(body, list) else place.end_lineno


def _stays_first(node: ast.AST, before: list[ast.AST]) -> bool:
    """Say whether nothing may be put before a statement: a docstring, or an import of `__future__`."""
    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
        return True
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return is_text and not before


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
