"""A page is held against what Sphinx makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.doctree import Site
from harness.pages import page_at
from harness.verdict import Failure

CONF = """
extensions = ["myst_parser"]


def setup(app):
    from docutils import nodes
    from docutils.parsers.rst import Directive

    class Listing(Directive):
        has_content = True

        def run(self):
            text = "\\n".join(self.content)
            return [nodes.literal_block(text, text, **({"generated": "listing"} if GENERATED else {}))]

    app.add_directive("note", Listing, override=True)
"""

PAGE = "# A page\n\n```python\nx = 1\n```\n\n```{note}\nmade by a directive\n```\n"


def site(folder: Path, generated: bool) -> Site:
    docs = folder / "docs"
    docs.mkdir()
    (docs / "conf.py").write_text(f"GENERATED = {generated}\n{CONF}", encoding="utf-8")
    (docs / "index.md").write_text(PAGE, encoding="utf-8")
    return Site(docs, folder / "cache")


def test_a_block_that_a_directive_makes_and_nothing_judges_is_a_fault(tmp_path: Path) -> None:
    here = site(tmp_path, generated=False)
    with pytest.raises(Failure, match=r"1 blocks are judged, 2 are rendered(.|\n)*'made by a directive'"):
        here.check(page_at(here.docs, "index"))


def test_a_block_that_is_registered_as_made_by_the_site_is_none(tmp_path: Path) -> None:
    here = site(tmp_path, generated=True)
    here.check(page_at(here.docs, "index"))
