"""For assistants that read the site: ``llms.txt`` in sections, a sentence for each page, and a line that leads to it.

The sections are those of the menu, in its order; the sentence is the first of a page's description. The line is on each
page that has a Markdown twin, first in its HTML and unseen by readers, and under the title of the twin itself.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import urljoin

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

NAME = "llms.txt"
#: A link of Markdown to a place on the same site, and code, which has no links.
_LINK = re.compile(r"(?P<code>(?P<ticks>`+).+?(?P=ticks))|\]\((?![a-z][a-z+.-]*:|#)(?P<target>[^)\s]+)\)", re.DOTALL)
_SENTENCE = re.compile(r"(?P<first>.+?[.!?])(?:\s|$)", re.DOTALL)


def below(includes: Mapping[str, Sequence[str]], name: str) -> Iterator[str]:
    """A page and those below it in the menu, in its order."""
    yield name
    for each in includes.get(name, ()):
        yield from below(includes, each)


def listing(env: BuildEnvironment, title: str, summary: str, address: str, left_out: Sequence[str]) -> str:
    """The text of ``llms.txt``.

    Args:
        env: the pages, with their titles, front matter and menu.
        title: what the site is called.
        summary: what it is, in a line.
        address: where the site is, with a slash at its end; empty where it has no address.
        left_out: names of pages that are not listed.
    """
    root = env.config.root_doc
    groups = [[root], *([*below(env.toctree_includes, each)] for each in env.toctree_includes.get(root, ()))]
    lines = [f"# {title}", "", f"> {summary}"]
    for group in groups:
        pages = [each for each in dict.fromkeys(group) if each in env.titles and each not in left_out]
        if pages:
            lines += ["", f"## {env.titles[pages[0]].astext()}", ""]
            lines += [_entry(env, each, address) for each in pages]
    return "\n".join(lines) + "\n"


def _entry(env: BuildEnvironment, name: str, address: str) -> str:
    description = " ".join(str(env.metadata[name].get("description", "")).split())
    found = _SENTENCE.match(description)
    sentence = found["first"] if found else description
    return f"- [{env.titles[name].astext()}]({address}{name}.md)" + (f": {sentence}" if sentence else "")


def place(app: Sphinx, pagename: str) -> str:
    """Where ``llms.txt`` is: its address, or the way to it from a page of a site without one."""
    if app.config.html_baseurl:
        return urljoin(app.config.html_baseurl, NAME)
    return f"{posixpath.relpath('.', posixpath.dirname(pagename) or '.')}/{NAME}"


def absolute(text: str, page: str) -> str:
    """Markdown with its links to places on the site made absolute; ``page`` is its own address."""

    def link(found: re.Match[str]) -> str:
        return found["code"] or f"]({urljoin(page, found['target'])})"

    return _LINK.sub(link, text)


def add(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """Give a page the line about its twin, which was written before."""
    if context.get("exports"):
        twin = f"{posixpath.basename(pagename)}.md"
        twin = urljoin(app.config.html_baseurl, f"{pagename}.md") if app.config.html_baseurl else f"./{twin}"
        context["for_assistants"] = f"This page as Markdown: {twin}. All pages, as Markdown: {place(app, pagename)}"


def write(app: Sphinx, exception: Exception | None) -> None:
    """Write ``llms.txt`` when the site is built."""
    if exception or app.builder.name != "html":
        return
    config = app.config
    text = listing(
        app.env, config.llms_txt_title, config.llms_txt_summary, config.html_baseurl, config.llms_txt_exclude
    )
    (Path(app.outdir) / NAME).write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("html-page-context", add, priority=600)  # after the exports
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
