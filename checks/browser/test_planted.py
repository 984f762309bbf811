"""What the browser's checks look for, planted one by one: each is seen, and a sound page passes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from checks.browser import works
from checks.browser.conftest import RIGHTS
from checks.browser.opened import BUDGET, DESKTOP, DESKTOP_DARK, PHONE, VISITS, Opened, Visit
from checks.browser.pages import Pages, template
from checks.browser.server import served

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A page</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>@media (prefers-color-scheme: dark) {{ body {{ background: #000; color: #fff }} .dim {{ color: #222 }} }}</style>
</head><body><main><h1>A page</h1>{body}</main></body></html>
"""
SOUND = (
    '<p>Words.</p><details><summary>More</summary><p>Words.</p></details><div style="overflow-x: auto" tabindex="0">'
    '<p style="width: 2000px">A wide table scrolls by itself.</p></div>'
)
#: Readable in bold letters, not in thinner ones.
GRAY = "<p style='color: #888; font-size: 19px; font-weight: {}'>Words.</p>"
#: Readable on white, not on black, whose ground shines through its own.
SHADED = "<p style='color: #333; background: #0003'>Words.</p>"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the address that serves it."""
    with served(tmp_path) as address:
        yield tmp_path, address


@pytest.fixture
def plant(browser: Browser, folder: tuple[Path, str]) -> Iterator[Callable[[str, Visit], Opened]]:
    """Opens a page with this body, in a profile of its own."""
    path, address = folder
    with browser.new_context(permissions=RIGHTS) as context:

        def opened(body: str, visit: Visit = DESKTOP) -> Opened:
            (path / "page.html").write_text(PAGE.format(body=body), encoding="utf-8")
            page = Opened.blank(context, address)
            page.go("page.html", visit)
            return page

        yield opened


def faults(browser: Browser, folder: tuple[Path, str], body: str, visit: Visit) -> list[str]:
    """What is found on a page with this body."""
    path, address = folder
    (path / "page.html").write_text(PAGE.format(body=body), encoding="utf-8")
    with browser.new_context() as context:
        opened = Opened.blank(context, address)
        opened.go("page.html", visit)
        return list(opened.faults())


#: A link that is almost as dark as the words around it.
PLAIN = "color: #222; text-decoration: none"
PLAIN_LINK = f"<p>Some <a href='#' style='{PLAIN}'>words</a> more.</p>"
NEAR = f"<a href='#' style='{PLAIN}'>words</a>"


@pytest.mark.parametrize("visit", VISITS, ids=lambda visit: visit.name)
def test_a_sound_page_passes(browser: Browser, folder: tuple[Path, str], visit: Visit) -> None:
    assert faults(browser, folder, SOUND, visit) == []


@pytest.mark.parametrize(
    ("body", "visit", "said"),
    [
        ("<script>console.error('no')</script>", PHONE, "console: no"),
        ("<script>absent()</script>", PHONE, "script: absent is not defined"),
        ("<script src='absent.js'></script>", PHONE, "404: "),
        ("<img src='http://127.0.0.1:1/x.png' alt=''>", PHONE, "failed: http://127.0.0.1:1/x.png"),
        ("<img src='http://127.0.0.1:1/x.png' alt=''>", PHONE, "asked another site: http://127.0.0.1:1/x.png"),
        ("<p style='width: 600px'>Words.</p>", PHONE, "wider than 390 pixels: <p style="),
        ("<img src='data:,'>", DESKTOP, "image-alt (critical)"),
        ("<details><summary>More</summary><input></details>", DESKTOP, "label (critical)"),
        ("<p style='color: #eee; background: #fff'>Words.</p>", DESKTOP, "color-contrast (serious)"),
        ("<p class='dim'>Words.</p>", DESKTOP_DARK, "color-contrast (serious)"),
        # Words whose own colors pass elsewhere on the page: on another ground, on one that shines through, made pale
        # by what is around them.
        ("<p>Words.</p><div style='background: #222'><p>Words.</p></div>", DESKTOP, "color-contrast (serious)"),
        (
            f"{SHADED}<div style='background: #000'>{SHADED}</div>",
            DESKTOP,
            "color-contrast (serious)",
        ),
        ("<p>Words.</p><div style='opacity: 0.3'><p>Words.</p></div>", DESKTOP, "color-contrast (serious)"),
        ("<p>Words.</p><p>Words <b style='font-weight: 400; color: #999'>more</b>.</p>", DESKTOP, "color-contrast"),
        (f"{GRAY.format(700)}{GRAY.format(400)}", DESKTOP, "color-contrast"),
        ("<input aria-label='a' value='b' style='color: #ddd; background: #fff'>", DESKTOP, "color-contrast"),
        (PLAIN_LINK, DESKTOP, "link-in-text-block (serious)"),
        # A link that looks as one does that stands alone, and one where only its own text is as dark as it is.
        (f"<p><a href='#' style='{PLAIN}'>alone</a></p>{PLAIN_LINK}", DESKTOP, "link-in-text-block (serious)"),
        (f"<p style='color: #a00'>More {NEAR}.</p><p>More {NEAR}.</p>", DESKTOP, "link-in-text-block (serious)"),
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


Plant = Callable[..., Opened]


def test_a_fault_of_the_second_look_is_seen(plant: Plant) -> None:
    opened = plant("<p class='dim'>Words.</p><p style='width: 600px'>Words.</p>", DESKTOP)
    assert list(opened.faults()) == []
    opened.look(DESKTOP_DARK)
    assert [each for each in opened.faults() if each.startswith("color-contrast")]
    opened.look(PHONE)
    assert [each for each in opened.faults() if each.startswith("wider than 390 pixels")]


def test_a_page_that_takes_too_much_is_seen(plant: Plant, folder: tuple[Path, str]) -> None:
    requests, size = BUDGET
    assert list(plant("<p>Words.</p>").too_heavy()) == []
    pictures = "".join(f"<img src='{number}.svg' alt=''>" for number in range(requests))
    for number in range(requests):
        (folder[0] / f"{number}.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8")
    assert list(plant(pictures).too_heavy()) == [f"{requests + 1} requests, of {requests} that a page may make"]
    (folder[0] / "big.bin").write_bytes(bytes(size))
    (said,) = plant(
        "<script>fetch('big.bin').then((got) => got.blob());</script><img src='big.bin' alt=''>"
    ).too_heavy()
    assert "KB to load, packed, of" in said


SOUND_KEYS = """<style>a:focus { outline: 2px solid }</style><a href="#x">A</a><button>B</button>
<div hidden><a href="#y">C</a></div>"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (SOUND_KEYS, None),
        ("<a href='#a'>A</a><button>B</button><script>addEventListener('keydown', (e) => e.preventDefault())</script>",
         "the Tab key does not reach <a href="),
        # The buttons keep the focus away for long enough: how a link looks without it is noted a moment later.
        ("<style>a:focus { outline: none }</style><a href='#a'>A</a>" + "<button>B</button>" * 9,
         "the focus is not seen on <a href="),
        ("<span style='cursor: pointer' onclick='1'>Press</span>", "only a mouse can press <span"),
    ],
)  # fmt: skip
def test_what_the_keyboard_cannot_do_is_seen(plant: Plant, body: str, said: str | None) -> None:
    found = list(works.keyboard(plant(body)))
    assert any(each.startswith(said) for each in found) if said else found == []


