"""Each page's Markdown twin, notebook and script, beside its HTML: ``page.md``, ``page.ipynb``, ``page.py``.

A page needs nothing for it. Its source is cut at the snippets that the harness finds (`harness.blocks`):

* Python becomes a code cell.
* A block with ``:file:`` becomes a cell that writes that file.
* Everything else is prose: console commands are shown with what they print, to be typed into a terminal.

Directives become plain Markdown on the way, so that the twin reads well anywhere.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin

import assistants
import bench
import chains
import formats
import frameworks
import frontmatter
import ledger
import measured
import pipeline
import reference
import source
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from harness.blocks import Block, BlockError, find
from pinned.symbols import Symbol
from prose import releases

logger = logging.getLogger(__name__)

#: What a reader can download of a page: the suffix, and what the link says.
FORMATS = {".md": "Markdown", ".ipynb": "Notebook", ".py": "Script"}

_OPEN = re.compile(r"\s*(?P<fence>:{3,}|`{3,})\{(?P<name>[\w-]+)\}\s*(?P<argument>.*)")
_CLOSE = re.compile(r"\s*(?::{3,}|`{3,})\s*")
_PLAIN_DIVISION = re.compile(r"\s*:{3,}[\w -]*")
_OPTION = re.compile(r"\s*:(?P<key>[\w-]+):\s*(?P<value>.*)")
_TARGET = re.compile(r"\([\w-]+\)=")
_SOURCE_ROLE = re.compile(r"\{source\}`(?:(?P<text>[^`<]*?)\s*<(?P<target>[^`>]+)>|(?P<name>[^`<]+))`")
_ICON_ROLE = re.compile(r"\{(?:octicon|material-[a-z]+|fa[a-z]*)\}`[^`]*`\s*")
_OPEN_ROLE = re.compile(r"(?<![\w`])\{[a-z][\w:-]*\}`[^`]*\Z")  # not the braces of a command such as \boxed{3}
_PICTURE = re.compile(r"!\[(?P<alt>[^\]]*)\]\((?P<path>[^)\s]+)\)")
_ANCHOR = re.compile(r"\[(?P<text>(?:\{\w+\})?`[^`]+`)\]\{#[\w-]+\}")
_OTHER_ROLE = re.compile(r"(?<![\w`])\{(?P<role>[a-z][\w:-]*)\}`(?P<text>[^`<]+?)(?:\s*<(?P<target>[^`>]+)>)?`")

#: Directives whose body is nothing that a reader of Markdown could read.
_DROPPED = frozenset({"toctree", "filter-rows"})
#: Directives that write a table of data that the site holds: each gives its lines for an argument.
_TABLES: Mapping[str, Callable[[str], Iterator[str]]] = {
    "bench-table": bench.as_markdown,
    "similarity-table": bench.similarity_as_markdown,
    "format-table": formats.as_markdown,
    "framework-table": frameworks.as_markdown,
    "recipe-table": measured.in_twin(measured.table_lines),
    "recipe-overview": measured.in_twin(measured.overview_lines),
    "recipe-differences": measured.in_twin(measured.difference_lines),
    "recipe-unsolved": measured.in_twin(measured.unsolved_lines),
    "recipe-curve": measured.in_twin(measured.curve_lines),
    "pipeline": pipeline.as_markdown,
}
#: Directives that show their own name: notes, warnings and the like.
_ADMONITIONS = frozenset({"note", "tip", "warning", "important", "caution", "attention", "danger", "hint", "seealso"})
#: Options of a Python snippet that is not for the reader's interpreter: read by a program, a fragment, or failing.
_NOT_RUN = frozenset({"consumer", "fails", "part-of", "shown"})


@dataclass(frozen=True)
class Cell:
    """A piece of a page: Markdown to read, or Python to run."""

    text: str
    code: bool = False


def cells(parts: list[str | Block]) -> list[Cell]:
    """A page's parts, joined into Markdown and code."""
    pieces: list[Cell] = []
    prose: list[str] = []

    def end_prose() -> None:
        text = _joined(prose)
        if text:
            pieces.append(Cell(text))
        prose.clear()

    for part in parts:
        code = None if isinstance(part, str) else _as_code(part)
        if code is None:
            prose.append(part if isinstance(part, str) else _as_fence(part))
        else:
            end_prose()
            pieces.append(Cell(code, code=True))
    end_prose()
    return pieces


