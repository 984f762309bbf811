"""The JSON Schemas of NeMo Gym's rows, made from its pinned release, and what they say of a row in words.

The files in the folder `schemas` are generated: `nox -s reference` writes them, and fails where they are out of date.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

import jsonschema_rs

#: So many characters of a value are quoted.
QUOTED = 60


@lru_cache(maxsize=16)
def validator(kind: str) -> Any:
    """The validator of a kind of row, such as `task-row`."""
    text = files("gym_rollouts").joinpath("schemas", f"{kind}.json").read_text(encoding="utf-8")
    return jsonschema_rs.validator_for(json.loads(text))


@lru_cache(maxsize=1)
def servers() -> dict[str, list[str]]:
    """The fields that each resources server's `/verify` needs of a row, of those servers that could be asked."""
    text = files("gym_rollouts").joinpath("schemas", "servers.json").read_text(encoding="utf-8")
    needs: dict[str, list[str]] = json.loads(text)
    return needs


def fault(kind: str, row: Any) -> str | None:
    """What is wrong with a row first of all: the place, what was found, what is expected; None where it is sound."""
    error = next(iter(validator(kind).iter_errors(row)), None)
    if error is None:
        return None
    error = nearest(error)
    return f"{say_place(error.instance_path)}: {say(error)}"


def nearest(error: Any) -> Any:
    """Of a union none of whose branches fits, the fault of the branch that was meant."""
    while type(error.kind).__name__ in ("AnyOf", "OneOfNotValid"):
        branches = [branch for branch in error.kind.context if branch]
        if not branches:
            return error
        depth = len(error.instance_path)
        first = min(branches, key=lambda branch: _distance(branch, depth))
        error = max(first, key=lambda each: (_is_extra(each), len(each.instance_path)))
    return error


def _distance(branch: list[Any], depth: int) -> tuple[bool, bool, int, int]:
    """How far a branch is from what was meant: another type, another item's `type`, how shallow, how many faults."""
    paths = [list(each.instance_path)[depth:] for each in branch]
    whole = any(not path and type(each.kind).__name__ == "Type" for path, each in zip(paths, branch, strict=True))
    typed = any(
        (path == ["type"] and type(each.kind).__name__ in ("Constant", "Enum"))
        or (not path and type(each.kind).__name__ == "Required" and each.kind.property == "type")
        for path, each in zip(paths, branch, strict=True)
    )
    return whole, typed, -max(map(len, paths)), len(branch)


def _is_extra(error: Any) -> bool:
    return type(error.kind).__name__ == "AdditionalProperties"


def say_place(path: Any) -> str:
    """A place in a row: `responses_create_params.input[0].role`."""
    said = ""
    for step in path:
        said += f"[{step}]" if isinstance(step, int) else f".{step}" if said else str(step)
    return said or "the row"


def say(error: Any) -> str:
    """A fault in words."""
    kind, name = error.kind, type(error.kind).__name__
    if name == "Required":
        return f"the field {kind.property!r} is missing"
    if name == "AdditionalProperties":
        return f"unknown fields: {', '.join(map(str, kind.unexpected))}"
    if name == "Type":
        return f"expected {words(kind.types)}, found {quote(error.instance)}"
    if name == "Enum":
        return f"expected one of {', '.join(map(quote, kind.options))}, found {quote(error.instance)}"
    if name == "Constant":
        return f"expected {quote(kind.expected_value)}, found {quote(error.instance)}"
    if name in ("AnyOf", "OneOfNotValid"):
        return f"fits none of the kinds that may stand here: {quote(error.instance)}"
    message = str(error.message)
    return message if len(message) <= 3 * QUOTED else f"{message[: 3 * QUOTED]} ..."


def words(types: Any) -> str:
    """JSON's types in words."""
    return " or ".join([types] if isinstance(types, str) else map(str, types))


def quote(value: Any) -> str:
    """A value as JSON, cut where it is long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        text = repr(value)
    return text if len(text) <= QUOTED else f"{text[:QUOTED]} ..."
