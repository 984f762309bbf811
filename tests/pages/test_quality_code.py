"""The code of the pages on data quality, taken from them, on shipped rollouts, made ones and bad ones."""

from __future__ import annotations

import itertools
import json
import math
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from nemo_gym import PARENT_DIR

from benchmarks.data import save_modules
from tests.pages.modules import imported

SHIPPED = sorted(Path(PARENT_DIR).rglob("example_rollouts.jsonl"))
PAGES = [f"training/data-quality/{name}" for name in ("filtering-strategies", "quality-metrics", "dataset-balancing")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the pages show."""
    made = tmp_path_factory.mktemp("pages")
    for page in PAGES:
        save_modules(page, made)
    return made


@pytest.fixture(scope="module")
def code(folder: Path) -> Iterator[SimpleNamespace]:
    """The pages' modules."""
    with imported(folder, "rows", "filter", "metrics", "balance") as modules:
        yield modules


@pytest.fixture
def python(folder: Path, tmp_path: Path) -> Callable[..., str]:
    """Run a page's script in a folder of its own; what it prints."""

    def run(script: str, *arguments: Any, status: int = 0) -> str:
        command = [sys.executable, str(folder / script), *map(str, arguments), "--workers", "1"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def message(text: str, role: str = "assistant") -> dict[str, Any]:
    return {"type": "message", "role": role, "content": [{"type": "output_text", "text": text}]}


TOOL = {
    "type": "function",
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]},
}


def call(name: str = "look_up", arguments: str = '{"id": 7}') -> dict[str, Any]:
    return {"type": "function_call", "name": name, "arguments": arguments, "call_id": "c1"}


def rollout(task: int = 0, attempt: int = 0, reward: float = 1.0, **changes: Any) -> dict[str, Any]:
    """A rollout of a task with a prompt and an answer of its own; `output` and `prompt` may be given."""
    output = changes.pop("output", [message(f"Answer {attempt} to question {task}.")])
    prompt = changes.pop("prompt", f"Question {task}: {' '.join(random.Random(task).choices('abcdefghijklm', k=30))}?")
    return {
        "responses_create_params": {"input": [{"role": "user", "content": prompt}], "tools": [TOOL]},
        "response": {"output": output},
        "reward": reward,
        "agent_ref": {"name": changes.pop("agent", "one_agent")},
        "_ng_task_index": task,
        "_ng_rollout_index": attempt,
    } | changes


def save(path: Path, rows: list[dict[str, Any] | str]) -> Path:
    """Write rows, or lines as they are."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def load(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# ------------------------------------------------------------------------------- what ships with the pin


@pytest.fixture(scope="module")
def shipped(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the filter and the metrics make of all shipped rollouts."""
    made = tmp_path_factory.mktemp("shipped")
    options = ["--for", "sft", "--kept", "kept.jsonl", "--rejects", "rejects.jsonl", "--facts", "facts.parquet"]
    for script, given in (("filter.py", options), ("metrics.py", ["--output", "metrics.json"])):
        subprocess.run([sys.executable, folder / script, *SHIPPED, *given], cwd=made, check=True, capture_output=True)
    return made


def test_every_line_of_every_shipped_file_is_kept_or_named(shipped):
    assert len(SHIPPED) == 187
    facts = pl.read_parquet(shipped / "facts.parquet")
    rejected = {(row["file"], row["line"]): row for row in load(shipped / "rejects.jsonl")}
    kept = []
    for row in facts.iter_rows(named=True):
        assert (row["step"] == "kept") != ((row["file"], row["line"]) in rejected)
        if row["step"] == "kept":
            kept.append(Path(row["file"]).read_bytes().split(b"\n")[row["line"] - 1].rstrip(b"\r"))
    lines = {(str(path), number) for path in SHIPPED for number, _ in enumerate(path.open("rb"), 1)}
    assert set(facts.select("file", "line").rows()) == lines
    assert sorted((shipped / "kept.jsonl").read_bytes().splitlines()) == sorted(kept)
    assert len(kept) > 200
    assert all(row["reason"] for row in rejected.values())


