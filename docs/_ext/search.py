"""The site's search: what `docs/_static/search.js` looks through, written as ``search-data.js``.

A page is its title, its keywords, its description, and its sections with their texts. Of pages that a program wrote
only the headings are there, beside each name that they describe: they answer whoever types such a name, and nobody
else. Sphinx's own search index is not made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import reference
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

from pinned.reference_pages import is_generated

FILE = "search-data.js"

#: What is no text of the page itself.
_LEFT_OUT = (nodes.raw, nodes.comment, nodes.title)
_OF_EVERY_PAGE = frozenset({"page-facts", "starts-from"})

Entry = dict[str, Any]


def collect(app: Sphinx, doctree: nodes.document) -> None:
    """Keep what there is to find on a page that was read."""
    docname = app.env.docname
    metadata = app.env.metadata[docname]
    title = doctree.next_node(nodes.title)
    if title is None or "orphan" in metadata:
        return
    generated = is_generated(Path(app.env.doc2path(docname)).read_text(encoding="utf-8"))
    pages(app.env)[docname] = {
        "page": docname,
        "title": title.astext(),
        "keywords": metadata.get("keywords", ""),
        "description": metadata.get("description", ""),
        "generated": generated,
        "sections": [section(each, "" if generated else text_of(each)) for each in doctree.findall(nodes.section)],
    }


def section(node: nodes.section, text: str) -> tuple[str, str, str]:
    """A section's anchor, heading and own text."""
    title = node.next_node(nodes.title)
    return node["ids"][0], title.astext() if title is not None else "", text


def text_of(node: nodes.section) -> str:
    """What stands in a section itself, without its title and the sections in it."""
    texts = [
        child.astext()
        for child in node.children
        if not isinstance(child, (*_LEFT_OUT, nodes.section)) and not _OF_EVERY_PAGE & set(child.get("classes", ()))
    ]
    return " ".join(" ".join(texts).split())


def pages(env: BuildEnvironment) -> dict[str, Entry]:
    """What was collected, by page; it stays in Sphinx's environment from build to build."""
    if not hasattr(env, "search_pages"):
        env.search_pages = {}  # type: ignore[attr-defined]
    return env.search_pages


def forget(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    pages(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: set[str], other: BuildEnvironment) -> None:
    pages(env).update({name: each for name, each in pages(other).items() if name in docnames})


def names(app: Sphinx) -> list[tuple[str, str, str]]:
    """Each name that a generated page describes: the name, the page and the anchor."""
    found = []
    for role in reference.PAGES:
        places = reference.names(app.confdir, role).places
        found += [
            (name.strip("`"), place.page, place.anchor)
            for name, place in places.items()
            if place.page in app.env.found_docs
        ]
    return found


def no_index(app: Sphinx) -> None:
    app.builder.search = False


def write(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    found = [pages(app.env)[name] for name in sorted(pages(app.env)) if name in app.env.found_docs]
    data = json.dumps({"pages": found, "names": names(app)}, ensure_ascii=False, separators=(",", ":"))
    path = Path(app.outdir) / FILE
    text = f"globalThis.SEARCH_DATA = {data};\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("builder-inited", no_index)
    app.connect("doctree-read", collect, priority=400)  # before others put into the page what each page has
    app.connect("env-purge-doc", forget)
    app.connect("env-merge-info", merge)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True, "env_version": 1}
