"""``{mermaid}``: a diagram drawn in the reader's browser by the site's own copy of Mermaid, never by a CDN's.

The script is loaded only on pages with a diagram. ``:alt:`` is required: it is what a reader who cannot see the
diagram gets, and what everyone gets where scripts do not run.
"""

from __future__ import annotations

from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator


class diagram(nodes.General, nodes.Element):
    """Mermaid's source in ``code``, what it shows in ``alt``."""


class Mermaid(SphinxDirective):
    """``{mermaid}`` with the diagram's source as its body."""

    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {"alt": directives.unchanged_required, "caption": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        if "alt" not in self.options:
            raise self.error("a diagram needs :alt:, one or two sentences that say what it shows")
        figure = nodes.figure(classes=["diagram"])
        self.set_source_info(figure)
        figure += diagram(code="\n".join(self.content), alt=self.options["alt"])
        if "caption" in self.options:
            children, messages = self.parse_inline(self.options["caption"], lineno=self.lineno)
            figure += nodes.caption(self.options["caption"], "", *children, *messages)
        return [figure]


def visit_html(self: HTML5Translator, node: diagram) -> None:
    alt = self.attval(node["alt"])
    code = self.encode(node["code"])
    self.body.append(f'<div class="mermaid-diagram" role="img" aria-label="{alt}">')
    self.body.append(f'<p class="mermaid-alt">{self.encode(node["alt"])}</p>')
    self.body.append(f'<template class="mermaid-source">{code}</template></div>\n')
    raise nodes.SkipNode


def visit_text(self: Any, node: diagram) -> None:
    self.add_text(f"[{node['alt']}]")
    raise nodes.SkipNode


def load_script(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    if doctree is not None and doctree.next_node(diagram):
        app.add_js_file("vendor/mermaid.tiny.js", defer="defer")
        app.add_js_file("diagrams.js", defer="defer")


def setup(app: Sphinx) -> dict[str, object]:
    app.add_node(diagram, html=(visit_html, None), text=(visit_text, None))
    app.add_directive("mermaid", Mermaid)
    app.connect("html-page-context", load_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
