"""What the site says of its own tests."""

from __future__ import annotations

import hashlib
import html
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest
from ledger import DRAWN
from sphinx.errors import ExtensionError

from harness.pages import page_at
from tests.site.conftest import ROOT, Build, page

ABOUT = page("\n```{ledger-totals}\n```\n\n```{ledger-pages}\n```\n\n```{ledger-shown}\n```\n")
PAGES = {
    "a": page("\n```python\nprint()\n```\n"),
    "b": page("\nWords.\n"),
    "c": page("\nOther words.\n"),
    "tests": ABOUT,
}
VERSIONS = {"nemo-gym": "0.7.0", "python": "3.13.0"}


def block(verdict: str, reason: str | None = None) -> dict[str, Any]:
    return {
        "line": 11,
        "end": 13,
        "language": "python",
        "verdict": verdict,
        "how": "ran",
        "reason": reason,
        "seconds": 0.01,
    }


def record(text: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "date": "2026-11-21T05:00:00Z",
        "seconds": 1.25,
        "versions": VERSIONS,
        "blocks": list(blocks),
    }


def write(folder: Path, pages: dict[str, Any], **other: Any) -> None:
    ledger = {
        "schema": 1,
        "date": "2026-11-21T05:00:00Z",
        "versions": VERSIONS,
        "network": "isolated",
        "pages": pages,
        **other,
    }
    (folder / "ledger.json").write_text(json.dumps(ledger), encoding="utf-8")


A = record(PAGES["a"], block("executed"), block("executed"), block("shown", "needs eight GPUs"), block("validated"))


def test_each_page_says_what_was_tested(build: Build, tmp_path: Path) -> None:
    write(tmp_path, {"a": A, "b": record(PAGES["b"]), "c": record("an older text", block("executed"))})
    site = build(PAGES)
    assert site.warnings == ""
    assert (
        "4 snippets: 2 executed, 1 validated, 1 shown against nemo-gym 0.7.0 on Python 3.13.0, 2026-11-21."
    ) in site.read("a.html")
    assert "No snippets on this page." in site.read("b.html")
    assert "Not tested since this page last changed." in site.read("c.html")


def test_the_line_opens_to_the_verdict_of_each_snippet(build: Build, tmp_path: Path) -> None:
    write(tmp_path, {"a": A, "b": record(PAGES["b"]), "c": record("an older text", block("executed"))})
    site = build(PAGES)
    details = (
        site.read("a.html")
        .partition('<details class="page-ledger" data-markdown-ignore>')[2]
        .partition("</details>")[0]
    )
    assert details.count("<li>") == 4
    assert re.search(r"<li>Line \d+, \w+: shown, needs eight GPUs</li>", details)
    for name in ("b", "c"):  # where there is nothing to open
        assert "<details" not in site.read(f"{name}.html").partition("<article")[2]


def test_the_summary_says_what_ran_and_promises_nothing_without_a_ledger(build: Build, tmp_path: Path) -> None:
    pages = PAGES | {"home": page("\n```{ledger-summary}\n```\n")}
    site = build(pages)
    assert site.warnings == ""
    assert "ledger-summary" not in site.read("home.html")
    write(tmp_path, {"a": A, "b": record(PAGES["b"])}, verbatim={"a": walk(PAGES["a"])})
    site = build(pages)
    for name in ("home.html", "home.md"):
        said = " ".join(site.read(name).split())
        assert "4 snippets on 2 pages: 2 run and 1 checked by the program that reads them" in said
        assert "against nemo-gym 0.7.0 on Python 3.13.0, 2026-11-21. 1 page followed from an empty folder" in said


def test_tables_come_from_the_ledger(build: Build, tmp_path: Path) -> None:
    write(tmp_path, {"a": A, "gone": record("", block("failed"))})
    cells = " ".join(build(PAGES).read("tests.html").split())
    for part in ("<p>2 (40.0%)</p>", "<p>1 (20.0%)</p>", "<p>isolated</p>", "<p>needs eight GPUs</p>"):
        assert part in cells
    assert 'href="a.html"' in cells
    assert "no page any more" in cells


