"""What `gym-rollouts balance` gives each environment, topic and difficulty, and what it says where it cannot."""

from collections import Counter
from pathlib import Path

import pytest
from gym_rollouts import Fault, balance
from sample import read, rollout, write


def collected(tasks: int = 12) -> list[Path]:
    """Two attempts at each task; the tasks go through the difficulties in turn."""
    rows = [
        rollout(task, attempt, float(task % 3 > attempt), f"{task} {attempt}")
        for task in range(tasks)
        for attempt in range(2)
    ]
    return [write(Path("r.jsonl"), rows)]


def strata(report, name: str) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in report.figures["strata"]:
        counts[row[name]] += row["balanced"]
    return counts


def test_topics_are_balanced_as_their_weights_say(here: Path) -> None:
    write(Path("t.jsonl"), [{"subject": "sum" if n < 9 else "product"} for n in range(11)])
    report = balance(
        collected(), train=Path("b.jsonl"), topics=Path("t.jsonl"), topic="subject", weight=["product=2"], rows=16
    )
    assert strata(report, "topic") == {"product": 8, "sum": 4, "unknown": 4}
    numbers = Counter(row["_ng_task_index"] for row in read("b.jsonl"))
    assert sum(count for number, count in numbers.items() if number in (9, 10)) == 8


def test_the_number_of_a_materialized_input_counts_not_its_line(here: Path) -> None:
    rows = [{"_ng_task_index": n, "topic": f"even {n % 2 == 0}"} for n in reversed(range(12))]
    write(Path("t.jsonl"), [row for row in rows for _ in range(3)])
    report = balance(collected(), train=Path("b.jsonl"), topics=Path("t.jsonl"), weight=["even True=0"], rows=12)
    assert strata(report, "topic") == {"even True": 0, "even False": 12}
    assert {row["_ng_task_index"] % 2 for row in read("b.jsonl")} == {1}


def test_each_environment_has_a_sum(here: Path) -> None:
    lines = balance(collected(), train=Path("b.jsonl")).lines
    assert [line.split()[-3:] for line in lines if " all " in line] == [["all", "24", "24"]]


def test_a_mix_that_is_not_reached_is_named(here: Path) -> None:
    report = balance(collected(), train=Path("b.jsonl"), weight=["hard=2"], most_copies=1)
    (line,) = (line for line in report.lines if "--most-copies" in line)
    assert line.startswith("--most-copies 1: ")
    assert line.endswith(", hard: 8 of 12")
    assert "--most-copies" not in str(balance(collected(), train=Path("c.jsonl")).lines)


@pytest.mark.parametrize(("row", "says"), [("x", "line 1: expected a task"), ("{}", "no row has the field 'topic'")])
def test_a_file_without_topics_is_refused(here: Path, row: str, says: str) -> None:
    Path("t.jsonl").write_text(row + "\n")
    with pytest.raises(Fault, match=says):
        balance(collected(), train=Path("b.jsonl"), topics=Path("t.jsonl"))
