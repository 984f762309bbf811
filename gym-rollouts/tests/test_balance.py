"""What `gym-rollouts balance` gives each environment, topic and difficulty, and what it says where it cannot."""

import gzip
import json
import random
from collections import Counter
from pathlib import Path

import pytest
from gym_rollouts import Fault, balance, prepare
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


@pytest.mark.parametrize("option", ["topics", "profile"])
def test_a_side_input_that_is_cut_is_refused(here: Path, option: str) -> None:
    rows = [{"_ng_task_index": n, "topic": f"{random.Random(n).random()}", "mean/reward": 0.5} for n in range(400)]
    packed = gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())
    Path("t.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(Fault, match=f"--{option} t.jsonl.gz: the gzip data is damaged or ends too early"):
        balance(collected(), train=Path("b.jsonl"), **{option: Path("t.jsonl.gz")})
    assert not Path("b.jsonl").exists()


def test_the_copies_are_counted_and_prepare_keeps_them(here: Path) -> None:
    report = balance(collected(), train=Path("b.jsonl"), weight=["easy=3"], rows=24)
    copies = len(read("b.jsonl")) - len({str(row) for row in read("b.jsonl")})
    assert report.figures["copies"] == copies > 0
    assert f", {copies} of them copies (for prepare: --copies keep)" in report.lines[-1]
    kept = prepare([Path("b.jsonl")], sft=Path("s.jsonl"), min_reward=0.0, copies="keep")
    assert kept.figures["sft"]["rows"] == len(read("b.jsonl"))
    dropped = prepare([Path("b.jsonl")], sft=Path("s.jsonl"), min_reward=0.0)
    assert dropped.figures["steps"]["repeated line"] == copies


def test_only_copies_of_a_line_in_its_own_file_are_kept(here: Path) -> None:
    first, other = rollout(0, 0, 1.0, "a"), rollout(0, 0, 0.0, "a")
    write(Path("r.jsonl"), [first, first, rollout(1, 0), other])
    write(Path("s.jsonl"), [rollout(2, 0)])
    report = prepare(
        [Path("r.jsonl"), Path("s.jsonl"), Path("s.jsonl")], sft=Path("o.jsonl"), min_reward=0.0, copies="keep"
    )
    assert report.figures["steps"]["repeated line"] == 4  # three that contradict each other, and a file named twice
    assert report.figures["sft"]["rows"] == 2


def test_no_copy_is_nothing_said(here: Path) -> None:
    report = balance(collected(), train=Path("b.jsonl"))
    assert report.figures["copies"] == 0
    assert report.lines[-1].endswith("24 rows")


def test_tasks_are_numbered_as_nemo_gym_numbers_them(here: Path) -> None:
    rows = [{"responses_create_params": {"input": f"{n}?"}, "topic": f"t{n}"} for n in range(12)]
    write(Path("t.jsonl"), [rows[0], rows[0], "", *rows[1:], rows[3]])
    report = balance(collected(), train=Path("b.jsonl"), topics=Path("t.jsonl"), weight=["t11=0"])
    assert {name: count for name, count in strata(report, "topic").items() if not count} == {"t11": 0}
    assert 11 not in {row["_ng_task_index"] for row in read("b.jsonl")}
    assert strata(report, "topic")["t1"] == 2


def test_a_difficulty_is_that_of_an_environment(here: Path) -> None:
    rows = [rollout(0, n, float(name == "x"), f"{n}", agent_ref={"name": name}) for name in "xy" for n in range(2)]
    report = balance([write(Path("r.jsonl"), rows)], train=Path("b.jsonl"), measured=[Path("r.jsonl")])
    told = {(row["environment"], row["difficulty"]) for row in report.figures["strata"]}
    assert told == {("x", "easy"), ("y", "hard")}


@pytest.mark.parametrize("options", [{"rows": 0}, {"weight": ["env_agent=0"]}])
def test_a_file_of_nothing_is_status_1(here: Path, options: dict) -> None:
    report = balance(collected(), train=Path("b.jsonl"), **options)
    assert report.status == 1
    assert report.lines[-1] == "b.jsonl: nothing is in it: --rows and --weight leave no row"
