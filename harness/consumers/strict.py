"""Hold a YAML or JSON text against a type, refusing what the type's own class would let pass.

NeMo Gym's classes ignore or allow keys that they do not know, so a misspelt key does nothing in silence. Here an
unknown key at any depth is a problem with its line and the nearest known key, and a value of the wrong type is
one with its line.

This runs beside the program that reads the text, on that program's Python. Where pydantic is not installed there, the
types can only be dataclasses and TypedDicts, and `wrong_values` is not to be had.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typing_extensions  # openai's classes are its TypedDicts, which `typing` does not take for some
import yaml

try:
    from pydantic import AliasChoices, BaseModel, RootModel, TypeAdapter, ValidationError
    from pydantic.fields import FieldInfo
except ImportError:
    TypeAdapter = None
    # Classes that nothing is an instance of, or derived from.
    AliasChoices, BaseModel, RootModel, FieldInfo = (
        type(name, (), {}) for name in ("Choices", "Base", "Root", "Field")
    )

from harness.nearest import near_miss, nearest

#: Models that take any further key on purpose, each with the reason. One that is nearly a key that they read, and that
#: is not there, is taken for a misspelling of it.
OPEN_MODELS: dict[str, str] = {}


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong, and where: ``line`` counts from 1 in the text that was checked."""

    line: int
    message: str


def row_problems(lines: Iterable[str], fault: Callable[[dict[str, Any]], str | None]) -> list[Problem]:
    """What is wrong with lines of JSON, each an object; ``fault`` tells what is wrong with one, or gives None."""
    problems: list[Problem] = []
    number = 0
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError as error:
            problems.append(Problem(number, f"not JSON: {error}"))
            continue
        if said := fault(row) if isinstance(row, dict) else "expected an object":
            problems.append(Problem(number, said))
    return problems if number else [Problem(1, "there is no row")]


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


def unknown_key(key: yaml.Node, path: str, known: Iterable[str], of: str) -> Problem:
    """The problem of a key that its reader does not know."""
    return Problem(line_of(key), f"unknown key {path + key.value!r} for {of}: {nearest(key.value, known)}")


def unknown_keys(annotation: Any, node: yaml.Node, path: str = "") -> list[Problem]:
    """Every key at any depth of ``node`` that the type ``annotation`` does not name.

    A union is judged by the member that the node is meant for (`_member`).
    """
    annotation = _plain(annotation)
    if _is_union(annotation):
        member = _member(annotation, node)
        return [] if member is None else unknown_keys(member, node, path)
    if isinstance(node, yaml.MappingNode):
        fields = _fields(annotation)
        if fields is None:
            value_type = _value_type(annotation)
            return [p for key, value in node.value for p in unknown_keys(value_type, value, f"{path}{key.value}.")]
        problems = []
        for key, value in node.value:
            if key.value in fields:
                problems += unknown_keys(fields[key.value].annotation, value, f"{path}{key.value}.")
            elif annotation.__name__ not in OPEN_MODELS or near_miss(
                key.value, fields, (k.value for k, _ in node.value)
            ):
                problems.append(unknown_key(key, path, fields, annotation.__name__))
        return problems
    if isinstance(node, yaml.SequenceNode):
        items = enumerate(node.value)
        return [p for i, value in items for p in unknown_keys(_item_type(annotation, i), value, f"{path}{i}.")]
    return []


def wrong_values(annotation: Any, node: yaml.Node, path: str = "") -> list[Problem]:
    """What pydantic refuses of ``node`` as a value of the type ``annotation``, each with its line.

    Of a union, what its member for the node refuses. A value that holds ``${...}`` is not looked at: what it will be
    is known when the configuration is resolved.

    Raises:
        RuntimeError: pydantic is not installed here.
    """
    if TypeAdapter is None:
        raise RuntimeError("pydantic is not installed: add it to the group of the environment in pyproject.toml")
    try:
        TypeAdapter(annotation).validate_python(data_of(node))
    except ValidationError as error:
        faults = [_Fault(detail["loc"], (), detail) for detail in error.errors()]
        found = set()
        for fault in _meant(faults, annotation, node):
            line, at = _find(node, fault.at)
            if _is_resolved_later(at, fault.detail["type"]):
                continue
            name = path + ".".join(map(str, fault.at))
            value = "" if fault.detail["type"] == "missing" else f" (found {_short(fault.detail['input'])})"
            found.add(Problem(line, f"{name.rstrip('.') or 'the value'!r}: {fault.detail['msg']}{value}"))
        return sorted(found)[:8]
    return []


def check(annotation: Any, node: yaml.Node) -> list[Problem]:
    """Unknown keys, and, where there are none, wrong values: of ``node`` against ``annotation``."""
    return unknown_keys(annotation, node) or wrong_values(annotation, node)


# ------------------------------------------------------------------------------------------- pydantic's errors