BLOCK = (
    "<div class='highlight-python'><div class='highlight'><pre>$ run</pre><button class='copybtn' "
    "onclick='navigator.clipboard.writeText(\"{copied}\")'>Copy</button></div></div>"
)


def test_a_button_that_copies_something_else_is_seen(plant: Plant) -> None:
    assert list(works.copies(plant(BLOCK.format(copied="run")), ["run"])) == []
    (said,) = works.copies(plant(BLOCK.format(copied="$ run")), ["run"])
    assert said == "block 1: the copy button copies '$ run' where the tests run 'run'"
    assert list(works.copies(plant("<p>Words.</p>"), ["run"])) == ["1 code blocks, and 0 on the page"]


TABS = """<style>.sd-tab-set > input {{ position: absolute; opacity: 0; pointer-events: none }} {style}</style>
<div class="sd-tab-set">
<input type="radio" name="s" id="a" checked><label for="a">A</label><div class="sd-tab-content">Of A</div>
<input type="radio" name="s" id="b"><label for="b">B</label><div class="sd-tab-content">Of B</div></div>"""


def test_tabs_that_do_not_open_are_seen(plant: Plant) -> None:
    works_well = ".sd-tab-content { display: none } input:checked + label + .sd-tab-content { display: block }"
    assert list(works.tabs(plant(TABS.format(style=works_well)))) == []
    assert "a click on the tab 'B' shows panels [0, 1], expected [1]" in works.tabs(plant(TABS.format(style="")))


