"""A browser, a server for the built site, and pages that remember what went wrong on them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from checks.browser import chromium
from checks.browser.opened import Opened, Visit
from checks.browser.server import served

ROOT = Path(__file__).resolve().parents[2]
#: The built site. What its copy buttons are to copy lies beside it.
HTML = Path(os.environ.get("SITE", ROOT / "docs" / "_build" / "html"))
RIGHTS = ["clipboard-read", "clipboard-write"]

Open = Callable[[str, Visit], Opened]


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built site."""
    return HTML


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all pages."""
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=chromium.find())
        yield instance
        instance.close()


@pytest.fixture(scope="session")
def reader(browser: Browser) -> Iterator[BrowserContext]:
    """One profile for all pages: what they share is loaded once. Its clipboard can be read."""
    with browser.new_context(permissions=RIGHTS) as context:
        yield context


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that keeps pictures."""
    parser.addoption("--pictures", action="store_true", help="save a picture of every page in each way of looking")


def pytest_configure() -> None:
    """Say once, and before any test, that there is no browser."""
    if not (chromium.find() or chromium.kept_by_playwright()):
        raise pytest.UsageError(f"No Chromium or Chrome was found. {chromium.HOW_TO}")


@pytest.fixture(scope="session")
def site(html: Path) -> Iterator[str]:
    """The address of the built site."""
    with served(html) as address:
        yield address


@pytest.fixture
def open_page(reader: BrowserContext, site: str) -> Iterator[Open]:
    """Opens pages of the site, each by its path from the site's root."""
    opened: list[Opened] = []

    def open_one(path: str, visit: Visit) -> Opened:
        opened.append(Opened.blank(reader, site))
        opened[-1].go(path, visit)
        return opened[-1]

    yield open_one
    for page in opened:
        page.page.close()
