"""The pages against the site's plan, ``docs/_data/plan.toml``."""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from harness.pages import all_pages
from tests.site.conftest import ROOT, page

DOCS = ROOT / "docs"

_LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
_CARD = re.compile(r"^:link: (\S+)\n:link-type: doc$", re.MULTILINE)
_CODE = re.compile(r"^(`{3,}).*?^\1`*$", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^(content-type|keywords): (.*)$", re.MULTILINE)


def plan() -> dict[str, Any]:
    return tomllib.loads((DOCS / "_data" / "plan.toml").read_text(encoding="utf-8"))


def links(name: str, text: str) -> set[str]:
    """The names of the pages that a page's text links to; lists of contents do not count."""
    prose = _CODE.sub("", text)
    targets = [target.removesuffix(".md") for target in _LINK.findall(prose) if target.endswith(".md")]
    targets += _CARD.findall(prose)
    folder = posixpath.dirname(name)
    return {
        target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        for target in targets
    }


def faults(plan: Mapping[str, Any], pages: Mapping[str, str]) -> Iterator[str]:
    """What differs between the plan and the pages (their sources by name)."""
    for name, text in sorted(pages.items()):
        planned = plan["page"].get(name, _generated(plan, name))
        if planned is None:
            yield f"docs/{name}.md: not in docs/_data/plan.toml: add its line there, or remove the page"
            continue
        fields = dict(_FIELD.findall(text))
        expected = planned.get("content-type", fields.get("content-type"))
        if fields.get("content-type") != expected:
            yield f"docs/{name}.md: the plan's content-type is {expected}, found {fields.get('content-type')}"
        for keyword in planned.get("keywords", ()):
            if keyword not in fields.get("keywords", ""):
                yield f"docs/{name}.md: the plan wants the keyword {keyword}"
    for reference in plan["reference"]:
        yield from _reference_faults(reference, plan, pages)


def _generated(plan: Mapping[str, Any], name: str) -> dict[str, str] | None:
    """What is planned of a page that a program writes."""
    kinds = [kind for folder, kind in plan.get("generated", {}).items() if name.startswith(folder)]
    return {"content-type": kinds[0]} if kinds else None


def _reference_faults(reference: Mapping[str, Any], plan: Mapping[str, Any], pages: Mapping[str, str]) -> Iterator[str]:
    origin, target = reference["from"], reference["to"]
    origins = [name for name in plan["page"] if name == origin or (origin.endswith("/") and name.startswith(origin))]
    if not set(origins) | {target} <= set(pages):
        return
    linking = [name for name in origins if target in links(name, pages[name])]
    least, most = reference["at-least"], reference.get("at-most", len(origins))
    if not least <= len(linking) <= most:
        wanted = f"{least} to {most}" if "at-most" in reference else f"{least} or more"
        yield f"{target}: {wanted} pages of {origin} are to link to it, found {len(linking)} {sorted(linking)}"


def test_pages_are_as_planned() -> None:
    pages = {page.name: page.text for page in all_pages(DOCS) if page.name != "404"}
    assert list(faults(plan(), pages)) == []


def test_plan_is_whole() -> None:
    pages = plan()["page"]
    training = [entry["content-type"] for name, entry in pages.items() if name.startswith("training/")]
    assert len(training) == 24
    assert [training.count(kind) for kind in ("explanation", "how-to", "reference")] == [6, 14, 4]
    tutorials = [entry["content-type"] for name, entry in pages.items() if name.startswith("training-tutorials/")]
    assert len(tutorials) == 7
    assert [tutorials.count(kind) for kind in ("navigation", "tutorial")] == [1, 6]
    for reference in plan()["reference"]:
        assert reference["to"] in pages
        assert any(name.startswith(reference["from"]) for name in pages)


CARD = ":::{card} B\n:link: ../b\n:link-type: doc\n:::\n"
SMALL_PLAN = {
    "page": {"a/x": {"content-type": "how-to"}, "a/y": {}, "b": {"keywords": ["Nemotron"]}},
    "generated": {"made/": "reference"},
    "reference": [{"from": "a/", "to": "b", "at-least": 1, "at-most": 1}],
}
AS_PLANNED = {
    "a/x": page("[b](../b.md#part)"),
    "a/y": page("```\n[b](../b.md)\n```\n"),
    "b": page("").replace("one, thing", "Nemotron"),
}


def test_small_plan_is_met() -> None:
    assert list(faults(SMALL_PLAN, AS_PLANNED)) == []


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"c": page("")}, "docs/c.md: not in docs/_data/plan.toml"),
        ({"made/c": page("")}, "docs/made/c.md: the plan's content-type is reference, found how-to"),
        ({"a/x": AS_PLANNED["a/x"].replace("how-to", "reference")}, "docs/a/x.md: the plan's content-type is how-to"),
        ({"b": page("")}, "docs/b.md: the plan wants the keyword Nemotron"),
        ({"a/x": page("")}, "b: 1 to 1 pages of a/ are to link to it, found 0"),
        ({"a/y": page(CARD)}, "b: 1 to 1 pages of a/ are to link to it, found 2"),
    ],
)
def test_a_page_that_leaves_the_plan_is_named(changed: dict[str, str], said: str) -> None:
    found = list(faults(SMALL_PLAN, AS_PLANNED | changed))
    assert len(found) == 1
    assert found[0].startswith(said)


def test_every_tutorial_that_is_there_has_a_card() -> None:
    pages = {page.name: page.text for page in all_pages(DOCS)}
    cards = links("training-tutorials/index", pages["training-tutorials/index"])
    tutorials = {name for name in pages if name.startswith(("training-tutorials/", "tutorials/"))}
    assert tutorials - {"training-tutorials/index"} <= cards


def test_references_wait_for_their_pages() -> None:
    pages = {name: text for name, text in AS_PLANNED.items() if name != "a/y"} | {"a/x": page("")}
    assert list(faults(SMALL_PLAN, pages)) == []
