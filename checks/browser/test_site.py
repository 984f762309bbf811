"""Every page and redirect of the built site, as a browser has them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext

from checks.browser import works
from checks.browser.conftest import HTML, ROOT, Open
from checks.browser.opened import DESKTOP, VISITS, Opened, Visit
from checks.browser.pages import Pages

DOCS = ROOT / "docs"
PICTURES = ROOT / "build" / "browser"
PAGES = Pages.of(HTML, DOCS)
#: What the copy button of each block of a page is to copy, in order; `checks.site` writes it as the site is built.
COPIES: dict[str, list[str | None]] = json.loads(HTML.with_name(f"{HTML.name}-copies.json").read_text(encoding="utf-8"))


def having(mark: str) -> list[str]:
    """The pages with this in their HTML."""
    return [path for path in (*PAGES.full, *PAGES.once) if mark in (HTML / path).read_text(encoding="utf-8")]


FILTERED = having('class="filter-rows"')
TABBED = having("sd-tab-set")
RATED = having('class="page-rating"')


def addresses(old: str) -> list[str]:
    """The addresses under which a reader may have kept an old page."""
    return [f"{old}.html", *([old.removesuffix("index")] if old.endswith("/index") else [])]


OLD_AND_NEW = [(address, f"{new}.html") for old, new in sorted(PAGES.redirects.items()) for address in addresses(old)]


def name_of(path: str) -> str:
    return path.removesuffix(".html")


def test_there_is_a_site_to_open() -> None:
    assert {"index.html", "404.html", "search.html"} < set(PAGES.full)
    assert OLD_AND_NEW
    assert FILTERED
    assert TABBED
    assert any(COPIES.values())


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[Opened, str, Iterator[str]], list[str]]:
    """Gives faults with the way of looking before each; saves a picture beside them, or of everything."""

    def described(opened: Opened, path: str, faults: Iterator[str]) -> list[str]:
        found = [f"{opened.visit.name}: {fault}" for fault in faults]
        if found or request.config.getoption("--pictures"):
            opened.save(PICTURES, name_of(path))
        return found

    return described


def fail_for(path: str, faults: list[str]) -> None:
    if faults:
        pytest.fail("\n".join([f"docs/{name_of(path)}.md:", *faults]), pytrace=False)


def does(opened: Opened, path: str) -> Iterator[str]:
    """What does not work of what many pages have: copy buttons, and the rating where the site has one."""
    yield from works.copies(opened, COPIES.get(name_of(path), []))
    if path in RATED:
        yield from works.rating(opened)


@pytest.mark.parametrize("path", PAGES.full)
def test_page(path: str, open_page: Open, report) -> None:
    """A page in each way of looking at it; then what it does, by desktop."""
    opened = open_page(path, VISITS[0])
    faults = list(opened.too_heavy())
    for visit in VISITS:
        opened.look(visit)
        faults += report(opened, path, opened.faults())
    faults += [*does(opened, path), *works.keyboard(opened)]
    fail_for(path, faults)


@pytest.mark.parametrize("path", PAGES.once)
def test_page_like_others(path: str, open_page: Open, report) -> None:
    """A page from a template of which another page is looked at in every way."""
    opened = open_page(path, DESKTOP)
    faults = [*opened.too_heavy(), *report(opened, path, opened.faults())]
    fail_for(path, [*faults, *does(opened, path)])


@pytest.mark.parametrize("path", TABBED)
@pytest.mark.parametrize("visit", VISITS[::3], ids=lambda visit: visit.name)
def test_tabs(path: str, visit: Visit, open_page: Open) -> None:
    fail_for(path, list(works.tabs(open_page(path, visit))))


@pytest.mark.parametrize("path", FILTERED)
def test_filter(path: str, open_page: Open) -> None:
    fail_for(path, list(works.filters(open_page(path, DESKTOP))))


@pytest.mark.skipif(not RATED, reason="the site was built without REPOSITORY_URL, so no page has a rating")
def test_every_page_has_a_rating() -> None:
    assert set(RATED) >= {path for path in PAGES.full if (DOCS / path).with_suffix(".md").is_file()} - {"404.html"}


def test_the_menu_of_a_phone_opens_by_keyboard(open_page: Open) -> None:
    page = open_page("training/index.html", VISITS[0]).page
    button = page.locator("button.primary-toggle")
    button.focus()
    page.keyboard.press("Enter")
    menu = page.locator("#pst-primary-sidebar-modal")
    menu.get_by_role("link", name="Get started").first.wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('#pst-primary-sidebar-modal') !== null")
    page.keyboard.press("Escape")
    menu.wait_for(state="hidden")


@pytest.mark.parametrize(("old", "new"), OLD_AND_NEW)
def test_redirect_keeps_query_and_fragment(old: str, new: str, reader: BrowserContext, site: str) -> None:
    page = reader.new_page()
    page.goto(f"{site}{old}?from=old&n=1#main-content")
    page.wait_for_url(f"{site}{new}?from=old&n=1#main-content")
    assert page.locator("#main-content h1").count() == 1
    # The old address is not left in the reader's history, where it would catch the way back.
    assert page.evaluate("history.length") == 2
    page.close()


def test_redirects_need_no_script(browser: Browser, site: str) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        for old, new in OLD_AND_NEW:
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
def test_an_old_address_of_the_reference_leads_on(old: str, new: str, reader: BrowserContext, site: str) -> None:
    page = reader.new_page()
    page.goto(f"{site}{old}")
    page.wait_for_url(f"{site}{new}")
    assert page.locator(f"[id='{new.partition('#')[2]}']").count() == 1
    page.goto(f"{site}{old.partition('#')[0]}#how-to-read-the-tables")  # an anchor of the index stays there
    page.wait_for_timeout(200)
    assert page.url.endswith("#how-to-read-the-tables")
    page.close()


@pytest.mark.parametrize("anchor", ["server-mcqa", "setting-uv-venv-dir"])
def test_an_old_address_shows_its_link_without_a_script(anchor: str, browser: Browser, site: str) -> None:
    ((old, new),) = [(old, new) for old, new in MOVED.items() if old.endswith(f"#{anchor}")]
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(f"{site}{old}")
        link = page.locator(f"[id='{old.partition('#')[2]}'] > a")
        link.click()
        page.wait_for_url(f"{site}{new}")


@pytest.mark.parametrize("old", sorted(PAGES.redirects))
def test_a_stub_is_sound(old: str, open_page: Open) -> None:
    """What is seen until the browser has moved on, or for ever where it follows nothing."""
    opened = open_page("search.html", DESKTOP)
    stays = works.without_moving((HTML / f"{old}.html").read_text(encoding="utf-8"))
    opened.page.route(f"**/{old}.html", lambda route: route.fulfill(body=stays, content_type="text/html"))
    faults = []
    for visit in VISITS:
        opened.go(f"{old}.html", visit)
        assert opened.page.title() == "This page has moved"
        faults += opened.faults()
    fail_for(f"{old}.html", faults)
