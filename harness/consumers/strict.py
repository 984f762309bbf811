"""Hold a YAML or JSON text against a type, refusing what the type's own class would let pass.

NeMo Gym's classes ignore or allow keys that they do not know, so a misspelt key does nothing in silence. Here an
unknown key at any depth is a problem with its line and the nearest known key, and a value of the wrong type is
one with its line.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

#: Models that take any further key on purpose, each with the reason.
OPEN_MODELS: dict[str, str] = {}


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong, and where: ``line`` counts from 1 in the text that was checked."""

    line: int
    message: str


def compose(text: str) -> yaml.Node | None:
    """The text's YAML nodes, which know their lines; None for an empty text.

    Raises:
        yaml.MarkedYAMLError: text that is not YAML, and a key that stands twice in one mapping, which a
            plain load would settle in silence.
    """
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if node is not None:
        _refuse_repeated_keys(node)
    return node


def _refuse_repeated_keys(node: yaml.Node) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key.value!r} stands twice: only its last value would count",
                    problem_mark=key.start_mark,
                )
            seen.add(key.value)
            _refuse_repeated_keys(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item)


def mapping(text: str) -> tuple[yaml.Node | None, list[Problem]]:
    """The document of a YAML text that is a mapping; else None, and why it is none."""
    try:
        node = compose(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return None, [Problem(mark.line + 1 if mark else 1, f"not YAML: {error.problem or error.context}")]
    if not isinstance(node, yaml.MappingNode):
        return None, [Problem(line_of(node) if node else 1, "expected `key: value` lines, found none")]
    return node, []


def line_of(node: yaml.Node) -> int:
    """The line, from 1, on which a node starts."""
    return node.start_mark.line + 1


def data_of(node: yaml.Node) -> Any:
    """The plain data of a node."""
    return yaml.SafeLoader("").construct_document(node)


def nearest(name: str, known: typing.Iterable[str]) -> str:
    """A hint that names the nearest known name; what is known, when none is near."""
    names = sorted(set(known))
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return "it knows " + ", ".join(names[:20]) + (", ..." if len(names) > 20 else "") if names else "it takes no keys"


def unknown_key(key: yaml.Node, path: str, known: typing.Iterable[str], of: str) -> Problem:
    """The problem of a key that its reader does not know."""
    return Problem(line_of(key), f"unknown key {path + key.value!r} for {of}: {nearest(key.value, known)}")


def unknown_keys(annotation: Any, node: yaml.Node, path: str = "") -> list[Problem]:
    """Every key at any depth of ``node`` that the type ``annotation`` does not name."""
    annotation = _plain(annotation)
    if isinstance(annotation, types.UnionType) or get_origin(annotation) is Union:
        branches = [branch for branch in map(_plain, get_args(annotation)) if _takes(branch, node)]
        return min((unknown_keys(branch, node, path) for branch in branches), key=len, default=[])
    if isinstance(node, yaml.MappingNode):
        fields = _fields(annotation)
        if fields is None:
            return [
                problem
                for key, value in node.value
                for problem in unknown_keys(_value_type(annotation), value, f"{path}{key.value}.")
            ]
        problems = []
        for key, value in node.value:
            if key.value in fields:
                problems += unknown_keys(fields[key.value], value, f"{path}{key.value}.")
            elif annotation.__name__ not in OPEN_MODELS:
                problems.append(unknown_key(key, path, fields, annotation.__name__))
        return problems
    if isinstance(node, yaml.SequenceNode):
        item = _item_type(annotation)
        return [p for i, value in enumerate(node.value) for p in unknown_keys(item, value, f"{path}{i}.")]
    return []


def wrong_values(annotation: Any, node: yaml.Node, path: str = "") -> list[Problem]:
    """What pydantic refuses of ``node`` as a value of the type ``annotation``, each with its line."""
    try:
        TypeAdapter(annotation).validate_python(data_of(node))
    except ValidationError as error:
        found = {
            Problem(
                _line_at(node, detail["loc"]),
                f"{(path + '.'.join(map(str, detail['loc']))).rstrip('.') or 'the value'!r}: {detail['msg']}"
                + (f" (found {detail['input']!r})" if detail["type"] != "missing" else ""),
            )
            for detail in error.errors()
        }
        return sorted(found)[:8]  # a union reports each of its branches: the first lines say it
    return []


def check(annotation: Any, node: yaml.Node) -> list[Problem]:
    """Unknown keys, and, where there are none, wrong values: of ``node`` against ``annotation``."""
    return unknown_keys(annotation, node) or wrong_values(annotation, node)


def _line_at(node: yaml.Node, location: tuple[int | str, ...]) -> int:
    """The line of the node that a pydantic error names, or of the nearest node above it."""
    line = line_of(node)
    for step in location:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(step)]
            if found:
                line, node = line_of(found[0][0]), found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = line_of(node)
    return line


def _plain(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) in (Annotated, typing.Required, typing.NotRequired):
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, typing.TypeAliasType):
            annotation = annotation.__value__
        elif isinstance(annotation, FieldInfo):
            annotation = annotation.annotation
        else:
            return annotation


def _takes(annotation: Any, node: yaml.Node) -> bool:
    """Whether a branch of a union is of the node's shape."""
    if annotation is Any:
        return True
    structured = _fields(annotation) is not None or _is(annotation, Mapping)
    if isinstance(node, yaml.MappingNode):
        return structured
    if isinstance(node, yaml.SequenceNode):
        return _is(annotation, Sequence) or _is(annotation, typing.Iterable)
    return not structured


def _is(annotation: Any, kind: type) -> bool:
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and origin is not str and issubclass(origin, kind)


def _fields(annotation: Any) -> dict[str, Any] | None:
    """The keys that a structured type names, with their types; None for a type that names none."""
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, BaseModel):
        fields = {name: info.annotation for name, info in annotation.model_fields.items()}
        aliases = {info.alias: info.annotation for info in annotation.model_fields.values() if info.alias}
        return fields | aliases
    if typing.is_typeddict(annotation) or dataclasses.is_dataclass(annotation):
        return typing.get_type_hints(annotation, include_extras=True)
    return None


def _value_type(annotation: Any) -> Any:
    args = get_args(annotation)
    return args[1] if _is(annotation, Mapping) and len(args) == 2 else Any


def _item_type(annotation: Any) -> Any:
    args = get_args(annotation)
    return args[0] if args and not _is(annotation, Mapping) else Any