def test_a_shipped_line_is_unreadable_only_for_a_reason(shipped):
    for row in load(shipped / "rejects.jsonl"):
        if row["step"] != "unreadable":
            continue
        line = Path(row["file"]).read_bytes().split(b"\n")[row["line"] - 1]
        try:
            made = json.loads(line)
        except ValueError:
            continue
        reward = made.get("reward")
        output = (made.get("response") or {}).get("output")
        assert (
            reward is None
            or "responses_create_params" not in made
            or not isinstance(output, list)
            or not all(isinstance(item, dict) for item in output)
        ), row


def test_the_metrics_count_the_shipped_lines_that_can_be_read(shipped):
    facts = pl.read_parquet(shipped / "facts.parquet")
    metrics = json.loads((shipped / "metrics.json").read_text())
    assert metrics["apart"]["unreadable"] == facts["unreadable"].count()
    valid = facts.filter(pl.col("unreadable").is_null(), pl.col("failure").is_null(), ~pl.col("masked"))
    assert sum(each["attempts"] for each in metrics["environments"].values()) == valid.height


# ----------------------------------------------------------------------------------------------- reading


def test_each_kind_of_bad_line_is_named_by_its_step(python, tmp_path):
    long = rollout(11, output=[message("x" * 500)])
    rows = [
        (rollout(0), "kept"),
        ('{"reward": 1.0, "response": {', "unreadable"),
        ("", "unreadable"),
        ("[1, 2]", "unreadable"),
        ({"reward": 1.0}, "unreadable"),
        (rollout(1, reward=math.nan), "unreadable"),
        (rollout(1, reward=math.inf), "unreadable"),
        (rollout(1, reward=None), "unreadable"),
        (rollout(1, reward="1.0"), "unreadable"),
        ("[" * 100_000, "unreadable"),
        (rollout(2, _ng_failure_class="agent_run_error"), "failed"),
        (rollout(3, mask_sample=True), "masked"),
        (rollout(3, failure_kind="judge_failed", attempt=1), "kept"),  # its reward counts all the same
        (rollout(0), "repeated line"),
        (rollout(4, output=[]), "no answer"),
        (rollout(5, output=[message("  ")]), "no answer"),
        (rollout(6, output=[call(), {"type": "function_call_output", "call_id": "c1", "output": "9"}]), "no answer"),
        (rollout(7, response={"output": [message("The answer")], "status": "incomplete"}), "truncated"),
        (rollout(8, output=[call(arguments="{"), message("9")]), "tool call"),
        (rollout(9, output=[call(arguments='{"id": "7"}'), message("9")]), "tool call"),
        (rollout(10, output=[call("look_down"), message("9")]), "tool call"),
        (long, "too long"),
        (rollout(12, reward=0.5), "low reward"),
        (rollout(13, output=[message("Nine.")]), "kept"),
        (rollout(13, 1, output=[message("nine. ")]), "same answer"),
    ]
    save(tmp_path / "bad.jsonl", [row for row, _ in rows])
    python(
        *("filter.py", "bad.jsonl", "--for", "sft", "--longest", 400),
        *("--kept", "kept.jsonl", "--rejects", "rejects.jsonl", "--facts", "facts.parquet"),
    )
    found = pl.read_parquet(tmp_path / "facts.parquet").sort("line")["step"].to_list()
    assert list(enumerate(found, 1)) == list(enumerate([step for _, step in rows], 1))
    kept = [json.dumps(row) for row, step in rows if step == "kept"]
    assert (tmp_path / "kept.jsonl").read_text().splitlines() == kept


def test_a_file_without_lines_and_one_without_a_last_newline(python, tmp_path):
    save(tmp_path / "none.jsonl", [])
    (tmp_path / "one.jsonl").write_text(json.dumps(rollout()))
    options = ["--for", "sft", "--kept", "kept.jsonl", "--rejects", "rejects.jsonl"]
    python("filter.py", "none.jsonl", "one.jsonl", *options)
    assert load(tmp_path / "kept.jsonl") == [rollout()]
    assert load(tmp_path / "rejects.jsonl") == []


def test_numbers_that_json_does_not_have_are_no_fault_outside_of_the_reward(code):
    assert code.rows.facts_of(json.dumps(rollout(log_prob=-math.inf)).encode())[4] == 1.0


