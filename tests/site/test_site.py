"""What every page carries, and what the site claims of its own address."""

from __future__ import annotations

import re

from tests.site.conftest import Build, page

DIAGRAM = "\n```{mermaid}\n:alt: a leads to b\n\nflowchart LR\n  a --> b\n```\n"


def test_without_an_address_none_is_claimed(build: Build) -> None:
    site = build({"a": page("\nWords.\n")}, redirects=['"old" "a"'], published=["index", "a", "old"])
    assert site.warnings == ""
    for file in site.html.rglob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert 'rel="canonical"' not in text
        assert "og:" not in text
        assert not re.findall(r'(?:href|src|content)="https?://', text), file
    assert not (site.html / "sitemap.xml").exists()
    assert not (site.html / "CNAME").exists()
    assert "http" not in site.read("llms.txt")


def test_an_address_is_used_everywhere(build: Build) -> None:
    site = build({"a": page("\nWords.\n")}, address="https://example.org/docs")
    assert site.warnings == ""
    html = site.read("a.html")
    assert '<link rel="canonical" href="https://example.org/docs/a.html" />' in html
    assert '<meta property="og:url" content="https://example.org/docs/a.html" />' in html
    assert '<meta property="og:description" content="One thing, done." />' in html
    assert "<loc>https://example.org/docs/a.html</loc>" in site.read("sitemap.xml")
    assert "https://example.org/docs/a.md" in site.read("llms.txt")
    assert 'href="/docs/_static/' in site.read("404.html")


def test_front_matter_reaches_the_reader(build: Build) -> None:
    text = page("\nWords.\n").replace("One thing, done.", '"One \\"thing\\" & more."')
    html = build({"a": text}).read("a.html")
    assert '<meta name="description" content="One &quot;thing&quot; &amp; more.">' in html
    assert '<meta name="keywords" content="one, thing">' in html
    assert '<span class="content-type">How-to</span>' in html
    assert '<span class="job">Do one thing.</span>' in html


def test_diagrams_come_from_the_site_itself(build: Build) -> None:
    site = build({"a": page(DIAGRAM), "b": page("\nWords.\n")})
    assert site.warnings == ""
    html = site.read("a.html")
    assert re.search(r'<script[^>]* src="_static/vendor/mermaid\.tiny\.js', html)
    assert 'role="img" aria-label="a leads to b"' in html
    assert "a --&gt; b" in html
    assert (site.html / "_static" / "vendor" / "mermaid.LICENSE").is_file()
    for name in ("b.html", "search.html"):
        assert "mermaid" not in site.read(name)


def test_formulas_need_no_script(build: Build) -> None:
    html = build({"a": page("\n{math}`r = \\frac{1}{n}`\n\n```{math}\nr = 1\n```\n")}).read("a.html")
    assert html.count("<math") == 2
    assert "mathjax" not in html.lower()


def test_output_looks_like_output_and_rows_like_json(build: Build) -> None:
    site = build({"a": page('\n```jsonl\n{"reward": 1.0}\n```\n\n```output\n1.0\n```\n')})
    assert site.warnings == ""
    html = site.read("a.html")
    assert '<span class="nt">"reward"</span>' in html
    assert 'class="highlight-output' in html
    assert "div:not(.highlight-output)" in site.read("_static/copybutton.js")
