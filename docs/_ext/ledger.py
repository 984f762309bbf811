"""Show what the tests found: a line on every page, and the tables of ``reference/how-this-site-is-tested``.

The tests write ``build/ledger.json`` (``GYMDOCS_LEDGER`` names another file). It is not committed. A build without
one says so on every page, and so does a page that changed after the tests ran.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from markdown_tables import markdown_table
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

from harness.pages import page_at

SCHEMA = 1
VERDICTS = ("executed", "validated", "shown", "failed")
ABOUT_PAGE = "reference/how-this-site-is-tested"

NO_LEDGER = "Built without a test ledger: nothing here is said to be tested."
OUT_OF_DATE = "Not tested since this page last changed."
NOT_INSTALLED = "Not tested: the environment {} was not installed where the tests ran."
NO_SNIPPETS = "No snippets on this page."
NOT_FOLLOWED = "No page has been followed as a reader does since it last changed."

Record = dict[str, Any]


def locate(app: Sphinx, config: Config) -> None:
    default = Path(app.confdir).parent / "build" / "ledger.json"
    config.ledger_file = os.environ.get("GYMDOCS_LEDGER") or str(default)


def load(config: Config) -> Record | None:
    """The ledger that the tests wrote, or None where there is none.

    Raises:
        ExtensionError: the file is no ledger of the schema that this site reads.
    """
    path = Path(config.ledger_file)
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else None


@cache
def _read(path: Path, modified: int) -> Record:
    """A ledger of that time: one build reads it once."""
    try:
        ledger = json.loads(path.read_text(encoding="utf-8"))
        found = ledger["schema"]
    except (ValueError, KeyError, TypeError) as error:
        raise ExtensionError(f"{path.name}: not a test ledger ({error!r}). Delete it or run nox -s tests") from error
    if found != SCHEMA:
        raise ExtensionError(f"{path.name}: expected schema {SCHEMA}, found {found}. Run nox -s tests")
    return ledger


def digest(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()


def record_of(ledger: Record | None, docname: str, source: Path) -> Record | None:
    """What the ledger says of just this text of the page, or None."""
    record = (ledger or {}).get("pages", {}).get(docname)
    return record if record and record["digest"] == digest(source) else None


def counts(blocks: Iterable[Record]) -> Counter[str]:
    return Counter(block["verdict"] for block in blocks)


def against(versions: dict[str, str]) -> str:
    """The versions as a reader says them: ``nemo-gym 0.7.0 on Python 3.13.0``."""
    packages = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "python")
    return f"{packages} on Python {versions['python']}" if "python" in versions else packages


def page_line(ledger: Record | None, docname: str, source: Path) -> str:
    """The one line that a page says of its own tests."""
    if ledger is None or "versions" not in ledger:
        return NO_LEDGER
    record = record_of(ledger, docname, source)
    if record is None:
        missing = ledger["pages"].get(docname, {}).get("missing")
        return NOT_INSTALLED.format(missing) if missing else OUT_OF_DATE
    found = counts(record["blocks"])
    if not found:
        return NO_SNIPPETS
    total = found.total()
    verdicts = ", ".join(f"{found[verdict]} {verdict}" for verdict in VERDICTS if found[verdict])
    versions = against(record.get("versions") or ledger["versions"])
    return f"{total} {'snippet' if total == 1 else 'snippets'}: {verdicts} against {versions}, {record['date'][:10]}."


def verbatim_of(ledger: Record | None, docname: str, docs: Path) -> Record | None:
    """The record of the page's last walk as a reader (`harness.verbatim`), if its snippets are still the same."""
    record = (ledger or {}).get("verbatim", {}).get(docname)
    if record is None or record.get("failure"):
        return None
    return record if record.get("snippets") == page_at(docs, docname).snippets_digest else None


def verbatim_line(ledger: Record | None, docname: str, docs: Path) -> str:
    """The one line that a page says of that walk; nothing where there was none."""
    record = verbatim_of(ledger, docname, docs)
    if record is None or not record["followed"]:
        return ""
    minutes = max(1, round(record["seconds"] / 60))
    return (
        f"Followed as a reader does on {record['date'][:10]}, with Python {record['python']} on {record['platform']}: "
        f"{minutes} {'minute' if minutes == 1 else 'minutes'}, {record['gigabytes']:.1f} GB."
    )