@pytest.mark.parametrize("size", [1, 7, 400, 1 << 20])
def test_byte_ranges_share_no_line_and_leave_none(code, tmp_path, size):
    path = save(tmp_path / "rows.jsonl", [rollout(task, task % 3) for task in range(20)])
    whole = path.stat().st_size
    found = [line for span in code.rows.ranges(path, 0, whole, size) for line in code.rows.lines(*span)]
    assert b"".join(text for _, text in found) == path.read_bytes()
    assert all(path.read_bytes()[start:].startswith(text) for start, text in found)


def test_a_tool_whose_schema_is_broken_or_elsewhere_is_not_held_against_the_call(code):
    for schema in ({"type": "no such type"}, {"$ref": "https://example.invalid/schema.json"}):
        tools = json.dumps([{"type": "function", "name": "odd", "parameters": schema}]).encode()
        assert code.rows.call_error(tools, "odd", '{"id": 7}') is None


# ---------------------------------------------------------------------------------------------- filtering


def steps(tmp_path: Path) -> dict[int, str]:
    """The step in which each rejected line's task ended."""
    lines = pl.read_parquet(tmp_path / "facts.parquet")
    return {row["task"]: row["step"] for row in lines.iter_rows(named=True)}


def test_tasks_of_the_evaluation_set_and_similar_ones_go(python, tmp_path):
    original = "a train leaves the station at noon and travels north for three hours how far does it get"
    rows = [
        rollout(0, prompt=original),
        rollout(1, prompt="Please: " + original),
        rollout(2, prompt=" ".join(reversed(original.split()))),
        rollout(3, prompt="Which river flows through the city of Cairo, and into which sea does it flow in the end?"),
    ]
    save(tmp_path / "rows.jsonl", rows)
    asked = "Tell me: which river flows through the city of Cairo, and into which sea does it flow?"
    save(tmp_path / "evaluation.jsonl", [{"responses_create_params": {"input": asked}}])
    options = ["--for", "rl", "--kept", "kept.jsonl", "--rejects", "rejects.jsonl", "--facts", "facts.parquet"]
    python("filter.py", "rows.jsonl", "--evaluation", "evaluation.jsonl", *options)
    assert steps(tmp_path) == {0: "kept", 1: "similar task", 2: "kept", 3: "evaluation set"}


def test_truncated_attempts_count_in_the_pass_rate(python, tmp_path):
    cut = {"output": [message("The answer")], "status": "incomplete"}
    rows = [rollout(0, attempt, 0.0, response=cut) for attempt in range(9)]
    rows += [rollout(0, 9), *(rollout(1, attempt, float(attempt % 2)) for attempt in range(10))]
    save(tmp_path / "rows.jsonl", rows)
    options = ["--for", "dpo", "--kept", "kept.jsonl", "--rejects", "rejects.jsonl", "--facts", "facts.parquet"]
    python("filter.py", "rows.jsonl", "--low", 0.2, "--high", 0.8, *options)
    assert steps(tmp_path) == {0: "pass rate", 1: "kept"}
    assert len(load(tmp_path / "kept.jsonl")) == 10


# ------------------------------------------------------------------------------------------------ metrics


@pytest.mark.parametrize(("n", "c"), [(1, 0), (1, 1), (5, 2), (6, 6), (7, 1)])
def test_pass_at_k_is_the_share_of_all_choices_with_a_solved_attempt(code, n, c):
    attempts = [True] * c + [False] * (n - c)
    for k in range(1, n + 1):
        choices = list(itertools.combinations(attempts, k))
        assert code.metrics.pass_at_k(n, c, k) == pytest.approx(sum(map(any, choices)) / len(choices))
    assert math.isnan(code.metrics.pass_at_k(n, c, n + 1))


def test_an_interval_over_tasks_covers_the_truth_as_often_as_it_says(code):
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        tasks = rng.binomial(8, rng.beta(1, 1, size=60)) / 8
        low, high = code.metrics.interval(tasks, resamples=200, seed=seed)
        covered += low <= 0.5 <= high
    assert 0.89 <= covered / 200 <= 0.99


