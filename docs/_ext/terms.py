"""Mark the first use of each term of the glossary on a page: a link to it, with its meaning to hover over.

The terms are read from the source of ``reference/glossary``, so a new one is one entry there. Pages on which people
look things up, rather than read them, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

GLOSSARY = "reference/glossary"
#: The kinds of pages that people read from the top.
READ = ("explanation", "how-to", "tutorial")
#: Terms that pages use in another sense, too: a Python environment is none of NeMo Gym's.
NOT_MARKED = ("environment",)

_BLOCK = re.compile(r"^```\{glossary\}\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ENTRY = re.compile(r"^(\S.*)\n((?:  .*\n|\n)+)", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]+\)")


@cache
def terms_in(path: Path, _: int) -> dict[str, str]:
    """The terms of a glossary, each with its first sentence, by the file and when it was changed."""
    found = {}
    for block in _BLOCK.findall(path.read_text(encoding="utf-8")):
        for term, body in _ENTRY.findall(f"{block}\n"):
            text = _LINK.sub(r"\1", " ".join(body.split())).replace("`", "")
            found[term] = re.match(r".*?[.](?=\s|$)", text)[0]
    return found


def pattern_of(term: str) -> re.Pattern[str]:
    """What a term looks like in a sentence: also in the plural and, unless it has a capital letter, capitalized."""
    flags = 0 if re.search("[A-Z]", term) else re.IGNORECASE
    return re.compile(rf"(?<![\w@/.-]){re.escape(term)}s?(?![\w@/-])", flags)


def places(doctree: nodes.document) -> Iterator[nodes.Text]:
    """The words of a page's paragraphs and lists, without those in headings, tables, links, code and pictures."""
    for paragraph in doctree.findall(nodes.paragraph):
        above = paragraph.parent
        while above is not None and not isinstance(above, nodes.table | nodes.figure | nodes.document):
            if "page-facts" in above.get("classes", ()) or "sd-card" in above.get("classes", ()):
                break
            above = above.parent
        if isinstance(above, nodes.document):
            yield from (child for child in list(paragraph.children) if isinstance(child, nodes.Text))


def mark(app: Sphinx, doctree: nodes.document) -> None:
    """Mark the first use of each term."""
    glossary = Path(app.srcdir, f"{GLOSSARY}.md")
    name = app.env.docname
    if name == GLOSSARY or app.env.metadata[name].get("content-type") not in READ or not glossary.is_file():
        return
    app.env.note_dependency(str(glossary))
    waiting = {
        term: (pattern_of(term), said)
        for term, said in terms_in(glossary, glossary.stat().st_mtime_ns).items()
        if term not in NOT_MARKED
    }
    for text in places(doctree):
        parts = list(split(str(text), waiting, "../" * name.count("/")))
        if len(parts) > 1:
            text.parent.replace(text, parts)


def anchor_of(term: str) -> str:
    """Where Sphinx's glossary has a term, on its page."""
    return "term-" + re.sub(r"[^a-zA-Z0-9._]+", "-", term).strip("-")


def split(text: str, waiting: dict[str, tuple[re.Pattern[str], str]], up: str) -> Iterator[nodes.Node]:
    """A text in which terms are links; those that were found are no longer waited for."""
    while True:
        found = [(match, term) for term, (pattern, _) in waiting.items() if (match := pattern.search(text))]
        if not found:
            break
        match, term = min(found, key=lambda each: (each[0].start(), -len(each[1])))
        _, said = waiting.pop(term)
        if match.start():
            yield nodes.Text(text[: match.start()])
        target = f"{up}{GLOSSARY}.html#{anchor_of(term)}"
        yield nodes.reference("", match[0], internal=True, refuri=target, reftitle=said, classes=["glossary-term"])
        text = text[match.end() :]
    if text:
        yield nodes.Text(text)


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("doctree-read", mark, priority=900)  # after what adds lines to a page
    return {"parallel_read_safe": True, "parallel_write_safe": True}
