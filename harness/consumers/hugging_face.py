"""Hold a configuration against the dataclass of arguments into which a Hugging Face library reads it."""

from __future__ import annotations

import importlib
from typing import Any, get_type_hints

from harness.consumers.strict import Problem, data_of, line_of, mapping, unknown_keys, wrong_values


def arguments(text: str, annotation: str) -> list[Problem]:
    """What is wrong with a YAML text that ``HfArgumentParser`` reads into the dataclass ``module:name``.

    The parser itself takes a value of any type for a field.
    """
    from transformers import HfArgumentParser

    node, problems = mapping(text)
    if node is None:
        return problems
    module, _, name = annotation.partition(":")
    kind: Any = getattr(importlib.import_module(module), name)
    if problems := unknown_keys(kind, node) or _wrong(kind, node):
        return problems
    parser = HfArgumentParser(kind)
    lines = {key.value: line_of(key) for key, _ in node.value}
    data = data_of(node)
    # One by one first: the library does not say which of them it refuses.
    alone = {key: _refused(parser, {key: value}) for key, value in data.items()}
    problems = [Problem(lines[key], f"{key!r}: {said}") for key, said in alone.items() if said]
    if not problems and (said := _refused(parser, data)):
        problems = [Problem(line_of(node), said)]
    return problems


def _wrong(kind: Any, node: Any) -> list[Problem]:
    hints = get_type_hints(kind, include_extras=True)
    return [problem for key, value in node.value for problem in wrong_values(hints[key.value], value, key.value)]


def _refused(parser: Any, data: dict[str, Any]) -> str | None:
    """What the library says against these arguments, if anything."""
    try:
        parser.parse_dict(data)
    except (ImportError, TypeError, ValueError) as error:
        return str(error)
    return None
