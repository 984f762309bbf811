"""What an assistant that reads the site finds, and how the site is scored for it."""

from __future__ import annotations

import sys

import pytest

from checks.assistants.__main__ import failed, lines
from tests.site.conftest import FRONT_MATTER, ROOT, Build, page

sys.path.append(str(ROOT / "docs" / "_ext"))
import assistants

ADDRESS = "https://example.org/docs/"
DESCRIPTION = FRONT_MATTER.partition("description: ")[2].partition("\n")[0]


def test_llms_txt_has_a_section_for_each_of_the_menu_and_a_sentence_for_each_page(build: Build) -> None:
    below = page("```{toctree}\nguides/b\n```\n", "Guides")
    site = build({"guides/index": below, "guides/b": page("\nWords.\n", "A guide")}, address=ADDRESS)
    listed = site.read("llms.txt")
    assert "## Guides\n\n- [Guides](https://example.org/docs/guides/index.md): " in listed
    assert f"- [A guide](https://example.org/docs/guides/b.md): {DESCRIPTION.partition('. ')[0]}" in listed
    assert listed.count("guides/b.md") == 1
    assert "404" not in listed


def test_every_page_and_twin_leads_to_llms_txt(build: Build) -> None:
    site = build({"guides/a": page("\nWords.\n")})
    assert "All pages, as Markdown: ../llms.txt" in site.read("guides/a.html").partition("<main")[0]
    assert "All pages, as Markdown: ../llms.txt" in site.read("guides/a.md")
    assert "All pages, as Markdown" not in site.read("404.html")
    site = build({"guides/a": page("\nWords.\n")}, address=ADDRESS)
    assert f"This page as Markdown: {ADDRESS}guides/a.md. All pages, as Markdown: {ADDRESS}llms.txt" in site.read(
        "guides/a.html"
    )


def test_the_article_comes_before_the_sidebar(build: Build) -> None:
    html = build({"a": page("\nWords.\n")}).read("a.html")
    assert (
        html.index("<article") < html.index('id="pst-primary-sidebar-modal"') < html.index('id="pst-primary-sidebar"')
    )
    assert html.count("<main ") == html.count("</main>") == 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("[a](../b.md#c)", f"[a]({ADDRESS}b.md#c)"),
        ("[`a`](b.md) ![c](d.svg)", f"[`a`]({ADDRESS}guides/b.md) ![c]({ADDRESS}guides/d.svg)"),
        ("[a](https://example.com/b) [c](#d) <mailto:e>", None),
        ("in code: `[a](b.md)` and ``[`a`](b.md)``", None),
    ],
)
def test_links_of_a_twin_are_absolute(text: str, written: str | None) -> None:
    assert assistants.absolute(text, f"{ADDRESS}guides/a.md") == (written or text)


def report(status: str, name: str = "page-size-html") -> dict:
    details = {"pageResults": [{"url": "x.html", "status": status, "sampleDiffs": ["a line"]}]}
    result = {"id": name, "status": status, "message": "it is long", "details": details}
    return {"scoring": {"overall": 90, "grade": "A"}, "testedPages": 1, "results": [result]}


def test_a_check_that_fails_fails_and_names_the_page() -> None:
    assert failed(report("fail")) == ["page-size-html"]
    said = list(lines(report("fail")))
    assert said[:2] == ["afdocs: 90 of 100 (A), 1 pages", "FAIL page-size-html: it is long"]
    assert "x.html" in said[2]
    assert "a line" in said[2]


def test_a_warning_is_printed_and_what_no_static_host_can_is_not_asked() -> None:
    assert failed(report("warn")) == failed(report("fail", "content-negotiation")) == []
    assert "WARN page-size-html: it is long" in lines(report("warn"))
    assert any(each.startswith("not asked: content-negotiation, since a static host") for each in lines(report("pass")))
