"""What the site's search looks through. How it ranks is judged in a browser (`checks/browser/test_search.py`)."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

from harness.pages import all_pages
from tests.site.conftest import FRONT_MATTER, ROOT, Build, Site, page

ONE = page("\nAbove.\n\n```python\nnum_repeats = 3\n```\n\n## Below\n\nThe `--model-type` flag.\n")


def data_of(site: Site) -> dict[str, Any]:
    return json.loads(re.fullmatch(r"globalThis\.SEARCH_DATA = (.*);\n", site.read("search-data.js"), re.DOTALL)[1])


def test_a_page_is_found_by_all_that_it_says(build: Build) -> None:
    site = build({"one": ONE})
    assert site.warnings == ""
    (one,) = [each for each in data_of(site)["pages"] if each["page"] == "one"]
    assert (one["title"], one["keywords"], one["description"]) == ("A page", "one, thing", "One thing, done.")
    assert one["sections"] == [
        ["a-page", "A page", "Above. num_repeats = 3"],
        ["below", "Below", "The --model-type flag."],
    ]


def test_what_changes_or_goes_changes_the_search(build: Build) -> None:
    build({"one": ONE, "two": page("Two.")})
    site = build({"one": ONE.replace("Above", "Beyond"), "two": page("Two.")})
    texts = {each["page"]: each["sections"][0][2] for each in data_of(site)["pages"]}
    assert texts["one"].startswith("Beyond.")
    (site.source / "two.md").unlink()
    assert "two" not in {each["page"] for each in data_of(build({"one": ONE}))["pages"]}


def test_a_page_that_nobody_is_led_to_is_not_found(build: Build) -> None:
    site = build({"one": page("", front_matter=FRONT_MATTER.replace("---\ncontent", "---\norphan: true\ncontent"))})
    assert "one" not in {each["page"] for each in data_of(site)["pages"]}


def test_sphinx_makes_no_index_of_its_own(build: Build) -> None:
    site = build({"one": ONE})
    assert not (site.html / "searchindex.js").exists()
    assert "searchtools" not in site.read("one.html") + site.read("search.html")


def test_each_question_has_a_page_of_the_site() -> None:
    text = (ROOT / "docs" / "_data" / "search-questions.toml").read_text(encoding="utf-8")
    questions = tomllib.loads(text)["question"]
    assert len({each["typed"] for each in questions}) == len(questions) >= 50
    assert {page for each in questions for page in each["pages"]} <= {page.name for page in all_pages(ROOT / "docs")}
