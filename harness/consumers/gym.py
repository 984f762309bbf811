"""The consumers that NeMo Gym's own classes stand for: its commands, and the rows that it reads and writes.

A text goes to the consumer's own class, so that what the class would refuse, and what it would ignore in silence,
fails with its line. These functions run beside NeMo Gym (`harness.live`'s ``call``).
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic.fields import FieldInfo

from harness.consumers.commands import COMMAND_CONFIGS
from harness.consumers.strict import (
    Problem,
    check,
    compose,
    line_of,
    mapping,
    unknown_key,
    unknown_keys,
    wrong_values,
)
from harness.nearest import nearest

SERVER_TYPES = ("resources_servers", "responses_api_agents", "responses_api_models", "environment_servers")

#: Fields that NeMo Gym types as any mapping, with the class that reads them in the end.
READ_BY = {"responses_create_params": "nemo_gym.openai_utils:NeMoGymResponseCreateParamsNonStreaming"}

#: Keys of a server block that the configuration parser or the catalog reads, not the server's class.
SERVER_BLOCK_KEYS = {
    "_inherit_from": "the parser copies another block in place",
    "_copy": "the parser copies another block in place",
    "_delete_key": "the parser drops a key of a block that another file brought",
    "allowed_agents": "the parser checks which agents may be paired",
    "allowed_model_types": "the parser checks which model servers may be paired",
    "description": "`gym list` and `gym search` show it",
    "verified": "`gym list` and `gym search` show it",
    "value": "`gym list` and `gym search` show it",
}


def load(name: str) -> Any:
    """The object that ``module:attribute`` names."""
    module, _, attribute = name.partition(":")
    return getattr(importlib.import_module(module), attribute)


# ------------------------------------------------------------------------------- NeMo Gym's configuration


def gym_config(text: str, command: str, context: Iterable[str] = (), keys_only: bool = False) -> list[Problem]:
    """What is wrong with a configuration that ``gym <command>`` reads.

    Args:
        text: the configuration, as YAML.
        command: such as ``eval run``.
        context: the texts of other configurations that the same command reads: the variables and servers that
            they use are known.
        keys_only: look for unknown keys only: wrong values and missing servers are what the command itself refuses.
    """
    node, problems = mapping(text)
    if node is None:
        return problems
    fields = _command_fields(command)
    texts = _with_included(text, tuple(context))
    used = {name.split(".")[0] for each in texts for name in re.findall(r"\$\{([^}:,]+)", each)}
    servers = {key for each in texts for key in _top_level(each)} - set(fields)
    for key, value in node.value:
        name = key.value
        if name == "config_paths" and not keys_only:
            problems += _missing_files(value)
        if name in fields:
            problems += _check_field(fields[name], value, name, keys_only)
        elif _is_server(value):
            problems += _check_server(name, value, keys_only)
        elif name not in _reserved() and name not in used and name not in servers - _keys(node):
            problems += _misspelt_kind(key, value) or [
                unknown_key(key, "", {*fields, *_reserved(), *used, *servers} - {name}, f"`gym {command}`")
            ]
    return problems


def included(texts: Iterable[str]) -> dict[Path, str]:
    """Each file, with its text, that configurations name in ``config_paths``, and those that these name in turn."""
    found: dict[Path, str] = {}
    waiting = list(texts)
    for each in waiting:
        for name in _config_paths(each):
            path = config_file(name)
            if path.is_file() and path.resolve() not in found:
                found[path.resolve()] = path.read_text(encoding="utf-8")
                waiting.append(found[path.resolve()])
    return found


def config_file(name: str) -> Path:
    """Where NeMo Gym looks for a configuration: in this folder, then in the install; in this folder if in neither."""
    from nemo_gym.global_config import _resolve_under_cwd_or_install

    return Path(_resolve_under_cwd_or_install(name))


def not_there(name: str) -> str | None:
    """That a configuration is in none of the folders in which NeMo Gym looks for it; None where it is in one."""
    from nemo_gym import PARENT_DIR

    if "$" in name or config_file(name).is_file():
        return None
    folder = Path(name).parent
    known = [
        str(path.relative_to(root)) for root in (Path(), Path(PARENT_DIR)) for path in (root / folder).glob("*.y*ml")
    ]
    near = nearest(name, known)
    hint = f"; {near}" if near.startswith("did you") else ""
    return f"there is no file {name!r}, neither in the reader's folder nor in the install: show it above{hint}"


def _missing_files(node: yaml.Node) -> list[Problem]:
    names = [each for each in getattr(node, "value", ()) if isinstance(each, yaml.ScalarNode)]
    found = [(line_of(each), not_there(each.value)) for each in names]
    return [Problem(line, f"config_paths: {said}") for line, said in found if said]


def _config_paths(text: str) -> list[str]:
    names = _top_level(text).get("config_paths")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def _with_included(text: str, context: tuple[str, ...]) -> list[str]:
    """The text, its context, and every configuration that they name in ``config_paths``."""
    texts = [text, *context]
    texts += included(texts).values()
    # What the command line's `--model-type` brings is not in any of these files: its variables are always known.
    return [*texts, *_model_configs()]


@cache
def _top_level(text: str) -> dict[str, Any]:
    """The data of a configuration's text by its top-level keys; none of what is no YAML: its reader says that."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return {str(key): value for key, value in data.items()} if isinstance(data, dict) else {}


