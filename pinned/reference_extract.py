"""What an installed NeMo Gym is made of: its resources servers, the settings that its programs read, its commands.

Most of it is read from the sources and configurations of the install (`pinned.reference_classes`), so that it works
for other releases than the pinned one too. What comes out is plain: dictionaries, lists and text, in an order that
does not depend on the machine.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from pinned.reference_classes import (
    KINDS,
    READERS,
    Data,
    ancestors,
    classes,
    config_classes,
    imports,
    role_of,
    site_packages,
    top_level_keys,
)

#: Fields of a verify or run request that are no fields of a task.
FRAMEWORK_FIELDS = frozenset({"responses_create_params", "response", "agent_ref", "task_source"})

#: The module of ``gym`` itself.
MAIN = "nemo_gym.cli.main"

#: The command that prints a configuration as others would read it, and the one that reads most of it.
RESOLVING, RUNNING = "env resolve", "eval run"


def everything() -> Data:
    """All that this module finds, with the release that it found it in."""
    return {
        "version": metadata.version("nemo-gym"),
        "servers": servers(),
        "components": components(),
        "classes": config_classes(),
        "keys": top_level_keys(),
        "groups": command_groups(),
        "commands": commands(),
        "server_classes": server_classes(),
        "old_commands": old_commands(),
    }


# -- Servers ------------------------------------------------------------------------------------------------------


def servers() -> dict[str, Data]:
    """Every resources server of the install by its folder's name.

    Each with what its configurations say (``domains``, ``descriptions``, ``verified``, ``agents``, ``datasets``,
    ``models`` beside the policy), its ``fields`` (what a task's row has beyond ``responses_create_params``),
    ``requires`` (packages beyond NeMo Gym), ``benchmarks`` and ``environments`` that use it, and its ``module``.
    """
    root = site_packages()
    used = _manifests(root)
    folders = sorted(path for path in (root / "resources_servers").iterdir() if _is_server(path))
    return {folder.name: _server(folder, used) for folder in folders}


def _is_server(folder: Path) -> bool:
    return folder.is_dir() and not folder.name.startswith(("_", "."))


def components() -> dict[str, list[str]]:
    """The names of every other component that the install has, by kind."""
    root = site_packages()
    return {
        kind: sorted(path.name for path in (root / kind).iterdir() if _is_server(path))
        for kind in (*KINDS[1:], "environments", "benchmarks")
        if (root / kind).is_dir()
    }


def _yaml(path: Path) -> Any:
    import yaml  # of NeMo Gym's own requirements

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        return None


def _manifests(root: Path) -> dict[str, Data]:
    """What uses each resources server: benchmarks and environments, with their licenses and ranges of rewards."""
    found: dict[str, Data] = {}
    for kind in ("benchmarks", "environments"):
        for path in sorted((root / kind).glob("*/**/manifest.yaml")):
            manifest = _yaml(path) or {}
            server = manifest.get("resources_server")
            for name in [server] if isinstance(server, str) else server or []:
                entry = found.setdefault(str(name), {"benchmarks": [], "environments": [], "rewards": []})
                entry[kind].append(str(manifest.get("name", path.parent.name)))
                span = (manifest.get("reward") or {}).get("range")
                if span and span not in entry["rewards"]:
                    entry["rewards"].append(span)
    return found


def _server(folder: Path, used: Mapping[str, Data]) -> Data:
    blocks: list[tuple[str, str, Data]] = []
    # The configuration that has the server's own name says best what it is about.
    configs = sorted((folder / "configs").glob("**/*.yaml"), key=lambda path: (path.stem != folder.name, path.name))
    for path in configs:
        config = _yaml(path)
        for value in config.values() if isinstance(config, dict) else ():
            for kind in KINDS:
                inner = value.get(kind) if isinstance(value, dict) else None
                if isinstance(inner, dict):
                    blocks += [(kind, str(name), each) for name, each in inner.items() if isinstance(each, dict)]
    own = [each for kind, name, each in blocks if kind == KINDS[0] and name == folder.name]
    datasets = [each for _, _, block in blocks for each in block.get("datasets") or () if isinstance(each, dict)]
    module = next((name for name in ("app.py", "base.py") if (folder / name).is_file()), None)
    uses = used.get(folder.name, {})
    return {
        "domains": _each(block.get("domain") for block in own),
        "descriptions": _each(" ".join(str(block.get("description") or "").split()) for block in own),
        "values": _each(" ".join(str(block.get("value") or "").split()) for block in own),
        "verified": any(block.get("verified") is True for block in own),
        "verified_url": _each(block.get("verified_url") for block in own if block.get("verified") is True),
        "agents": _each(name for kind, name, _ in blocks if kind == KINDS[1]),
        "models": _each(name for block in own for name in _model_references(block)),
        "datasets": _datasets(datasets),
        "fields": _task_fields(folder),
        "requires": _requirements(folder),
        "benchmarks": sorted(uses.get("benchmarks", [])),
        "environments": sorted(uses.get("environments", [])),
        "rewards": uses.get("rewards", []),
        "module": f"resources_servers.{folder.name}" + (f".{module.removesuffix('.py')}" if module else ""),
        "has_module": module is not None,
    }


def _each(values: Iterable[Any]) -> list[str]:
    """Each value that is there, once."""
    return list(dict.fromkeys(str(value) for value in values if value))


def _model_references(block: Data) -> Iterator[str]:
    """The settings of a server that name a model's server, such as ``judge_model_server``."""
    for key, value in block.items():
        if isinstance(value, dict):
            if value.get("type") == KINDS[2]:
                yield key
            else:
                yield from (f"{key}.{inner}" for inner in _model_references(value))


def _datasets(declared: list[Data]) -> list[Data]:
    """The declared datasets: split, license, and where the rows are to be had."""
    found: list[Data] = []
    for each in declared:
        source = each.get("source") or {}
        hub = each.get("huggingface_identifier") or (source if source.get("type") == "huggingface" else {})
        gitlab = each.get("gitlab_identifier") or (source if source.get("type") == "gitlab" else {})
        one = {
            "split": str(each.get("type", "")),
            "license": str(each.get("license") or ""),
            "hub": str(hub.get("repo_id") or ""),
            "gitlab": str(gitlab.get("dataset_name") or ""),
        }
        if one not in found:
            found.append(one)
    return found


def _requirements(folder: Path) -> list[str]:
    """What a server's environment has beyond NeMo Gym, as its ``requirements.txt`` or project asks for it."""
    path = folder / "requirements.txt"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    project = folder / "pyproject.toml"
    if project.is_file():
        lines += tomllib.loads(project.read_text(encoding="utf-8")).get("project", {}).get("dependencies", [])
    asked = [re.split(r"\s#|\s--hash|\s\\\\", line)[0].strip() for line in lines]
    return [line for line in asked if line and not line.startswith(("#", "--")) and not _is_nemo_gym(line)]


def _is_nemo_gym(requirement: str) -> bool:
    return bool(re.match(r"(-e\s+)?nemo[-_]gym\b|-e\s+(\.\./)+|-r\s", requirement))


def _task_fields(folder: Path) -> list[Data]:
    """The fields of a task's row that are the server's: of its ``TaskData``, or else of its verify request's class."""
    try:
        from nemo_gym.task_data import load_task_data_schema

        schema = load_task_data_schema(folder)
    except Exception:  # another release, or a schema that needs what is not installed
        schema = None
    if schema is not None:
        return list(_schema_fields(schema.json_schema(mode="validation")))
    return _request_fields(folder)


def _schema_fields(schema: Data) -> Iterator[Data]:
    """The fields of a JSON Schema; of a union, those of every branch, required where all require them."""
    definitions = schema.get("$defs", {})
    branches = [
        definitions.get(str(branch.get("$ref", "")).rpartition("/")[2], branch)
        for branch in schema.get("anyOf") or schema.get("oneOf") or [schema]
    ]
    branches = [definitions.get(str(each.get("$ref", "")).rpartition("/")[2], each) for each in branches]
    names = dict.fromkeys(name for branch in branches for name in branch.get("properties", {}))
    for name in names:
        having = [branch for branch in branches if name in branch.get("properties", {})]
        yield {
            "name": name,
            "required": len(having) == len(branches) and all(name in each.get("required", []) for each in having),
            "says": " ".join(having[0]["properties"][name].get("description", "").split()),
            "in": str(having[0]["properties"][name].get("legacy_location", "")),
        }


def _request_fields(folder: Path) -> list[Data]:
    module = f"resources_servers.{folder.name}"
    named = [path for path, one in classes().items() if one.module.startswith(f"{module}.")]
    requests = [path for path in named if path.endswith("VerifyRequest")]
    fields: dict[str, Data] = {}
    for path in [each for request in requests for each in ancestors(request)]:
        for name, each in (classes()[path].fields if path in classes() else {}).items():
            if name not in FRAMEWORK_FIELDS:
                required = each["default"] is None
                fields.setdefault(name, {"name": name, "required": required, "says": each["says"], "in": ""})
    return list(fields.values())


# -- Commands -----------------------------------------------------------------------------------------------------


def commands() -> dict[str, Data]:
    """Every ``gym`` command by its words, and under "" ``gym`` itself.

    Each has what it ``says``, the ``classes`` that read its settings, whether it ``starts_servers``, and its ``flags``.
    Each flag has its ``names``, ``says``, ``value`` (what follows it), ``choices``, ``default``, ``required`` and
    ``sets``: the settings that it turns into. Empty for a release without ``gym``.
    """
    try:
        main = importlib.import_module(MAIN)
        table, parser = main.COMMANDS, main.build_parser()
    except (ImportError, AttributeError):
        return {}
    everywhere = {"says": "", "classes": [], "starts_servers": False, "flags": _flags(parser, None)}
    return {"": everywhere} | {
        name: {
            "says": command.summary or "",
            "classes": _read_by(command.target),
            "starts_servers": _starts_servers(command.target),
            "flags": _flags(_leaf(parser, name.split()), command),
        }
        for name, command in table.items()
    }


def command_groups() -> dict[str, str]:
    """What ``gym --help`` says of each group of commands."""
    try:
        return dict(importlib.import_module(MAIN).GROUPS)
    except (ImportError, AttributeError):
        return {}


def _leaf(parser: argparse.ArgumentParser, words: list[str]) -> argparse.ArgumentParser:
    for word in words:
        (choices,) = [a.choices for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
        parser = choices[word]
    return parser


def _flags(leaf: argparse.ArgumentParser, command: Any) -> list[Data]:
    found = []
    for action in leaf._actions:
        if isinstance(action, argparse._SubParsersAction) or (command and action.dest in ("help", "verbose")):
            continue
        found.append(
            {
                "names": list(action.option_strings) or [str(action.metavar or action.dest)],
                "says": " ".join((action.help or "").split()),
                "value": _value(action),
                "choices": [str(choice) for choice in action.choices or ()],
                "default": "" if action.default in (None, False, argparse.SUPPRESS) else str(action.default),
                "required": bool(action.required) and bool(action.option_strings),
                "positional": not action.option_strings,
                "sets": _sets(action, leaf, command.flags if command else ()),
            }
        )
    return found


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    metavar = action.metavar or action.dest.upper()
    return " ".join(metavar) if isinstance(metavar, tuple) else str(metavar)


def _sets(action: argparse.Action, leaf: argparse.ArgumentParser, flags: Iterable[Any]) -> list[str]:
    """The settings that a flag becomes, as the program itself translates it: each ``key=VALUE``."""
    empty = {each.dest: None if each.default is argparse.SUPPRESS else each.default for each in leaf._actions}
    given: Any = "VALUE"
    match action:
        case argparse._StoreTrueAction() | argparse._StoreConstAction():
            given = action.const
        case argparse._AppendAction():
            given = ["VALUE"]
        case _ if action.nargs == 2:
            given = ["LOW", "HIGH"]
        case _ if action.type is not None and action.type not in (int, float, str):
            given = ["VALUE"]
    tokens: list[str] = []
    for flag in flags:
        try:
            without = flag.translate_to_hydra(argparse.Namespace(**empty))
            tokens += [
                token
                for token in flag.translate_to_hydra(argparse.Namespace(**empty | {action.dest: given}))
                if token not in without
            ]
        except (Exception, SystemExit):  # a flag that looks its value up, such as the name of a component
            tokens += ["+config_paths=[...]"]
    return list(dict.fromkeys(token.lstrip("+").replace('"', "") for token in tokens if "=" in token))


def _functions(target: Any) -> Iterator[tuple[ast.AST, Mapping[str, ast.AST], str, Mapping[str, str]]]:
    """The functions behind a command: each with its module's other functions, its module, and that module's imports."""
    targets = [target] if isinstance(target, str) else re.findall(r'"(nemo_gym[\w.]*:\w+)"', inspect.getsource(target))
    if not isinstance(target, str):
        if "_SEARCHABLE_TYPES" in inspect.getsource(target):
            return
        targets.append(f"{target.__module__}:{target.__name__}")  # one that the program calls with its arguments
    for each in targets:
        module, _, name = each.partition(":")
        path = site_packages() / (module.replace(".", "/") + ".py")
        if path.is_file():
            tree = ast.parse(path.read_text(encoding="utf-8"))
            bodies = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
            if name in bodies:
                yield bodies[name], bodies, module, imports(tree, module.rpartition(".")[0])


def _read_by(target: Any) -> list[str]:
    """The classes that read a command's settings: those that its functions validate the configuration with.

    The functions themselves, or what they call.
    """
    return _each(name for function in _functions(target) for name in _validated_in(*function, depth=2))


def _starts_servers(target: Any) -> bool:
    """Whether a command starts servers: whether one of its functions makes NeMo Gym's own helper for that."""
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func) == "RunHelper"
        for body, *_ in _functions(target)
        for node in ast.walk(body)
    )


