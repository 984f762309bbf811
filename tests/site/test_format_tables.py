"""``{format-table}``: the table of a kind of row, its anchors, and its Markdown twin."""

from __future__ import annotations

import re

from tests.site.conftest import Build, page

TABLES = "\n\n".join(f"```{{format-table}} {kind}\n```" for kind in ("rollout-row", "request", "response"))


def test_a_table_has_an_anchor_for_each_field_and_links_to_other_tables(build: Build) -> None:
    site = build({"formats": page(TABLES + "\n\n```{format-table} materialized-input\n```\n")})
    html = site.read("formats.html")
    ids = re.findall(r'id="(format-[^"]*)"', html)
    assert {"format-rollout-row", "format-rollout-row-reward", "format-rollout-row-any-other"} <= set(ids)
    assert len(ids) == len(set(ids))
    row = html[html.index('id="format-rollout-row-response"') :].split("</tr>")[0]
    assert 'href="#format-response"' in row
    assert ", required" in row
    assert site.warnings == ""


def test_the_markdown_twin_has_the_table(build: Build) -> None:
    twin = build({"formats": page(TABLES)}).read("formats.md")
    assert "| Field | Type | Written by | Since | What it is |" in twin
    assert re.search(r"^\| `reward` \| number, required \| the resources server \| 0\.2\.0 \|", twin, re.MULTILINE)
    assert "{" not in "".join(re.findall(r"^\| `response` .*", twin, re.MULTILINE))


def test_a_kind_that_does_not_exist_names_those_that_do(build: Build) -> None:
    site = build({"formats": page("\n```{format-table} rollout-rows\n```\n")})
    assert site.failed
    assert "no kind of row 'rollout-rows': there are task-row" in site.warnings
    assert "formats.md:10" in site.warnings
