"""What a command has to say at its end: for people as lines, for programs as one JSON object."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Exit statuses. A usage error, or an input that is not there, is 2.
FINE, NOTHING_USABLE, FAULT = 0, 1, 2
FOUND = 1  # a check that found something


@dataclass
class Report:
    """The summary of a command: figures by name, the lines that say the same to people, and the exit status."""

    figures: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    status: int = FINE


def table(headings: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a table: the first column to the left, numbers to the right."""
    widths = [max(len(row[n]) for row in [headings, *rows]) for n in range(len(headings))]

    def line(row: list[str]) -> str:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        return "  ".join(cells).rstrip()

    return [line(row) for row in [headings, *rows]]