def server_classes() -> list[str]:
    """The classes that read the whole configuration wherever servers run: no command's own, and outside ``gym``."""
    root, found = site_packages(), []
    for path in sorted((root / "nemo_gym").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        text = path.read_text(encoding="utf-8")
        if "model_validate" in text and not {"cli", "tests", "testing"} & set(parts):
            module, tree = ".".join(parts), ast.parse(text)
            names = imports(tree, module.rpartition(".")[0])
            for node in ast.walk(tree):
                match node:
                    case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="model_validate"), args=[given]):
                        path = names.get(name, f"{module}.{name}")
                        if "global_config" in ast.unparse(given) and path in classes() and role_of(path) != "command":
                            found.append(path)
    return _each(found)


def command_classes(commands: Mapping[str, Data], servers: Iterable[str]) -> dict[str, list[str]]:
    """Every class, as ``module:Name``, that reads what each command is given, from `commands` and `server_classes`.

    A command that starts servers is given what these read too, and `RESOLVING` what `RUNNING` is given.
    """
    found = {
        name: _each([*each["classes"], *(servers if each["starts_servers"] else ())])
        for name, each in commands.items()
        if name
    }
    if RESOLVING in found:
        found[RESOLVING] = _each([*found[RESOLVING], *found[RUNNING]])
    return {name: [":".join(path.rsplit(".", 1)) for path in paths] for name, paths in found.items()}


