"""A walk through the whole site as it is built: what a reader reaches, in how many clicks, and what no page may say."""

from __future__ import annotations

import os
import posixpath
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from tests.site.conftest import ROOT

HOME = "index.html"
#: The decision guide: the rows of this table, under this heading of this page.
GUIDE = ROOT / "docs" / "training" / "index.md"
GUIDE_HEADING = "## Where to start"
CLICKS = 3
#: Pages that nobody links to: what a server hands out for an unknown address, and what opens when a search is sent.
UNLINKED = frozenset({"404.html", "search.html"})
UNFINISHED = re.compile(r"coming soon|\bTODO\b", re.IGNORECASE)


@dataclass
class Walked(HTMLParser):
    """One built page: where its article and its navigation lead, and what its article says outside of code."""

    name: str
    links: set[str] = field(default_factory=set)
    text: str = ""
    moved: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if tag in ("article", "nav", "pre", "code"):
            self._open.append(tag)
        elif tag == "a" and {"article", "nav"} & set(self._open) and found.get("href"):
            self.links.update(self._target(found["href"]))
        elif tag == "meta" and found.get("content") == "noindex":
            self.moved = True

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag)]

    def handle_data(self, data: str) -> None:
        if "article" in self._open and not {"pre", "code"} & set(self._open):
            self.text += data

    def _target(self, href: str) -> Iterator[str]:
        parts = urlsplit(href)
        if not parts.scheme and not parts.netloc and parts.path:
            path = (
                parts.path.lstrip("/")
                if parts.path.startswith("/")
                else posixpath.join(posixpath.dirname(self.name), parts.path)
            )
            yield posixpath.normpath(path)


Pages = Mapping[str, Walked]


def walk(html: Path) -> Pages:
    """Every page of a built site, by its path from the site's root."""
    pages = {}
    for path in html.rglob("*.html"):
        name = path.relative_to(html).as_posix()
        if not name.startswith(("_static/", "_sources/")):
            pages[name] = Walked(name)
            pages[name].feed(path.read_text(encoding="utf-8"))
    return pages


def clicks(pages: Pages) -> dict[str, int]:
    """The least number of clicks from the home page to each page that can be reached."""
    distance, waiting = {HOME: 0}, deque([HOME])
    while waiting:
        name = waiting.popleft()
        for target in pages[name].links & set(pages) - set(distance):
            distance[target] = distance[name] + 1
            waiting.append(target)
    return distance


def guide(text: str) -> dict[str, str]:
    """The page that each row of the decision guide names, by what the reader needs."""
    table = text.partition(f"\n{GUIDE_HEADING}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| \[[^|]*\]\(([^)#]+)\.md(?:#[^)]*)?\) \|$", table, re.MULTILINE)
    assert len(rows) == len(re.findall(r"^\|", table, re.MULTILINE)) - 2, "each row of the guide ends in one link"
    return {need: posixpath.normpath(f"training/{page}.html") for need, page in rows}


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole site, built without a ledger and without an address."""
    folder = tmp_path_factory.mktemp("whole-site")
    before = {
        name: os.environ.pop(name, None) for name in ("SITE_URL", "REPOSITORY_URL", "ANALYTICS_URL", "GYMDOCS_LEDGER")
    }
    os.environ["GYMDOCS_LEDGER"] = str(folder / "ledger.json")
    try:
        with patch_docutils(ROOT / "docs"), docutils_namespace():
            Sphinx(
                ROOT / "docs", ROOT / "docs", folder / "html", folder / "doctrees", "html", status=None, warning=None
            ).build()
    finally:
        del os.environ["GYMDOCS_LEDGER"]
        os.environ.update({name: value for name, value in before.items() if value is not None})
    return folder / "html"


@pytest.fixture(scope="module")
def pages(html: Path) -> Pages:
    return walk(html)


def test_every_row_of_the_guide_is_three_clicks_away(pages: Pages) -> None:
    distance = clicks(pages)
    rows = guide(GUIDE.read_text(encoding="utf-8"))
    assert len(rows) >= 12
    too_far = {
        need: (page, distance.get(page)) for need, page in rows.items() if distance.get(page, CLICKS + 1) > CLICKS
    }
    assert too_far == {}


def test_there_are_no_orphans(pages: Pages) -> None:
    moved = {name for name, page in pages.items() if page.moved}
    assert set(pages) - set(clicks(pages)) - moved == UNLINKED


def test_every_link_leads_to_a_file(pages: Pages, html: Path) -> None:
    nowhere = {(name, link) for name, page in pages.items() for link in page.links if not (html / link).is_file()}
    assert nowhere == set()


def test_no_page_is_unfinished(pages: Pages) -> None:
    said = {name: found[0] for name, page in pages.items() if (found := UNFINISHED.search(page.text))}
    assert said == {}


# -- The walk itself --------------------------------------------------------------------------------


def small_site(folder: Path, bodies: Mapping[str, str]) -> Pages:
    for name, body in bodies.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"<a href='hidden.html'>x</a><article>{body}</article>", encoding="utf-8")
    return walk(folder)


def test_a_walk_counts_clicks_and_sees_orphans(tmp_path: Path) -> None:
    pages = small_site(
        tmp_path,
        {
            "index.html": "<nav><a href='a/one.html#part'>x</a></nav><a href='#here'>x</a>",
            "a/one.html": "<a href='../two.html'>x</a><a href='https://example.org/two.html'>x</a>",
            "two.html": "<a href='/index.html'>x</a>",
            "hidden.html": "",
        },
    )
    assert clicks(pages) == {"index.html": 0, "a/one.html": 1, "two.html": 2}
    assert pages["two.html"].links == {"index.html"}


def test_only_words_outside_of_code_are_read(tmp_path: Path) -> None:
    pages = small_site(tmp_path, {"index.html": "<p>Words, <code>TODO</code></p><pre>coming soon</pre><p>more.</p>"})
    assert pages["index.html"].text == "Words, more."
    assert UNFINISHED.search("A page that is Coming Soon")
    assert not UNFINISHED.search("a method, todos")


def test_a_row_of_the_guide_without_a_link_is_refused() -> None:
    table = f"\n{GUIDE_HEADING}\n\n| if | start |\n| --- | --- |\n| you | [here](b/c.md#d) |\n"
    assert guide(table) == {"you": "training/b/c.html"}
    with pytest.raises(AssertionError, match="each row of the guide ends in one link"):
        guide(f"{table}| we | there |\n")