@cache
def _model_configs() -> tuple[str, ...]:
    from nemo_gym import PARENT_DIR

    paths = sorted(Path(PARENT_DIR).glob("responses_api_models/*/configs/*.yaml"))
    return tuple(path.read_text(encoding="utf-8") for path in paths)


@cache
def _reserved() -> frozenset[str]:
    from nemo_gym.config_types import MLFlowConfig, WANDBConfig
    from nemo_gym.global_config import NEMO_GYM_RESERVED_TOP_LEVEL_KEYS

    exporters = {*WANDBConfig.model_fields, *MLFlowConfig.model_fields}
    model = {"policy_base_url", "policy_api_key", "policy_model_name"}
    return frozenset({*NEMO_GYM_RESERVED_TOP_LEVEL_KEYS, *exporters, *model})


def _keys(node: yaml.MappingNode) -> set[str]:
    return {key.value for key, _ in node.value}


@cache
def _command_fields(command: str) -> dict[str, Any]:
    if command not in COMMAND_CONFIGS:
        raise LookupError(f"`gym {command}` is no command of the pinned NeMo Gym")
    fields: dict[str, Any] = {}
    for name in COMMAND_CONFIGS[command]:
        for field, info in load(name).model_fields.items():
            fields[field] = load(READ_BY[field]) if field in READ_BY else info
    return fields


def _check_field(field: Any, node: yaml.Node, name: str, keys_only: bool) -> list[Problem]:
    annotation = field
    if isinstance(field, FieldInfo):
        annotation = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    problems = unknown_keys(annotation, node, f"{name}.")
    if keys_only or problems:
        return problems
    # A mapping of overrides gives some of a class's keys: those that it leaves out come from the row.
    return [each for each in wrong_values(annotation, node, f"{name}.") if not each.message.endswith("Field required")]


def _is_mapping(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode)


def _is_server(node: yaml.Node) -> bool:
    return _is_mapping(node) and bool(_keys(node) & set(SERVER_TYPES))


def _misspelt_kind(instance: yaml.Node, node: yaml.Node) -> list[Problem]:
    """The problem of a block that would be a server's if its kind were spelt right."""
    path = f"{instance.value}."
    keys = [key for key, value in node.value if _is_mapping(value)] if _is_mapping(node) else []
    found = [unknown_key(key, path, SERVER_TYPES, "a server") for key in keys]
    return [problem for problem in found if "did you mean" in problem.message]


def _check_server(instance: str, node: yaml.MappingNode, keys_only: bool) -> list[Problem]:
    problems = []
    for kind, implementations in node.value:
        if kind.value in SERVER_BLOCK_KEYS:
            continue
        if kind.value not in SERVER_TYPES:
            problems.append(unknown_key(kind, f"{instance}.", SERVER_TYPES, "a server"))
            continue
        for implementation, block in getattr(implementations, "value", []):
            path = f"{instance}.{kind.value}.{implementation.value}."
            try:
                config = server_config(kind.value, implementation.value)
            except LookupError as error:
                if not keys_only:
                    problems.append(Problem(line_of(implementation), str(error)))
                continue
            if isinstance(block, yaml.MappingNode):
                problems += _check_server_block(config, block, path, keys_only)
    return problems