def _fingerprints(app: Sphinx, env: BuildEnvironment) -> dict[str, str]:
    """What each page shows of the ledger, as one string a page: what changed here must be built again."""
    ledger = load(app.config)
    everything = json.dumps(ledger, sort_keys=True)
    return {
        docname: everything
        if "ledger" in env.metadata.get(docname, {})
        else page_line(ledger, docname, Path(env.doc2path(docname))) + verbatim_line(ledger, docname, Path(env.srcdir))
        for docname in env.found_docs
    }


def outdated(app: Sphinx, env: BuildEnvironment, added: set, changed: set, removed: set) -> list[str]:
    shown = getattr(env, "ledger_shown", {})
    return [docname for docname, now in _fingerprints(app, env).items() if shown.get(docname) != now]


def remember(app: Sphinx, env: BuildEnvironment) -> None:
    env.ledger_shown = _fingerprints(app, env)  # type: ignore[attr-defined]


class badge(nodes.General, nodes.Element):
    """What the tests found of the page ``docname``, under its title: one line that opens to each snippet's verdict."""


def add_badge(app: Sphinx, doctree: nodes.document) -> None:
    """Put the badge under the title, and under what the page says of itself there."""
    title = doctree.next_node(nodes.title)
    if title is None or "orphan" in app.env.metadata[app.env.docname]:
        return
    section = title.parent
    facts = next((node for node in section if "page-facts" in node.get("classes", ())), title)
    section.insert(section.index(facts) + 1, badge(docname=app.env.docname))


def visit_badge(self: HTML5Translator, node: badge) -> None:
    env, docname = self.builder.env, node["docname"]
    source = Path(env.doc2path(docname))
    ledger = load(self.config)
    line = html.escape(page_line(ledger, docname, source))
    more = list(details(ledger, docname, source, Path(env.srcdir)))
    about = ""
    if ABOUT_PAGE in env.found_docs and docname != ABOUT_PAGE:
        about = f' <a href="{self.builder.get_relative_uri(docname, ABOUT_PAGE)}">How this site is tested</a>'
    if more:
        items = "".join(f"<li>{html.escape(each)}</li>" for each in more)
        inner = f"<summary>{line}</summary><ul>{items}</ul><p>{about}</p>"
        inner = f'<details class="page-ledger" data-markdown-ignore>{inner}</details>\n'
    else:
        inner = f'<p class="page-ledger" data-markdown-ignore>{line}{about}</p>\n'
    self.body.append(inner)
    raise nodes.SkipNode


def details(ledger: Record | None, docname: str, source: Path, docs: Path) -> Iterator[str]:
    """How the page was followed, and how each of its snippets was checked; nothing where its text is another now."""
    if followed := verbatim_line(ledger, docname, docs):
        yield followed
    for block in (record_of(ledger, docname, source) or {}).get("blocks", ()):
        why = block["reason"] if block["verdict"] == "shown" else block["how"]
        yield f"Line {block['line']}, {block['language']}: {block['verdict']}{f', {why}' if why else ''}"


def skip(self: Any, node: nodes.Node) -> None:
    raise nodes.SkipNode


@dataclass(frozen=True)
class PageName:
    """A cell that is a page's name, and leads there where the site has that page."""

    docname: str


