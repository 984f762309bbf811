"""Excerpts: a function or class of the project's own package, shown on a page as it stands in the package's source.

Whether each of its lines ran, the package's tests tell. `nox -s tool` writes the lines that they never reached to
`build/tool-lines.json`, with the digest of each module: what stands there counts for just that text.

    python -m harness.excerpts REPORT    write that file from a report of coverage.py, in JSON
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from harness.environments import ALL_VARIABLE, ROOT, NotInstalled
from harness.nearest import nearest
from harness.verdict import Failure

SOURCES = ROOT / "gym-rollouts" / "src"
LINES = ROOT / "build" / "tool-lines.json"

#: More is a program, which a reader opens rather than reads.
MOST_LINES = 30
#: What a page shows beside its navigation.
MOST_COLUMNS = 88


@dataclass(frozen=True)
class Excerpt:
    """A part of a module: its lines ``first`` to ``last``, and these as the page shows them, without their indent."""

    path: Path
    first: int
    last: int
    text: str


def excerpt(name: str) -> Excerpt:
    """The part of the package that a dotted name stands for, such as ``gym_rollouts.rollouts.Rollout``.

    Raises:
        LookupError: there is no such module, or nothing of that name in it, or it is too long for a page.
    """
    module, _, rest = name.partition(".")
    path = SOURCES / module
    while rest and not path.is_file():
        word, _, rest = rest.partition(".")
        path = path / word if (path / word).is_dir() else path / f"{word}.py"
        if not path.exists():
            modules = (".".join(each.relative_to(SOURCES).with_suffix("").parts) for each in SOURCES.rglob("*.py"))
            raise LookupError(f"{name}: there is no module {path.stem}: {nearest(name, [*modules])}")
    if not path.is_file() or not rest:
        raise LookupError(f"{name!r} names no function or class: expected one such as gym_rollouts.balancing.NAME")
    return _part(path, path.stat().st_mtime_ns, name, rest)


@lru_cache(maxsize=256)
def _part(path: Path, changed: int, name: str, rest: str) -> Excerpt:
    text = path.read_text(encoding="utf-8")
    body = ast.parse(text).body
    for word in rest.split("."):
        found = {each.name: each for each in body if hasattr(each, "name")}
        found |= {target.id: each for each in body if isinstance(each, ast.Assign)
                  for target in each.targets if isinstance(target, ast.Name)}  # fmt: skip
        if word not in found:
            raise LookupError(f"{name}: there is no {word} in {path.name}: {nearest(word, [*found])}")
        node = found[word]
        body = getattr(node, "body", [])
    first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
    if node.end_lineno - first >= MOST_LINES:
        raise LookupError(
            f"{name} has {node.end_lineno - first + 1} lines: a page shows at most {MOST_LINES}. Show a part of it"
        )
    shown = textwrap.dedent("\n".join(text.split("\n")[first - 1 : node.end_lineno])) + "\n"
    for number, line in enumerate(shown.split("\n"), start=first):
        if len(line) > MOST_COLUMNS:
            raise LookupError(
                f"{name}: line {number} of {path.name} is longer than {MOST_COLUMNS} columns: wrap it there"
            )
    return Excerpt(path, first, node.end_lineno, shown)


def never_run(shown: Excerpt) -> list[int]:
    """The lines of an excerpt, as lines of its module, that the package's tests never ran.

    Raises:
        NotInstalled: the tests have not run on the module as it is.
        Failure: they have not, and ``HARNESS_ALL_ENVIRONMENTS`` says that this is a fault.
    """
    known = json.loads(LINES.read_text(encoding="utf-8")) if LINES.is_file() else {}
    module = known.get(shown.path.relative_to(SOURCES).as_posix(), {})
    if module.get("digest") != hashlib.sha256(shown.path.read_bytes()).hexdigest():
        reason = (
            f"which lines of {shown.path.name} the tool's tests run is not known for the file as it is: "
            "find it out with nox -s tool -p 3.13"
        )
        if os.environ.get(ALL_VARIABLE):
            raise Failure(reason)
        raise NotInstalled("tool", reason)
    return [line for line in module["never_run"] if shown.first <= line <= shown.last]


def write(report: Path) -> None:
    """Write which lines of each module never ran, from coverage.py's report on the package as it was installed."""
    modules = {}
    for name, found in json.loads(report.read_text(encoding="utf-8"))["files"].items():
        path = Path(name)
        within = Path(*path.parts[path.parts.index("gym_rollouts") :]).as_posix()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        modules[within] = {"digest": digest, "never_run": found["missing_lines"]}
    LINES.parent.mkdir(exist_ok=True)
    LINES.write_text(json.dumps(modules, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
