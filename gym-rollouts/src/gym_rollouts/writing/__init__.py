"""Formats of outputs. A format is a class, and an entry in `FORMATS` under the suffix of a file's name.

Rows are encoded where they are made, by whatever worker makes them: `encode` turns lines of JSON into a piece. `join`
puts pieces into one file, in order. `rows` says what the rows of each kind are made of.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from gym_rollouts.errors import Fault
from gym_rollouts.files import split_suffix
from gym_rollouts.writing.jsonl import GzipJsonLines, JsonLines, ZstdJsonLines
from gym_rollouts.writing.layout import FIELDS, Kind, Layout
from gym_rollouts.writing.parquet import Parquet


class Format(Protocol):
    """How rows are written."""

    def check(self, layout: Layout, option: str) -> None:
        """See that rows of a layout can be written; a `Fault` says why not."""

    def encode(self, lines: list[bytes], layout: Layout, place: Path) -> None:
        """Write some rows, each a line of JSON with its end, as a piece."""

    def join(self, pieces: Iterable[Path], layout: Layout, place: Path) -> None:
        """Put pieces together to one file, which is whole also where there are none."""

    def fields(self, place: Path) -> list[str]:
        """The fields of a file's first row, or none; what cannot be read raises an error."""


FORMATS: dict[str, Format] = {
    ".jsonl": JsonLines(),
    ".jsonl.gz": GzipJsonLines(),
    ".jsonl.zst": ZstdJsonLines(),
    ".parquet": Parquet(),
}


def format_of(target: Path, option: str, among: Iterable[str] = FORMATS) -> str:
    """The suffix of FORMATS that a file's name has.

    Raises:
        Fault: it has none of those that the option can write.
    """
    suffix = split_suffix(target)[1].lower()
    allowed = list(among)
    if suffix not in allowed:
        raise Fault(f"{option} {target}: the end of the name tells the format: it must be one of {', '.join(allowed)}")
    return suffix


def made_here(path: Path, kind: Kind) -> bool:
    """Say whether a file has the fields of a kind of rows, or no row: then a run of this tool may have written it."""
    try:
        return FORMATS[split_suffix(path)[1].lower()].fields(path) in ([], list(FIELDS[kind]))
    except (OSError, ValueError, EOFError):
        return False
