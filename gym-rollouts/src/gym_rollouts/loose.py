"""Rows as they are, read as far as they can be: for commands that show and count, and judge nothing."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

Row = dict[str, Any]


def read_row(line: bytes) -> Row | None:
    """The object on a line; None where there is none. NaN and bytes that are no UTF-8 are no reason to give up."""
    try:
        row = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
        try:
            row = json.loads(line.decode("utf-8", "replace"))
        except (ValueError, RecursionError):
            return None
    return row if isinstance(row, dict) else None


def inner(row: Any, *names: str) -> Any:
    """What lies in an object under some names; None where it does not."""
    for name in names:
        row = row.get(name) if isinstance(row, dict) else None
    return row


def number(value: Any) -> float | None:
    """A finite number; None for anything else."""
    try:
        found = float(value) if isinstance(value, int | float) else math.nan
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def index(value: Any) -> int | None:
    """An index; None where it is none."""
    return value if type(value) is int and value >= 0 else None


def text_of(content: Any) -> str:
    """The text of a content: itself, or its parts one below the other, a picture as its name."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return "" if content is None else compact(content)
    parts = []
    for part in content:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            parts.append(text)
        elif isinstance(part, dict) and isinstance(part.get("refusal"), str):
            parts.append(part["refusal"])
        elif part is not None:
            kind = part.get("type") if isinstance(part, dict) else None
            parts.append(f"[{kind or 'a part without text'}]")
    return "\n".join(parts)


def compact(value: Any) -> str:
    """A value as JSON."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):
        return "(nested too deeply to be shown)"
