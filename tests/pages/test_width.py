"""What a page shows fits a reader's terminal, where tables are drawn to its width."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.pages import Page, all_pages
from harness.shell import COLUMNS

DOCS = Path(__file__).parents[2] / "docs"
#: What frames of tables are drawn with: a program that knows its terminal breaks the words of one that is wider.
FRAMES = frozenset("│┃┆║─━═")


def too_wide(page: Page) -> list[tuple[int, int]]:
    """The lines of a page, with their widths, that hold a printed table wider than a terminal."""
    return [
        (block.source_line + number, len(line))
        for block in page.blocks
        if block.language in ("output", "console") and "shown" not in block.options
        for number, line in enumerate(block.source.split("\n"))
        if len(line) > COLUMNS and FRAMES & set(line)
    ]


@pytest.mark.parametrize("page", all_pages(DOCS), ids=lambda page: page.name)
def test_printed_tables_fit_a_terminal(page: Page) -> None:
    assert too_wide(page) == []


def test_one_that_does_not_fit_is_found(tmp_path: Path) -> None:
    text = "# A page\n\n```python\nprint(x)\n```\n\n```output\n│ {} │\n```\n"
    for words, found in (("a" * 76, []), ("a" * 77, [(8, 81)])):
        (tmp_path / "page.md").write_text(text.format(words), encoding="utf-8")
        assert too_wide(Page(tmp_path, tmp_path / "page.md")) == found
