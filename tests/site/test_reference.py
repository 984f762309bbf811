"""The roles that link to the reference, and what the reference pages are read from and written to."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import reference

from tests.site.conftest import Build, page

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = DOCS / "reference"

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
    ("resources-servers/mcqa.html#server-mcqa", "mcqa"),
    ("resources-servers/mcqa.html#server-mcqa", "multiple choice"),
    ("resources-servers.html#server-comp-coding", "comp_coding"),
    ("configuration/commands.html#setting-rolloutcollectionconfig", "RolloutCollectionConfig"),
    ("configuration/commands.html#setting-rolloutcollectionconfig-num-repeats", "num_repeats"),
    (
        "configuration/commands.html#setting-sharedrolloutcollectionconfig-num-samples-in-parallel",
        "num_samples_in_parallel",
    ),
    ("configuration/system.html#setting-uv-venv-dir", "uv_venv_dir"),
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
    assert "[`num_repeats`](../reference/configuration/commands.md#setting-rolloutcollectionconfig-num-repeats)" in twin
    assert "[multiple choice](../reference/resources-servers/mcqa.md#server-mcqa)" in twin
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


#: Pages of each kind: the indexes, the commands, a group and two servers.
BUILT = ("resources-servers", "configuration", "cli", "configuration/system", "resources-servers/mcqa")


def test_the_pages_have_every_anchor_that_roles_know(build: Build) -> None:
    """Every anchor of the Markdown is an id of the page, once."""
    texts = {name: (PAGES / f"{name}.md").read_text(encoding="utf-8") for name in BUILT}
    site = build({f"reference/{name}": _without_links(text) for name, text in texts.items()})
    for name, text in texts.items():
        anchors = [first or second for first, second in ANCHORS.findall(text)]
        ids = re.findall(r' id="([^"]+)"', site.read(f"reference/{name}.html"))
        assert len(anchors) > 1
        assert len(anchors) == len(set(anchors))
        assert not set(anchors) - set(ids)
        assert len(ids) == len(set(ids))
        twin = site.read(f"reference/{name}.md")
        assert not re.search(r"\{#|^\([\w-]+\)=|^%|filter-rows", twin, re.MULTILINE)


def on_its_way(address: str) -> str:
    """Where the script on an index sends an old anchor: the longest of its anchors that the old one begins with."""
    index, _, asked = address.partition("#")
    found = reference._MOVED.findall((DOCS / f"{index}.md").read_text(encoding="utf-8"))
    begun = [(anchor, role, name) for role, name, anchor in found if f"{asked}-".startswith(f"{anchor}-")]
    if not begun:
        return address
    _, role, name = max(begun, key=lambda each: len(each[0]))
    return f"{reference.names(DOCS, role).places[name].page}#{asked}"


def test_each_old_anchor_leads_to_the_entry() -> None:
    """All entries once stood on the two indexes."""
    checked = 0
    for role, index in (("server", "reference/resources-servers"), ("setting", "reference/configuration")):
        for name, place in reference.names(DOCS, role).places.items():
            assert on_its_way(f"{index}#{place.anchor}") == f"{place.page}#{place.anchor}", name
            checked += 1
    assert checked > 2000
    assert list(reference.faults(DOCS)) == []


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[Path]:
    """A copy of the reference, to plant faults in."""
    shutil.copytree(PAGES, tmp_path / "reference")
    yield tmp_path
    reference._all.cache_clear()


def planted(docs: Path, name: str, old: str, new: str) -> list[tuple[str, str]]:
    path = docs / "reference" / f"{name}.md"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    return list(reference.faults(docs))


def test_a_name_on_two_pages_is_named(copied: Path) -> None:
    again = "\n(setting-mcqaresourcesserverconfig)=\n\n## MCQAResourcesServerConfig\n"
    ((page, said),) = planted(copied, "configuration/models", "\n(setting-vllm", f"{again}\n(setting-vllm")
    assert page == "reference/configuration/models"
    first = "reference/resources-servers/mcqa"
    assert said == f"the setting MCQAResourcesServerConfig is on {first} too: it can have one place only"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "{#setting-promptconfig}",
            "{#setting-promptconfi}",
            "leads to PromptConfig, and its anchor is setting-prompt",
        ),
        ("{setting}`PromptConfig`]", "{setting}`PromptConfi`]", "leads to PromptConfi, and no page has it"),
    ],
)
def test_an_old_anchor_that_leads_nowhere_is_named(copied: Path, old: str, new: str, said: str) -> None:
    ((page, found),) = planted(copied, "configuration", old, new)
    assert page == "reference/configuration"
    assert said in found


def test_faults_of_the_pages_fail_the_build(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reference, "faults", lambda confdir: iter([("a", "a name is there twice"), ("b", "not here")]))
    site = build({"a": page("\nWords.\n")})
    assert site.failed
    assert "a.md: WARNING: a name is there twice" in site.warnings
    assert "not here" not in site.warnings


def test_the_sidebar_lists_the_pages_but_not_each_server(build: Build) -> None:
    tree = "\n```{toctree}\n:hidden:\n\n"
    site = build(
        {
            "reference/index": page(f"{tree}configuration\nresources-servers\n```\n", "Reference"),
            "reference/configuration": page(f"{tree}configuration/models\n```\n", "Settings"),
            "reference/configuration/models": page("", "Models"),
            "reference/resources-servers": page(f"{tree}resources-servers/mcqa\n```\n", "Servers"),
            "reference/resources-servers/mcqa": page("", "mcqa"),
        }
    )

    def sidebar(name: str) -> list[tuple[str, str]]:
        found = re.search(r'<nav class="bd-docs-nav.*?</nav>', site.read(f"reference/{name}.html"), re.DOTALL)
        assert found
        return re.findall(r'<a [^>]*href="([^"]*)"[^>]*>([^<]*)</a>', found[0])

    assert sidebar("index") == [("configuration.html", "Settings"), ("resources-servers.html", "Servers")]
    assert sidebar("configuration/models") == [
        ("../configuration.html", "Settings"),
        ("#", "Models"),
        ("../resources-servers.html", "Servers"),
    ]
    assert [text for _, text in sidebar("resources-servers/mcqa")] == ["Settings", "Servers"]


def _without_links(text: str) -> str:
    """A page without its links to pages that a small site lacks."""
    return re.sub(r"\[([^\]]+)\]\([^)#]*\.md[^)]*\)", r"\1", text)


@pytest.mark.parametrize("what", ["servers", '<b>"quoted"</b>'])
def test_the_filter_leaves_a_place_for_its_field(build: Build, what: str) -> None:
    html = build({"a": page(f"\n```{{filter-rows}} {what}\n```\n\n| a |\n| --- |\n| b |\n")}).read("a.html")
    assert html.count('<div class="filter-rows" data-what="') == 1
    assert "<b>" not in html
