"""Warn of what Sphinx and MyST let pass in silence, so that ``-W`` fails the build.

* An unclosed fence (``:::`` or backticks) swallows the rest of the page.
* ``[text][label]`` without such a label, and ``[text](address with spaces)``, are shown to the reader as typed.
* Raw HTML can hold a link that nothing checks or a ``<pre>`` that nothing runs.

It also gives links their lines, so that the warnings of others name them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from docutils import nodes
from markdown_it.token import Token
from sphinx.application import Sphinx
from sphinx.util import logging

from harness.blocks import DIRECTIVES, PROSE, _markdown, _without_lines

logger = logging.getLogger(__name__)

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_DIRECTIVE = re.compile(r"\{(?P<name>[^}\s]*)\}")
_UNRESOLVED = re.compile(r"\[[^\[\]]+\]\[[^\[\]]*\]|\[[^\[\]]+\]\([^()]*\)")
_NOT_PROSE = (nodes.literal, nodes.literal_block, nodes.math, nodes.math_block, nodes.raw, nodes.comment)


def faults(text: str, first_line: int = 1) -> Iterator[tuple[int, str]]:
    """The line (of the page, from 1) and description of each unclosed fence and piece of raw HTML in Markdown."""
    lines = text.split("\n")  # no other character ends a line, for Markdown as for the reader
    for token in _without_lines().parse(text):
        if token.map is None:
            continue
        line = first_line + token.map[0]
        if token.type in ("fence", "colon_fence"):
            yield from _fence_faults(token, lines, first_line)
        elif token.type == "html_block" and _COMMENT.sub("", token.content).strip():
            yield line, _raw_html(token.content)
        elif token.type == "inline" and "<" in token.content:
            yield from ((line + below, _raw_html(html)) for below, html in _inline_html(token.content))


def _inline_html(text: str) -> Iterator[tuple[int, str]]:
    """The raw HTML within a paragraph or cell, each piece with how many lines below its beginning it stands."""
    below = 0
    for token in _markdown().parseInline(text)[0].children or ():
        below += token.type in ("softbreak", "hardbreak")
        if token.type == "html_inline" and _COMMENT.sub("", token.content).strip():
            yield below, token.content


def _raw_html(content: str) -> str:
    first = content.strip().partition("\n")[0][:60]
    return f"raw HTML: {first!r}. Nothing checks its links or runs its code: write Markdown or a directive"


def _fence_faults(token: Token, lines: list[str], first_line: int) -> Iterator[tuple[int, str]]:
    line = first_line + token.map[0]
    last = lines[token.map[1] - 1].strip(" \t>")
    closed = token.map[1] - token.map[0] > 1 and set(last) == {token.markup[0]} and len(last) >= len(token.markup)
    if not closed:
        yield line, f"{token.markup}{token.info.rstrip()} is never closed: end it with a line {token.markup}"
    directive = _DIRECTIVE.match(token.info.strip())
    is_prose = DIRECTIVES.get(directive["name"]) == PROSE if directive else token.type == "colon_fence"
    if directive and directive["name"] == "raw":
        yield line, "the raw directive is switched off: write Markdown or another directive"
    if is_prose:
        yield from faults(token.content, line + 1)


def check_source(app: Sphinx, docname: str, content: list[str]) -> None:
    for line, message in faults(content[0]):
        logger.warning(message, location=(docname, line), type="guard")


def number_lines(app: Sphinx, doctree: nodes.document) -> None:
    """Give each link and picture the line that it stands on: MyST gives all of a paragraph its first line."""
    for block in doctree.findall(nodes.TextElement):
        if isinstance(block, nodes.Inline) or block.line is None:
            continue
        line = block.line
        for node in block.findall():
            if isinstance(node, nodes.Text):
                line += node.count("\n")
            elif isinstance(node, nodes.Inline):
                node.source, node.line = block.source, line


def check_references(app: Sphinx, doctree: nodes.document) -> None:
    for text in doctree.findall(nodes.Text):
        if _inside(text, _NOT_PROSE):
            continue
        for found in _UNRESOLVED.finditer(text):
            logger.warning(
                "%r is no link: define its label, mend its address, or set code in backticks",
                found[0],
                location=(app.env.docname, _line_of(text, found.start())),
                type="guard",
            )


def _inside(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    parent = node.parent
    while parent is not None:
        if isinstance(parent, kinds):
            return True
        parent = parent.parent
    return False


def _line_of(text: nodes.Text, offset: int) -> int | None:
    """The page's line of an offset in a text: that of the nearest ancestor that knows one, and lines before it."""
    node: nodes.Node | None = text.parent  # what a text itself says is the first line of its paragraph
    while node is not None and node.line is None:
        node = node.parent
    if node is None:
        return None
    before = 0
    for sibling in node.findall(nodes.Text):
        if sibling is text:
            break
        before += sibling.count("\n")
    return node.line + before + text.count("\n", 0, offset)


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("source-read", check_source)
    app.connect("doctree-read", number_lines, priority=100)  # before anything that warns of a link or a picture
    app.connect("doctree-read", check_references)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
