"""See that the built site gives its readers what its sources say: ``python -m checks.site docs/_build/html``.

* Each block's copy button copies what the tests run: of a console block the commands, of others the source.
* What each button is to copy is written beside the site, for the browser that presses them.
* No flag has a dash in the place of its two hyphens.
* The links of 404.html, which is served for any address, start at the site's root.
* No page and no Markdown twin is longer than what programs that read for somebody take in.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.blocks import Block
from harness.console import commands_of
from harness.pages import all_pages
from harness.verdict import Failure

ROOT = Path(__file__).resolve().parents[1]
BUTTON = Path(__file__).with_name("copy.mjs")
NODE = "node"
#: The oldest Node.js on which the script of the button is tried.
NO_NODE = "The copy buttons were not tried: there is no Node.js (`node`) on this machine."

#: The most characters of a page: coding assistants cut off what is longer.
LONGEST = 100_000

#: An en or em dash where a flag would begin, after a blank or a mark, and not one between words or numbers.
_DASHED_FLAG = re.compile(r"(?<!\w)[\u2013\u2014][a-z][\w-]*")
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_UNSEEN = frozenset({"script", "style", "svg"})


@dataclass
class Element:
    """An element of a page, or of a block: its classes, and its texts and elements."""

    tag: str
    classes: list[str]
    children: list[Element | str] = field(default_factory=list)

    def tree(self) -> dict[str, Any]:
        """The same as JSON, for the script of the button."""
        children = [child if isinstance(child, str) else child.tree() for child in self.children]
        return {"classes": self.classes, "children": children}


class Built(HTMLParser):
    """What is looked at of a built page.

    Attributes: ``blocks``, pairs of the classes of a block's outer ``<div>`` and its ``<pre>``; ``links``, what
    ``href`` and ``src`` hold; ``texts``, what a reader sees.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.blocks: list[tuple[list[str], Element]] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        self.links += [value for name in ("href", "src") if (value := values.get(name))]
        if tag in _VOID:
            return
        element = Element(tag, (values.get("class") or "").split())
        outer = [each.classes for each in self._open[-2:]]
        if tag == "pre" and len(outer) == 2 and "highlight" in outer[1]:
            self.blocks.append((outer[0], element))
        if any(each.tag == "pre" for each in self._open):
            self._open[-1].children.append(element)
        self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().tag != tag:  # what is left open, such as <p>, ends with what is around it
            pass

    def handle_data(self, data: str) -> None:
        if any(each.tag == "pre" for each in self._open):
            self._open[-1].children.append(data)
        if not any(each.tag in _UNSEEN for each in self._open):
            self.texts.append(data)


def to_copy(block: Block) -> str | None:
    """What the copy button of a block is to copy; None where there is to be no button."""
    if block.language == "output":
        return None
    if block.language == "console":
        try:
            return "\n".join(command.text for command in commands_of(block))
        except Failure:  # a block that is only shown
            pass
    return block.source.strip("\n")


def copied(script: str, blocks: Sequence[tuple[list[str], Element]]) -> list[str | None]:
    """What the clipboard gets from each block's button.

    Raises:
        SystemExit: the site's script asks for something of a browser that checks/copy.mjs does not have.
    """
    asked = {"script": script, "blocks": [{"classes": classes, "pre": pre.tree()} for classes, pre in blocks]}
    done = subprocess.run([NODE, str(BUTTON)], input=json.dumps(asked), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"checks/{BUTTON.name}: the site's _static/copybutton.js did not run:\n{done.stderr}")
    return json.loads(done.stdout)


def write_expected_copies(docs: Path, html: Path) -> None:
    """Write beside the site what the copy button of each block is to copy, for the browser that presses them."""
    expected = {page.name: [to_copy(block) for block in page.blocks] for page in all_pages(docs)}
    target = html.with_name(f"{html.name}-copies.json")
    target.write_text(json.dumps(expected), encoding="utf-8")


def wrong_copies(docs: Path, html: Path) -> Iterator[str]:
    """One line for each block whose button copies something else than what the harness runs."""
    pairs: list[tuple[str, Block]] = []
    built: list[tuple[list[str], Element]] = []
    for page in all_pages(docs):
        file = html / f"{page.name}.html"
        found = Built(file.read_text(encoding="utf-8")).blocks if file.is_file() else []
        if len(found) != len(page.blocks):
            yield f"{page.label}: {len(page.blocks)} code blocks, and {len(found)} on the built page"
            continue
        pairs += [(page.label, block) for block in page.blocks]
        built += found
    script = (html / "_static" / "copybutton.js").read_text(encoding="utf-8")
    for (label, block), text in zip(pairs, copied(script, built), strict=True):
        wanted = to_copy(block)
        if text != wanted:
            yield f"{label}:{block.line}: the copy button copies {shown(text)} where the tests run {shown(wanted)}"


def shown(text: str | None) -> str:
    """A text for a message: as Python writes it."""
    return "nothing" if text is None else repr(text)


def dashed_flags(html: Path) -> Iterator[str]:
    """One line for each flag that typography has changed."""
    for file in pages_of(html):
        for text in Built(file.read_text(encoding="utf-8")).texts:
            for found in _DASHED_FLAG.finditer(text):
                near = text[max(found.start() - 30, 0) : found.end() + 30].replace("\n", " ")
                yield f"{file.relative_to(html)}: a dash where a flag has two hyphens: {near!r}"


def relative_links_of_404(html: Path, site_url: str) -> Iterator[str]:
    """One line for each link of 404.html that depends on the address for which it is served."""
    root = urlsplit(site_url).path.rstrip("/") + "/"
    for link in dict.fromkeys(Built((html / "404.html").read_text(encoding="utf-8")).links):
        if not (link.startswith(("#", root)) or urlsplit(link).scheme):
            yield f"404.html: the link to {link} depends on the address: expected it to start with {root}"


def too_long(html: Path) -> Iterator[str]:
    """One line for each page, or Markdown twin of one, that is cut off where a program reads it."""
    for file in pages_of(html):
        twin = file.with_suffix(".md")
        texts = {file: "".join(Built(file.read_text(encoding="utf-8")).texts)}
        if twin.is_file():
            texts[twin] = twin.read_text(encoding="utf-8")
        for path, text in texts.items():
            if len(text) > LONGEST:
                yield f"{path.relative_to(html)}: {len(text):,} characters; at most {LONGEST:,}: split the page"


def pages_of(html: Path) -> list[Path]:
    """The pages of a built site."""
    return [path for path in sorted(html.rglob("*.html")) if "_static" not in path.relative_to(html).parts]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the faults; return 1 where there is one."""
    parser = argparse.ArgumentParser(prog="checks.site", description=__doc__.splitlines()[0])
    parser.add_argument("html", type=Path)
    html = parser.parse_args(arguments).html.resolve()
    found = [*dashed_flags(html), *too_long(html), *relative_links_of_404(html, os.environ.get("SITE_URL", "").strip())]
    write_expected_copies(ROOT / "docs", html)
    if shutil.which(NODE):
        found += wrong_copies(ROOT / "docs", html)
    else:
        print(NO_NODE)
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
