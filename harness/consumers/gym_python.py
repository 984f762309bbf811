"""Find in a Python program the fields that it gives NeMo Gym's classes and that these do not have: they drop them.

The program is read, not run, so that each of a page is: a block, a file, and what a command hands to Python. Only what
stands there is judged, a keyword or a key of a dict that is written out: what ``**`` brings may be anybody's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import yaml

from harness.consumers.gym import READ_BY, load
from harness.consumers.strict import BaseModel, Problem, compose, unknown_keys

PACKAGES = {"nemo_gym", "resources_servers", "responses_api_agents", "responses_api_models", "environment_servers"}


def unknown_fields(text: str) -> list[Problem]:
    """Every field, at any depth, that a program gives a class of NeMo Gym which does not have it."""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # whoever runs it hears of that
        return []
    classes = dict(_imported(tree))
    return [
        problem
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for kind, given in _given(node, classes)
        for problem in _unknown(kind, given)
    ]


def _imported(tree: ast.Module) -> Iterator[tuple[str, type]]:
    """The models of NeMo Gym that a program imports, each by the name that it has there, unless it is bound anew."""
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] in PACKAGES:
            for each in node.names:
                name = each.asname or each.name
                try:
                    found = load(f"{node.module}:{each.name}")
                except Exception:  # what a module of the page's own raises, its run tells
                    continue
                if isinstance(found, type) and issubclass(found, BaseModel) and name not in bound:
                    yield name, found


def _given(call: ast.Call, classes: dict[str, type]) -> Iterator[tuple[type, yaml.Node]]:
    """The class that a call fills, and what with: ``Class(...)`` or ``Class.model_validate(...)``."""
    called = call.func
    if isinstance(called, ast.Name) and called.id in classes:
        pairs = [(_scalar(each.arg, each.value), _node(each.value)) for each in call.keywords if each.arg]
        yield classes[called.id], _mapping(pairs, call)
    if not (isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id in classes):
        return
    if called.attr == "model_validate" and call.args:
        yield classes[called.value.id], _node(call.args[0])
    if called.attr == "model_validate_json" and call.args and isinstance(call.args[0], ast.Constant):
        try:
            node = compose(str(call.args[0].value))
        except yaml.YAMLError:
            return
        if node is not None:
            _put_at(node, call)
            yield classes[called.value.id], node


def _unknown(kind: Any, node: yaml.Node) -> Iterator[Problem]:
    fields = getattr(node, "value", ()) if isinstance(node, yaml.MappingNode) else ()
    # A class that takes any field keeps them, and one that forbids others says so itself.
    if kind.model_config.get("extra", "ignore") == "ignore":
        yield from unknown_keys(kind, node)
    for key, value in fields:
        if key.value in READ_BY:
            yield from unknown_keys(load(READ_BY[key.value]), value, f"{key.value}.")


def _node(value: ast.expr) -> yaml.Node:
    """A value as the YAML that says it; what is not written out is a variable, which may be anything."""
    if isinstance(value, ast.Dict):
        pairs = [
            (_scalar(key.value, key), _node(each))
            for key, each in zip(value.keys, value.values, strict=True)
            if isinstance(key, ast.Constant)
        ]
        return _mapping(pairs, value)
    if isinstance(value, ast.List | ast.Tuple):
        return yaml.SequenceNode("tag:yaml.org,2002:seq", [_node(each) for each in value.elts], _mark(value))
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return _scalar(value.value, value)
    return _scalar("${...}", value)


def _put_at(node: yaml.Node, at: ast.expr) -> None:
    """Give a node, and all below it, the line of an expression: a text may be several of them, and escape others."""
    node.start_mark = _mark(at)
    for each in node.value if isinstance(node, yaml.CollectionNode) else ():
        for part in each if isinstance(each, tuple) else (each,):
            _put_at(part, at)


def _mapping(pairs: list[tuple[yaml.Node, yaml.Node]], at: ast.expr) -> yaml.Node:
    return yaml.MappingNode("tag:yaml.org,2002:map", pairs, _mark(at))


def _scalar(text: object, at: ast.AST) -> yaml.Node:
    return yaml.ScalarNode("tag:yaml.org,2002:str", str(text), _mark(at))


def _mark(at: ast.AST) -> yaml.Mark:
    return yaml.Mark("program", 0, at.lineno - 1, at.col_offset, None, None)
