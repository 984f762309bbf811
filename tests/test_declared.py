"""What a part of the project imports is declared in the dependency group of the session that runs it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from nox.project import dependency_groups, load_toml
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from harness.environments import DEFAULT, ENVIRONMENTS
from harness.reader import packages
from pinned.symbols import ROOT

#: The project's own packages, and where they are found: from the root, and from the folder of the site's extensions.
FOLDERS = (ROOT, ROOT / "docs/_ext")

#: Each group with the programs that run in the environment made of it. Of `tests` each line may run; of others what
#: is imported as they start, since the rest of what they share with the tests runs there only.
PARTS = {
    "docs": ("docs/conf.py", "docs/_ext", "checks/site.py"),
    "tests": ("conftest.py", "harness", "pinned", "benchmarks", "recipes", "tests", "docs/_ext", "checks/*.py"),
    "verbatim": ("harness/verbatim.py",),
    "links": ("checks/links.py", "checks/notebooks.py"),
    "browser": ("checks/browser",),
    "consumers": ("harness/consumers/worker.py", "harness/consumers/strict.py", "harness/consumers/__init__.py"),
}

#: What runs in an environment of its own although it lies among the programs of another group.
ITS_GROUP = "the consumers of its environment, whose group has it"
ELSEWHERE = {
    "tests": dict.fromkeys(("accelerate", "openrlhf", "tokenizers", "torch", "transformers", "trl", "verl"), ITS_GROUP)
    | dict.fromkeys(("nemo_platform", "nemo_rl_plugin", "nmp", "typer"), ITS_GROUP)
    | {"gym_rollouts": "the session installs the tool from its sources"}
}


def programs(patterns: Iterable[str]) -> set[Path]:
    """The Python files of folders and names, without what a page or a build has left there."""
    found: set[Path] = set()
    for pattern in patterns:
        for path in ROOT.glob(pattern):
            found |= set(path.rglob("*.py")) if path.is_dir() else {path}
    assert found, patterns
    return found


def imported(path: Path, at_start: bool) -> Iterator[str]:
    """The dotted names that a file imports; ``at_start``, only those that are imported with it and must be there."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), level=0, names=names):
                yield from (f"{module}.{each.name}" for each in names)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() if at_start:
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING")) if at_start:
                continue
            case ast.Try(handlers=[ast.ExceptHandler(type=ast.Name(id="ImportError"))]) if at_start:
                continue
        waiting += ast.iter_child_nodes(node)


def own(name: str) -> list[Path]:
    """The project's own files that importing a dotted name runs, if it is one of the project's."""
    found = []
    for folder in FOLDERS:
        for length in range(1, name.count(".") + 2):
            way = folder.joinpath(*name.split(".")[:length])
            found += [file for file in (way / "__init__.py", way.with_suffix(".py")) if file.is_file()]
    return found


def needed(paths: Iterable[Path], at_start: bool) -> dict[str, str]:
    """The modules from outside that programs import, directly or through the project's own, each with a file."""
    found: dict[str, str] = {}
    seen, waiting = set(), list(paths)
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imported(path, at_start):
            top = name.partition(".")[0]
            if files := own(name):
                waiting += files
            elif top not in sys.stdlib_module_names and not any((folder / top).is_dir() for folder in FOLDERS):
                found.setdefault(top, path.relative_to(ROOT).as_posix())
    return found


def declared(group: str) -> set[str]:
    """The distributions that a group names."""
    found = set()
    for each in dependency_groups(load_toml(ROOT / "pyproject.toml"), group):
        try:
            found.add(canonicalize_name(Requirement(each).name))
        except InvalidRequirement:  # pragma: no cover
            pytest.fail(f"{each!r} of the group {group} is no requirement")
    return found


def undeclared(group: str, paths: Iterable[Path]) -> list[str]:
    """One line for each module that programs import and their group does not name."""
    names, has = packages(ENVIRONMENTS[DEFAULT]), declared(group)
    missing = []
    for module, file in sorted(needed(paths, at_start=group != "tests").items()):
        brought = names.brings(module) or {canonicalize_name(module)}
        if not brought & has and module not in ELSEWHERE.get(group, ()):
            missing.append(f"{file} imports {module}, of {min(brought)}, which the group {group} does not name")
    return missing


@pytest.mark.parametrize("group", PARTS)
def test_what_a_part_imports_is_declared(group: str) -> None:
    assert undeclared(group, programs(PARTS[group])) == []


def test_the_noxfile_needs_nox_only() -> None:
    assert set(needed([ROOT / "noxfile.py"], at_start=True)) == {"nox"}


def test_a_module_that_comes_by_accident_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "FOLDERS", (tmp_path,))
    (tmp_path / "pyproject.toml").write_text('[dependency-groups]\ntests = ["sphinx"]\n', encoding="utf-8")
    (tmp_path / "own.py").write_text("import yaml\n\ndef f():\n    from jinja2 import Template\n", encoding="utf-8")
    (tmp_path / "program.py").write_text("import json\nimport own\nimport sphinx.application\n", encoding="utf-8")
    assert undeclared("tests", [tmp_path / "program.py"]) == [
        "own.py imports jinja2, of jinja2, which the group tests does not name",
        "own.py imports yaml, of pyyaml, which the group tests does not name",
    ]
