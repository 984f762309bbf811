"""What `gym-rollouts split` holds out of rollouts and of tasks."""

from pathlib import Path
from typing import Any

import pytest
from gym_rollouts import split
from sample import read, rollout, write

SIDES = {"train": Path("a.jsonl"), "held": Path("b.jsonl")}


def task(question: str, **more: Any) -> dict[str, Any]:
    return {"responses_create_params": {"input": [{"role": "user", "content": question}]}} | more


def test_tasks_are_split_by_question(here: Path) -> None:
    rows = [task(f"{n}?", agent_ref={"name": "x"}) for n in range(20)] + [task(f" {n}? ", note=1) for n in range(20)]
    write(Path("t.jsonl"), rows)
    report = split([Path("t.jsonl")], **SIDES, share=0.25)
    train, held = read("a.jsonl"), read("b.jsonl")
    assert len(held) == 10
    assert [row for row in rows if row in train] == train
    sides = [{row["responses_create_params"]["input"][0]["content"].strip() for row in side} for side in (train, held)]
    assert not sides[0] & sides[1]
    assert report.figures["held_out"] == {"rows": 10, "questions": 5}
    assert report.lines[-1] == "b.jsonl: 10 tasks of 5 questions"
    write(Path("t.jsonl"), rows[::-1])
    split([Path("t.jsonl")], **SIDES, share=0.25)
    assert read("b.jsonl") == held[::-1]


def test_each_environment_gives_its_share(here: Path) -> None:
    write(Path("t.jsonl"), [task(f"{n}?", task_source="few" if n < 4 else "many") for n in range(24)])
    split([Path("t.jsonl")], **SIDES, share=0.25)
    assert sorted(row["task_source"] for row in read("b.jsonl")) == ["few", *["many"] * 5]


def test_what_is_no_task_is_named(here: Path) -> None:
    write(Path("t.jsonl"), [task("1?"), "", "{}", "x", task("2?")])
    report = split([Path("t.jsonl"), Path("t.jsonl")], **SIDES, share=0.5)
    assert [(row["line"], row["step"]) for row in read("rejects.jsonl")] == [
        (2, "blank"), (3, "unreadable"), (4, "unreadable"), *((line, "repeated line") for line in range(1, 6))
    ]  # fmt: skip
    assert report.lines[0] == "10 lines: 2 left, 8 rejected (rejects.jsonl)"
    assert len(read("a.jsonl")) == len(read("b.jsonl")) == 1


@pytest.mark.parametrize("first", [rollout(), {"_ng_failure_class": "x", "responses_create_params": {"input": "q"}}])
def test_rollouts_stay_rollouts(here: Path, first: dict[str, Any]) -> None:
    write(Path("r.jsonl"), [first, *(rollout(n, 0, question=f"{n}?") for n in range(1, 5)), task("q")])
    split([Path("r.jsonl")], **SIDES, share=0.5)
    (row,) = (row for row in read("rejects.jsonl") if row["line"] == 6)
    assert row["reason"] == "no reward: this line is no rollout"


def test_an_environment_of_one_question_is_trained_on(here: Path) -> None:
    write(Path("t.jsonl"), [task(f"{n}?", task_source="one" if n < 1 else "many") for n in range(9)])
    assert split([Path("t.jsonl")], **SIDES, share=0.99).status == 0
    assert sorted(row["task_source"] for row in read("a.jsonl")) == ["many", "one"]


@pytest.mark.parametrize("row", [task("q"), rollout(question="q")])
def test_an_empty_side_is_status_1(here: Path, row: dict[str, Any]) -> None:
    report = split([write(Path("t.jsonl"), [row])], **SIDES)
    assert report.status == 1
    assert report.lines[-1].startswith("nothing is held out: ")
    assert read("a.jsonl") == [row]


def test_a_question_in_any_spelling_is_on_one_side(here: Path) -> None:
    same = ['What\'s 2-2 "now"?', "What\u2019s 2\u22122 \u201cnow\u201d?", "What\u02bcs 2\u20112 \u201enow\u201d?"]
    same += ['what\'s 2\u200b-\u2060 2 "now"?'.replace("\u2060 ", "\ufeff"), 'Wh\u00adat\'s 2\u20132 "now"?']
    write(Path("t.jsonl"), [task(each) for each in [*same, 'What\'s 2+2 "now"?']])
    figures = split([Path("t.jsonl")], **SIDES, share=0.5).figures
    assert [figures[side]["questions"] for side in ("train", "held_out")] == [1, 1]
