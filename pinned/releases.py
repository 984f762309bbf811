"""Write which published release of NeMo Gym has which names, from the wheels on the package index.

    python -m pinned.releases [--wheels FOLDER]
    python -m pinned.releases --newer

Wheels that FOLDER lacks are downloaded there, with pip; by default ``build/wheels``. Nothing of them is imported or
installed: their sources are read. ``docs/_data/releases.json`` holds the names; the wheels are not kept with the site.
``--newer`` prints the newest release where that is newer than the pinned one, and writes nothing.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import subprocess
import sys
import tomllib
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

from pinned.names import COMPONENTS
from pinned.symbols import pinned_version

ROOT = Path(__file__).resolve().parents[1]
RELEASES = ROOT / "docs" / "_data" / "releases.json"
FACTS = ROOT / "docs" / "_data" / "release-facts.toml"

_NAME = re.compile(r"[A-Za-z_]\w{2,49}")
_WHEEL = re.compile(r"nemo_gym-(?P<version>[\d.]+)-")
_LISTED = re.compile(r"^Available versions: (?P<versions>.+)$", re.MULTILINE)


def published(python: str) -> list[str]:
    """The releases that the index offers, oldest first; those that were withdrawn are not among them."""
    command = [python, "-m", "pip", "index", "versions", "nemo-gym", "--ignore-requires-python"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sorted(_LISTED.search(text)["versions"].split(", "), key=_order)


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def newer_than(version: str, releases: list[str]) -> str:
    """The newest of some releases, oldest first, or nothing where a version is as new."""
    return releases[-1] if _order(releases[-1]) > _order(version) else ""


def download(python: str, version: str, folder: Path) -> None:
    """Put the wheel of a release into a folder, whichever Python it asks for."""
    options = ["--no-deps", "--only-binary", ":all:", "--ignore-requires-python", "--dest", str(folder)]
    subprocess.run([python, "-m", "pip", "download", "--quiet", *options, f"nemo-gym=={version}"], check=True)


def names_of(wheel: Path) -> set[str]:
    """What a wheel has: commands, alone and with each flag, console scripts, symbols, components, fields and keys."""
    found: set[str] = set()
    with zipfile.ZipFile(wheel) as archive:
        for path in archive.namelist():
            parts = path.split("/")
            if parts[0] in COMPONENTS and len(parts) > 2:
                found.add(parts[1])
            elif path.endswith("/entry_points.txt"):
                found |= set(re.findall(r"^(ng_\w+) *=", archive.read(path).decode(), re.MULTILINE))
            elif path.startswith("nemo_gym/") and path.endswith(".py") and "/tests/" not in path:
                tree = _parsed(archive.read(path).decode())
                module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
                found |= {module, *_in_module(tree, module)}
                if path == "nemo_gym/cli/main.py":
                    found |= set(_commands(tree))
        for fact, one in facts().items():
            texts = (archive.read(path).decode() for path in archive.namelist() if re.fullmatch(one["file"], path))
            if any(re.search(one["has"], text) for text in texts):
                found.add(fact)
    return found


def facts() -> dict[str, dict[str, str]]:
    """What is no name, but can be read of a file: a pattern for the file's path, and one for what it says."""
    return tomllib.loads(FACTS.read_text(encoding="utf-8"))


def _parsed(text: str) -> ast.Module:
    with warnings.catch_warnings():  # a module's own invalid escapes are not this project's business
        warnings.simplefilter("ignore", SyntaxWarning)
        return ast.parse(text)


def _in_module(tree: ast.Module, module: str) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield f"{module}.{node.name}"
    for node in ast.walk(tree):
        match node:
            case ast.AnnAssign(target=ast.Name(id=name)) if _NAME.fullmatch(name):
                yield name
            case ast.Constant(value=str() as value) if _NAME.fullmatch(value) and ("_" in value or value.islower()):
                yield value


def _commands(tree: ast.Module) -> Iterator[str]:
    """Each command of the table ``COMMANDS``, alone and with each of its flags."""
    assigned = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    table = assigned.get("COMMANDS")
    for key, value in zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) else ():
        name = f"gym {key.value}"
        yield name
        for flag in set(_flags(value, assigned)):
            yield f"{name} {flag}"


def _flags(node: ast.AST, assigned: dict[str, ast.expr], depth: int = 4) -> Iterator[str]:
    for each in ast.walk(node):
        match each:
            case ast.Call(func=ast.Name(id=maker), args=[ast.Constant(value=str() as name), *_]) if "_flag" in maker:
                yield f"--{name}"
            case ast.Constant(value=str() as value) if re.fullmatch(r"--[a-z][\w-]*", value):
                yield value
            case ast.Name(id=name) if depth and name in assigned and name.isupper():
                yield from _flags(assigned[name], assigned, depth - 1)


def text_of(found: dict[str, set[str]]) -> str:
    """The file: the releases, and the names of each pattern of having (``+``) and lacking (``-``)."""
    versions = sorted(found, key=_order)
    spans: dict[str, list[str]] = {}
    for name in sorted(set().union(*found.values())):
        span = "".join("+" if name in found[version] else "-" for version in versions)
        spans.setdefault(span, []).append(name)
    ordered = sorted(spans.items(), reverse=True)
    rows = [f"  {json.dumps(span)}: {json.dumps('|'.join(names))}" for span, names in ordered]
    return f'{{\n "versions": {json.dumps(versions)},\n "names": {{\n' + ",\n".join(rows) + "\n }\n}\n"


def main(arguments: list[str] | None = None) -> int:
    """Read the wheels of all published releases and write the file; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pinned.releases", description=__doc__.splitlines()[0])
    parser.add_argument("--wheels", type=Path, default=ROOT / "build" / "wheels", help="where the wheels are kept")
    parser.add_argument("--pip", default=sys.executable, help="a Python that has pip")
    parser.add_argument("--newer", action="store_true", help="print the newest release, unless it is the pinned one")
    options = parser.parse_args(arguments)
    if options.newer:
        print(newer_than(pinned_version(), published(options.pip)))
        return 0
    options.wheels.mkdir(parents=True, exist_ok=True)
    wheels = {}
    for version in published(options.pip):
        if not list(options.wheels.glob(f"nemo_gym-{version}-*.whl")):
            download(options.pip, version, options.wheels)
        (wheels[version],) = options.wheels.glob(f"nemo_gym-{version}-*.whl")
    RELEASES.write_text(text_of({version: names_of(wheel) for version, wheel in wheels.items()}), encoding="utf-8")
    print(f"{RELEASES.relative_to(ROOT)}: {', '.join(wheels)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
