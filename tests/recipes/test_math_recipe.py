"""What the recipe on math does beyond the others: it chooses the tasks of GRPO by pass rate."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from recipes import arms, live
from recipes import math as math_recipe
from recipes.__main__ import parse, settings_of
from tests.pages.modules import imported

TINY = replace(math_recipe.TRIAL, train=12, examples=12, same=2, new=1, warm_repeats=4)


def answered(task: int, attempt: int, row: dict[str, Any], right: bool) -> dict[str, Any]:
    """A line that NeMo Gym wrote."""
    answer = rf"\boxed{{{row['expected_answer']}}}" if right else r"\boxed{0}"
    part = {"type": "output_text", "text": answer, "annotations": []}
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return row | {
        "_ng_task_index": task,
        "_ng_rollout_index": attempt,
        "reward": float(right),
        "response": {"id": "r", "output": [message], "usage": None},
    }


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[int, int]], math_recipe.Recipe]:
    """A recipe whose model of SFT solves each task as often as told, out of four, and others never."""

    def make(solved: dict[int, int]) -> math_recipe.Recipe:
        class Started:
            def __init__(self, *_: Any) -> None: ...
            def __enter__(self) -> Started:
                return self

            def __exit__(self, *_: Any) -> None: ...

            def collect(self, tasks: Path, output: Path, repeats: int, temperature: float, limit: int) -> None:
                assert (temperature, repeats, limit) == (1.0, 4, 20)
                rows = [json.loads(line) for line in arms.lines_of(tasks)]
                lines = [
                    json.dumps(answered(at, attempt, row, attempt < solved.get(at, 0)))
                    for at, row in enumerate(rows)
                    for attempt in range(repeats)
                ]
                output.write_text("\n".join(lines) + "\n", encoding="utf-8")

            def address(self) -> str:
                return "http://verifier"

        monkeypatch.setattr(live, "model_server", Started)
        monkeypatch.setattr(live, "gym", Started)
        one = math_recipe.Recipe(math_recipe.KIND, tmp_path, {}, 0, TINY)
        one.own.say = lambda _: None
        one.own.stage("tasks", one.tasks_settings(), one.make_tasks)
        return one

    return make


def test_grpo_gets_the_tasks_that_are_sometimes_solved(
    recipe: Callable[[dict[int, int]], math_recipe.Recipe], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = recipe({0: 4, 3: 1, 7: 3, 9: 4})
    trained: dict[str, Any] = {}

    def trl(method: str, config: dict[str, Any], folder: Path, more: dict[str, str]) -> dict[str, Any]:
        rows = [json.loads(line) for line in arms.lines_of(folder / config["datasets"][0]["data_files"])]
        trained.update(method=method, rows=rows, **more)
        return {"curve": {}}

    monkeypatch.setattr(one, "trl", trl)
    monkeypatch.setattr(arms.Recipe, "train", lambda self, arm: {"grpo": self.own.stage("grpo", {}, self.grpo)})
    found = one.train("grpo")
    assert {name: found["profile"][name] for name in ("rollouts", "tasks", "chosen")} == {
        "rollouts": 48,
        "tasks": 12,
        "chosen": 2,
    }
    assert list(found) == ["profile", "grpo"]
    train = arms.lines_of(one.tasks / "train.jsonl")
    told = [json.loads(row["task"])["question"] for row in trained["rows"]]
    assert told == [json.loads(train[at])["question"] for at in (3, 7)]
    assert (trained["method"], trained["VERIFIER"]) == ("grpo", "http://verifier")


def test_tasks_that_are_always_or_never_solved_teach_nothing(
    recipe: Callable[[dict[int, int]], math_recipe.Recipe], tmp_path: Path
) -> None:
    folder = tmp_path / "stage"
    folder.mkdir()
    with pytest.raises(arms.StageFailed, match="no task has two attempts whose rewards differ"):
        recipe({0: 4}).profile(folder)


def test_the_second_round_has_as_many_answers_as_grpo_and_its_choice_of_tasks() -> None:
    one = math_recipe.SETTINGS
    assert one.second_tasks <= one.train
    assert one.second_tasks * one.second_repeats == pytest.approx(
        one.train * one.warm_repeats + one.grpo_steps * one.grpo_batch, rel=0.05
    )
    assert settings_of(parse(["math"])) == one


def test_the_verifier_of_the_training_judges_without_a_judge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real verifier, as training starts it: the rewards that the page about it shows."""
    with imported(live.DOWNLOADS, "gym_trl", "math_tasks") as modules:
        row = json.dumps(modules.math_tasks.task_of("add", "What is 29 plus 7?", 36))
        answers = {r"\boxed{36}": 1, r"\boxed{35}": 0, "36": 0, r"\boxed{36": 0, r"\boxed{29 + 7}": 1}
        with live.gym(math_recipe.ENVIRONMENT, tmp_path) as gym:
            monkeypatch.setenv("VERIFIER", gym.address())
            monkeypatch.setattr(modules.gym_trl, "CONCURRENCY", 2)
            assert modules.gym_trl.gym_reward(list(answers), [row] * len(answers)) == list(answers.values())
