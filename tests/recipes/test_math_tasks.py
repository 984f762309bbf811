"""The tasks of the recipe on math: what is measured on is in no training task, and answers are right."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.live.support import ROOT
from tests.pages.modules import imported

DOWNLOADS = ROOT / "docs" / "downloads"


@pytest.fixture(scope="module")
def math_tasks() -> Iterator[ModuleType]:
    with imported(DOWNLOADS, "math_tasks") as modules:
        yield modules.math_tasks


def question_of(task: dict[str, Any]) -> str:
    return task["responses_create_params"]["input"][-1]["content"]


def test_what_is_measured_on_is_the_same_for_every_seed_and_in_no_training_task(math_tasks: ModuleType) -> None:
    (train, held_out), (other, again) = (math_tasks.tasks_of(seed, 480, 168, 60) for seed in (0, 1))
    assert held_out == again
    assert train != other
    questions = [question_of(task) for task in (*train, *held_out)]
    assert len(set(questions)) == len(questions) == 480 + 228
    assert questions == [task["question"] for task in (*train, *held_out)], "the verifier is told the same question"
    trained = {task["verifier_metadata"]["family"] for task in train}
    parts = {(task["verifier_metadata"]["part"], task["verifier_metadata"]["family"]) for task in held_out}
    assert {family for part, family in parts if part == "same"} == trained == set(math_tasks.TEMPLATES)
    assert {family for part, family in parts if part == "new"} == set(math_tasks.NEW)
    assert not trained & set(math_tasks.NEW)


def test_no_task_asks_for_a_worked_example(math_tasks: ModuleType) -> None:
    shown = {each["content"] for told in math_tasks.worked_examples().values() for each in told}
    tasks = [task for part in math_tasks.tasks_of(0, 480, 168, 60) for task in part]
    assert len(shown) > 50
    assert not [task for task in tasks if question_of(task) in shown]


#: The answer to a question, found in another way than the program finds it.
ANSWERS = {
    "larger": lambda said, n: sorted(n)["larger" in said],
    "largest": lambda said, n: sorted(n)[-1 if "largest" in said else 0],
    "neighbor": lambda said, n: n[0] + (1 if "after" in said else -1),
    "sequence": lambda said, n: n[-1] + n[1] - n[0],
    "tens": lambda said, n: sum(n),
    "add": lambda said, n: sum(n),
    "subtract": lambda said, n: n[0] - n[1],
    "count": lambda said, n: said.count(",") + 1,
    "double": lambda said, n: n[0] + n[0],
    "ones": lambda said, n: int(str(n[0])[-1]),
    "even": lambda said, n: next(each for each in n if (each % 2 == 0) == ("even" in said)),
    "between": lambda said, n: sum(n) // 2,
    "digits": lambda said, n: len(str(n[0])),
    "last": lambda said, n: int(re.findall(r"\d+", said)[-1]),
    "parts": lambda said, n: sum(n),
    "first": lambda said, n: int(str(n[0])[0]),
}


def test_expected_answers_are_right(math_tasks: ModuleType) -> None:
    every = math_tasks.TEMPLATES | math_tasks.NEW
    assert set(every) == {*ANSWERS, "words"}
    for task in math_tasks.draw_tasks(every, 340, 5, set()):
        family, said = task["verifier_metadata"]["family"], task["question"]
        if family != "words":
            numbers = [int(each) for each in re.findall(r"\d+", said)]
            assert int(task["expected_answer"]) == ANSWERS[family](said, numbers), said


@pytest.mark.parametrize(
    ("number", "said"), [(7, "seven"), (19, "nineteen"), (40, "forty"), (58, "fifty-eight"), (99, "ninety-nine")]
)
def test_numbers_in_words(math_tasks: ModuleType, number: int, said: str) -> None:
    assert math_tasks.in_words(number) == said


def test_a_template_without_enough_tasks_is_named(math_tasks: ModuleType) -> None:
    with pytest.raises(ValueError, match="the template planted has not 3 tasks"):
        list(math_tasks.draw_tasks({"planted": lambda dice: (f"Is {dice.randint(0, 1)} even?", 1)}, 3, 0, set()))


def test_tasks_behind_examples_are_of_one_template_after_the_other(math_tasks: ModuleType) -> None:
    train, _ = math_tasks.tasks_of(0, 48, 0, 0)
    warm = math_tasks.warm_of(train, 36)
    families = [task["verifier_metadata"]["family"] for task in warm]
    assert families == [family for family in math_tasks.TEMPLATES for _ in range(3)]
    assert all(len(task["responses_create_params"]["input"]) == 2 + 2 * math_tasks.SHOWN for task in warm)
    assert sorted(map(question_of, warm)) == sorted(map(question_of, train[:36]))


def test_rows_for_sft_lose_the_worked_examples_and_answers_that_are_no_plain_number(
    math_tasks: ModuleType, tmp_path: Path
) -> None:
    train, _ = math_tasks.tasks_of(0, 1, 0, 0)
    (task,) = math_tasks.warm_of(train, 1)
    shown = task["responses_create_params"]["input"]
    answers = (r"\boxed{20} ", r"\boxed{10 + 10}", "20")
    rows = [{"messages": [*shown, {"role": "assistant", "content": answer}]} for answer in answers]
    (tmp_path / "sft.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert math_tasks.main(["--zero-shot", str(tmp_path / "sft.jsonl"), "--output", str(tmp_path)]) == 0
    (line,) = (tmp_path / "trl-sft.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(line) == {
        "prompt": train[0]["responses_create_params"]["input"],
        "completion": [{"role": "assistant", "content": r"\boxed{20}"}],
    }


def test_a_file_that_is_not_there_is_named(math_tasks: ModuleType, tmp_path: Path, capsys) -> None:
    assert math_tasks.main(["--zero-shot", str(tmp_path / "none.jsonl")]) == 1
    assert "none.jsonl" in capsys.readouterr().err
    assert math_tasks.main(["--train", "100000", "--output", str(tmp_path)]) == 1
    assert "has not" in capsys.readouterr().err


def test_the_dice_are_the_seeds(math_tasks: ModuleType) -> None:
    assert math_tasks.words(random.Random(1)) == math_tasks.words(random.Random(1))
