"""Rewrite a page's expected output with what was printed (``pytest --update``)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, order=True)
class Edit:
    """Put ``text`` in place of the page's lines from ``first`` up to, not including, ``end`` (both from 1)."""

    first: int
    end: int
    text: str


def apply(path: Path, edits: Iterable[Edit]) -> None:
    """Apply edits to a page, from its end, so that the lines of the others still hold."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for edit in sorted(edits, reverse=True):
        around = lines[edit.first - 1] if edit.first <= len(lines) else ""
        indent = around[: len(around) - len(around.lstrip(" "))]
        new = "".join(indent + line + "\n" if line else "\n" for line in edit.text.splitlines())
        lines[edit.first - 1 : edit.end - 1] = [new]
    path.write_text("".join(lines), encoding="utf-8")