@dataclass(frozen=True)
class Table:
    """What a directive draws: ``name`` is the class of its HTML."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[str | PageName]]


@dataclass(frozen=True)
class View:
    """The ledger, and the site that shows it."""

    ledger: Record | None
    env: BuildEnvironment

    @property
    def pages(self) -> dict[str, Record]:
        return dict(sorted(self.ledger["pages"].items())) if self.ledger else {}

    @property
    def blocks(self) -> Iterator[Record]:
        return (block for page in self.pages.values() for block in page["blocks"])

    def walks(self) -> dict[str, Record]:
        """The pages that were followed as a reader does since they last changed."""
        docs = Path(self.env.srcdir)
        names = sorted(set((self.ledger or {}).get("verbatim", {})) & self.env.found_docs)
        walks = {name: verbatim_of(self.ledger, name, docs) for name in names}
        return {name: record for name, record in walks.items() if record}

    def state_of(self, docname: str) -> str:
        """When a page was tested, or why it was not."""
        record = self.ledger["pages"][docname]
        if missing := record.get("missing"):
            return f"no: {missing} was not installed"
        if docname not in self.env.found_docs:
            return "no page any more"
        if record_of(self.ledger, docname, Path(self.env.doc2path(docname))) is None:
            return "changed since"
        return record["date"][:10]


def pages(count: int) -> str:
    return f"{count} {'page' if count == 1 else 'pages'}"


def share(part: int, total: int) -> str:
    return f"{part / total:.1%}" if total else "none"


def environments(ledger: Record) -> list[tuple[str, int]]:
    """The versions against which pages were judged, with the number of pages, the most frequent first."""
    records = ledger["pages"].values()
    return Counter(against(record["versions"]) for record in records if record.get("versions")).most_common()


def totals(view: View) -> Table:
    """How many snippets of the site were executed, validated, shown and failed."""
    found = counts(view.blocks)
    total = found.total()
    rows = [
        ("Pages", str(len(view.pages))),
        ("Names looked up in prose", str(sum(page.get("names", 0) for page in view.pages.values()))),
        ("Snippets", str(total)),
        *((verdict.capitalize(), f"{found[verdict]} ({share(found[verdict], total)})") for verdict in VERDICTS),
        ("Judged with", against(view.ledger["versions"])),
        *(("Against", f"{versions} ({pages(count)})") for versions, count in environments(view.ledger)),
        ("Network", view.ledger["network"]),
        ("Date", view.ledger["date"]),
    ]
    return Table("totals", ("Of", "This site"), rows)


def summary(view: View) -> str:
    """The totals in one sentence; nothing where no page was judged."""
    if not environments(view.ledger):
        return ""
    found = counts(view.blocks)
    verdicts = f"{found['executed']:,} run and {found['validated']:,} checked by the program that reads them"
    sentences = [
        f"{found.total():,} snippets on {pages(len(view.pages))}: {verdicts}, against "
        f"{environments(view.ledger)[0][0]}, {view.ledger['date'][:10]}."
    ]
    if walks := view.walks():
        minutes = round(sum(walk["seconds"] for walk in walks.values()) / 60)
        sentences.append(f"{pages(len(walks))} followed from an empty folder, in {minutes} minutes.")
    return " ".join(sentences)


def each_page(view: View) -> Table:
    """The totals of each page."""
    rows = []
    for docname, record in view.pages.items():
        found = counts(record["blocks"])
        numbers = [str(found.total()), *(str(found[verdict]) for verdict in VERDICTS)]
        rows.append((PageName(docname), *numbers, f"{record['seconds']:.1f}", view.state_of(docname)))
    header = ("Page", "Snippets", *(verdict.capitalize() for verdict in VERDICTS), "Seconds", "Tested")
    return Table("pages", header, rows)


def only_shown(view: View) -> Table | str:
    """Each snippet that is only shown, and why."""
    rows = [
        (PageName(docname), str(block["line"]), block["language"], block["reason"] or "no reason given")
        for docname, record in view.pages.items()
        for block in record["blocks"]
        if block["verdict"] == "shown"
    ]
    if not rows:
        return "None: every snippet was executed or validated."
    return Table("shown", ("Page", "Line", "Language", "Why it is only shown"), rows)


def never_run(view: View) -> Table:
    """The lines of Python that no run reached, page by page."""
    records = {name: page["lines"] for name, page in view.pages.items() if "lines" in page}
    total = sum(lines["python"] for lines in records.values())
    never = sum(len(lines["never_run"]) for lines in records.values())
    rows: list[Sequence[str | PageName]] = [
        (PageName(docname), str(lines["python"]), str(len(lines["never_run"])), ranges(lines["never_run"]))
        for docname, lines in records.items()
        if lines["never_run"]
    ]
    rows.append(("All pages", str(total), f"{never} ({share(never, total)})", ""))
    return Table("never-run", ("Page", "Lines of Python", "Never run", "Which"), rows)


def followed(view: View) -> Table | str:
    """Each page that was followed as a reader does, and what that took."""
    rows = [
        (
            PageName(docname),
            record["date"][:10],
            ", ".join([record["python"], record["platform"], *record.get("branch", ())]),
            f"{record['followed']} of {record['total']}",
            f"{record['seconds'] / 60:.1f}",
            f"{record['gigabytes']:.2f}",
        )
        for docname, record in view.walks().items()
    ]
    header = ("Page", "Followed", "Python, system", "Snippets", "Minutes", "GB in the home")
    return Table("verbatim", header, rows) if rows else NOT_FOLLOWED


#: What each directive draws of a ledger: a table, or a sentence.
DRAWN: dict[str, Callable[[View], Table | str]] = {
    "ledger-totals": totals,
    "ledger-summary": summary,
    "ledger-pages": each_page,
    "ledger-shown": only_shown,
    "ledger-never-run": never_run,
    "ledger-verbatim": followed,
}
#: Pages may have been followed where none was judged.
NEEDS_NO_TESTS = "ledger-verbatim"


def drawn(name: str, view: View) -> Table | str:
    """What the directive ``name`` shows."""
    if name == NEEDS_NO_TESTS or "versions" in (view.ledger or {}):
        return DRAWN[name](view)
    return "" if name == "ledger-summary" else NO_LEDGER


def as_markdown(env: BuildEnvironment, name: str, link: Callable[[str], str]) -> Iterator[str]:
    """The same as lines of Markdown; ``link`` gives a page's address as seen from where they stand."""
    found = drawn(name, View(load(env.config), env))
    if isinstance(found, str):
        yield found
        return

    def cell(value: str | PageName) -> str:
        if isinstance(value, str):
            return value.replace("|", "\\|")
        name = value.docname
        return f"[{name}]({link(name)})" if name in env.found_docs else f"`{name}`"

    yield from markdown_table(found.header, ([cell(value) for value in row] for row in found.rows))


