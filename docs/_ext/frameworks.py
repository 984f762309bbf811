"""``{framework-table} FIELD ...``: what ``_data/frameworks.toml`` says of each training framework, in these fields.

A cell is either of an environment in which this site's tests run, whose lock gives the versions in it, or it has a
source and a date; another one stops the build. What nobody was found to say is a dash.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from markdown_tables import markdown_table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from harness.environments import ENVIRONMENTS

DATA = Path(__file__).resolve().parent.parent / "_data" / "frameworks.toml"
NOT_FOUND = "\N{EN DASH}"

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class WrongCell(Exception):
    """A cell that says neither where it is from nor which environment it is of."""


@cache
def read(path: Path = DATA) -> dict[str, Any]:
    """The fields with their titles, and the frameworks with their cells."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def cells(framework: dict[str, Any], fields: list[str]) -> Iterator[str]:
    """A framework's cells as Markdown.

    Raises:
        WrongCell: one of them has neither an environment nor a source with its date.
    """
    for field in fields:
        cell = framework.get(field)
        if cell is None:
            yield NOT_FOUND
        elif environment := cell.get("environment"):
            yield filled(cell["text"], environment)
        elif cell.get("source", "").startswith("https://") and _DATE.fullmatch(cell.get("date", "")):
            yield f"{cell['text']} ([{cell['date']}]({cell['source']}))"
        else:
            raise WrongCell(
                f"{framework['name']}, {field}: expected `environment`, or `source` with an https address and `date` "
                f"as YYYY-MM-DD; found {', '.join(cell)}"
            )


def filled(text: str, environment: str) -> str:
    """A text with the version that an environment's lock has of what it describes first, and its Python.

    Raises:
        WrongCell: there is no environment of the name.
    """
    if environment not in ENVIRONMENTS:
        raise WrongCell(f"no environment {environment!r}: there are {', '.join(ENVIRONMENTS)}")
    place = ENVIRONMENTS[environment]
    locked = re.search(rf"(?m)^{re.escape(place.describes[0])}==(\S+)", place.lock.read_text(encoding="utf-8"))
    return text.format(version=locked[1] if locked else "", python=place.python)


def as_markdown(argument: str) -> Iterator[str]:
    """The table as Markdown: a row for each framework."""
    fields = argument.split()
    data = read()
    headings = ["Framework", *(data["fields"].get(field, field) for field in fields)]
    yield from markdown_table(headings, [[each["name"], *cells(each, fields)] for each in data["framework"]])


class FrameworkTable(SphinxDirective):
    """A row for each framework, a column for each field that the arguments name."""

    required_arguments = 1
    final_argument_whitespace = True
    has_content = False

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(DATA))
        if unknown := [field for field in self.arguments[0].split() if field not in read()["fields"]]:
            raise self.error(f"no field {unknown[0]!r} in frameworks.toml: there are {', '.join(read()['fields'])}")
        try:
            return self.parse_text_to_nodes("\n".join(as_markdown(self.arguments[0])))
        except WrongCell as wrong:
            raise self.error(f"frameworks.toml: {wrong}") from None


def setup(app: Sphinx) -> dict[str, object]:
    app.add_directive("framework-table", FrameworkTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
