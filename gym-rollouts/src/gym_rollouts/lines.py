"""The lines of a source, by byte ranges that can be read independently of each other.

A line ends at a line feed and nowhere else: JSON text may hold the separators of Unicode. A range has the lines that
begin in it, however long the last one is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import FileIO
from typing import BinaryIO

from gym_rollouts.files import Source

RANGE = 1 << 24
#: What is read at once: it fits a core's cache.
CHUNK = 1 << 18


@dataclass(frozen=True)
class Range:
    """The lines of a source that begin in [start, end)."""

    source: int
    path: str
    start: int
    end: int


def ranges(sources: list[Source], size: int = RANGE) -> list[Range]:
    """Cut all sources into ranges, in order. A source without a byte has none."""
    return [
        Range(number, str(source.path), at, min(at + size, source.size))
        for number, source in enumerate(sources)
        for at in range(source.start, source.size, size)
    ]


def read(span: Range, first: int) -> Iterator[tuple[int, bytes]]:
    """The lines of a range, each with the place of its first byte, without the end of the line.

    `first` is where the source's first line begins.
    """
    with open(span.path, "rb", buffering=0) as raw:  # noqa: PTH123 - in the inner loop of a worker
        at = span.start if span.start <= first else _after_line(raw, span.start - 1)
        place, parts = at, list[bytes]()
        raw.seek(at)
        while place < span.end:
            # Behind the range only the end of its last line is wanted.
            chunk = raw.read(min(CHUNK, span.end - at) if at < span.end else 1 << 16)
            if not chunk:
                if rest := b"".join(parts):
                    yield place, _clean(rest)
                return
            at += len(chunk)
            *lines, rest = chunk.split(b"\n")
            if not lines:
                parts.append(chunk)
                continue
            if parts:
                lines[0] = b"".join([*parts, lines[0]])
            parts = [rest] if rest else []
            for line in lines:
                if place >= span.end:
                    return
                yield place, line if line[-1:] != b"\r" else line[:-1]
                place += len(line) + 1


def _clean(line: bytes) -> bytes:
    return line[:-1] if line.endswith(b"\r") else line


def _after_line(raw: BinaryIO | FileIO, at: int) -> int:
    """The place after the first line feed at or after `at`; the end of the file where there is none."""
    raw.seek(at)
    while chunk := raw.read(1 << 16):
        found = chunk.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(chunk)
    return at
