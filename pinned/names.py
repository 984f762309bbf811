"""Write every name that the pinned release has, for the check of what pages say in prose (`prose`).

    python -m pinned.names            write docs/_data/names.json
    python -m pinned.names --check    fail where the file is not what the install gives

The file is committed, so that a page's prose is judged in a moment, and without NeMo Gym.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from pinned import reference_extract as extract
from pinned.reference_classes import KINDS, classes, site_packages
from pinned.symbols import pinned_version

ROOT = Path(__file__).resolve().parents[1]
NAMES = ROOT / "docs" / "_data" / "names.json"

#: The folders of the wheel that hold components, each in a folder of its own.
COMPONENTS = (*KINDS, "environments", "benchmarks")
#: The wheel's own folders.
FOLDERS = ("nemo_gym", *COMPONENTS)
#: How many rows of a shipped data file are looked into, and how deep.
ROWS, DEPTH = 5, 6
#: How a server says at which address it answers.
ROUTING = ("get", "post", "put", "delete", "patch", "route", "api_route", "add_api_route", "add_route")
#: Keys of a configuration that no class has as a field, with the class that reads what stands below.
HELD = {"head_server": "nemo_gym.config_types.BaseServerConfig"}
#: Settings below such a key whose default no class says, with the constant of ``nemo_gym.global_config`` that does.
HELD_DEFAULTS = {"head_server.port": "DEFAULT_HEAD_SERVER_PORT"}
#: How deep a listed file lies: what is below is data of one benchmark or another.
DEEPEST = 4

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_WORD = re.compile(r"[A-Za-z_][\w.@/-]{0,59}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_FROM_ENVIRONMENT = re.compile(r"\$\{oc\.env:(?P<name>\w+)|(?<![\w.])\$\{?(?P<shell>[A-Z][A-Z0-9_]+)\}?")

Data = dict[str, Any]


def gather() -> Data:
    """Every name of the installed release, by kind. See `prose.names` for who reads what."""
    root = site_packages()
    settings = importlib.import_module("nemo_gym.global_config")
    data = extract.everything()
    files = sorted(_files(root))
    constants, pairs, environment, values, routes = _in_sources(root, files)
    keys, key_pairs, variables, texts = _in_data(root, files)
    texts |= {Path(path).stem for path in files if path.endswith(".yaml")}
    fields = {field for one in classes().values() for field in one.fields}
    values |= {word for one in classes().values() for field in one.fields.values() for word in _choices(field["type"])}
    named = keys | fields | constants
    return {
        "version": data["version"],
        "requires_python": metadata.metadata("nemo-gym")["Requires-Python"],
        "commands": _commands(data),
        "old_commands": data["old_commands"],
        "components": {KINDS[0]: sorted(data["servers"])} | data["components"],
        "settings": {name: value["default"] for name, value in _top_level(data).items()},
        "held_defaults": {
            name: repr(getattr(settings, constant))
            for name, constant in HELD_DEFAULTS.items()
            if hasattr(settings, constant)
        },
        "classes": _classes(data),
        "keys": sorted(keys | fields),
        "pairs": _grouped({*(pair for pair in pairs if pair[1] in named), *key_pairs, *_nested_fields()}),
        "words": sorted((constants | values | texts) - keys - fields),
        "environment": sorted(environment | variables),
        "routes": sorted(routes),
        "files": _by_folder(files),
    }


def _files(root: Path) -> Iterator[str]:
    for each in metadata.files("nemo-gym") or ():
        path = each.as_posix()
        if path.partition("/")[0] in FOLDERS and not path.endswith(".pyc") and path.count("/") <= DEEPEST:
            yield path


def _by_folder(files: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in files:
        folder, _, name = path.rpartition("/")
        found.setdefault(folder, []).append(name)
    return found


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for outer, inner in sorted(set(pairs)):
        found.setdefault(outer, []).append(inner)
    return found


# -- Commands and classes -----------------------------------------------------------------------------------------


def _commands(data: Data) -> Data:
    """Each command by what a reader types, with its flags, the classes that read its settings, its arguments."""
    found = {}
    for words, command in data["commands"].items():
        flags, arguments = {}, []
        for flag in command["flags"]:
            if flag["positional"]:
                arguments.append(flag["choices"])
                continue
            one = {key: flag[key] for key in ("default", "choices", "sets") if flag[key]}
            flags |= dict.fromkeys(flag["names"], one)
        found[f"gym {words}".strip()] = {"classes": command["classes"], "flags": flags, "arguments": arguments}
    return found


def _top_level(data: Data) -> Data:
    keys = data["keys"]
    return keys if isinstance(keys, dict) else {each["name"]: each for each in keys}


def _classes(data: Data) -> Data:
    """Each class that takes fields of others, and each that settings are read by: its bases, its defaults."""
    read = {f"{one['module']}.{one['name'].rpartition('.')[2]}" for one in data["classes"].values()}
    found = {}
    for path, one in sorted(classes().items()):
        bases = [base for base in one.bases if base in classes()]
        fields = {name: field["default"] for name, field in one.fields.items()} if path in read else {}
        if fields or bases:
            found[path] = {"bases": bases, "fields": fields}
    return found


def _choices(type_: str) -> list[str]:
    """The values that a type allows, where it lists them."""
    return re.findall(r"[\"']([\w./@-]+)[\"']", type_)


def _nested_fields() -> Iterator[tuple[str, str]]:
    """Each field whose type has fields of its own, with each of these."""
    found = {(key, own) for key, path in HELD.items() for own in classes()[path].fields}
    for one in classes().values():
        for name, field in one.fields.items():
            for inner in field["names"]:
                for path in extract.ancestors(inner) if inner in classes() else ():
                    found |= {(name, own) for own in (classes()[path].fields if path in classes() else ())}
    return found


# -- Sources ------------------------------------------------------------------------------------------------------


def _in_sources(root: Path, files: list[str]) -> tuple[set[str], set[tuple[str, str]], set[str], set[str], set[str]]:
    """What the sources name: texts that could be keys or values, pairs of names with a dot between, variables of the
    environment, names of types, functions and modules, and addresses that servers answer at."""
    routes: set[str] = set()
    constants: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    environment: set[str] = set()
    values: set[str] = set()
    for path in files:
        if not path.endswith(".py") or "/tests/" in path:
            continue
        shared = path.startswith("nemo_gym/")
        if not shared and path.count("/") != 2:
            continue
        text = (root / path).read_text(encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text)
        docstrings = {id(node.body[0].value) for node in ast.walk(tree) if _has_docstring(node)}
        for node in ast.walk(tree):
            match node:
                case ast.Constant(value=str() as value) if id(node) not in docstrings and _WORD.fullmatch(value):
                    if shared or ("_" in value and path.startswith(KINDS[1:])):
                        constants.add(value)
                case ast.Call(func=ast.Attribute(attr=how), args=[ast.Constant(value=str() as route), *_]) if (
                    how in ROUTING and re.fullmatch(r"/\w[\w.-]*(?:/[\w.{}:-]+)*", route)
                ):
                    routes.add(route)
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str() as route)) if name.endswith(
                    "_PATH"
                ) and re.fullmatch(r"/\w+", route):
                    routes.add(route)
                case ast.Subscript(value=outer, slice=ast.Constant(value=str() as inner)):
                    pairs |= _below(outer, inner)
                case ast.Call(func=ast.Attribute(value=outer, attr="get"), args=[ast.Constant(value=inner), *_]):
                    pairs |= _below(outer, str(inner))
                case (
                    ast.Attribute(value=ast.Name(id=outer), attr=inner)
                    | ast.Attribute(value=ast.Attribute(attr=outer), attr=inner)
                ) if shared and outer != "self":
                    pairs.add((outer, inner))
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if shared or not name.startswith("_"):
                    values.add(name)
                case ast.arg(arg=name) | ast.keyword(arg=str() as name) if shared:
                    values.add(name)
        environment |= _variables(tree)
    return constants, pairs, environment, values, routes


def _below(outer: ast.AST, inner: str) -> set[tuple[str, str]]:
    """The pair of a key that a source looks up in something, and the name of that."""
    match outer:
        case ast.Attribute(attr=name) | ast.Subscript(slice=ast.Constant(value=str() as name)):
            return {(name, inner)} if _IDENTIFIER.fullmatch(inner) else set()
    return set()


def _has_docstring(node: ast.AST) -> bool:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None


def _variables(tree: ast.Module) -> set[str]:
    """The variables of the environment that a module reads or sets: the keys of ``os.environ``, by name or as text."""
    named = {
        target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }
    found = {value for name, value in named.items() if "ENV_VAR" in name}

    def key(node: ast.AST) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.Name) and node.id in named:
            found.add(named[node.id])

    for node in ast.walk(tree):
        match node:
            case ast.Subscript(value=value, slice=inner) if _is_env(value):
                key(inner)
            case ast.Call(func=ast.Attribute(value=value), args=[first, *_]) if _is_env(value):
                key(first)
            case ast.Call(func=ast.Attribute(attr="getenv") | ast.Name(id="getenv"), args=[first, *_]):
                key(first)
            case ast.Compare(left=left, comparators=[right]) if _is_env(right):
                key(left)
    return {name for name in found if re.fullmatch(r"[A-Z][A-Z0-9_]*", name)}


def _is_env(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return name in ("environ", "env", "environment", "env_vars")


# -- Configurations and rows --------------------------------------------------------------------------------------


def _in_data(root: Path, files: list[str]) -> tuple[set[str], set[tuple[str, str]], set[str], set[str]]:
    """What shipped configurations and rows name: keys, pairs of a key and one below it, variables, values."""
    keys: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    variables: set[str] = set()
    values: set[str] = set()

    def walk(value: Any, above: str, depth: int, config: bool) -> None:
        if isinstance(value, dict) and depth:
            for key, inner in value.items():
                if isinstance(key, str) and _IDENTIFIER.fullmatch(key) and len(key) < 60:
                    keys.add(key)
                    if above and paired:
                        pairs.add((above, key))
                    walk(inner, key, depth - 1, config)
        elif isinstance(value, list):
            for inner in value[:ROWS]:
                walk(inner, above, depth, config)
        elif config and isinstance(value, str) and _WORD.fullmatch(value):
            values.add(value)

    for path in files:
        paired = path.startswith(KINDS)
        if path.endswith((".yaml", ".yml")):
            text = (root / path).read_text(encoding="utf-8", errors="replace")
            variables |= {found["name"] for found in _FROM_ENVIRONMENT.finditer(text) if found["name"]}
            try:
                for document in yaml.safe_load_all(text):
                    walk(document, "", 12, True)
            except yaml.YAMLError:
                continue
        elif path.endswith("example.jsonl"):
            with (root / path).open(encoding="utf-8") as lines:
                for _, line in zip(range(ROWS), lines, strict=False):
                    try:
                        walk(json.loads(line), "", DEPTH, False)
                    except ValueError:
                        break
    return keys, pairs, variables, values


# -- The file -----------------------------------------------------------------------------------------------------


def text_of(data: Data) -> str:
    """The file's text: one kind, command, class or folder a line, so that a difference can be read."""
    lines = []
    for kind, value in data.items():
        if isinstance(value, dict):
            rows = [f"  {json.dumps(key)}: {json.dumps(inner)}" for key, inner in value.items()]
            lines.append(f" {json.dumps(kind)}: {{\n" + ",\n".join(rows) + "\n }")
        else:
            lines.append(f" {json.dumps(kind)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or compare it with the install; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pinned.names", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail where the file is out of date")
    options = parser.parse_args(arguments)
    data = gather()
    if data["version"] != pinned_version():
        print(f"expected nemo-gym {pinned_version()}, found {data['version']} installed", file=sys.stderr)
        return 1
    text = text_of(data)
    if not options.check:
        NAMES.write_text(text, encoding="utf-8")
        print(NAMES.relative_to(ROOT))
        return 0
    if not NAMES.is_file() or NAMES.read_text(encoding="utf-8") != text:
        print(f"{NAMES.relative_to(ROOT)} is not what the install gives. Run nox -s reference", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
