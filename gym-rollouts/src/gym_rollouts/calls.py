"""What is wrong with a tool call: its arguments, held against the schema that the request offers."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

import jsonschema_rs
import msgspec

from gym_rollouts.errors import Unusable
from gym_rollouts.rollouts import tools_of


@lru_cache(maxsize=1 << 14)
def check(tools: bytes, name: str, arguments: str) -> tuple[str | None, bool]:
    """What is wrong with a call, if anything, and whether its arguments are a JSON object.

    Nothing is held against a call where the request names no tools, or where a tool's schema is none.
    """
    try:
        given = msgspec.json.decode(arguments) if arguments.strip() else {}
    except (msgspec.DecodeError, RecursionError, ValueError):
        return f"the arguments of {name} are not JSON", False
    is_mapping = isinstance(given, dict) and not says_twice(arguments)
    offered = validators(tools)
    if offered is None:
        return None, is_mapping
    if name not in offered:
        return f"{name} is no tool of the request", is_mapping
    validator = offered[name]
    if not arguments.strip() and validator is not None and not validator.is_valid(given):
        return f"the arguments of {name} are not JSON", is_mapping
    try:
        error = next(iter(validator.iter_errors(given)), None) if validator else None
    except (ValueError, OverflowError, RecursionError):
        error = None
    return (f"{name}: {error.message}" if error else None), is_mapping


@lru_cache(maxsize=256)
def validators(tools: bytes) -> dict[str, Any] | None:
    """The validators of a request's tools by name, None for one without a schema; None where there are no tools."""
    try:
        made = tools_of(tools)
    except Unusable:
        return None
    return (
        {tool["function"]["name"]: validator_of(tool["function"].get("parameters")) for tool in made} if made else None
    )


def validator_of(schema: Any) -> Any:
    """The validator of a schema; None where it is no schema, or refers to one that is elsewhere."""
    if not isinstance(schema, dict | bool):
        return None
    try:
        return jsonschema_rs.validator_for(schema, retriever=_refuse)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError, RecursionError):
        return None


def _refuse(uri: str) -> Any:
    """Fetch nothing: a schema in a data set must not make a reader's machine call another."""
    raise ValueError(f"{uri} is not fetched")


@lru_cache(maxsize=1 << 12)
def is_object(arguments: str) -> bool:
    """Say whether arguments are a JSON object, in which no key stands twice."""
    try:
        return not arguments.strip() or (isinstance(json.loads(arguments), dict) and not says_twice(arguments))
    except (ValueError, RecursionError):
        return False


def says_twice(text: str) -> bool:
    """Say whether an object in JSON has a key twice: readers keep another of the two values, or refuse it."""
    if text.count(":") < 2:
        return False
    lost = False

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal lost
        made = dict(pairs)
        lost |= len(made) < len(pairs)
        return made

    json.loads(text, object_pairs_hook=keep)
    return lost