FILTER = """<section><div class="filter-rows"></div><table><tbody><tr id="one"><td>one</td></tr><tr><td>two</td></tr>
</tbody></table></section>{script}"""
FIELD = """<script>const place = document.querySelector(".filter-rows");
place.innerHTML = "<label for=f>Filter rows</label><input type=search id=f><output>2</output>";
place.children[1].oninput = ({{ target }}) => {{
  const rows = [...document.querySelectorAll("tr")];
  for (const row of rows) row.hidden = {hides};
  const shown = rows.filter((row) => !row.hidden).length;
  place.children[2].textContent = target.value ? `${{shown}} of 2` : "2";
}};
addEventListener("hashchange", () => {{ document.querySelector("[hidden]").hidden = false; }});</script>"""


def test_a_filter_that_does_not_filter_is_seen(plant: Plant) -> None:
    hides = "!row.textContent.includes(target.value)"
    assert list(works.filters(plant(FILTER.format(script=FIELD.format(hides=hides))))) == []
    assert list(works.filters(plant(FILTER.format(script="")))) == ["there is no field to filter by"]
    found = list(works.filters(plant(FILTER.format(script=FIELD.format(hides="false")))))
    assert any("leaves 2 rows" in each for each in found)


def test_a_rating_that_leads_elsewhere_is_seen(plant: Plant) -> None:
    link = "<a href='https://example.org/issues/new?page=page&rating={stars}' aria-label='{stars}'>{stars}</a>"
    five = "".join(link.format(stars=stars) for stars in range(1, 6))
    assert list(works.rating(plant(f"<nav class='page-rating'>{five}</nav>"))) == []
    swapped = five.replace("rating=1", "rating=2")
    (said,) = works.rating(plant(f"<nav class='page-rating'>{swapped}</nav>"))
    assert said.startswith("the rating 1 leads to https://example.org/issues/new?page=page&rating=2")
    assert "expected five ratings, found 0" in works.rating(plant(""))


def test_of_one_template_the_largest_page_is_looked_at_in_every_way(tmp_path: Path) -> None:
    html, docs = tmp_path / "html", tmp_path / "docs"
    generated = "# A\n\n% Generated from the installed release: change nothing here.\n"
    below = "# A\n\n% Generated below this line from the installed release: change nothing here.\n"
    sources = {"index": "# A\n", "all": below, "all/one": generated, "all/two": generated}
    for name, text in sources.items():
        for folder, suffix in ((html, ".html"), (docs, ".md")):
            (folder / f"{name}{suffix}").parent.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}{suffix}").write_text(text + name * (name == "all/two"), encoding="utf-8")
    (html / "gone.html").write_text("moved", encoding="utf-8")
    (html / "_rediraffe_redirected.json").write_text(json.dumps({"gone": "index"}), encoding="utf-8")
    found = Pages.of(html, docs)
    assert found.full == ("all.html", "all/two.html", "index.html")
    assert found.once == ("all/one.html",)
    assert template("_modules/x.html", docs) == template("_modules/y/z.html", docs)


def test_an_address_that_is_not_there_gets_the_sites_own_page(browser: Browser, folder: tuple[Path, str]) -> None:
    path, address = folder
    (path / "404.html").write_text(PAGE.format(body="Lost"), encoding="utf-8")
    with browser.new_context() as context:
        page = context.new_page()
        assert page.goto(f"{address}no/where.html").status == 404
        assert "Lost" in page.content()
