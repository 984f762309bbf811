"""The pinned NeMo Gym: its version, and an index of its symbols that the site can read without an install.

``python -m pinned.symbols`` writes ``docs/_data/source-index.txt`` from the installed wheel; ``python -m pinned.symbols
--check`` fails when the file is not what it would write. Only these two need NeMo Gym; importing this module
does not.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INDEX = ROOT / "docs" / "_data" / "source-index.txt"

#: What is indexed, as patterns in the wheel. Of the servers, the modules themselves, not what they bundle.
INDEXED = (
    "nemo_gym/**/*.py",
    "environment_servers/*/*.py",
    "resources_servers/*/*.py",
    "responses_api_agents/*/*.py",
    "responses_api_models/*/*.py",
)

#: Longest part of a difference that is printed, in lines.
SHOWN_DIFFERENCE = 40

_PIN = re.compile(r"\bnemo-gym==(?P<version>[0-9][0-9A-Za-z.]*)")
_ENTRY = re.compile(r"(?P<indent>(?:  )+)(?P<name>\S+) (?P<first>\d+)(?:-(?P<last>\d+))?")


@dataclass(frozen=True)
class Symbol:
    """A module, class, function, method, field or constant: its file in the wheel, and its lines there, from 1."""

    file: str
    first: int
    last: int


def pinned_version(project_file: Path = ROOT / "pyproject.toml") -> str:
    """The version of NeMo Gym that the project pins, such as ``0.7.0``.

    Raises:
        ValueError: the file pins none, or two different ones.
    """
    versions = set(_PIN.findall(project_file.read_text(encoding="utf-8")))
    if len(versions) != 1:
        found = ", ".join(sorted(versions)) or "none"
        raise ValueError(f"{project_file.name}: expected one version pinned as nemo-gym==VERSION, found {found}")
    return versions.pop()


def symbols_of(source: str) -> Iterator[tuple[str, int, int]]:
    """The dotted name and first and last line of each public symbol of a module's source, in order.

    Decorators and the comment lines above a symbol are not counted: a link leads to its name. Of a name that is
    bound more than once, the first binding stands for all.
    """
    with warnings.catch_warnings():  # a module's own invalid escapes are not this project's business
        warnings.simplefilter("ignore", SyntaxWarning)
        tree = ast.parse(source)
    yield from _symbols_in(tree.body, "")


def _symbols_in(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, int, int]]:
    bound = set()
    for node in body:
        match node:
            case ast.ClassDef(name=name):
                names, inner = [name], node.body
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names, inner = [name], []
            case ast.AnnAssign(target=ast.Name(id=name)):
                names, inner = [name], []
            case ast.Assign(targets=targets):
                names, inner = [target.id for target in targets if isinstance(target, ast.Name)], []
            case _:
                names, inner = [], []
        for name in names:
            if not name.startswith("_") and name not in bound:
                bound.add(name)
                yield prefix + name, node.lineno, node.end_lineno or node.lineno
                yield from _symbols_in(inner, f"{prefix}{name}.")


def index_text(site_packages: Path, version: str) -> str:
    """The index of the wheel installed in ``site_packages``.

    A line for each file, with its number of lines; under it, indented by where it stands, one for each symbol.
    """
    lines = [
        f"# The public symbols of nemo-gym {version}, each with its first and last line. Written by",
        "# `python -m pinned.symbols` from the installed wheel; read by the {source} role of the site.",
    ]
    for file in sorted({file for pattern in INDEXED for file in site_packages.glob(pattern)}):
        name = file.relative_to(site_packages).as_posix()
        if name.startswith("nemo_gym/") and "/tests/" in name:
            continue
        source = file.read_text(encoding="utf-8")
        lines.append(f"{name} {len(source.splitlines())}")
        for symbol, first, last in symbols_of(source):
            outer, _, own = symbol.rpartition(".")
            indent = "  " * (1 + len(outer.split(".")) if outer else 1)
            lines.append(f"{indent}{own} {first}" + (f"-{last}" if last > first else ""))
    return "\n".join(lines) + "\n"


def read_index(path: Path = INDEX) -> dict[str, Symbol]:
    """The symbols of an index by their dotted names, such as ``nemo_gym.rollout_collection.RolloutCollectionConfig``.

    Raises:
        ValueError: a line is not as `index_text` writes it.
    """
    symbols: dict[str, Symbol] = {}
    file = ""
    path_to_here: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("#"):
            continue
        entry = _ENTRY.fullmatch(line)
        if entry:
            depth = len(entry["indent"]) // 2
            path_to_here[depth:] = [entry["name"]]
            first = int(entry["first"])
            symbols[".".join(path_to_here)] = Symbol(file, first, int(entry["last"] or first))
        elif line and not line[0].isspace():
            file, _, count = line.rpartition(" ")
            path_to_here = [file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")]
            symbols[path_to_here[0]] = Symbol(file, 1, max(1, int(count)))
        else:
            raise ValueError(f"{path.name}:{number}: not an entry of the index: {line!r}. Run python -m pinned.symbols")
    return symbols


def installed_index() -> str:
    """The index of the NeMo Gym that this Python imports.

    Raises:
        RuntimeError: none is installed, or not the pinned version.
    """
    expected = pinned_version()
    spec = util.find_spec("nemo_gym")
    if spec is None or spec.origin is None:
        raise RuntimeError(f"nemo-gym {expected} is not installed in this Python: run this in the test environment")
    installed = metadata.version("nemo-gym")
    if installed != expected:
        raise RuntimeError(f"expected nemo-gym {expected}, found {installed} installed")
    return index_text(Path(spec.origin).parents[1], installed)


def difference(committed: str, installed: str) -> str:
    """What stands in the committed index and not in the install, and the other way round; empty when nothing does."""
    lines = list(
        difflib.unified_diff(committed.splitlines(), installed.splitlines(), "committed", "installed", lineterm="", n=1)
    )
    more = len(lines) - SHOWN_DIFFERENCE
    return "\n".join([*lines[:SHOWN_DIFFERENCE], *([f"... and {more} lines more"] if more > 0 else [])])


def main(arguments: list[str] | None = None) -> int:
    """Write the index, or check it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pinned.symbols", description="Index NeMo Gym's symbols.")
    parser.add_argument("--check", action="store_true", help="fail when the committed index is not the install's")
    options = parser.parse_args(arguments)
    try:
        installed = installed_index()
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 1
    name = INDEX.relative_to(ROOT)
    if not options.check:
        INDEX.write_text(installed, encoding="utf-8")
        print(f"{name}: {len(read_index())} symbols")
        return 0
    committed = INDEX.read_text(encoding="utf-8") if INDEX.exists() else ""
    if committed != installed:
        print(f"{name} is not the index of the installed NeMo Gym. Run python -m pinned.symbols", file=sys.stderr)
        print(difference(committed, installed), file=sys.stderr)
        return 1
    print(f"{name}: up to date")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
