"""The reference of rows: as the pin gives it, true of what a run writes, and closed to planted faults."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness.blocks import find
from harness.consumers import problems
from harness.live import Zygote
from pinned import formats
from tests.live.support import ROOT, Page, example, practice_model, read_jsonl, write_script

PAGE = ROOT / "docs" / "training" / "datasets" / "format-specification.md"

MESSAGES = [
    {"role": "user", "content": "2 + 2?"},
    {"role": "assistant", "content": None, "reasoning_content": "A sum.", "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "add", "arguments": "{}"}},
    ]},
    {"role": "tool", "tool_call_id": "1", "content": "4"},
    {"role": "assistant", "content": "4"},
]  # fmt: skip

#: Rows that no run of NeMo Gym writes: what a trainer is handed.
HANDED_OVER = {
    "sft-row": [{"messages": MESSAGES, "reward": 1.0}],
    "preference-pair": [{"prompt": MESSAGES[:1], "chosen": MESSAGES[1:], "rejected": MESSAGES[3:], "margin": 1.0}],
    "rl-row": [{"responses_create_params": {"input": "2 + 2?"}, "task_source": "mcqa", "expected_answer": "A"}],
}

#: For each kind, paths into a row, with the value to plant there (... leaves the field out).
FAULTS = [
    ("task-row", "responses_create_params", ...),
    ("task-row", "responses_create_params.input", 3),
    ("task-row", "responses_create_params.temp", 0.5),
    ("task-row", "responses_create_params.input.0.role", "wizard"),
    ("task-row", "responses_create_params.input.0.content", ...),
    ("materialized-input", "_ng_task_index", ...),
    ("rollout-row", "reward", ...),
    ("rollout-row", "reward", "1.0"),
    ("rollout-row", "response", ...),
    ("rollout-row", "response.output.-1.content", ...),
    ("rollout-row", "response.output.-1.type", ...),
    ("rollout-row", "response.output.-1.prompt_token_ids", ...),
    ("rollout-row", "mask_sample", "no"),
    ("rollout-row", "_ng_rollout_index", ...),
    ("failure-row", "_ng_failure_class", ...),
    ("failure-row", "_ng_failure_http_status", "500"),
    ("aggregate-metrics", "0.agent_metrics", []),
    ("reward-profile", "num_rollouts", ...),
    ("reward-profile", "mean/reward", "high"),
    ("repeat-metrics", "0.sample_count", ...),
    ("quality-summary", "run.verdicts", ...),
    ("quality-summary", "run.verdicts.sound", 3),
    ("rollout-verdict", "verdict", "sound"),
    ("sft-row", "messages", []),
    ("sft-row", "messages.0.role", "wizard"),
    ("sft-row", "messages.1.tool_calls.0.function.arguments", {}),
    ("preference-pair", "rejected", ...),
    ("preference-pair", "margin", "wide"),
    ("rl-row", "task_source", ...),
]


@pytest.fixture(scope="session")
def validators() -> dict[str, Draft202012Validator]:
    """The committed schemas, as a reader downloads them."""
    schemas = {kind: json.loads((formats.SCHEMAS / f"{kind}.schema.json").read_text()) for kind in formats.KINDS}
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    return {kind: Draft202012Validator(schema) for kind, schema in schemas.items()}


@pytest.fixture(scope="session")
def rows(tmp_path_factory) -> dict[str, list[Any]]:
    """Rows of each kind: from a run with token ids and a task that its verifier cannot read, and its profile."""
    tasks = read_jsonl(example("mcqa"))
    broken = tasks[0] | {"options": "ABCD"}
    directory = tmp_path_factory.mktemp("run")
    path = directory / "tasks.jsonl"
    path.write_text("".join(json.dumps(task) + "\n" for task in [*tasks, broken]))
    script = write_script(directory / "answers.jsonl", example("mcqa"), "--reasoning")
    training = "responses_api_models/vllm_model/configs/vllm_model_for_training.yaml"
    profile = "gym eval profile --inputs X_materialized_inputs.jsonl --rollouts X.jsonl ++allow_partial_rollouts=true"
    with Zygote() as gym, practice_model("--script", script) as address:
        page = Page(directory, gym, address)
        with page.started(f"--resources-server mcqa --config {training}"):
            page.collect(path, "mcqa_simple_agent", "X", "--num-repeats 2 +route_failures_to_sidecar=true")
        page.run(profile)
    files = {
        "task-row": "tasks.jsonl",
        "materialized-input": "X_materialized_inputs.jsonl",
        "rollout-row": "X.jsonl",
        "failure-row": "X_failures.jsonl",
        "reward-profile": "X_reward_profiling.jsonl",
        "rollout-verdict": "rollout_verdicts.jsonl",
    }
    whole = {
        "aggregate-metrics": "X_aggregate_metrics.json",
        "repeat-metrics": "X_repeat_level_metrics.json",
        "quality-summary": "quality_summary.json",
    }
    written = {kind: read_jsonl(directory / name) for kind, name in files.items()}
    written["task-row"] = [row for row in written["task-row"] if row != broken]
    return written | {kind: [json.loads((directory / name).read_text())] for kind, name in whole.items()} | HANDED_OVER


def test_the_committed_files_are_what_the_pin_gives():
    command = [sys.executable, "-m", "pinned.formats", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_field_without_a_note_and_a_note_without_a_field_are_refused():
    notes = formats.read_notes()
    fewer = {name: note for name, note in notes["rollout-row"].items() if name != "mask_sample"}
    more = notes["rollout-row"] | {"success": ["you", "", ""]}
    for changed, said in [(fewer, "mask_sample: a field without a note"), (more, "success: a note")]:
        with pytest.raises(formats.FormatError, match=said):
            formats.table_of("rollout-row", formats.KINDS["rollout-row"], {"rollout-row": changed})


def test_check_shows_what_changed(monkeypatch, tmp_path):
    monkeypatch.setattr(formats, "files", lambda: iter([(formats.TABLES, "{}\n")]))
    difference = formats.check()
    assert "+{}" in difference
    assert '-   "name": "mask_sample",' in difference
    assert "-{" in difference  # the schemas, which nothing writes any more


@pytest.mark.parametrize("kind", formats.KINDS)
def test_each_schema_takes_what_is_written(kind, validators, rows):
    assert rows[kind], "the run wrote no row of this kind"
    for row in rows[kind]:
        assert [error.message for error in validators[kind].iter_errors(row)] == []


@pytest.mark.parametrize("kind", formats.KINDS)
def test_each_class_takes_what_is_written(kind, rows):
    text = "\n".join(json.dumps(row) for row in rows[kind])
    assert problems(kind.replace("sft", "SFT").replace("rl-", "RL-").replace("-", " "), text) == []


@pytest.mark.parametrize(("kind", "path", "value"), FAULTS, ids=lambda value: str(value)[:40])
def test_each_schema_refuses_a_planted_fault(kind, path, value, validators, rows):
    row = copy.deepcopy(rows[kind][0])
    *way, last = [int(step) if re.fullmatch(r"-?\d+", step) else step for step in path.split(".")]
    target = row
    for step in way:
        target = target[step]
    if value is ...:
        del target[last]
    else:
        target[last] = value
    assert not validators[kind].is_valid(row)


def test_the_tables_name_every_field_that_a_run_writes(rows):
    """Of what NeMo Gym writes itself; a dataset's and a server's own columns fall under *any other*."""
    tables = json.loads(formats.TABLES.read_text())
    for kind, written in rows.items():
        known = {field["name"] for field in tables[kind]}
        for row in written if kind not in ("aggregate-metrics", "repeat-metrics") else written[0]:
            own = {name for name in row if name.startswith("_ng_") or "*" not in known}
            statistics = {name for name in own if "/" in name and "mean/*" in known}
            assert own - statistics <= known, kind


def test_token_ids_are_in_the_rows_of_the_run(rows):
    item = rows["rollout-row"][0]["response"]["output"][-1]
    named = {field["name"] for field in json.loads(formats.TABLES.read_text())["token-ids"]}
    assert named - {"routed_experts"} <= set(item)


def test_the_page_shows_every_table_once():
    text = PAGE.read_text()
    shown = re.findall(r"^```\{format-table\} (\S+)$", text, re.MULTILINE)
    assert sorted(shown) == sorted([*formats.KINDS, *formats.PARTS])
    assert all(f"/downloads/schemas/{kind}.schema.json" in text for kind in formats.KINDS)
    assert not [block for block in find(text) if "format-table" in block.source]


def test_every_release_in_the_notes_is_one_that_is_published():
    releases = {"", "openai", "0.2.0", "0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0"}
    found = {note[1] for fields in formats.read_notes().values() for note in fields.values()}
    assert found <= releases
