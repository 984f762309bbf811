"""What a recipe measured cannot be changed by hand, and says when it is stale."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from recipes import code, results, summary
from recipes.__main__ import RECIPES, parse, settings_of


def planted(seed: int, better: float = 0.3) -> results.Result:
    """A result of 40 tasks, on which GRPO solves a share more than SFT continued."""
    dice = random.Random(seed)
    tasks = [["add", "same"]] * 30 + [["cube", "new"]] * 10
    arms: dict[str, Any] = {}
    for arm, share in (("continued", 0.5), ("grpo", 0.5 + better)):
        sampled = [[float(dice.random() < share) for _ in range(4)] for _ in tasks]
        arms[arm] = {"greedy": [[each[0]] for each in sampled], "sampled": sampled}
    return {
        "recipe": "code", "seed": seed, "date": "2026-11-27", "machine": "2 cores, Planted, 8 GB",
        "key": results.key_of("code"), "tasks": tasks, "arms": arms,
        "curves": {"grpo": {"reward": [0.5, 0.75, 0.9]}},
        "stages": {"grpo": {"seconds": 120.0, "peak_mb": 9000, "steps": 3}, "continued": {"seconds": 60.0, "steps": 9}},
    }  # fmt: skip


def test_every_recipe_has_files_that_decide_its_numbers() -> None:
    assert set(RECIPES) == set(results.DECIDING)
    for recipe in RECIPES:
        assert [path for path in results.deciding(recipe) if not path.is_file()] == []
        assert results.ROOT / "recipes" / "arms.py" in results.deciding(recipe)


def test_every_committed_result_is_what_a_run_wrote() -> None:
    for recipe in results.DECIDING:
        found = results.seeds(recipe)
        path = results.RESULTS / f"{recipe}.json"
        assert path.is_file() == bool(found)
        if found:
            said = {name: value for name, value in results.read(path).items() if name != "digest"}
            assert said == json.loads(json.dumps(summary.summarize(found))), "run: python -m recipes.summary"


def test_a_number_changed_by_hand_is_seen(tmp_path: Path) -> None:
    path = results.path_of("code", 0, tmp_path)
    results.write(path, planted(0))
    assert results.read(path)["seed"] == 0
    path.write_text(path.read_text().replace('"seconds": 120.0', '"seconds": 12.0'), encoding="utf-8")
    with pytest.raises(results.ChangedByHand, match="code-seed-0"):
        results.seeds("code", tmp_path)


def test_a_result_is_stale_where_the_recipe_or_a_version_differs() -> None:
    result = planted(0)
    assert results.stale(result) == []
    result["key"] = result["key"] | {"torch": "2.0.0", "code": "0"}
    assert results.stale(result) == ["code", "torch"]


def test_a_key_names_model_and_versions() -> None:
    key = results.key_of("code")
    assert key.keys() == {"code", "model", "torch", "nemo-gym", "transformers", "trl"}
    assert key["model"].startswith("0.1.2 sha256:")
    with pytest.raises(LookupError, match="no nemo"):
        results.locked("nemo", "tests")


def test_means_and_differences_are_of_tasks_over_all_seeds() -> None:
    found = [planted(seed) for seed in range(3)]
    rows = {(row["arm"], row.get("than"), row["part"], row["kind"]): row for row in summary.rows_of(found)}
    one = rows["grpo", "continued", "same", "sampled"]
    mean = rows["grpo", None, "same", "sampled"]["mean"] - rows["continued", None, "same", "sampled"]["mean"]
    assert one["mean"] == pytest.approx(mean, abs=2e-4)
    assert 0 < one["low"] < one["mean"] < one["high"]
    assert ("sft", "base", "same", "greedy") not in rows, "what was not measured has no row"
    none = {(row["arm"], row.get("than")): row for row in summary.rows_of([planted(7, better=0.0)])}
    assert none["grpo", "continued"]["low"] <= 0


def test_pass_at_4_needs_four_attempts() -> None:
    result = planted(0)
    result["arms"]["grpo"]["sampled"] = [each[:2] for each in result["arms"]["grpo"]["sampled"]]
    assert summary.values(result, "grpo", "new", "pass@4") is None


def test_a_summary_is_of_the_files_that_are_there(tmp_path: Path) -> None:
    assert summary.write("code", tmp_path) is None
    results.write(results.path_of("code", 1, tmp_path), planted(1))
    path = summary.write("code", tmp_path)
    assert path is not None
    assert results.read(path)["of"].keys() == {"1"}
    assert any("grpo - continued" in line for line in summary.lines(results.read(path)["together"]))


def test_other_steps_are_never_the_sites() -> None:
    assert settings_of(parse(["code"])) == code.SETTINGS
    fewer = settings_of(parse(["code", "--steps", "12"]))
    assert (fewer.grpo_steps, fewer.continued_steps) == (12, 39)
    assert settings_of(parse(["code", "--trial"])) == code.TRIAL