def _check_server_block(config: type, block: yaml.MappingNode, path: str, keys_only: bool) -> list[Problem]:
    from nemo_gym.config_types import BaseRunServerTypeConfig

    # The parser's own class says what any block may hold (datasets, ports, ...); the server's class says the rest.
    fields = dict(config.model_fields) | {
        name: info for name, info in BaseRunServerTypeConfig.model_fields.items() if name not in config.model_fields
    }
    problems = []
    for key, value in block.value:
        name = key.value
        if name in fields:
            problems += _check_field(fields[name], value, f"{path}{name}", keys_only)
        elif name not in SERVER_BLOCK_KEYS:
            problems.append(unknown_key(key, path, {*fields, *SERVER_BLOCK_KEYS}, config.__name__))
    return problems


def server_config(kind: str, implementation: str) -> type:
    """The configuration class of the server ``<kind>/<implementation>``, from its own ``app.py``.

    Raises:
        LookupError: no such server in the install or beside the configuration, or one that does not import.
    """
    from nemo_gym import PARENT_DIR
    from nemo_gym.cli.env import _resolve_server_dir

    directory = Path(_resolve_server_dir(Path(kind, implementation)))
    if not (directory / "app.py").is_file():
        known = [path.parent.name for root in (Path(), Path(PARENT_DIR)) for path in (root / kind).glob("*/app.py")]
        raise LookupError(f"no server {implementation!r} in {kind}: {nearest(implementation, known)}")
    try:
        module = _server_module(kind, implementation, directory)
    except Exception as error:
        raise LookupError(f"{kind}/{implementation}/app.py does not import: {error!r}") from error
    classes = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == module.__name__]
    for each in classes:
        annotation = inspect.get_annotations(each, eval_str=True).get("config")
        if annotation is not None:
            return annotation
    inherited = [inspect.get_annotations(base).get("config") for each in classes for base in each.__mro__]
    return next(filter(inspect.isclass, inherited))


def _server_module(kind: str, implementation: str, directory: Path) -> Any:
    import sys

    try:
        module = importlib.import_module(f"{kind}.{implementation}.app")
        if Path(module.__file__).parent == directory:
            return module
    except ImportError:
        pass
    # A server of the reader's own, beside the page's files.
    sys.path.insert(0, str(directory))
    name = f"_page_server_{implementation}"
    spec = importlib.util.spec_from_file_location(name, directory / "app.py")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --------------------------------------------------------------------------------------------- rows


def rows(text: str, annotation: str) -> list[Problem]:
    """What is wrong with JSON or JSONL rows, each on a line of its own, for the class ``module:name``."""
    problems = []
    for line, row in _json_rows(text):
        try:
            json.loads(row)
        except json.JSONDecodeError as error:
            problems.append(Problem(line + error.lineno - 1, f"not JSON: {error.msg}"))
            continue
        found = check(load(annotation), compose(row))
        problems += [Problem(line + problem.line - 1, problem.message) for problem in found]
    return problems


def _json_rows(text: str) -> list[tuple[int, str]]:
    """The rows of a text with their first lines: one JSON value, or one on each line."""
    lines = text.removesuffix("\n").split("\n")
    try:
        json.loads(text)
        return [(1, text)]
    except json.JSONDecodeError:
        pass
    starts = [line for line in lines if line.strip()]
    if len(starts) > 1 and all(line.lstrip().startswith("{") and line.rstrip().endswith("}") for line in starts):
        return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return [(1, text)]


def document(text: str, annotation: str) -> list[Problem]:
    """What is wrong with one YAML document for the class ``module:name``."""
    node, problems = mapping(text)
    return problems if node is None else check(load(annotation), node)


def plain_json(text: str) -> list[Problem]:
    """What is wrong with a text that should be JSON."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return [Problem(error.lineno, f"not JSON: {error.msg}")]
    return []