def test_the_twin_has_each_row_that_the_page_has(build: Build, tmp_path: Path) -> None:
    lines = {"python": 30, "never_run": [3, 7, 8, 9, 11]}
    table = page("".join(f"\n```{{{name}}}\n```\n" for name in DRAWN))
    b = record(PAGES["b"], block("shown", "needs | a pipe"))
    write(
        tmp_path,
        {"a": A | {"lines": lines}, "b": b, "404": A, "gone": record("", block("failed"))},
        verbatim={"a": walk(PAGES["a"])},
    )
    site = build(PAGES | {"tests": table, "404": PAGES["a"]})
    article = site.read("tests.html").partition("<article")[2].partition("</article>")[0]
    cells = [html.unescape(re.sub("<[^>]+>", "", cell)) for cell in re.findall(r"<t[dh][^>]*>.*?</t[dh]>", article)]
    assert len(cells) > 60
    twin = site.read("tests.md").replace("\\|", "|")
    assert [cell for cell in cells if cell not in twin] == []
    assert "[a](a.md)" in twin
    assert "[404](404.html)" in twin, "which has no twin"
    assert "`gone`" in twin


OTHER = {"python": "3.12.1", "transformers": "5.24.0"}


def test_each_page_names_its_own_environment(build: Build, tmp_path: Path) -> None:
    missing = record(PAGES["c"]) | {"digest": "", "versions": {}, "missing": "trl"}
    write(
        tmp_path,
        {"a": A, "b": A, "tests": record(PAGES["tests"], block("executed")) | {"versions": OTHER}, "c": missing},
    )
    site = build(PAGES)
    assert "1 snippet: 1 executed against transformers 5.24.0 on Python 3.12.1, 2026-11-21." in site.read("tests.html")
    assert "Not tested: the environment trl was not installed where the tests ran." in site.read("c.html")
    cells = " ".join(site.read("tests.html").split())
    assert "<p>nemo-gym 0.7.0 on Python 3.13.0 (2 pages)</p>" in cells
    assert "<p>transformers 5.24.0 on Python 3.12.1 (1 page)</p>" in cells
    assert "<p>no: trl was not installed</p>" in cells


def test_lines_that_never_ran_are_listed_page_by_page(build: Build, tmp_path: Path) -> None:
    table = page("\n```{ledger-never-run}\n```\n")
    lines = {"python": 30, "never_run": [3, 7, 8, 9, 11]}
    b = record(PAGES["b"]) | {"lines": {"python": 20, "never_run": []}}
    write(tmp_path, {"a": A | {"lines": lines}, "b": b, "c": record(PAGES["c"])})
    shown = " ".join(build(PAGES | {"tests": table}).read("tests.html").split())
    row = "<td><p>30</p></td> <td><p>5</p></td> <td><p>3, 7 to 9, 11</p></td>"
    assert row in shown
    assert "<td><p>All pages</p></td> <td><p>50</p></td> <td><p>5 (10.0%)</p></td>" in shown
    assert 'href="b.html"' not in shown.partition("<table")[2].partition("</table>")[0]


def test_without_a_ledger_the_site_says_so(build: Build) -> None:
    site = build(PAGES)
    assert site.warnings == ""
    for name in PAGES:
        assert "Built without a test ledger" in site.read(f"{name}.html")
    assert site.read("tests.html").count("Built without a test ledger") == 4
    assert "executed" not in site.read("a.html")


def test_a_changed_ledger_builds_the_pages_concerned_again(build: Build, tmp_path: Path) -> None:
    write(tmp_path, {"a": A, "b": record(PAGES["b"])})
    before = build(PAGES)
    times = {name: (before.html / f"{name}.html").stat().st_mtime_ns for name in PAGES}
    write(tmp_path, {"a": record(PAGES["a"], block("executed")), "b": record(PAGES["b"])})
    after = build(PAGES)
    assert "1 snippet: 1 executed against" in after.read("a.html")
    rebuilt = {name for name in PAGES if (after.html / f"{name}.html").stat().st_mtime_ns != times[name]}
    assert rebuilt == {"a", "tests"}