@dataclass(frozen=True)
class _Fault:
    """An error of pydantic's: what is left of its location, the keys and indices so far, and its details."""

    rest: tuple[int | str, ...]
    at: tuple[int | str, ...]
    detail: Any

    def step(self, into: bool = True) -> _Fault:
        return _Fault(self.rest[1:], (*self.at, self.rest[0]) if into else self.at, self.detail)


def _meant(faults: list[_Fault], annotation: Any, node: yaml.Node | None) -> Iterator[_Fault]:
    """The faults without those of a union's other members, and without the names of members in their locations."""
    annotation = _plain(annotation)
    yield from (_Fault((), fault.at, fault.detail) for fault in faults if not fault.rest)
    faults = [fault for fault in faults if fault.rest]
    if not faults or node is None:
        yield from (_Fault((), (*fault.at, *fault.rest), fault.detail) for fault in faults)
    elif _is_union(annotation):
        members = [member for member in map(_plain, get_args(annotation)) if member is not type(None)]
        if len(members) == 1:  # pydantic does not name the member beside None
            yield from _meant(faults, members[0], node)
            return
        labels = list(dict.fromkeys(fault.rest[0] for fault in faults))
        meant = _member(annotation, node)
        # Each member that refuses the value has a label, in the members' order; a union with a tag names one.
        if len(labels) == len(members) and meant in members:
            labels = [labels[members.index(meant)]]
        for label in labels:
            member = meant if len(labels) == 1 and meant is not None else Any
            yield from _meant([fault.step(into=False) for fault in faults if fault.rest[0] == label], member, node)
    else:
        fields = _fields(annotation)
        for name in dict.fromkeys(fault.rest[0] for fault in faults):
            if fields is not None:
                below = fields[name].annotation if name in fields else Any
            else:
                below = _value_type(annotation) if isinstance(name, str) else _item_type(annotation, name)
            _, inner = _find(node, (name,))
            inner = None if inner is node else inner
            yield from _meant([fault.step() for fault in faults if fault.rest[0] == name], below, inner)


def _find(node: yaml.Node, location: tuple[int | str, ...]) -> tuple[int, yaml.Node]:
    """The node at a location, or the nearest one above it, and the line of its key."""
    line = line_of(node)
    for step in location:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(step)]
            if not found:
                break
            line, node = line_of(found[0][0]), found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = line_of(node)
        else:
            break
    return line, node


def _is_resolved_later(node: yaml.Node, error: str) -> bool:
    """Whether an error is on a value that holds ``${...}``, or on what a class makes of all its values together."""
    of_all = error in ("value_error", "assertion_error")
    return (isinstance(node, yaml.ScalarNode) or of_all) and "${" in str(data_of(node))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


# ------------------------------------------------------------------------------------------------------ types


#: What ``type X = ...`` makes: before Python 3.12 only typing_extensions has it, and after it may be another class.
_NAMED = tuple({typing_extensions.TypeAliasType, getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType)})


def _plain(annotation: Any) -> Any:
    """A type without what is said beside it: metadata, qualifiers, names for it."""
    while True:
        if get_origin(annotation) in (Annotated, typing.Required, typing.NotRequired, typing_extensions.ReadOnly):
            annotation = get_args(annotation)[0]
        elif isinstance(annotation, _NAMED):
            annotation = annotation.__value__
        elif isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif isinstance(annotation, FieldInfo):
            annotation = annotation.annotation
        elif isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, RootModel):
            annotation = annotation.model_fields["root"].annotation
        else:
            return annotation


def _is_union(annotation: Any) -> bool:
    return isinstance(annotation, types.UnionType) or get_origin(annotation) is Union


def _member(union: Any, node: yaml.Node) -> Any:
    """The member of a union that a node is meant for; None where none is of its shape.

    First counts what the node says of itself (``type: function``), then how few of its keys the member does not know,
    and how much those are like its own; then how few are missing, and how many are known.
    """
    members = [member for each in get_args(union) for member in _members(_plain(each)) if _takes(member, node)]
    if isinstance(node, yaml.MappingNode) and len(members) > 1:
        members = _spoken_for(members, node)
    return min(members, key=lambda member: _distance(member, node), default=None) if len(members) != 1 else members[0]


def _spoken_for(members: list[Any], node: yaml.MappingNode) -> list[Any]:
    """The members that list the fewest values for a key where the node has a value that another member lists."""
    scalars = {key.value: data_of(value) for key, value in node.value if isinstance(value, yaml.ScalarNode)}
    listed = [{name: known for name in scalars if (known := _listed(member, name))} for member in members]
    all_listed = {name: set().union(*(each.get(name, ()) for each in listed)) for name in scalars}
    others = [
        sum(scalars[name] not in known and scalars[name] in all_listed[name] for name, known in each.items())
        for each in listed
    ]
    return [member for member, count in zip(members, others, strict=True) if count == min(others)]


