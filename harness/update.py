"""Rewrite a page's expected output with what was printed (``pytest --update``)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Edit:
    """Put ``text`` in place of the page's lines from ``first`` up to, not including, ``end`` (both from 1).

    The text is indented, or quoted, as the page's line ``like`` is: the closing fence of the block at hand.
    """

    first: int
    end: int
    text: str
    like: int


def apply(path: Path, edits: Collection[Edit]) -> None:
    """Apply edits to a page, from its end, so that the lines of the others still hold."""
    lines = path.read_bytes().decode().split("\n")
    fences = {edit.like: lines[edit.like - 1] for edit in edits}
    for edit in sorted(edits, reverse=True):
        fence = fences[edit.like]
        margin = fence[: len(fence) - len(fence.lstrip(" >"))]
        new = [(margin + line).rstrip() for line in edit.text.split("\n")] if edit.text else []
        lines[edit.first - 1 : edit.end - 1] = new
    path.write_bytes("\n".join(lines).encode())