def test_an_interval_of_one_task_is_none(code):
    assert all(map(math.isnan, code.metrics.interval(np.array([0.5]))))
    assert all(map(math.isnan, code.metrics.interval(np.array([0.5, np.nan]))))


def test_metrics_of_made_rollouts(python, tmp_path):
    trouble = [call(), {"type": "function_call_output", "call_id": "c1", "output": "Error: no such id"}, message("?")]
    rows = [
        *(rollout(0, attempt, reward, output=[message("A")]) for attempt, reward in enumerate([1, 1, 0, 0])),
        *(rollout(1, attempt, 1.0) for attempt in range(4)),
        *(rollout(2, attempt, 0.0, output=trouble, agent="another") for attempt in range(4)),
        *(rollout(3, attempt, 0.0, agent="another") for attempt in range(4)),
        *(rollout(1, 4, mask_sample=True), rollout(1, 5, _ng_failure_class="kill_shaped"), "{"),
    ]
    save(tmp_path / "rows.jsonl", rows)
    python("metrics.py", "rows.jsonl", "--output", "metrics.json", "--k", 1, 2, 4, 8)
    found = json.loads((tmp_path / "metrics.json").read_text())
    assert found["apart"] == {"unreadable": 1, "failed": 1, "masked": 1}
    one, another = found["environments"]["one_agent"], found["environments"]["another"]
    assert (one["tasks"], one["attempts"]) == (2, 8)
    assert one["mean reward"][0] == pytest.approx(0.75)
    assert one["pass@2"][0] == pytest.approx((5 / 6 + 1) / 2)
    assert "pass@8" not in one  # no task has eight attempts
    assert one["tasks with both kinds"][0] == 0.5
    assert one["variance within a task"][0] == pytest.approx((1 / 3 + 0) / 2)
    assert one["different answers"][0] == pytest.approx((0 + 1) / 2)
    assert another["tools in trouble"][0] == 0.5


