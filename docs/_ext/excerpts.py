"""``{excerpt}``: a function or class of the tool as it stands in its source, with a link to the whole module.

    ```{excerpt} gym_rollouts.rollouts.Rollout
    ```

The tests see that each of its lines ran (`harness.excerpts`). Each module with an excerpt has a source page, which
the excerpt's lines link to, and which offers the file itself.
"""

from __future__ import annotations

import posixpath
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from harness.excerpts import SOURCES, Excerpt, excerpt

FOLDER = "_modules"


def page_of(path: Path) -> str:
    """The name of a module's source page."""
    return f"{FOLDER}/{path.relative_to(SOURCES).with_suffix('').as_posix()}"


class ShownExcerpt(SphinxDirective):
    """``excerpt``; its argument is a dotted name."""

    required_arguments = 1
    has_content = False

    def run(self) -> list[nodes.Node]:
        """A caption that leads to the source, and the code."""
        try:
            shown = excerpt(self.arguments[0])
        except LookupError as error:
            raise self.error(str(error)) from None
        self.env.note_dependency(str(shown.path))
        code = nodes.literal_block(shown.text, shown.text, language="python", classes=["excerpt"])
        code.source, code.line = self.get_source_info()
        container = nodes.container("", literal_block=True, classes=["literal-block-wrapper"])
        caption = nodes.caption("", "")
        caption += self._link(shown)
        container += [caption, code]
        return [container]

    def _link(self, shown: Excerpt) -> nodes.reference:
        here = posixpath.dirname(self.env.docname) or "."
        target = f"{posixpath.relpath(page_of(shown.path), here)}.html#line-{shown.first}"
        text = f"{shown.path.relative_to(SOURCES).as_posix()}, lines {shown.first} to {shown.last}"
        return nodes.reference("", text, internal=True, refuri=target)


def source_pages(app: Sphinx) -> Iterator[tuple[str, dict[str, Any], str]]:
    """A page of each module of which a page shows an excerpt."""
    if app.builder.format != "html":
        return
    modules = {Path(each) for names in app.env.dependencies.values() for each in map(app.srcdir.joinpath, names)}
    for path in sorted(path for path in (each.resolve() for each in modules) if SOURCES in path.parents):
        name = path.relative_to(SOURCES).as_posix()
        text = path.read_text(encoding="utf-8")
        look = HtmlFormatter(cssclass="highlight tool-source", linenos="inline", lineanchors="line", anchorlinenos=True)
        copied = Path(app.outdir, "downloads", name)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)
        up = "../" * page_of(path).count("/")
        body = f'<h1>{name}</h1>\n<p><a href="{up}downloads/{name}" download>Download this file</a></p>\n'
        yield page_of(path), {"title": name, "body": body + highlight(text, PythonLexer(), look)}, "page.html"


def setup(app: Sphinx) -> dict[str, object]:
    app.add_directive("excerpt", ShownExcerpt)
    app.connect("html-collect-pages", source_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