def _distance(annotation: Any, node: yaml.Node) -> tuple[float, ...]:
    unknown = len(unknown_keys(annotation, node))
    fields = _fields(annotation) if isinstance(node, yaml.MappingNode) else None
    if fields is None:
        return unknown, 0, 0, 0
    given = {key.value: value for key, value in node.value}
    unfit = sum(not _fits(each.annotation, given[name]) for name, each in fields.items() if name in given)
    strange = sum(1 - max(_likeness(name, each) for each in ("", *fields)) for name in given if name not in fields)
    missing = sum(each.required and name not in given for name, each in fields.items())
    return unknown + unfit, strange, missing, -len(given.keys() & fields.keys())


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _members(annotation: Any) -> Iterator[Any]:
    """A type, or the members of a union, also where a name stands for it."""
    if _is_union(annotation):
        for each in get_args(annotation):
            yield from _members(_plain(each))
    else:
        yield annotation


def _listed(annotation: Any, name: str) -> set[Any] | None:
    """The values that a structured type lists for a key, if it does."""
    fields = _fields(annotation) or {}
    return _literals(fields[name].annotation) if name in fields else None


def _literals(annotation: Any) -> set[Any] | None:
    """The values that a type lists one by one; None where it takes others too."""
    annotation = _plain(annotation)
    if get_origin(annotation) is Literal:
        return set(get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return {each.value for each in annotation}
    if annotation is type(None):
        return {None}
    if _is_union(annotation):
        listed = [_literals(member) for member in get_args(annotation)]
        return None if None in listed else set().union(*listed)
    return None


def _fits(annotation: Any, node: yaml.Node) -> bool:
    return any(_takes(member, node) for member in _members(_plain(annotation)))


def _takes(annotation: Any, node: yaml.Node) -> bool:
    """Whether a type that is no union is of the node's shape; a ``${...}`` may become one of any."""
    if isinstance(node, yaml.ScalarNode) and "${" in node.value:
        return True
    if annotation in (Any, object):
        return True
    structured = _fields(annotation) is not None or _is(annotation, Mapping)
    if isinstance(node, yaml.MappingNode):
        return structured
    if isinstance(node, yaml.SequenceNode):
        return not structured and _is(annotation, Iterable)
    return not structured


def _is(annotation: Any, kind: type) -> bool:
    origin = get_origin(annotation) or annotation
    return isinstance(origin, type) and origin not in (str, bytes) and issubclass(origin, kind)


class _Field(typing.NamedTuple):
    """What a structured type says of a key."""

    annotation: Any
    required: bool


@cache
def _fields(annotation: Any) -> dict[str, _Field] | None:
    """The keys that a structured type reads, each by its alias where only that counts; None for a type without."""
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, BaseModel):
        return dict(_of_model(annotation.model_fields, annotation.model_config))
    if typing_extensions.is_typeddict(annotation):
        hints = typing_extensions.get_type_hints(annotation, include_extras=True)
        # Where annotations are only text when a class is made, it does not know itself which keys are required.
        said = {name: {get_origin(hint)} & {typing.Required, typing.NotRequired} for name, hint in hints.items()}
        needed = {name for name in hints if typing.Required in said[name]}
        needed |= {name for name in annotation.__required_keys__ if not said[name]}
        return {name: _Field(hint, name in needed) for name, hint in hints.items()}
    if dataclasses.is_dataclass(annotation):
        if hasattr(annotation, "__pydantic_fields__"):
            return dict(_of_model(annotation.__pydantic_fields__, annotation.__pydantic_config__))
        hints = typing_extensions.get_type_hints(annotation, include_extras=True)
        none = dataclasses.MISSING
        return {
            each.name: _Field(hints[each.name], each.default is none and each.default_factory is none)
            for each in dataclasses.fields(annotation)
            if each.init
        }
    return None


def _of_model(fields: Mapping[str, FieldInfo], config: Mapping[str, Any]) -> Iterator[tuple[str, _Field]]:
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    for name, info in fields.items():
        alias = info.validation_alias or info.alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        # Of an alias that leads into a mapping, its first key.
        keys = [each if isinstance(each, str) else str(each.path[0]) for each in choices if each is not None]
        for key in [*keys, *([name] if by_name or not keys else [])]:
            yield key, _Field(info.annotation, info.is_required() and len(keys) + bool(by_name) < 2)


def _value_type(annotation: Any) -> Any:
    args = get_args(annotation)
    return args[1] if _is(annotation, Mapping) and len(args) == 2 else Any


def _item_type(annotation: Any, index: int) -> Any:
    args = [each for each in get_args(annotation) if each is not ...]
    if not args or _is(annotation, Mapping):
        return Any
    return args[index] if _is(annotation, tuple) and index < len(args) else args[0]
