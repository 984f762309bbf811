"""``{bench-table}``: what ``python -m harness.bench_data --record`` measured, as a table for each number of rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RECORD = Path(__file__).resolve().parent.parent / "_data" / "bench-data.json"
HEADINGS = ("step", "loop, rows/s", "this page, rows/s", "ratio", "loop, peak", "this page, peak")


class BenchTable(SphinxDirective):
    """One table for each measurement that is recorded, with machine and date."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(RECORD))
        if not RECORD.is_file():
            raise self.error(f"{RECORD.name} is missing: run python -m harness.bench_data --record")
        results = json.loads(RECORD.read_text(encoding="utf-8"))
        return [node for result in results for node in (paragraph(caption(result)), table(rows_of(result)))]


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
