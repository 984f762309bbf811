"""``{bench-table} data``: what ``nox -s bench -- data --record`` measured, as a table for each number of rows.

The argument is the bench's name; its record is ``docs/_data/bench-NAME.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RECORDS = Path(__file__).resolve().parent.parent / "_data"
HEADINGS = ("step", "loop, rows/s", "this page, rows/s", "ratio", "loop, peak", "this page, peak")


class BenchTable(SphinxDirective):
    """One table for each measurement that is recorded, with machine and date."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        self.env.note_dependency(str(record_of(name)))
        if not record_of(name).is_file():
            raise self.error(f"{record_of(name).name} is missing: run nox -s bench -- {name} --record")
        return [node for result in results_of(name) for node in (paragraph(caption(result)), table(rows_of(result)))]


def record_of(name: str) -> Path:
    """Where a bench keeps what it measured."""
    return RECORDS / f"bench-{name}.json"


def results_of(name: str) -> list[dict[str, Any]]:
    """What a bench measured, a result for each number of rows."""
    return json.loads(record_of(name).read_text(encoding="utf-8"))


def as_markdown(name: str) -> Iterator[str]:
    """The same tables in the page's Markdown twin."""
    for result in results_of(name):
        yield caption(result)
        yield ""
        yield "| " + " | ".join(HEADINGS) + " |"
        yield "| --- " * len(HEADINGS) + "|"
        yield from ("| " + " | ".join(cells) + " |" for cells in rows_of(result))
        yield ""


def caption(result: dict[str, Any]) -> str:
    """What was measured, on what and when."""
    size = result["bytes"] / 1e9
    return (
        f"{result['rows']:,} rows ({size:.1f} GB) on {result['machine']}, Python {result['python']}, {result['date']}:"
    )


def rows_of(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """The cells of a measurement's table, without its head."""
    return [
        (
            step["step"],
            f"{step['loop_rows_per_second']:,}",
            f"{step['rows_per_second']:,}",
            f"{step['ratio']:.1f}",
            f"{step['loop_peak_mb']:,} MB",
            f"{step['peak_mb']:,} MB",
        )
        for step in result["steps"]
    ]


def paragraph(text: str) -> nodes.paragraph:
    return nodes.paragraph("", "", nodes.Text(text))


def table(rows: list[tuple[str, ...]]) -> nodes.table:
    group = nodes.tgroup(cols=len(HEADINGS))
    group += [nodes.colspec(colwidth=1) for _ in HEADINGS]
    group += [nodes.thead("", row_of(HEADINGS)), nodes.tbody("", *map(row_of, rows))]
    return nodes.table("", group)


def row_of(cells: tuple[str, ...]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", paragraph(cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, object]:
    app.add_directive("bench-table", BenchTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
