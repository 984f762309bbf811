"""Which lines are attempts of their own, wherever two collections number theirs alike."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from gym_rollouts import filter, metrics
from sample import rollout, write

TASKS, ATTEMPTS = 5, 4


def collection(name: str, ids: str = "own", question: str = "{} + 1?", rewards: float = 0.5) -> list[dict[str, Any]]:
    """Attempts with few different answers, so that two collections say the same by chance; ids of their own."""
    draw = random.Random(name)
    rows = []
    for task in range(TASKS):
        for attempt in range(ATTEMPTS):
            right = draw.random() < rewards
            row = rollout(task, attempt, float(right), "B" if right else draw.choice("ACD"), question.format(task))
            number = {"own": f"{name}-{task}-{attempt}", "constant": "r"}.get(ids)
            row["response"] |= {"id": number} if number else {}
            rows.append(row)
    return rows


def measured(*files: list[dict[str, Any]]) -> dict[str, Any]:
    """What `metrics` measures of some files."""
    paths = [write(Path(f"{number}.jsonl"), rows) for number, rows in enumerate(files)]
    found = metrics(paths).figures["environments"]
    return dict(found["env_agent"])


def attempts(*files: list[dict[str, Any]]) -> int:
    """How many attempts `metrics` counts in some files."""
    return int(measured(*files)["attempts"])


@pytest.mark.parametrize("ids", ["own", "constant", "none"])
@pytest.mark.parametrize("files", [2, 3])
def test_collections_of_the_same_tasks_are_all_counted(here: Path, ids: str, files: int) -> None:
    rows = [collection(f"c{number}", ids) for number in range(files)]
    found = measured(*rows)
    assert (found["tasks"], found["attempts"]) == (TASKS, files * TASKS * ATTEMPTS)


@pytest.mark.parametrize("files", [2, 3])
def test_collections_of_other_tasks_are_all_told_apart(here: Path, files: int) -> None:
    rows = [collection("c", "none", "{} + " + f"{number}?") for number in range(files)]
    found = measured(*rows)
    assert (found["tasks"], found["attempts"]) == (files * TASKS, files * TASKS * ATTEMPTS)


def test_two_collections_joined_in_one_file_are_told_apart_by_their_ids(here: Path) -> None:
    assert attempts(collection("one") + collection("two")) == 2 * TASKS * ATTEMPTS


def test_what_a_command_keeps_of_two_files_is_as_much_for_the_next_one(here: Path) -> None:
    paths = [write(Path(f"{name}.jsonl"), collection(name)) for name in ("one", "two")]
    filter(paths, purpose="sft", kept=Path("kept.jsonl"), without=["same answer", "low reward"])
    kept = [json.loads(line) for line in Path("kept.jsonl").read_text().splitlines()]
    assert len(kept) == attempts(kept) > TASKS * ATTEMPTS
    assert {row["response"]["id"][:3] for row in kept} == {"one", "two"}


@pytest.mark.parametrize("ids", ["own", "constant", "none"])
def test_copies_count_once(here: Path, ids: str) -> None:
    one = collection("one", ids)
    assert attempts(one, one[:7]) == len(one)
    assert attempts(one[:7], one) == len(one)
    assert attempts(one, [row | {"more": 1} for row in one]) == len(one)
    assert attempts(one + one[:7]) == len(one)


@pytest.mark.parametrize("ids", ["own", "none"])
def test_what_was_scored_again_is_no_new_attempt(here: Path, ids: str) -> None:
    one = collection("one", ids)
    again = [row | {"reward": 1.0 - row["reward"]} for row in one]
    found = measured(one, again)
    assert (found["attempts"], found["mean reward"][0]) == (len(one), measured(one)["mean reward"][0])


def test_a_copy_without_its_secrets_is_no_new_attempt(here: Path) -> None:
    one = collection("one")
    clean = [json.loads(json.dumps(row).replace('"B"', '"<name>"')) for row in one]
    assert attempts(one, clean) == len(one)


def test_a_collection_that_went_on_counts_what_is_new(here: Path) -> None:
    """A resumed collection tries the failed attempts again, and copies the others."""
    first = collection("first")
    resumed = first[:15] + collection("second")[15:]
    assert attempts(first, resumed) == len(first) + 5


def test_two_verdicts_of_one_response_in_one_file_contradict_each_other(here: Path) -> None:
    one = collection("one")
    assert attempts([*one, one[0] | {"reward": 1.0 - one[0]["reward"]}]) == len(one) - 1


@pytest.mark.parametrize("odd", [None, "", 7, ["r"], {"r": 1}])
def test_an_odd_id_stops_nothing(here: Path, odd: Any) -> None:
    rows = collection("one", "none")
    for row in rows:
        row["response"]["id"] = odd
    assert attempts(rows, rows) == len(rows)
