"""Old addresses: what the build refuses, and what it writes for each kind of server."""

from __future__ import annotations

import pytest

from tests.site.conftest import Build, page

PAGES = {"new/page": page("\nWords.\n"), "b": page("\nWords.\n")}
PUBLISHED = ["index", "new/page", "b"]


@pytest.mark.parametrize(
    ("redirects", "published", "said"),
    [
        (['"old" "gone"'], [*PUBLISHED, "old"], "redirects.txt:1: WARNING: gone is no page"),
        (["# a comment", '"b" "new/page"'], PUBLISHED, "redirects.txt:2: WARNING: b is a page"),
        (
            ['"old" "b"', '"old" "new/page"'],
            [*PUBLISHED, "old"],
            "redirects.txt:2: WARNING: old is redirected in line 1",
        ),
        (["old b"], PUBLISHED, 'redirects.txt:1: WARNING: expected "old" "new"'),
        (['"old" "b#part"'], PUBLISHED, "redirects.txt:1: WARNING: a page name has no suffix, anchor"),
        ([], [*PUBLISHED, "once"], "published.txt:4: WARNING: once was published and is neither a page"),
        ([], PUBLISHED[:2], "published.txt:3: WARNING: b is not listed: add the line b"),
        (['"old" "b"'], PUBLISHED, "published.txt:4: WARNING: old is not listed: add the line old"),
    ],
)
def test_a_fault_of_the_lists_is_named(build: Build, redirects: list, published: list, said: str) -> None:
    site = build(PAGES, redirects=redirects, published=published)
    assert site.failed
    assert len(site.warnings.splitlines()) == 1
    assert said in site.warnings


def test_redirects_reach_every_server(build: Build) -> None:
    lines = ['"old/index" "new/page"']
    site = build(PAGES, redirects=lines, published=[*PUBLISHED, "old/index"], address="https://example.org/docs")
    assert site.warnings == ""
    stub = site.read("old/index.html")
    for part in (
        '<html lang="en">',
        "<title>",
        "<h1>",
        '<a href="../new/page.html">',
        '<link rel="canonical" href="https://example.org/docs/new/page.html">',
        'location.replace("../new/page.html" + location.search + location.hash)',
        '<meta http-equiv="refresh" content="0; url=../new/page.html">',
    ):
        assert part in stub
    for address in ("/docs/old/index.html", "/docs/old/index", "/docs/old/"):
        assert f"{address} /docs/new/page.html 301!\n" in site.read("_redirects")
        assert f'"{address}" "/docs/new/page.html";\n' in site.read("redirects.nginx.conf")


def test_a_page_becomes_a_redirect_in_a_folder_that_was_built_before(build: Build) -> None:
    build({**PAGES, "old": page("\nStill here.\n")})
    site = build(PAGES, redirects=['"old" "b"'], published=[*PUBLISHED, "old"])
    assert "old.md" in site.warnings  # the source is still in its place here
    (site.source / "old.md").unlink()
    site = build(PAGES, redirects=['"old" "b"'], published=[*PUBLISHED, "old"])
    assert site.warnings == ""
    assert "This page has moved" in site.read("old.html")


def test_a_list_that_changes_alone_is_checked(build: Build) -> None:
    assert not build(PAGES).failed
    assert build(PAGES, published=[*PUBLISHED, "once"]).failed
