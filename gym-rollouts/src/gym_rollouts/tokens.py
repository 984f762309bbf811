"""The strings, keys and numbers of a line of JSON, each with its place in the line and its path in the row.

This is no parser: it gives what a parser would drop or refuse, too. A key that stands twice, a line that was cut off,
a million brackets, NaN: every string and number of the line comes out, decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import NamedTuple

#: A string, cut off or whole; a bracket or a comma; what may be a number.
PIECE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[{}\[\],]|-?\d[\d.eE+-]*+', re.DOTALL)
COLON = re.compile(r"[ \t\r\n]*:")
ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
SHORT = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
#: So many steps of a path are said; what lies deeper is found, but its path is cut.
DEEPEST = 12


class Token(NamedTuple):
    """A string, a key or a number: where it stands in the line, and what it says."""

    start: int
    end: int
    kind: str  # "text", "key" or "number"
    text: str
    path: tuple[str | int, ...]
    name: str | None  # the key that it stands under; of an item of a list, the key of the list


def tokens(line: str) -> Iterator[Token]:
    """All strings, keys and numbers of a line, in order. Nothing is raised."""
    stack: list[str | int | None] = []
    for found in PIECE.finditer(line):
        piece = found[0]
        mark = piece[0]
        if mark == '"':
            text = unescape(piece[1:-1] if len(piece) > 1 and piece.endswith('"') else piece[1:])
            if stack and COLON.match(line, found.end()):
                if not isinstance(stack[-1], int):
                    stack[-1] = text
                yield Token(found.start(), found.end(), "key", text, path_of(stack), None)
            else:
                yield Token(found.start(), found.end(), "text", text, path_of(stack), name_of(stack))
        elif mark == "{":
            stack.append(None)
        elif mark == "[":
            stack.append(0)
        elif mark in "}]":
            if stack:
                stack.pop()
        elif mark == ",":
            if stack and isinstance(stack[-1], int):
                stack[-1] += 1
        else:
            yield Token(found.start(), found.end(), "number", piece, path_of(stack), name_of(stack))


def path_of(stack: list[str | int | None]) -> tuple[str | int, ...]:
    """The outer steps of a path."""
    return tuple(step for step in stack[:DEEPEST] if step is not None)


def name_of(stack: list[str | int | None]) -> str | None:
    """The innermost key, if all that is within it are lists."""
    step = next((step for step in reversed(stack) if not isinstance(step, int)), None)
    return step if isinstance(step, str) else None


def unescape(text: str) -> str:
    """What the inside of a JSON string says. What is no escape of JSON is taken by its letter."""
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else SHORT.get(found[2], found[2]), text)


def say_path(path: tuple[str | int, ...]) -> str:
    """A path as it is written: `response.output[1].content[0].text`."""
    said = ""
    for step in path:
        said += f"[{step}]" if isinstance(step, int) else f".{step}" if said else step
    return said or "(the line)"
