"""Tables that the site's extensions write, as Markdown that myst-parser reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table as lines of Markdown."""
    yield "| " + " | ".join(headings) + " |"
    yield "| --- " * len(headings) + "|"
    yield from ("| " + " | ".join(cells) + " |" for cells in rows)
