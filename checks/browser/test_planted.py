"""What the browser's checks look for, planted one by one: each is seen, and a sound page passes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from checks.browser.conftest import served
from checks.browser.opened import DESKTOP, PHONE, VISITS, Opened, Visit

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>@media (prefers-color-scheme: dark) {{ body {{ background: #000; color: #fff }} .dim {{ color: #222 }} }}</style>
</head><body><main><h1>A page</h1>{body}</main></body></html>
"""
DESKTOP_DARK = VISITS[1]
SOUND = (
    '<p>Words.</p><details><summary>More</summary><p>Words.</p></details><div style="overflow-x: auto" tabindex="0">'
    '<p style="width: 2000px">A wide table scrolls by itself.</p></div>'
)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address that serves it."""
    with served(tmp_path) as address:
        yield tmp_path, address


def faults(browser: Browser, folder: tuple[Path, str], body: str, visit: Visit) -> list[str]:
    """What is found on a page with this body."""
    path, address = folder
    (path / "page.html").write_text(PAGE.format(body=body), encoding="utf-8")
    opened = Opened.at(browser, address, "page.html", visit)
    found = list(opened.faults())
    opened.close()
    return found


@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.name)
def test_a_sound_page_passes(browser: Browser, folder: tuple[Path, str], visit: Visit) -> None:
    assert faults(browser, folder, SOUND, visit) == []


@pytest.mark.parametrize(
    ("body", "visit", "said"),
    [
        ("<script>console.error('no')</script>", PHONE, "console: no"),
        ("<script>absent()</script>", PHONE, "script: absent is not defined"),
        ("<script src='absent.js'></script>", PHONE, "404: "),
        ("<img src='http://127.0.0.1:1/x.png' alt=''>", PHONE, "asked another site: http://127.0.0.1:1/x.png"),
        ("<p style='width: 600px'>Words.</p>", PHONE, "wider than 390 pixels: <p style="),
        ("<img src='data:,'>", DESKTOP, "image-alt (critical)"),
        ("<details><summary>More</summary><input></details>", DESKTOP, "label (critical)"),
        ("<p style='color: #eee; background: #fff'>Words.</p>", DESKTOP, "color-contrast (serious)"),
        ("<p class='dim'>Words.</p>", DESKTOP_DARK, "color-contrast (serious)"),
        ("<table><tr><th></th><th>a</th></tr><tr><td>b</td><td>c</td></tr></table>", PHONE, "empty-table-header"),
    ],
)
def test_a_fault_is_seen(browser: Browser, folder: tuple[Path, str], body: str, visit: Visit, said: str) -> None:
    assert any(fault.startswith(said) for fault in faults(browser, folder, body, visit))


TABLE = "<div style='overflow-x: auto' tabindex='0'><table style='width: 2000px'><tr><td>a</td></tr></table></div>"
CODE = f"<div class='highlight'><pre style='overflow-x: auto' tabindex='0'>{'x' * 300}</pre></div>"
DIAGRAM = (
    "<div class='mermaid-diagram'><svg viewBox='0 0 800 20' style='width: 300px; height: 8px' aria-hidden='true'>"
    "<text font-size='16'>small</text></svg></div>"
)


@pytest.mark.parametrize(
    ("body", "visit", "said"),
    [
        (TABLE, DESKTOP, "a table scrolls sideways: a"),
        (TABLE, PHONE, "a table scrolls sideways: a"),
        (CODE, DESKTOP, "code of 300 columns is cut off"),
        (DIAGRAM, PHONE, "letters of 6.0 pixels: small"),
    ],
)
def test_what_does_not_fit_is_seen(
    browser: Browser, folder: tuple[Path, str], body: str, visit: Visit, said: str
) -> None:
    found = faults(browser, folder, f"<article class='bd-article'>{body}</article>", visit)
    assert any(fault.startswith(said) for fault in found), found


def test_code_may_scroll_on_a_phone(browser: Browser, folder: tuple[Path, str]) -> None:
    assert faults(browser, folder, f"<article class='bd-article'>{CODE}</article>", PHONE) == []


def test_what_fits_a_desktop_passes_there(browser: Browser, folder: tuple[Path, str]) -> None:
    assert faults(browser, folder, "<p style='width: 600px'>Words.</p>", DESKTOP) == []
