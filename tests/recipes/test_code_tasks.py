"""The tasks of the recipe on code: what is measured on is in no training task, and tests tell answers apart."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.live.support import ROOT
from tests.pages.modules import imported

DOWNLOADS = ROOT / "docs" / "downloads"


@pytest.fixture(scope="module")
def code_tasks() -> Iterator[ModuleType]:
    with imported(DOWNLOADS, "code_tasks") as modules:
        yield modules.code_tasks


def test_what_is_measured_on_is_the_same_for_every_seed_and_in_no_training_task(code_tasks: ModuleType) -> None:
    (train, held_out), (other, again) = (code_tasks.tasks_of(seed, 480, 168, 60) for seed in (0, 1))
    assert held_out == again
    assert train != other
    questions = [code_tasks.question_of(task) for task in (*train, *held_out)]
    assert len(set(questions)) == len(questions) == 480 + 228
    trained = {task["verifier_metadata"]["family"] for task in train}
    parts = {(task["verifier_metadata"]["part"], task["verifier_metadata"]["family"]) for task in held_out}
    assert {family for part, family in parts if part == "same"} == trained == set(code_tasks.TEMPLATES)
    assert {family for part, family in parts if part == "new"} == set(code_tasks.NEW)
    assert not trained & set(code_tasks.NEW)


def test_no_template_asks_for_a_worked_example(code_tasks: ModuleType) -> None:
    asked = {what for _, what, _ in code_tasks.WORKED}
    tasks = [task for part in code_tasks.tasks_of(0, 480, 168, 60) for task in part]
    assert not [task for task in tasks if any(f"returns {what}." in code_tasks.question_of(task) for what in asked)]


def test_expected_outputs_are_what_the_function_returns(code_tasks: ModuleType) -> None:
    task = next(code_tasks.draw_tasks({"sum": code_tasks.TEMPLATES["sum"]}, 1, 5, set()))
    constant = int(code_tasks.question_of(task).rstrip(".").split()[-1])
    tests = task["verifier_metadata"]["unit_tests"]
    assert [sum(json.loads(each)) + constant for each in tests["inputs"]] == list(map(json.loads, tests["outputs"]))


def test_a_task_that_a_constant_solves_is_left_out(code_tasks: ModuleType) -> None:
    always = ("x", "0 for x below {c}", lambda x, a: 0)
    assert code_tasks.draw("planted", always, random.Random(0)) is None
    with pytest.raises(ValueError, match="fewer than 3 tasks"):
        list(code_tasks.draw_tasks({"planted": always}, 3, 0, set()))


def test_rows_for_sft_lose_the_worked_examples(code_tasks: ModuleType, tmp_path: Path) -> None:
    task = code_tasks.tasks_of(0, 1, 0, 0)[0][0]
    shown = code_tasks.with_examples(task)["responses_create_params"]["input"]
    assert len(shown) == 2 + 2 * len(code_tasks.WORKED)
    row = {"messages": [*shown, {"role": "assistant", "content": "```\n1\n``` "}]}
    (tmp_path / "sft.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    assert code_tasks.main(["--zero-shot", str(tmp_path / "sft.jsonl"), "--output", str(tmp_path)]) == 0
    (line,) = (tmp_path / "trl-sft.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {
        "prompt": task["responses_create_params"]["input"],
        "completion": [{"role": "assistant", "content": "```\n1\n```"}],
    }


def test_a_file_that_is_not_there_is_named(code_tasks: ModuleType, tmp_path: Path, capsys) -> None:
    assert code_tasks.main(["--zero-shot", str(tmp_path / "none.jsonl")]) == 1
    assert "none.jsonl" in capsys.readouterr().err