def markdown(parts: list[str | Block]) -> str:
    """The page's Markdown twin."""
    return _joined([part if isinstance(part, str) else _as_fence(part) for part in parts]) + "\n"


def _joined(parts: list[str]) -> str:
    """Parts as one text, with no more than one blank line between them; a snippet is a part and keeps its own."""
    kept: list[str] = []
    for part in parts:
        if part.strip() or (kept and kept[-1].strip()):
            kept.append(part)
    return "\n".join(kept).strip("\n")


def notebook(pieces: list[Cell]) -> str:
    """The page as a Jupyter notebook (nbformat 4.5)."""
    written = [
        {
            "cell_type": "code",
            "id": f"cell-{number}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": lines_of(piece.text.rstrip("\n")),
        }
        if piece.code
        else {
            "cell_type": "markdown",
            "id": f"cell-{number}",
            "metadata": {},
            "source": lines_of(piece.text),
        }
        for number, piece in enumerate(pieces)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    document = {
        "cells": written,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def script(pieces: list[Cell]) -> str:
    """The page as a Python script in the percent format, which editors and Jupytext read as cells."""
    written = []
    for piece in pieces:
        if piece.code:
            written.append(f"# %%\n{piece.text.rstrip()}\n")
        else:
            comment = "\n".join(f"# {line}".rstrip() for line in piece.text.removesuffix("\n").split("\n"))
            written.append(f"# %% [markdown]\n{comment}\n")
    return "\n".join(written)


def lines_of(text: str) -> list[str]:
    """The lines of a text with their ends, as a notebook's cell has them: only a line feed ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _as_code(block: Block) -> str | None:
    """The Python that does what a snippet does for the reader; None when it is for a terminal or only for reading."""
    name = block.option("file")
    if name:
        return (
            "from pathlib import Path\n\n"
            f"Path({name!r}).parent.mkdir(parents=True, exist_ok=True)\n"
            f'Path({name!r}).write_text({_quoted(block.source)}, encoding="utf-8")\n'
        )
    runs = not _NOT_RUN & set(block.options)
    return block.source if block.language == "python" and runs else None


def _quoted(text: str) -> str:
    """A Python literal of a text: with its lines as they are, where that is possible."""
    plain = "\\" not in text and '"""' not in text and not text.endswith('"')
    return f'"""\\\n{text}"""' if plain else repr(text)


#: What Markdown calls the languages that only this site has.
_LABELS = {"output": "text", "excerpt": "python"}


def _as_fence(block: Block) -> str:
    longest = max((len(found) for found in re.findall(r"^\s*(`{3,})", block.source, re.MULTILINE)), default=2)
    fence = "`" * max(3, longest + 1 if longest > 2 else 3)
    label = _LABELS.get(block.language, block.language)
    body = block.source if block.source.endswith("\n") else block.source + "\n"
    return f"{_caption(block)}{fence}{label}\n{body}{fence}"


def _caption(block: Block) -> str:
    """What the page shows above and below a snippet: its file, its terminal, why it is not run."""
    notes = {
        "file": "`{}`:",
        "of": "`{}`:",
        "part-of": "In `{}`:",
        "terminal": "{} (it ends by itself):" if "ends" in block.options else "{} (leave it running):",
        "quiet": "Printed, not shown: {}",
        "shown": "Shown, not run: {}",
    }
    return "".join(note.format(block.option(key)) + "\n\n" for key, note in notes.items() if block.option(key))


@dataclass(frozen=True)
class Links:
    """Where the links of a page lead once it is exported.

    ``symbols`` are those of the pinned release, for what ``{source}`` names; ``file`` gives the address, as seen
    from the page, of a file that the site copies: a download or a picture. ``entry`` gives the link that stands for a
    role of the reference, its target and its text; ``page`` the link to a page of that name. ``listing`` is where all
    pages are listed; ``archive`` what is added where the files of a page can be downloaded.
    """

    symbols: Mapping[str, Symbol]
    version: str
    file: Callable[[str], str]
    entry: Callable[[str, str, str | None], str]
    page: Callable[[str], str]
    listing: str
    archive: Callable[[str], str]
    ledger: Callable[[str], Iterator[str]]


def split(text: str, links: Links) -> list[str | Block]:
    """A page's lines as plain Markdown, with each snippet whole in its place.

    Args:
        text: the page's MyST source, front matter included.
        links: where its links lead.

    Raises:
        BlockError: the page holds a directive that the harness does not know.
    """
    return list(_parts(text, links))


def _parts(text: str, links: Links) -> Iterator[str | Block]:
    blocks = {block.line: block for block in find(text)}
    values, _ = frontmatter.read(text)
    start = text.count("\n", 0, _front_matter_end(text))
    lines = text.split("\n")
    titled = False
    number = start
    while number < len(lines):
        line = lines[number]
        block = blocks.get(number + 1)
        directive = _OPEN.match(line)
        number += 1
        if block:
            number = block.end
            yield ""
            yield block
            yield ""
        elif directive:
            heading, number = _directive(directive, lines, number, links)
            yield from heading
        elif _CLOSE.fullmatch(line) or _PLAIN_DIVISION.fullmatch(line):
            yield ""
        elif _TARGET.fullmatch(line) or line.startswith("%"):
            continue
        else:
            while _OPEN_ROLE.search(line) and number < len(lines):  # a role goes on in the next line
                line += f"\n{lines[number]}"
                number += 1
            yield _linked(line, links)
            if not titled and line.startswith("# "):
                titled = True
                yield from _about(values, links)


def _front_matter_end(text: str) -> int:
    found = re.match(r"---\n.*?^---\n", text, re.DOTALL | re.MULTILINE)
    return found.end() if found else 0


def _about(values: dict, links: Links) -> Iterator[str]:
    kind = frontmatter.CONTENT_TYPES.get(values.get("content-type", ""))
    yield ""
    if kind:
        yield f"> **{kind}** {values.get('job', '')}"
        yield ">"
    yield f"> For NeMo Gym {links.version}. All pages, as Markdown: {links.listing}"
    if before := values.get("starts-from"):
        yield ">"
        yield f"> Starts from the files of {links.page(before)}: follow that page first{links.archive(before)}."


def _directive(opened: re.Match[str], lines: list[str], number: int, links: Links) -> tuple[list[str], int]:
    """What stands for a directive's first lines, and the index of the line after them."""
    name, argument = opened["name"], opened["argument"].strip()
    options = {}
    while number < len(lines) and (option := _OPTION.fullmatch(lines[number])):
        options[option["key"]] = option["value"]
        number += 1
    if name in _DROPPED or name == "mermaid":
        end = number
        while end < len(lines) and not _CLOSE.fullmatch(lines[end]):
            end += 1
        if name in _DROPPED:
            return [], end + 1
        source_lines = "\n".join(lines[number:end]).strip("\n")
        return ["", options.get("alt", ""), "", f"```mermaid\n{source_lines}\n```", ""], end + 1
    if name in _TABLES:
        return ["", *_TABLES[name](argument), ""], number
    if name in ledger.DRAWN:
        return ["", *links.ledger(name), ""], number
    title = _ICON_ROLE.sub("", argument) or (name.capitalize() if name in _ADMONITIONS else "")
    if name in ("figure", "image"):
        return ["", f"![{options.get('alt', '')}]({links.file(argument)})", ""], number
    if name == "list-table" or not title or name in ("grid", "div"):
        return [""], number
    if "link" in options and title:
        suffix = ".md" if options.get("link-type") == "doc" else ""
        title = f"[{title}]({options['link']}{suffix})"
    return ["", f"**{title}**", ""], number


def _linked(text: str, links: Links) -> str:
    """Prose with its roles as plain Markdown, and with addresses that hold in the built site."""

    def source_link(found: re.Match[str]) -> str:
        name = (found["target"] or found["name"]).strip()
        shown = found["text"] or f"`{name.rpartition('.')[2]}`"
        symbol = links.symbols.get(name)
        if symbol is None:
            return shown
        return f"[{shown}]({source.address(symbol, links.version)}) ({source.place(symbol)})"

    def other(found: re.Match[str]) -> str:
        target = found["target"] or found["text"]
        if found["role"] == "download":
            return f"[{found['text']}]({links.file(target)})"
        if found["role"] == releases.ROLE:
            return releases.shown(found[0].partition("`")[2].removesuffix("`"))
        if found["role"] in reference.PAGES:
            return links.entry(found["role"], target, found["text"] if found["target"] else None)
        return f"[{found['text']}]({target})" if found["target"] else f"`{found['text']}`"

    def picture(found: re.Match[str]) -> str:
        return f"![{found['alt']}]({links.file(found['path'])})"

    text = _SOURCE_ROLE.sub(source_link, text)
    text = _ANCHOR.sub(r"\g<text>", text)
    text = _OTHER_ROLE.sub(other, _ICON_ROLE.sub("", text))
    return _PICTURE.sub(picture, text)


def _links(app: Sphinx, pagename: str) -> Links:
    env = app.env

    def file(target: str) -> str:
        name, _ = env.relfn2path(target, pagename)
        # Sphinx keys downloads by path and pictures by text.
        for folder, copied in (("_downloads", env.dlfiles.get(Path(name))), ("_images", env.images.get(name))):
            if copied:
                return posixpath.relpath(f"{folder}/{copied[1]}", posixpath.dirname(pagename) or ".")
        return target

    def entry(role: str, target: str, text: str | None) -> str:
        return reference.as_markdown(app.confdir, pagename, role, target, text)

    def page(name: str) -> str:
        title = env.titles[name].astext() if name in env.titles else name
        return f"[{title}]({posixpath.relpath(f'{name}.md', posixpath.dirname(pagename) or '.')})"

    def archive(name: str) -> str:
        if not chains.archive(app, name).is_file():
            return ""
        address = posixpath.relpath(f"_downloads/chains/{name}.zip", posixpath.dirname(pagename) or ".")
        return f", or [download its files]({address})"

    def recorded(name: str) -> Iterator[str]:
        folder = posixpath.dirname(pagename) or "."

        def address(docname: str) -> str:
            return posixpath.relpath(f"{docname}{'.md' if has_twin(app, docname) else '.html'}", folder)

        return ledger.as_markdown(env, name, address)

    listing = assistants.place(app, pagename)
    return Links(source.index(app.config), app.config.release, file, entry, page, listing, archive, recorded)


def has_twin(app: Sphinx, pagename: str) -> bool:
    """Whether a page is written as Markdown, too: the one for wrong addresses is not."""
    return pagename != "404" and Path(app.env.doc2path(pagename)).suffix == ".md"


def write(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """Write a page's exports when its HTML is written, and give the template their names."""
    if doctree is None or app.builder.name != "html" or pagename not in app.env.found_docs:
        return
    if not has_twin(app, pagename):
        return
    text = Path(app.env.doc2path(pagename)).read_text(encoding="utf-8")
    try:
        parts = split(text, _links(app, pagename))
    except BlockError as error:
        logger.warning(error.message, location=(pagename, error.line), type="exports")
        return
    if app.config.html_baseurl:
        own = urljoin(app.config.html_baseurl, f"{pagename}.md")
        parts = [assistants.absolute(part, own) if isinstance(part, str) else part for part in parts]
    target = Path(app.outdir) / f"{pagename}.md"
    pieces = cells(parts)
    written = {".md": markdown(parts)}
    if any(piece.code for piece in pieces):
        written |= {".ipynb": notebook(pieces), ".py": script(pieces)}
    target.parent.mkdir(parents=True, exist_ok=True)
    for suffix, content in written.items():
        target.with_suffix(suffix).write_text(content, encoding="utf-8")
    name = posixpath.basename(pagename)
    context["exports"] = [(f"{name}{suffix}", FORMATS[suffix]) for suffix in written]


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("html-page-context", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
