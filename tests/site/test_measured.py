"""The tables and curves of a recipe are those of its committed results."""

from __future__ import annotations

from pathlib import Path

import measured
import pytest

from recipes import results, summary
from tests.recipes.test_results import planted
from tests.site.conftest import Build, page

BODY = "```{recipe-table} code\n```\n\n```{recipe-differences} code\n```\n\n```{recipe-curve} code grpo reward\n```\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of results in place of the committed one."""
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    return tmp_path / "results"


def keep(folder: Path, **other: object) -> None:
    for seed in (0, 1):
        results.write(results.path_of("code", seed, folder), planted(seed) | other)
    summary.write("code", folder)


def test_each_arm_that_was_measured_has_a_row(folder: Path, build: Build) -> None:
    keep(folder)
    site = build({"one": page(BODY)})
    assert site.warnings == ""
    html, twin = site.read("one.html"), site.read("one.md")
    assert "<td><p>GRPO</p></td>\n<td><p>3</p></td>\n<td><p>2</p></td>\n<td><p>9.0 GB</p></td>" in html
    assert "second round" not in html
    assert "GRPO minus SFT continued, seed by seed:" in twin
    assert "<polyline" in html
    assert "seeds 0, 1, 2026-11-27, 2 cores, Planted, 8 GB" in twin
    assert "reward of each step: seed 0 from 0.50 to 0.90" in twin
    assert "stale" not in html.lower()


def test_another_version_makes_it_stale(folder: Path) -> None:
    keep(folder, key=results.key_of("code") | {"trl": "1.0.0"})
    assert "**Stale" in next(measured.table_lines("code"))
    assert "trl changed after the run" in next(measured.table_lines("code"))


def test_what_nobody_measured_has_no_number(folder: Path, build: Build) -> None:
    site = build({"one": page(BODY)})
    assert site.warnings == ""
    assert site.read("one.html").count("No run of this recipe is committed yet") == 3


def test_a_result_changed_by_hand_stops_the_build(folder: Path, build: Build) -> None:
    keep(folder)
    path = results.path_of("code", 1, folder)
    path.write_text(path.read_text().replace("9000", "900"), encoding="utf-8")
    site = build({"one": page(BODY)})
    assert site.failed
    assert "code-seed-1.json is not what `nox -s recipes` wrote" in site.warnings


def test_several_figures_are_means_of_all_seeds(folder: Path, build: Build) -> None:
    for seed, share in ((0, 0.2), (1, 0.4)):
        result = planted(seed) | {"curves": {"dense": {"score": [0.5, 0.8], "exact": [share, 0.1]}}}
        results.write(results.path_of("code", seed, folder), result)
    assert measured.curves_of("code", "dense", "score, exact") == {
        "score": [0.5, 0.8],
        "exact": [pytest.approx(0.3), 0.1],
    }
    site = build({"one": page("```{recipe-curve} code dense score, exact\n```\n")})
    assert site.warnings == ""
    assert site.read("one.html").count("<polyline") == 2
    assert "mean of all seeds of each step: score from 0.50 to 0.80; exact from 0.30 to 0.10" in site.read("one.md")


def test_partial_credit_has_a_column_where_it_was_measured(folder: Path) -> None:
    keep(folder)
    assert not any("score" in line for line in measured.table_lines("code"))
    halves = {"greedy": [[0.5]] * 40, "sampled": [[0.5] * 4] * 40}
    keep(folder, scores={"grpo": halves})
    lines = list(measured.table_lines("code"))
    heads, continued, grpo = (
        [line for line in lines if line.startswith(f"| {name}")] for name in ("arm", "SFT cont", "GRPO")
    )
    assert len(heads) == len(grpo) == 2, "a table for each kind of held-out tasks"
    assert all(head.endswith("| pass@4 | score |") for head in heads)
    assert all(line.endswith("| 50.0 [50.0,\u00a050.0] |") for line in grpo)
    assert all(line.endswith("|  |") for line in continued)


def test_a_recipe_with_one_kind_of_tasks_has_one_table_and_no_column_for_it(folder: Path) -> None:
    keep(folder)
    assert "On tasks of new templates:" in list(measured.table_lines("code"))
    assert "| tasks |" in next(measured.difference_lines("code"))
    for seed in (0, 1):
        one = planted(seed)
        results.write(
            results.path_of("code", seed, folder), one | {"tasks": [[name, "same"] for name, _ in one["tasks"]]}
        )
    summary.write("code", folder)
    said = list(measured.table_lines("code"))
    assert sum(line.startswith("| arm | steps | minutes | peak memory | greedy |") for line in said) == 1
    assert not any(line.startswith("On tasks") for line in said)
    assert "| tasks |" not in next(measured.difference_lines("code"))


def test_a_difference_is_bold_where_its_interval_is_on_one_side_of_zero() -> None:
    row = {"mean": 0.05, "low": 0.01, "high": 0.09}
    assert measured.difference(row) == "**+5.0 [+1.0,\u00a0+9.0]**"
    assert measured.difference(row | {"low": -0.01}) == "+5.0 [-1.0,\u00a0+9.0]"
    assert measured.difference(row | {"low": 0.0}) == "+5.0 [+0.0,\u00a0+9.0]"
    assert measured.difference(row | {"mean": -0.05, "low": -0.09, "high": -0.01}) == "**-5.0 [-9.0,\u00a0-1.0]**"
    assert measured.difference(row | {"low": None, "high": None}) == "+5.0"
    assert measured.difference(None) == ""


def test_seeds_stand_side_by_side_where_there_are_several(folder: Path) -> None:
    keep(folder)
    said = list(measured.difference_lines("code"))
    assert [line.split(" | ")[0] for line in said if line.startswith("| seed ")] == [
        "| seed",
        *["| seed 0", "| seed 1"] * 2,
    ]
    results.path_of("code", 1, folder).unlink()
    summary.write("code", folder)
    assert not any("seed" in line for line in measured.difference_lines("code"))
    assert "**Measured here**, seed 0, " in next(measured.table_lines("code"))


def test_kinds_of_tasks_that_an_arm_never_solves_are_named(folder: Path, build: Build) -> None:
    for seed in (0, 1):
        result = planted(seed)
        result["tasks"][:15] = [["drop", "same"]] * 15
        result["arms"]["continued"]["greedy"][:15] = [[0.0]] * 15
        result["arms"]["grpo"]["greedy"][:15] = [[float(seed)]] * 15
        results.write(results.path_of("code", seed, folder), result)
    site = build({"one": page("```{recipe-unsolved} code\n```\n")})
    assert site.warnings == ""
    assert "<td><p>1 of 2: drop</p></td>\n<td><p>0 of 1</p></td>" in site.read("one.html")
    said = site.read("one.md")
    assert "| SFT continued | 1 of 2: drop | 0 of 1 |" in said
    assert "| GRPO | 0 of 2 | 0 of 1 |" in said, "one seed solves it"


def test_the_overview_has_a_row_for_each_recipe_that_was_measured(folder: Path, build: Build) -> None:
    keep(folder)
    site = build({"one": page("```{recipe-overview} math code\n```\n")})
    assert site.warnings == ""
    html, twin = site.read("one.html"), site.read("one.md")
    assert "<td><p>Code</p></td>\n<td><p>0, 1</p></td>\n<td><p>random weights</p></td>" in html
    assert "9.0 GB" in html
    assert "Math" not in twin
    (row,) = [line for line in twin.splitlines() if line.startswith("| Code")]
    assert row.count("|") == 9
