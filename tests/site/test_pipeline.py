"""The strip of the pipeline's steps above each page of a step, and ``{pipeline}``."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from sphinx.errors import ExtensionError

from tests.site.conftest import ROOT, Build, page

STEP = """
[[step]]
name = "{name}"
page = "{page}"
covers = ["{page}"]
what = "Something is <done>."
leaves = "{name}.jsonl"
"""
TWO = STEP.format(name="Collect", page="collect/index") + STEP.format(name="Train", page="train/index")
PAGES = {
    "collect/index": page(""),
    "train/index": page(""),
    "train/index-of-more": page(""),
    "home": page("\n```{pipeline}\n```\n"),
    "else": page(""),
}


@pytest.fixture
def steps(tmp_path: Path) -> Path:
    path = tmp_path / "pipeline.toml"
    path.write_text(TWO, encoding="utf-8")
    return path


def strip(html: str) -> str:
    return html.partition('<nav class="pipeline-strip"')[2].partition("</nav>")[0]


def test_each_page_of_a_step_has_the_strip_with_its_own_step_marked(build: Build, steps: Path) -> None:
    site = build(PAGES, pipeline_file=str(steps))
    assert site.warnings == ""
    index, under = strip(site.read("train/index.html")), strip(site.read("train/index-of-more.html"))
    assert re.findall(r'href="([^"]+)"([^>]*)>', index) == [
        ("../collect/index.html", ""),
        ("#", ' aria-current="page"'),
    ]
    assert ' aria-current="step">Train</a>' in under
    assert strip(site.read("else.html")) == ""


def test_the_picture_links_every_step_and_its_twin_lists_them(build: Build, steps: Path) -> None:
    html = build(PAGES, pipeline_file=str(steps)).read("home.html")
    picture = html.partition('<ol class="pipeline">')[2].partition("</ol>")[0]
    assert re.findall('href="([^"]+)"', picture) == ["collect/index.html", "train/index.html"]
    assert "Something is &lt;done&gt;." in picture


def test_a_step_without_its_page_fails_the_build(build: Build, steps: Path) -> None:
    steps.write_text(TWO + STEP.format(name="Wait", page="wait/index"), encoding="utf-8")
    site = build(PAGES, pipeline_file=str(steps))
    assert site.failed
    assert "the step Wait has the page wait/index, which is not there" in site.warnings


def test_a_step_that_lacks_a_key_is_named(build: Build, steps: Path) -> None:
    steps.write_text(TWO.replace('leaves = "Train.jsonl"', ""), encoding="utf-8")
    with pytest.raises(ExtensionError, match=r"pipeline\.toml: step 2 lacks leaves: the files that it leaves"):
        build(PAGES, pipeline_file=str(steps))


def test_the_steps_of_the_site_are_its_sections_in_the_plan_s_order() -> None:
    data = ROOT / "docs" / "_data"
    plan = tomllib.loads((data / "plan.toml").read_text(encoding="utf-8"))
    sections = [each["path"] for each in plan["directory"] if each["path"].startswith("training/")]
    steps = tomllib.loads((data / "pipeline.toml").read_text(encoding="utf-8"))["step"]
    assert [step["page"].removesuffix("/index") for step in steps] == sections
