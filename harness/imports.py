"""Which of the project's own modules a program uses, so that what is kept of it counts until one of these changes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent

#: A module that is named in a text and loaded by it, such as ``harness.consumers.gym:rows``.
_NAMED = re.compile(r"(?:harness|pinned)(?:\.\w+)+(?::\w*)?")
#: A file beside a module that it starts or reads.
_BESIDE = re.compile(r"\w+\.(?:py|json)")


def used_by(programs: Iterable[Path], root: Path = ROOT) -> set[Path]:
    """The programs, and every module of ``harness`` and ``pinned`` that they import or name, directly or in turn.

    Args:
        programs: files of Python.
        root: the folder in which those packages lie.
    """
    found: set[Path] = set()
    waiting = list(programs)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _uses(path, root)
    return found


@cache
def _uses(path: Path, root: Path) -> tuple[Path, ...]:
    return tuple(_uses_of(path, root))


def _uses_of(path: Path, root: Path) -> Iterator[Path]:
    if path.suffix != ".py":
        return
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError:  # whoever runs it will hear of it
        return
    prose: set[int] = set()  # docstrings only tell of others; the walk comes to a statement before its value
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=value):
                prose.add(id(value))
            case ast.Import(names=names):
                for each in names:
                    yield from _files(each.name, root)
            case ast.ImportFrom(module=str(module), names=names):
                for each in names:
                    yield from _files(f"{module}.{each.name}", root)
            case ast.Constant(value=str(text)) if id(node) not in prose and _NAMED.fullmatch(text):
                yield from _files(text.partition(":")[0], root)
            case ast.Constant(value=str(text)) if id(node) not in prose and _BESIDE.fullmatch(text):
                if (beside := path.with_name(text)).is_file():
                    yield beside


def _files(name: str, root: Path) -> Iterator[Path]:
    """The files that importing ``name`` runs: each package on the way, and the module."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        way = root.joinpath(*parts[:length])
        for file in (way / "__init__.py", way.with_suffix(".py")):
            if file.is_file():
                yield file
