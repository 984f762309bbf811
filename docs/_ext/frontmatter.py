"""What each page says of itself before its title: content type, job, description and keywords.

They become the page's ``<meta>`` description and keywords, its OpenGraph description, and one quiet line under its
title. A missing or unknown key is a warning, and so fails the build.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from harness.environments import DEFAULT, named

logger = logging.getLogger(__name__)

#: The content types, and how the reader sees them.
CONTENT_TYPES = {
    "explanation": "Explanation",
    "how-to": "How-to",
    "navigation": "Overview",
    "reference": "Reference",
    "tutorial": "Tutorial",
}

REQUIRED = {
    "content-type": f"one of {', '.join(CONTENT_TYPES)}",
    "job": "the reader's job to be done, in one sentence",
    "description": "one or two sentences for search engines and link previews",
    "keywords": "the words that readers search for, separated by commas",
}

#: Keys that only some pages need.
OPTIONAL = frozenset(
    {
        "environment",  # what the page's blocks run in (harness.environments)
        "html_theme.sidebar_secondary.remove",
        "llms-txt-ignore",
        "myst",
        "orphan",
        "sd_hide_title",
        "starts-from",  # the page whose files this page starts from (harness.pages)
    }
)

_FRONT_MATTER = re.compile(r"\A---\n(?P<body>.*?)^---$", re.DOTALL | re.MULTILINE)


def read(text: str) -> tuple[dict[str, Any], dict[str, int]]:
    """The front matter of a page's source: its values, and the line from 1 on which each key stands."""
    found = _FRONT_MATTER.match(text)
    try:
        values = yaml.safe_load(found["body"]) if found else None
    except yaml.YAMLError:  # MyST says so itself, with the line
        values = None
    if not isinstance(values, dict):
        return {}, {}
    lines = {
        line.split(":", 1)[0].strip("\"'"): number
        for number, line in enumerate(text[: found.end()].splitlines(), start=1)
        if line and not line[0].isspace() and ":" in line
    }
    return values, lines


def faults(values: dict[str, Any], lines: dict[str, int]) -> Iterator[tuple[int, str]]:
    """The line and description of each fault of a page's front matter."""
    for key, meaning in REQUIRED.items():
        if key not in values:
            yield 1, f"the front matter lacks {key}: add the line `{key}: {meaning}`"
        elif not isinstance(values[key], str) or not values[key].strip():
            yield lines.get(key, 1), f"expected {key} to be {meaning}, found {values[key]!r}"
    for key in sorted(set(values) - set(REQUIRED) - OPTIONAL):
        known = ", ".join(sorted({*REQUIRED, *OPTIONAL}))
        yield lines.get(key, 1), f"unknown key {key} in the front matter; the site knows {known}"
    try:
        named(values.get("environment", DEFAULT))
    except LookupError as error:
        yield lines["environment"], str(error)
    content_type = values.get("content-type")
    if isinstance(content_type, str) and content_type not in CONTENT_TYPES:
        yield lines["content-type"], f"expected content-type to be {REQUIRED['content-type']}, found {content_type}"


def check(app: Sphinx, docname: str, content: list[str]) -> None:
    for line, message in faults(*read(content[0])):
        logger.warning(message, location=(docname, line), type="frontmatter")


def add_line(app: Sphinx, doctree: nodes.document) -> None:
    """Put the content type and the job under the title."""
    metadata = app.env.metadata[app.env.docname]
    kind = CONTENT_TYPES.get(metadata.get("content-type", ""))
    job = metadata.get("job")
    title = doctree.next_node(nodes.title)
    if not kind or not job or title is None or "orphan" in metadata:
        return
    line = nodes.paragraph(classes=["page-facts"])
    line += nodes.inline(kind, kind, classes=["content-type"])
    line += nodes.Text(" ")
    line += nodes.inline(job, job, classes=["job"])
    title.parent.insert(title.parent.index(title) + 1, line)


def add_meta(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    metadata = app.env.metadata.get(pagename, {})
    for name in ("description", "keywords"):
        if metadata.get(name):
            context["metatags"] += f'<meta name="{name}" content="{html.escape(metadata[name])}">\n'
    if metadata.get("description") and context.get("meta") is not None:
        context["meta"] = {**context["meta"], "og:description": metadata["description"]}


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("source-read", check)
    app.connect("doctree-read", add_line)
    app.connect("html-page-context", add_meta, priority=400)  # before sphinxext-opengraph reads the metadata
    return {"parallel_read_safe": True, "parallel_write_safe": True}
