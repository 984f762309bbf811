"""``{format-table} rollout-row``: every field of a kind of row, as `pinned.formats` found it in the pinned release.

The build needs no NeMo Gym: it reads the committed ``_data/formats.json``. The table has the anchor
``format-rollout-row``, each of its fields ``format-rollout-row-<field>``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from markdown_tables import markdown_table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

TABLES = Path(__file__).parents[1] / "_data" / "formats.json"
HEADER = ("Field", "Type", "Written by", "Since", "What it is")
WIDTHS = (24, 18, 16, 8, 34)

Field = dict[str, Any]

_PARTS = re.compile(r"`(?P<code>[^`]+)`|\{(?P<kind>[\w-]+)\}")


@cache
def tables() -> dict[str, list[Field]]:
    """The fields of every kind of row."""
    return json.loads(TABLES.read_text(encoding="utf-8"))


def anchor(kind: str, field: str = "") -> str:
    """The anchor of a kind's table, or of a field in it."""
    return nodes.make_id(f"format-{kind}-{'any-other' if field == '*' else field}")


def since(field: Field) -> str:
    """The first release that has a field, as the table says it."""
    return "with openai" if field["since"] == "openai" else field["since"]


def type_and_need(field: Field) -> str:
    """The type, with the word ``required`` where a row must have the field."""
    return field["type"] + (", required" if field["required"] else "")


class FormatTable(SphinxDirective):
    """The table of a kind of row."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(TABLES))
        kind = self.arguments[0]
        if kind not in tables():
            raise self.error(f"no kind of row {kind!r}: there are {', '.join(tables())}")
        group = nodes.tgroup(cols=len(HEADER))
        group += [nodes.colspec(colwidth=width) for width in WIDTHS]
        group += nodes.thead("", nodes.row("", *[_cell([nodes.Text(title)]) for title in HEADER]))
        group += nodes.tbody("", *[self._row(kind, field) for field in tables()[kind]])
        return [nodes.table("", group, ids=[anchor(kind)], classes=["format-table"])]

    def _row(self, kind: str, field: Field) -> nodes.row:
        place = anchor(kind, field["name"])
        name = nodes.literal("", field["name"]) if field["name"] != "*" else nodes.Text("any other")
        link = nodes.reference("", "", name, refid=place, internal=True)
        cells = [
            _cell([link]),
            _cell(_inline(type_and_need(field))),
            _cell(_inline(field["by"])),
            _cell([nodes.Text(since(field))]),
            _cell(_inline(field["says"])),
        ]
        return nodes.row("", *cells, ids=[place])


def _cell(content: list[nodes.Node]) -> nodes.entry:
    return nodes.entry("", nodes.paragraph("", "", *content))


def _inline(text: str) -> list[nodes.Node]:
    """Text with its `` `code` `` as code and its ``{kind}`` as a link to that kind's table."""
    found: list[nodes.Node] = []
    at = 0
    for part in _PARTS.finditer(text):
        found.append(nodes.Text(text[at : part.start()]))
        at = part.end()
        if part["code"]:
            found.append(nodes.literal("", part["code"]))
        else:
            words = nodes.Text(part["kind"].replace("-", " "))
            found.append(nodes.reference("", "", words, refid=anchor(part["kind"]), internal=True))
    return [*found, nodes.Text(text[at:])]


def as_markdown(kind: str) -> Iterator[str]:
    """The same table in the page's Markdown twin."""
    rows = []
    for field in tables().get(kind, []):
        cells = (f"`{field['name']}`", type_and_need(field), field["by"], since(field), field["says"])
        rows.append([re.sub(r"\{([\w-]+)\}", lambda found: found[1].replace("-", " "), cell) for cell in cells])
    yield from markdown_table(HEADER, rows)


def setup(app: Sphinx) -> dict[str, object]:
    app.add_directive("format-table", FormatTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
