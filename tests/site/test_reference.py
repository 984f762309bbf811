"""The roles that link to the reference, and what the reference pages are read from and written to."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.site.conftest import Build, page

ROOT = Path(__file__).resolve().parents[2]
PAGES = ROOT / "docs" / "reference"

ANCHORS = re.compile(r"\{#((?:server|setting|gym)[a-z0-9-]*)\}|^\(((?:server|setting|gym)[a-z0-9-]*)\)=", re.MULTILINE)

#: A role's target on line 11 that the pin does not have, and what the build says of it.
UNKNOWN = {
    "server": ("{server}`mcqaa`", "no resources server mcqaa", "the nearest is mcqa"),
    "setting": (
        "{setting}`RolloutCollectionConfig.num_repeat`",
        "no setting RolloutCollectionConfig.num_repeat",
        "the nearest is RolloutCollectionConfig.num_repeats",
    ),
    "class": ("{setting}`RolloutColectionConfig`", "no setting RolloutColectionConfig", "RolloutCollectionConfig"),
    "flag": (
        "{gym}`gym eval run --num-repeat`",
        "no command or flag gym eval run --num-repeat",
        "the nearest is gym eval run --num-repeats",
    ),
    "command": ("{gym}`gym env run`", "no command or flag gym env run", "the nearest is gym "),
    "other-command": ("{gym}`gym eval profile --num-repeats`", "no command or flag gym eval profile", "--num-repeats"),
    "with-text": ("{server}`that one <mcqaa>`", "no resources server mcqaa", "the nearest is mcqa"),
}

KNOWN = """
{server}`mcqa`, {server}`multiple choice <mcqa>`, {server}`comp_coding`,
{setting}`RolloutCollectionConfig`, {setting}`RolloutCollectionConfig.num_repeats`,
{setting}`RolloutCollectionConfig.num_samples_in_parallel`, {setting}`uv_venv_dir`,
{gym}`gym eval run`, {gym}`gym eval run --num-repeats`, {gym}`gym eval run --verbose`, {gym}`ng_run`.
"""

#: The links that stand for them: address, and what the reader sees.
LINKS = [
    ("resources-servers.html#server-mcqa", "mcqa"),
    ("resources-servers.html#server-mcqa", "multiple choice"),
    ("resources-servers.html#server-comp-coding", "comp_coding"),
    ("configuration.html#setting-rolloutcollectionconfig", "RolloutCollectionConfig"),
    ("configuration.html#setting-rolloutcollectionconfig-num-repeats", "num_repeats"),
    ("configuration.html#setting-sharedrolloutcollectionconfig-num-samples-in-parallel", "num_samples_in_parallel"),
    ("configuration.html#setting-uv-venv-dir", "uv_venv_dir"),
    ("cli.html#gym-eval-run", "gym eval run"),
    ("cli.html#gym-eval-run-num-repeats", "--num-repeats"),
    ("cli.html#gym-verbose", "--verbose"),
    ("cli.html#gym-ng-run", "ng_run"),
]


def test_roles_lead_to_the_entries(build: Build) -> None:
    site = build({"guides/a": page(KNOWN)})
    assert site.warnings == ""
    links = re.findall(r'<a [^>]*href="../reference/([^"]+)"[^>]*>(.*?)</a>', site.read("guides/a.html"))
    assert [(address, re.sub(r"<[^>]+>", "", shown)) for address, shown in links] == LINKS
    twin = site.read("guides/a.md")
    assert "[`num_repeats`](../reference/configuration.md#setting-rolloutcollectionconfig-num-repeats)" in twin
    assert "[multiple choice](../reference/resources-servers.md#server-mcqa)" in twin
    assert "{" not in twin


def test_what_the_pin_lacks_fails_and_keeps_its_line(build: Build) -> None:
    site = build({name: page(f"\nWords,\n{body}.\n") for name, (body, _, _) in UNKNOWN.items()})
    assert site.failed
    missed = [
        name
        for name, (_, said, nearest) in UNKNOWN.items()
        if not any(
            f"{name}.md:11: " in line and said in line and nearest in line for line in site.warnings.splitlines()
        )
    ]
    assert not missed, site.warnings


def test_the_pages_have_every_anchor_that_roles_know(build: Build) -> None:
    """Every anchor of the Markdown is an id of the page, once; no name is known by two of them."""
    texts = {
        name: (PAGES / f"{name}.md").read_text(encoding="utf-8")
        for name in ("resources-servers", "configuration", "cli")
    }
    site = build({f"reference/{name}": _without_links(text) for name, text in texts.items()})
    for name, text in texts.items():
        anchors = [first or second for first, second in ANCHORS.findall(text)]
        ids = re.findall(r' id="([^"]+)"', site.read(f"reference/{name}.html"))
        assert len(anchors) > 100
        assert len(anchors) == len(set(anchors))
        assert not set(anchors) - set(ids)
        assert len(ids) == len(set(ids))
        twin = site.read(f"reference/{name}.md")
        assert not re.search(r"\{#|^\([\w-]+\)=|^%|filter-rows", twin, re.MULTILINE)


def _without_links(text: str) -> str:
    """A page without its links to pages that a small site lacks."""
    return re.sub(r"\[([^\]]+)\]\([^)#]*\.md[^)]*\)", r"\1", text)


@pytest.mark.parametrize("what", ["servers", '<b>"quoted"</b>'])
def test_the_filter_leaves_a_place_for_its_field(build: Build, what: str) -> None:
    html = build({"a": page(f"\n```{{filter-rows}} {what}\n```\n\n| a |\n| --- |\n| b |\n")}).read("a.html")
    assert html.count('<div class="filter-rows" data-what="') == 1
    assert "<b>" not in html
