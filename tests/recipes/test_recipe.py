"""The recipe's stages, on a model that trains in seconds, with the real verifier."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipes import arms, code, live, results, summary
from tests.pages.modules import imported

TINY = replace(
    code.TRIAL,
    train=8,
    examples=4,
    same=2,
    new=1,
    warm_repeats=2,
    second_tasks=2,
    second_repeats=2,
    repeats=1,
    limit=24,
)


def test_rewards_in_training_are_those_that_nemo_gym_writes_down(
    sampled: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 answers of the real model: `gym eval run` judged them once, and TRL's reward function does now."""
    assert len(sampled) == 100
    assert 20 < sum(each["reward"] for each in sampled) < 80
    tasks = [
        json.dumps({"responses_create_params": {"input": ""}, "verifier_metadata": {"unit_tests": each["unit_tests"]}})
        for each in sampled
    ]
    with imported(live.DOWNLOADS, "gym_trl") as modules, live.gym(code.ENVIRONMENT, tmp_path) as gym:
        monkeypatch.setenv("VERIFIER", gym.address())
        assert modules.gym_trl.gym_reward([each["text"] for each in sampled], tasks) == [
            each["reward"] for each in sampled
        ]


def test_all_stages_run_and_a_second_run_does_none_of_them(tiny: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def run() -> Any:
        recipe = arms.Recipe(code.KIND, tmp_path / "run", {"code": "tiny"}, 0, TINY, tiny)
        for each in (recipe.own, recipe.shared):
            each.say = said.append
        return recipe.run(["sft", "grpo"])

    found = run()
    assert found["arms"].keys() == {"sft", "grpo"}
    assert {name: len(found["curves"][name][figure]) for name, figure in (("sft", "loss"), ("grpo", "reward"))} == {
        "sft": TINY.sft_steps,
        "grpo": TINY.grpo_steps,
    }
    assert [len(each) for each in found["arms"]["grpo"].values()] == [3, 3]
    assert found["stages"]["rollouts"]["accepted"] > 0, "the tiny model knows these tasks"
    assert found["stages"]["grpo"]["peak_mb"] > 200
    path = tmp_path / "code-seed-0.json"
    results.write(path, {"recipe": "code", "seed": 0, **found})
    assert list(summary.rows_of([results.read(path)]))

    said.clear()
    assert run() == found
    assert {line.partition(": ")[2] for line in said} == {"done before"}


def test_a_round_that_the_verifier_accepts_nothing_of_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = arms.Recipe(code.KIND, tmp_path, {}, 0, TINY)
    folder = tmp_path / "stage"
    folder.mkdir()
    row = {"_ng_task_index": 0, "_ng_rollout_index": 0, "reward": 0.0, "responses_create_params": {"input": "q"}}
    row |= {"response": {"output": [], "output_text": ""}}

    class Collects:
        def collect(self, _: Path, output: Path, *__: Any) -> None:
            output.write_text(json.dumps(row) + "\n", encoding="utf-8")

    class Started:
        def __init__(self, *_: Any) -> None: ...
        def __enter__(self) -> Collects:
            return Collects()

        def __exit__(self, *_: Any) -> None: ...

    monkeypatch.setattr(live, "model_server", Started)
    monkeypatch.setattr(live, "gym", Started)
    with pytest.raises(arms.StageFailed, match=r"accepted none of 1 answers|ended with"):
        recipe.collect_rows(folder, "base", tmp_path, 1, 1.0)


def test_lost_attempts_are_no_measurement(tmp_path: Path) -> None:
    rows = [{"_ng_task_index": task, "_ng_rollout_index": at, "reward": 1} for task, at in ((0, 0), (0, 1), (1, 0))]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(arms.StageFailed, match="not equally many"):
        arms.rewards_by_task(tmp_path / "r.jsonl")