def _validated_in(
    body: ast.AST, bodies: Mapping[str, ast.AST], module: str, names: Mapping[str, str], depth: int
) -> list[str]:
    found: list[str] = []
    for node in ast.walk(body):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="model_validate")):
                path = names.get(name, f"{module}.{name}")
                # `gym` itself validates just what it hands on: a file of its own, of no class for commands.
                reads = path in classes() and (role_of(path) == "command" or module == MAIN)
                if reads and path.rpartition(".")[2] not in READERS:
                    found.append(path)
            case ast.Call(func=ast.Name(id=name)) if depth and name in bodies and bodies[name] is not body:
                found += _validated_in(bodies[name], bodies, module, names, depth - 1)
            case ast.Call(func=ast.Name(id=name)) if depth and names.get(name) in classes():
                found += _validated_by_run(names[name])
    return found


def _validated_by_run(path: str) -> list[str]:
    """The same of the method ``run`` of a class, which some commands make and leave all to."""
    module, _, name = path.rpartition(".")
    tree = ast.parse((site_packages() / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    methods = [
        method
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == name
        for method in node.body
        if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name == "run"
    ]
    names = imports(tree, module.rpartition(".")[0])
    return [each for method in methods for each in _validated_in(method, {}, module, names, 0)]


def old_commands() -> dict[str, str]:
    """Every console script whose name starts with ``ng_``, with the ``gym`` command that it stands for, if any."""
    scripts = [each.name for each in metadata.distribution("nemo-gym").entry_points if each.group == "console_scripts"]
    try:
        legacy = importlib.import_module("nemo_gym.cli.legacy").LEGACY
    except (ImportError, AttributeError):
        legacy = {}
    old = sorted(name for name in scripts if name.startswith("ng_"))
    return {name: " ".join(["gym", *legacy[key]]) if (key := name[3:]) in legacy else "" for name in old}


__all__ = ["commands", "config_classes", "everything", "old_commands", "servers", "site_packages", "top_level_keys"]
