"""The search as a reader has it: questions typed into its field, by keyboard alone, with typing errors."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from checks.browser.conftest import ROOT, Open
from checks.browser.opened import DESKTOP, PHONE, Opened

QUESTIONS: list[dict[str, Any]] = tomllib.loads(
    (ROOT / "docs" / "_data" / "search-questions.toml").read_text(encoding="utf-8")
)["question"]
FIRST, AMONG_THREE = 35 / 50, 45 / 50

DIALOG = "#pst-search-dialog"
FIELD = f"{DIALOG} input[name=q]"


@pytest.fixture
def home(open_page: Open) -> Iterator[Opened]:
    """The home page with the window of the search."""
    opened = open_page("index.html", DESKTOP)
    opened.page.keyboard.press("Control+k")
    opened.page.locator(FIELD).wait_for()
    yield opened
    assert not opened.errors


def answers(opened: Opened, typed: str) -> list[str]:
    """The pages that the search gives for what was typed, the best first."""
    field = opened.page.locator(FIELD)
    field.fill("")
    field.fill(typed)
    opened.page.wait_for_function(
        f"() => /page|Nothing/.test(document.querySelector('{DIALOG} .search-said').textContent)"
    )
    links = opened.page.locator(f"{DIALOG} ol > li > a:first-child")
    found = links.evaluate_all("(all) => all.map((each) => each.href)")
    return [each.removeprefix(opened.site).removesuffix(".html") for each in found]


def test_questions_find_their_pages(home: Opened) -> None:
    first = among = 0
    missed = []
    for question in QUESTIONS:
        found = answers(home, question["typed"])[:3]
        first += bool(found) and found[0] in question["pages"]
        among += bool(set(found) & set(question["pages"]))
        if not set(found) & set(question["pages"]):
            missed.append(f"{question['typed']}: expected {' or '.join(question['pages'])}, found {', '.join(found)}")
    total = len(QUESTIONS)
    print(f"{total} questions: {first} find their page first, {among} among the first three")
    assert first >= FIRST * total, "\n".join(missed)
    assert among >= AMONG_THREE * total, "\n".join(missed)


@pytest.mark.parametrize(
    ("typed", "page"),
    [
        ("decontaminaton", "training/data-quality/filtering-strategies"),  # a letter is missing
        ("curiculum", "training/data-quality/dataset-balancing"),
        ("prefrence pairs", "training/datasets/prepare-for-training"),
        ("reward_shaping", "training/verification/reward-shaping"),
        ("in_parallel", "training/rollout-collection/optimize-for-training"),  # a part of an underscored name
    ],
)
def test_typing_errors_and_parts_of_names(home: Opened, typed: str, page: str) -> None:
    assert page in answers(home, typed)[:3]


@pytest.mark.parametrize(
    ("typed", "anchor"),
    [
        ("num_repeats", "reference/configuration/commands.html#"),
        ("--num-repeats", "reference/cli.html#"),
        ("mcqa", "reference/resources-servers/mcqa.html#server-mcqa"),
    ],
)
def test_names_lead_to_the_reference(home: Opened, typed: str, anchor: str) -> None:
    answers(home, typed)
    names = home.page.locator(f"{DIALOG} .search-name a").evaluate_all("(all) => all.map((each) => each.href)")
    assert any(anchor in each for each in names), names


def test_what_is_nowhere_is_said_so(home: Opened) -> None:
    assert answers(home, "zzqxj") == []
    assert "Nothing was found" in home.page.locator(f"{DIALOG} .search-said").inner_text()


def test_the_keyboard_alone_opens_a_result(home: Opened) -> None:
    second = answers(home, "filter rollouts")[1]
    links = home.page.locator(f"{DIALOG} .search-results a")
    hrefs = links.evaluate_all("(all) => all.map((each) => each.href)")
    for _ in range(1 + next(n for n, href in enumerate(hrefs) if href.endswith(f"{second}.html"))):
        home.page.keyboard.press("ArrowDown")
    home.page.keyboard.press("Enter")
    home.page.wait_for_url(f"**/{second}.html")


def test_results_break_no_rule_of_axe(open_page: Open) -> None:
    for visit in (DESKTOP, PHONE):
        opened = open_page("search.html?q=filter+rollouts", visit)
        opened.page.locator(".search-page .search-results li").first.wait_for()
        assert not list(opened.faults())


def test_a_lost_reader_is_shown_the_nearest_pages(browser: Browser, site: str, html: Path) -> None:
    """404.html as a host hands it out: for an address at any depth."""
    with browser.new_context() as context:
        page = context.new_page()
        body = (html / "404.html").read_text(encoding="utf-8")
        lost = f"{site}data/quality/filter-rollouts.html"
        page.route(lost, lambda route: route.fulfill(status=404, body=body, content_type="text/html"))
        page.goto(lost)
        page.locator(".not-found li a").first.wait_for()
        links = page.locator(".not-found li > a:first-child").evaluate_all("(all) => all.map((each) => each.href)")
        assert f"{site}training/data-quality/filtering-strategies.html" in links