def test_following_leaves_the_line_that_is_being_written(code, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": ')
    assert code.metrics.end_of_last_line(path, 0) == 9
    assert code.metrics.end_of_last_line(path, 9) == 9
    path.write_bytes(b'{"a": 1}\n' + b"x" * (3 << 20) + b"\n" + b"y" * (2 << 20))
    assert code.metrics.end_of_last_line(path, 0) == 9 + (3 << 20) + 1


@pytest.mark.parametrize(
    ("rows", "options", "status", "said"),
    [
        ([rollout(task, 0, task % 2) for task in range(40)], ["--width", 0.5], 0, "known to within 0.5"),
        ([rollout(task, 0, task % 2) for task in range(40)], ["--width", 0.05], 0, "All attempts are there."),
        ([rollout(task, 0, 0.0) for task in range(40)], ["--reward", 0.1], 3, "mean reward 0.00"),
        (
            [rollout(t, response={"output": [message("x")], "status": "incomplete"}) for t in range(40)],
            ["--truncated", 0.5],
            3,
            "truncated 100%",
        ),
    ],
)
def test_a_collection_is_followed_until_there_is_a_reason_to_stop(python, tmp_path, rows, options, status, said):
    save(tmp_path / "rows.jsonl", rows)
    save(tmp_path / "rows_failures.jsonl", [{}])
    save(tmp_path / "rows_materialized_inputs.jsonl", [{}] * (len(rows) + 1))
    assert said in python("metrics.py", "rows.jsonl", "--follow", 0.1, "--at-least", 20, *options, status=status)


# ---------------------------------------------------------------------------------------------- balancing


def test_targets_follow_the_weights_and_what_is_missing_goes_to_those_beside_it(code):
    easy, hard, other = ("a", "easy"), ("a", "hard"), ("b", "easy")
    have = {easy: 100, hard: 10, other: 100}
    assert code.balance.targets(have, 80, {}, 4) == {easy: 20, hard: 20, other: 40}
    assert code.balance.targets(have, 90, {"b": 2}, 4) == {easy: 15, hard: 15, other: 60}
    assert code.balance.targets(have, 300, {"hard": 8}, 2) == {easy: 130, hard: 20, other: 150}
    assert code.balance.targets(have, 400, {"b": 3}, 2) == {easy: 180, hard: 20, other: 200}
    assert code.balance.targets(have, 10_000, {}, 1) == have
    assert code.balance.targets(have, 30, {"a": 0}, 4) == {easy: 0, hard: 0, other: 30}


def test_targets_add_up_to_the_rows_that_were_asked_for(code):
    have = {(environment, difficulty): 50 for environment in "abc" for difficulty in "xyz"}
    for rows in range(0, 100, 7):
        assert sum(code.balance.targets(have, rows, {"a": 0.3, "y": 2.2}, 4).values()) == rows


@pytest.fixture
def filtered(tmp_path: Path) -> list[dict[str, Any]]:
    """Rollouts of 60 tasks, the more of a task the easier it is, with their profile."""
    rows = [
        rollout(task, attempt, agent="one_agent" if task % 3 else "another")
        for task in range(60)
        for attempt in range(1 + task % 8)
    ]
    save(tmp_path / "rows.jsonl", rows)
    profile = [{"_ng_task_index": task, "mean/reward": (1 + task % 8) / 8} for task in range(60)]
    save(tmp_path / "profile.jsonl", profile)
    return rows


def test_no_task_is_on_both_sides_and_the_order_of_lines_plays_no_part(python, filtered, tmp_path):
    options = ["--profile", "profile.jsonl", "--validation", 0.25, "--train", "train.jsonl", "--seed", 3]
    python("balance.py", "rows.jsonl", *options)
    train, validation = load(tmp_path / "train.jsonl"), load(tmp_path / "validation.jsonl")
    sides = [{row["_ng_task_index"] for row in rows} for rows in (train, validation)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == set(range(60))
    assert {row["agent_ref"]["name"] for row in validation} == {"one_agent", "another"}

    random.Random(5).shuffle(filtered)
    save(tmp_path / "rows.jsonl", filtered)
    python("balance.py", "rows.jsonl", *options)
    assert load(tmp_path / "train.jsonl") == train
    assert load(tmp_path / "validation.jsonl") == validation


def test_strata_are_sampled_up_and_down(python, filtered, tmp_path):
    options = ["--profile", "profile.jsonl", "--train", "train.jsonl", "--rows", 120, "--weight", "another=2", "hard=2"]
    python("balance.py", "rows.jsonl", *options, "--per-task", 4, "--most-copies", 3)
    train = load(tmp_path / "train.jsonl")
    copies = Counter(json.dumps(row) for row in train)
    assert max(copies.values()) <= 3
    assert all(row in filtered for row in train)
    per_task = Counter(row["_ng_task_index"] for row in map(json.loads, copies))
    assert max(per_task.values()) <= 4
    shares = Counter((row["agent_ref"]["name"], row["_ng_task_index"] % 8 < 2) for row in train)
    assert shares["one_agent", True] > shares["one_agent", False] / 2  # hard ones, of which there are fewer


def test_tasks_are_written_instead_of_rollouts(python, filtered, tmp_path):
    tasks = [{"uuid": f"task-{number}", "text": "ü" * number} for number in range(60)]
    save(tmp_path / "tasks.jsonl", tasks)
    options = ["--profile", "profile.jsonl", "--per-task", 1, "--train", "train.jsonl", "--short", "inf"]
    python("balance.py", "rows.jsonl", "--tasks", "tasks.jsonl", "--most-copies", 1, *options)
    train = load(tmp_path / "train.jsonl")
    assert all(row in tasks for row in train)
    assert len({row["uuid"] for row in train}) == len(train) > 20

    save(tmp_path / "tasks.jsonl", tasks[:10])
    assert "which tasks.jsonl does not have" in python(
        "balance.py", "rows.jsonl", "--tasks", "tasks.jsonl", *options, status=1
    )


def test_balance_refuses_what_it_cannot_place(python, filtered, tmp_path):
    options = ["--profile", "profile.jsonl", "--train", "train.jsonl"]
    assert "nothing to weigh is called easey" in python(
        "balance.py", "rows.jsonl", *options, "--weight", "easey=2", status=1
    )
    save(tmp_path / "rows.jsonl", [*filtered, "{"])
    assert f"rows.jsonl, line {len(filtered) + 1}" in python("balance.py", "rows.jsonl", *options, status=1)
