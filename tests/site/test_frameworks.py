"""``{framework-table}``: each cell has a source with its date, or is of an environment that the tests run."""

from __future__ import annotations

import frameworks
import pytest

from harness.environments import ENVIRONMENTS
from tests.site.conftest import Build, page

SOURCE = {"text": "yes", "source": "https://example.com/a", "date": "2026-11-26"}


def test_every_cell_of_the_site_has_its_source() -> None:
    data = frameworks.read()
    for framework in data["framework"]:
        assert framework.keys() - {"name"} <= data["fields"].keys()
        list(frameworks.cells(framework, list(data["fields"])))


@pytest.mark.parametrize(
    "cell",
    [
        {"text": "yes"},
        {"text": "yes", "source": "https://example.com/a"},
        {"text": "yes", "date": "2026-11-26"},
        SOURCE | {"source": "example.com"},
        SOURCE | {"date": "November"},
        {"text": "yes", "environment": "trll"},
    ],
)
def test_a_cell_without_its_source_is_refused(cell: dict[str, str]) -> None:
    with pytest.raises(frameworks.WrongCell):
        list(frameworks.cells({"name": "Planted", "reward": cell}, ["reward"]))


def test_a_version_is_that_of_the_lock() -> None:
    (said,) = frameworks.cells({"name": "TRL", "here": {"text": "{version}, {python}", "environment": "trl"}}, ["here"])
    lock = ENVIRONMENTS["trl"].lock.read_text(encoding="utf-8")
    version, _, python = said.partition(", ")
    assert f"\ntrl=={version} " in lock
    assert python == ENVIRONMENTS["trl"].python


def test_the_page_and_its_twin_have_the_table(build: Build) -> None:
    site = build({"one": page("```{framework-table} tried agent\n```\n")})
    html = site.read("one.html")
    assert site.warnings == ""
    assert "Tried with NeMo Gym" in html
    assert 'href="https://github.com/huggingface/trl/pull/5840"' in html
    assert "| TRL | none by its authors" in site.read("one.md")


def test_a_field_that_does_not_exist_names_those_that_do(build: Build) -> None:
    site = build({"one": page("```{framework-table} rewards\n```\n")})
    assert site.failed
    assert "no field 'rewards' in frameworks.toml: there are tried, here" in site.warnings
