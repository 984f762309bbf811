"""``{bench-table} data``: what ``nox -s bench -- data --record`` measured, as a table for each number of rows.

The argument is the bench's name; its record is ``docs/_data/bench-NAME.json``. ``{similarity-table}`` shows how often
the steps on similar questions agree with people, as the tool's tests found out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from markdown_tables import markdown_table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

RECORDS = Path(__file__).resolve().parent.parent / "_data"
HEADINGS = ("step", "loop, rows/s", "gym-rollouts, rows/s", "ratio", "loop, peak", "gym-rollouts, peak")
SIMILARITY = RECORDS / "similarity.json"
AGREEMENT = ("step", "pairs of tasks", "labeled the same", "precision", "recall")


class SimilarityTable(SphinxDirective):
    """What the steps on similar questions find of the labeled pairs of tasks."""

    has_content = False

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(SIMILARITY))
        return [table(similarity_rows(), AGREEMENT)]


def similarity_rows() -> list[tuple[str, ...]]:
    """The cells of the table of precision and recall, without its head."""
    found = json.loads(SIMILARITY.read_text(encoding="utf-8"))
    return [
        (step, str(found["pairs"]), str(found["same"]), f"{rates['precision']:.0%}", f"{rates['recall']:.0%}")
        for step, rates in found["steps"].items()
    ]


def similarity_as_markdown(_: str) -> Iterator[str]:
    """The same table in the page's Markdown twin."""
    yield from markdown_table(AGREEMENT, similarity_rows())


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
        yield from markdown_table(HEADINGS, rows_of(result))
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


def table(rows: list[tuple[str, ...]], headings: tuple[str, ...] = HEADINGS) -> nodes.table:
    group = nodes.tgroup(cols=len(headings))
    group += [nodes.colspec(colwidth=1) for _ in headings]
    group += [nodes.thead("", row_of(headings)), nodes.tbody("", *map(row_of, rows))]
    return nodes.table("", group)


def row_of(cells: tuple[str, ...]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", paragraph(cell)) for cell in cells))


def setup(app: Sphinx) -> dict[str, object]:
    app.add_directive("bench-table", BenchTable)
    app.add_directive("similarity-table", SimilarityTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
