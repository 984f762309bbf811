"""A browser, a server for the built site, and a page that remembers what went wrong on it."""

from __future__ import annotations

import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from checks.browser.opened import Opened, Visit

ROOT = Path(__file__).resolve().parents[2]
#: A browser of the machine's own, in the order in which they are looked for; after them the one that Playwright keeps.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NO_BROWSER = (
    "no Chromium or Chrome was found. Install one: apt-get install chromium (Debian), or\n"
    "  .nox/browser/bin/playwright install --with-deps chromium (any system)"
)

Open = Callable[[str, Visit], Opened]


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of the built site."""
    return Path(os.environ.get("SITE", ROOT / "docs" / "_build" / "html"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all pages; every page gets a profile of its own."""
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=executable(playwright))
        yield instance
        instance.close()


def executable(playwright: Playwright) -> str | None:
    """The path of the browser to start; None where there is none."""
    own = playwright.chromium.executable_path
    return next(filter(None, map(shutil.which, BROWSERS)), None) or (own if Path(own).exists() else None)


def pytest_configure() -> None:
    """Say once, and before any test, that there is no browser."""
    with sync_playwright() as playwright:
        if not executable(playwright):
            raise pytest.UsageError(NO_BROWSER)


class Quiet(SimpleHTTPRequestHandler):
    """Hands out files and says nothing of it."""

    def log_message(self, *arguments: object) -> None:
        """Leave out the line that each request would print."""


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve a folder to this machine; gives the address, which ends in a slash."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="session")
def site(html: Path) -> Iterator[str]:
    """The address of the built site."""
    with served(html) as address:
        yield address


@pytest.fixture
def open_page(browser: Browser, site: str) -> Iterator[Open]:
    """Opens pages of the site, each by its path from the site's root and in a profile of its own."""
    opened: list[Opened] = []

    def open_one(path: str, visit: Visit) -> Opened:
        opened.append(Opened.at(browser, site, path, visit))
        return opened[-1]

    yield open_one
    for page in opened:
        page.close()
