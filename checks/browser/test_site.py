"""Every page, redirect and filter of the built site, as a browser has them."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from checks.browser.conftest import ROOT, Open
from checks.browser.opened import DESKTOP, VISITS, Visit

HTML = Path(os.environ.get("SITE", ROOT / "docs" / "_build" / "html"))
PICTURES = ROOT / "build" / "browser"
#: Old page names and new ones; the build writes this list beside the stubs.
REDIRECTS: dict[str, str] = json.loads((HTML / "_rediraffe_redirected.json").read_text(encoding="utf-8"))
PAGES = sorted(
    {path.relative_to(HTML).as_posix() for path in HTML.rglob("*.html") if "_static" not in path.parts}
    - {f"{old}.html" for old in REDIRECTS}
)
CATALOG = "reference/resources-servers.html"
#: The pages whose rows can be filtered by typing.
FILTERED = [path for path in PAGES if 'class="filter-rows"' in (HTML / path).read_text(encoding="utf-8")]


#: The folders of pages that a program wrote: those of one have the same parts.
TEMPLATES = ("reference/configuration/", "reference/resources-servers/")


def visits() -> Iterator[tuple[str, Visit]]:
    """Each page with each visit; of the pages of a template only the longest, and each other one once."""
    for number, path in enumerate(PAGES):
        alike = [
            each for each in PAGES if any(path.startswith(folder) and each.startswith(folder) for folder in TEMPLATES)
        ]
        all_of_them = not alike or path == max(alike, key=lambda each: (HTML / each).stat().st_size)
        for visit in VISITS if all_of_them else [VISITS[number % len(VISITS)]]:
            yield path, visit


def addresses(old: str) -> list[str]:
    """The addresses under which a reader may have kept an old page."""
    return [f"{old}.html", *([old.removesuffix("index")] if old.endswith("/index") else [])]


OLD_AND_NEW = [(address, f"{new}.html") for old, new in sorted(REDIRECTS.items()) for address in addresses(old)]


def test_there_is_a_site_to_open() -> None:
    assert {"index.html", "404.html", "search.html"} < set(PAGES)
    assert OLD_AND_NEW
    assert CATALOG in FILTERED


@pytest.mark.parametrize(("path", "visit"), list(visits()), ids=lambda each: getattr(each, "name", each))
def test_page(path: str, visit: Visit, open_page: Open) -> None:
    opened = open_page(path, visit)
    opened.save(PICTURES, path.removesuffix(".html"))
    if faults := list(opened.faults()):
        pytest.fail("\n".join([f"docs/{path.removesuffix('.html')}.md, {visit.name}:", *faults]), pytrace=False)


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW)
def test_redirect_keeps_query_and_fragment(old: str, new: str, browser: Browser, site: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site}{old}?from=old&n=1#main-content")
        page.wait_for_url(f"{site}{new}?from=old&n=1#main-content")
        assert page.locator("#main-content h1").count() == 1
        # The old address is not left in the reader's history, where it would catch the way back.
        assert page.evaluate("history.length") == 2


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW)
def test_redirect_needs_no_script(old: str, new: str, browser: Browser, site: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site}{old}")
        page.wait_for_url(f"{site}{new}")


#: Old addresses of entries of the reference, and where they are today.
MOVED = {
    "reference/resources-servers.html#server-mcqa": "reference/resources-servers/mcqa.html#server-mcqa",
    "reference/resources-servers.html#math-with-judge": (
        "reference/resources-servers/math_with_judge.html#server-math-with-judge"
    ),
    "reference/configuration.html#setting-rolloutcollectionconfig-num-repeats": (
        "reference/configuration/commands.html#setting-rolloutcollectionconfig-num-repeats"
    ),
    "reference/configuration.html#setting-uv-venv-dir": "reference/configuration/system.html#setting-uv-venv-dir",
    "reference/configuration.html#mcqaresourcesserverconfig": (
        "reference/resources-servers/mcqa.html#setting-mcqaresourcesserverconfig"
    ),
}


@pytest.mark.parametrize(("old", "new"), MOVED.items())
def test_an_old_address_of_the_reference_leads_on(old: str, new: str, browser: Browser, site: str) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{site}{old}")
        page.wait_for_url(f"{site}{new}")
        assert page.locator(f"[id='{new.partition('#')[2]}']").count() == 1
        page.goto(f"{site}{old.partition('#')[0]}#how-to-read-the-tables")  # an anchor of the index stays there
        page.wait_for_timeout(200)
        assert page.url.endswith("#how-to-read-the-tables")


@pytest.mark.parametrize("kind", ["server", "setting"])
def test_an_old_address_shows_its_link_without_a_script(kind: str, browser: Browser, site: str) -> None:
    old, new = next((old, new) for old, new in MOVED.items() if f"#{kind}-" in old and old.count("-") < 5)
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site}{old}")
        link = page.locator(f"[id='{old.partition('#')[2]}'] > a")
        link.click()
        page.wait_for_url(f"{site}{new}")


@pytest.mark.parametrize("path", FILTERED)
def test_filter_narrows_by_typing_and_says_how_many(path: str, open_page: Open) -> None:
    page = open_page(path, DESKTOP).page
    place = page.locator(".filter-rows").first
    field, count = place.get_by_role("searchbox", name="Filter"), place.get_by_role("status")
    rows = place.locator("xpath=ancestor::section[1]").locator("tbody tr:visible")
    total, all_rows = int(count.text_content()), rows.count()
    words = Counter(word for text in rows.all_text_contents() for word in set(text.lower().split()))
    field.press_sequentially(min(words, key=words.__getitem__))
    shown = int(count.text_content().removesuffix(f" of {total}"))
    assert 0 < shown < total
    assert 0 < rows.count() < all_rows
    field.fill("nothing is called so")
    assert count.text_content() == f"0 of {total}"
    assert rows.count() == 0
    field.fill("")
    assert rows.count() == all_rows


@pytest.mark.parametrize("path", FILTERED)
def test_a_link_shows_what_the_filter_hides(path: str, open_page: Open) -> None:
    page = open_page(path, DESKTOP).page
    hidden = 0
    for place in page.locator(".filter-rows").all():
        place.get_by_role("searchbox").fill("nothing is called so")
        anchor = page.evaluate("document.querySelector('[hidden][id], [hidden] [id]')?.id")
        if anchor:
            hidden += 1
            page.evaluate("anchor => { location.hash = anchor; }", anchor)
            page.locator(f"[id='{anchor}']").wait_for(state="visible")
    assert hidden