class LedgerDirective(SphinxDirective):
    """A table drawn from the ledger; the page is built again when the ledger changes."""

    def run(self) -> list[nodes.Node]:
        self.env.metadata[self.env.docname]["ledger"] = "shown"
        found = drawn(self.name, View(load(self.config), self.env))
        if isinstance(found, str):
            return [nodes.paragraph("", found, classes=[self.name])] if found else []
        group = nodes.tgroup(cols=len(found.header))
        group += [nodes.colspec(colwidth=1) for _ in found.header]
        group += nodes.thead("", self.row(found.header))
        group += nodes.tbody("", *map(self.row, found.rows))
        return [nodes.table("", group, classes=["ledger", found.name])]

    def row(self, cells: Sequence[str | PageName]) -> nodes.row:
        row = nodes.row()
        for cell in cells:
            content = nodes.Text(cell) if isinstance(cell, str) else self.page(cell.docname)
            row += nodes.entry("", nodes.paragraph("", "", content))
        return row

    def page(self, docname: str) -> nodes.Node:
        """A link to a page of the ledger; its bare name when the site has no such page any more."""
        if docname not in self.env.found_docs:
            return nodes.literal("", docname)
        link = addnodes.pending_xref(
            "",
            nodes.inline("", docname),
            refdomain="std",
            reftype="doc",
            reftarget=f"/{docname}",
            refdoc=self.env.docname,
            refexplicit=True,
            refwarn=True,
        )
        self.set_source_info(link)
        return link


def ranges(numbers: Sequence[int]) -> str:
    """Line numbers in ascending order as a reader says them: ``3, 7 to 9``."""
    rows: list[list[int]] = []
    for number in numbers:
        if rows and number == rows[-1][-1] + 1:
            rows[-1].append(number)
        else:
            rows.append([number])
    return ", ".join(f"{row[0]} to {row[-1]}" if len(row) > 1 else str(row[0]) for row in rows)


def setup(app: Sphinx) -> dict[str, object]:
    app.add_config_value("ledger_file", "", "")
    for name in DRAWN:
        app.add_directive(name, LedgerDirective)
    app.connect("config-inited", locate)
    app.connect("env-get-outdated", outdated)
    app.connect("env-updated", remember)
    app.add_node(badge, html=(visit_badge, None), text=(skip, None))
    app.connect("doctree-read", add_badge, priority=600)  # after the content type and the job
    return {"parallel_read_safe": True, "parallel_write_safe": True}