@pytest.mark.parametrize(
    ("text", "said"), [("{", "not a test ledger"), ('{"schema": 2}', "expected schema 1, found 2")]
)
def test_a_file_that_is_no_ledger_fails(build: Build, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "ledger.json").write_text(text, encoding="utf-8")
    with pytest.raises(ExtensionError, match=said):
        build(PAGES)


def claims(text: str) -> list[str]:
    """Sentences that promise a run of all snippets, which a build without a ledger cannot keep."""
    pattern = (
        r"\b(?:every|each|all)\b[^.|]{0,40}\b(?:snippet|block|command)s?\b[^.|]*\b(?:runs?|executed|tested|validated)\b"
    )
    return [found[0] for found in re.finditer(pattern, text, re.IGNORECASE)]


def test_only_the_ledger_says_that_snippets_run() -> None:
    docs = ROOT / "docs"
    found = [f"{path.name}: {claim}" for path in (docs / "index.md", docs / "reference/how-this-site-is-tested.md")
             for claim in claims(path.read_text(encoding="utf-8"))]  # fmt: skip
    assert found == []


@pytest.mark.parametrize(
    "text", ["Every Python block and every command on\nthis site runs.", "All snippets are tested."]
)
def test_a_claim_is_seen(text: str) -> None:
    assert len(claims(text)) == 1


def walk(text: str, **other: Any) -> dict[str, Any]:
    """A record of `harness.verbatim` for a page of that text, which lies in no folder of its own."""
    folder = Path(tempfile.mkdtemp())
    (folder / "a.md").write_text(text, encoding="utf-8")
    return {
        "page": "a",
        "snippets": page_at(folder, "a").snippets_digest,
        "date": "2026-11-26T02:00:00Z",
        "python": "3.13.18",
        "platform": "Linux x86_64",
        "followed": 3,
        "total": 4,
        "seconds": 130.0,
        "gigabytes": 1.61,
        "failure": None,
    } | other


def test_a_page_says_apart_that_it_was_followed_as_a_reader_does(build: Build, tmp_path: Path) -> None:
    said = "Followed as a reader does on 2026-11-26, with Python 3.13.18 on Linux x86_64: 2 minutes, 1.6 GB."
    write(tmp_path, {"a": A}, verbatim={"a": walk(PAGES["a"])})
    table = "\n```{ledger-verbatim}\n```\n"
    site = build(PAGES | {"tests": page(table)})
    assert site.warnings == ""
    assert said in site.read("a.html")
    assert "Followed as a reader" not in site.read("b.html")
    assert "3 of 4" in site.read("tests.html")


@pytest.mark.parametrize(
    "other",
    [{"failure": "a.md:3: it exited with 1"}, {"snippets": "those of an older text"}, {"followed": 0}],
    ids=["a page that failed", "a page whose snippets changed", "a page with nothing to follow"],
)
def test_a_page_does_not_claim_to_be_followed(build: Build, tmp_path: Path, other: dict[str, Any]) -> None:
    write(tmp_path, {"a": A}, verbatim={"a": walk(PAGES["a"], **other)})
    assert "Followed as a reader" not in build(PAGES).read("a.html")


def test_prose_that_changed_leaves_the_walk_as_it_was(build: Build, tmp_path: Path) -> None:
    write(tmp_path, {"a": A}, verbatim={"a": walk(PAGES["a"].replace("```python", "Another sentence.\n\n```python"))})
    assert "Followed as a reader does" in build(PAGES).read("a.html")


def test_a_ledger_of_walks_alone_claims_no_tests(build: Build, tmp_path: Path) -> None:
    (tmp_path / "ledger.json").write_text(json.dumps({"schema": 1, "pages": {}, "verbatim": {"a": walk(PAGES["a"])}}))
    site = build(PAGES)
    assert site.warnings == ""
    assert "nothing here is said to be tested" in site.read("a.html")
    assert "Followed as a reader does" in site.read("a.html")
