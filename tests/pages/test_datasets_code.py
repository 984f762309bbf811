"""The code of `datasets/prepare-for-training`, taken from the page, on shipped rollouts, made ones and bad ones."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from nemo_gym import PARENT_DIR
from nemo_gym.openai_utils import NeMoGymResponseCreateParamsNonStreaming
from nemo_gym.responses_converter import ResponsesConverter

from benchmarks import data as bench_data
from harness.consumers.rows import PreferencePair, SFTRow
from tests.pages.modules import imported

SHIPPED = sorted(Path(PARENT_DIR).rglob("example_rollouts.jsonl"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the page shows."""
    made = tmp_path_factory.mktemp("page")
    bench_data.save_modules(bench_data.PAGE, made)
    return made


@pytest.fixture(scope="module")
def code(folder: Path) -> Iterator[SimpleNamespace]:
    """The page's modules."""
    with imported(folder, "convert", "rollouts", "prepare") as modules:
        yield modules


@pytest.fixture
def prepare(folder: Path, tmp_path: Path) -> Callable[..., str]:
    """Run prepare.py in a folder of its own; what it prints."""

    def run(*arguments: str, status: int = 0) -> str:
        command = [sys.executable, str(folder / "prepare.py"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    return run


def rollout(**changes: Any) -> dict[str, Any]:
    """A rollout that can be trained on, with other values."""
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "4"}]}
    row = {
        "responses_create_params": {"input": [{"role": "user", "content": "2 + 2?"}]},
        "response": {"output": [answer]},
        "reward": 1.0,
        "_ng_task_index": 0,
        "_ng_rollout_index": 0,
    }
    return row | changes


def answered(text: str, **changes: Any) -> dict[str, Any]:
    """A rollout with that answer."""
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}
    return rollout(response={"output": [answer]}, **changes)


def save(path: Path, rows: list[dict[str, Any] | str]) -> None:
    """Write rows, or lines as they are."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))


def load(path: Path) -> list[dict[str, Any]]:
    """The rows of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


# ------------------------------------------------------------------------------- what ships with the pin


def test_the_wheel_ships_what_it_did() -> None:
    assert len(SHIPPED) == 187


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.parent.name)
def test_every_shipped_line_is_a_valid_conversation_or_has_a_reason(code: SimpleNamespace, path: Path) -> None:
    rows = list(code.rollouts.read(path, 0, path.stat().st_size))
    assert [row.line for row in rows] == list(range(1, len(path.read_bytes().splitlines()) + 1))
    for row in rows:
        if row.reason:
            continue
        made = code.rollouts.sft_line(row.given.text, row.completion, row.reward, row.task, row.rollout)
        messages = SFTRow.model_validate_json(made).messages
        assert messages[-1].role == "assistant"
        assert row.length == sum(map(written, messages[len(json.loads(row.given.text.split(b"\n")[1])) :]))


def written(message: Any) -> int:
    """How many characters the model wrote in a message."""
    if message.role != "assistant":
        return 0
    calls = sum(len(call.function.arguments) for call in message.tool_calls or ())
    return len(message.content or "") + len(message.reasoning_content or "") + calls


def test_all_shipped_files_at_once(prepare: Callable[..., str], tmp_path: Path) -> None:
    prepare(*map(str, SHIPPED), "--sft", "sft.jsonl", "--min-reward=-1e9", "--preference", "pairs.jsonl")
    lines = sum(len(path.read_bytes().splitlines()) for path in SHIPPED)
    rejects = load(tmp_path / "rejects.jsonl")
    assert len(load(tmp_path / "sft.jsonl")) + len(rejects) == lines
    for reject in rejects:
        assert len(Path(reject["file"]).read_bytes().splitlines()) >= reject["line"]
    placeholders = {reject["file"] for reject in rejects if reject["reason"].startswith("not JSON")}
    assert len(placeholders) == 4
    for pair in load(tmp_path / "pairs.jsonl"):
        assert PreferencePair.model_validate(pair).margin >= 0.5


def conversations() -> list[list[dict[str, Any]]]:
    """The items of every shipped rollout: what was asked and what came back."""
    found = []
    for path in SHIPPED:
        for line in path.read_text().splitlines():
            try:
                row = json.loads(line)
                items = row["responses_create_params"]["input"] + row["response"]["output"]
            except (ValueError, KeyError, TypeError):
                continue
            if all(isinstance(item, dict) for item in items):
                found.append(items)
    return found


def test_items_and_messages_make_each_other(code: SimpleNamespace) -> None:
    convert, done = code.convert, 0
    for items in conversations():
        try:
            messages = convert.to_messages(msgspec.convert(items, list[convert.Item]))
        except ValueError as error:
            assert str(error).startswith(("encrypted reasoning", "a message of the phase"))  # noqa: PT017
            continue
        again = convert.to_items(messages)
        NeMoGymResponseCreateParamsNonStreaming(input=again)
        assert convert.to_messages(msgspec.convert(again, list[convert.Item])) == messages
        assert list(kept(again)) == list(kept(items))
        done += 1
    assert done > 700


def kept(items: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    """What must survive of items, in their order."""
    reasoning: list[str] = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "reasoning":
            reasoning += [part["text"] for part in item.get("content") or item["summary"]]
            continue
        if text := "\n\n".join(reasoning):
            yield "reasoning", text
        reasoning = []
        if kind == "message":
            yield item["role"], plain(item["content"])
        elif kind == "function_call":
            yield "call", item["call_id"], item["name"], item["arguments"]
        else:
            yield "result", item["call_id"], plain(item["output"])
    if text := "\n\n".join(reasoning):
        yield "reasoning", text


def plain(content: Any) -> Any:
    """A content as its texts and images."""
    if isinstance(content, str):
        return [content]
    return [part["text"] if "text" in part else part["image_url"] for part in content]


def test_messages_are_those_that_nemo_gym_sends_to_a_model(code: SimpleNamespace) -> None:
    """The pinned converter joins neighbouring messages of the assistant and writes reasoning into think tags."""
    convert, pinned, done = code.convert, ResponsesConverter(return_token_id_information=False), 0
    for items in conversations():
        try:
            messages = convert.to_messages(msgspec.convert(items, list[convert.Item]))
        except ValueError:
            continue
        if any(one.role == other.role == "assistant" for one, other in pairwise(messages)):
            continue
        request = NeMoGymResponseCreateParamsNonStreaming(input=items)
        sent = pinned.responses_to_chat_completion_create_params(request).model_dump(exclude_none=True)["messages"]
        assert [as_sent(message) for message in messages] == [normal(dict(message)) for message in sent]
        done += 1
    assert done > 600


def as_sent(message: Any) -> dict[str, Any]:
    """A message of `convert.py` as the pinned converter writes it."""
    made = msgspec.to_builtins(message)
    reasoning = made.pop("reasoning_content", None)
    if reasoning:
        made["content"] = f"<think>{reasoning}</think>{made['content'] or ''}"
    return normal(made)


def normal(message: dict[str, Any]) -> dict[str, Any]:
    """A message with its content in one form: a lone text part is text, and no text is none."""
    content = message.get("content")
    if isinstance(content, list) and [part["type"] for part in content] == ["text"]:
        content = content[0]["text"]
    if isinstance(content, str):
        content = content.replace("</think><think>", "\n\n")
    return {name: value for name, value in (message | {"content": content or None}).items() if value is not None}


def test_instructions_go_before_the_system_message(code: SimpleNamespace) -> None:
    params = {"input": [{"role": "system", "content": "B"}, {"role": "user", "content": "C"}], "instructions": "A"}
    line = json.dumps(rollout(responses_create_params=params)).encode()
    prompt = json.loads(code.rollouts.row_of(1, line).given.text.split(b"\n")[1])
    assert prompt == [{"role": "system", "content": "A\n\nB"}, {"role": "user", "content": "C"}]


def test_images_come_back(code: SimpleNamespace) -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}
    items = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "What is it?"}, image]}]
    messages = code.convert.to_messages(msgspec.convert(items, list[code.convert.Item]))
    assert messages[0].content[1] == {"type": "image_url", "image_url": {"url": image["image_url"], "detail": "low"}}
    assert code.convert.to_items(messages) == items


# --------------------------------------------------------------------------------------------- bad input

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "ok"}
BAD = {
    "broken": ('{"reward": 1.0,, }', "not JSON"),
    "cut": (json.dumps(rollout())[:80], "not JSON: Input data was truncated"),
    "placeholder": ("<PLACEHOLDER ROW>", "not JSON"),
    "no object": ("[1, 2]", "Expected `object`"),
    "blank": ("   ", "blank"),
    "no reward": ({k: v for k, v in rollout().items() if k != "reward"}, "missing required field `reward`"),
    "null reward": (rollout(reward=None), "got `null` - at `$.reward`"),
    "NaN": (rollout(reward=float("nan")), "the reward is NaN"),
    "infinite": (rollout(reward=float("-inf")), "the reward is -Infinity"),
    "no response": (rollout(response=None), "at `$.response`"),
    "empty": (rollout(response={"output": []}), "the output is empty"),
    "masked": (rollout(mask_sample=True), "masked"),
    "nested": (rollout(response={"output": [[]]}), "at `$.response.output[0]`"),
    "no prompt": (rollout(responses_create_params={"input": []}), "the input is empty"),
    "unanswered call": (
        rollout(response={"output": [CALL, *rollout()["response"]["output"]]}),
        "the call c1 has no result",
    ),
    "no answer": (rollout(response={"output": [CALL, RESULT]}), "does not end with an answer"),
    "no such call": (rollout(response={"output": [RESULT]}), "c1 follows no call of that id"),
    "unknown item": (rollout(response={"output": [{"type": "web_search_call"}]}), "which is no chat message"),
    "encrypted": (
        rollout(response={"output": [{"type": "reasoning", "summary": [], "encrypted_content": "x"}]}),
        "encrypted reasoning",
    ),
    "phase": (
        rollout(response={"output": [{"role": "assistant", "content": "x", "phase": "commentary"}]}),
        "phase 'commentary'",
    ),
    "no function": (
        rollout(responses_create_params={"input": "2 + 2?", "tools": [{"type": "web_search"}]}),
        "a tool of type 'web_search'",
    ),
}


def test_each_kind_of_bad_line_is_named_and_the_others_kept(prepare: Callable[..., str], tmp_path: Path) -> None:
    rows = [rollout()]
    for number, (row, _) in enumerate(BAD.values(), 1):
        rows += [row, rollout(_ng_rollout_index=number)]
    save(tmp_path / "rollouts.jsonl", rows)
    prepare("rollouts.jsonl", "--sft", "sft.jsonl")
    assert [row["rollout_index"] for row in load(tmp_path / "sft.jsonl")] == list(range(len(BAD) + 1))
    rejects = load(tmp_path / "rejects.jsonl")
    assert [reject["line"] for reject in rejects] == list(range(2, 2 * len(BAD) + 1, 2))
    for reject, (name, (_, reason)) in zip(rejects, BAD.items(), strict=True):
        assert reason in reject["reason"], name


def test_a_file_cut_off_within_a_character(prepare: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "rollouts.jsonl"
    lines = [json.dumps(row, ensure_ascii=False).encode() for row in (rollout(), answered("\u00e9"))]
    path.write_bytes(lines[0] + b"\n" + lines[1][: lines[1].index(b"\xc3") + 1])
    prepare("rollouts.jsonl", "--sft", "sft.jsonl")
    assert len(load(tmp_path / "sft.jsonl")) == 1
    assert [reject["line"] for reject in load(tmp_path / "rejects.jsonl")] == [2]


def test_the_second_of_two_equal_attempts_is_rejected(prepare: Callable[..., str], tmp_path: Path) -> None:
    save(tmp_path / "rollouts.jsonl", [answered("first"), answered("second"), answered("other", _ng_task_index=1)])
    prepare("rollouts.jsonl", "--sft", "sft.jsonl", "--metrics", "metrics.jsonl")
    assert [row["messages"][-1]["content"] for row in load(tmp_path / "sft.jsonl")] == ["first", "other"]
    assert [reject["line"] for reject in load(tmp_path / "rejects.jsonl")] == [2]
    assert [row["attempts"] for row in load(tmp_path / "metrics.jsonl")] == [1, 1]


def test_nan_outside_the_reward_costs_no_row(code: SimpleNamespace) -> None:
    line = json.dumps(rollout(judge_score=float("nan"))).encode()
    assert not code.rollouts.row_of(1, line).reason


def test_an_attempt_that_cannot_be_trained_on_counts_in_its_task(prepare: Callable[..., str], tmp_path: Path) -> None:
    lost = rollout(response={"output": [CALL, RESULT]}, reward=0.0, _ng_rollout_index=1)
    masked = rollout(mask_sample=True, reward=0.0, _ng_rollout_index=2)
    save(tmp_path / "rollouts.jsonl", [rollout(), lost, masked])
    prepare("rollouts.jsonl", "--metrics", "metrics.jsonl")
    (row,) = load(tmp_path / "metrics.jsonl")
    assert (row["attempts"], row["mean"], row["low"]) == (2, 0.5, 0.0)


def test_rows_without_indices_are_grouped_by_their_prompt(prepare: Callable[..., str], tmp_path: Path) -> None:
    rows = [answered("good"), answered("bad", reward=0.0)]
    for row in rows:
        del row["_ng_task_index"], row["_ng_rollout_index"]
    save(tmp_path / "rollouts.jsonl", rows)
    prepare("rollouts.jsonl", "--preference", "pairs.jsonl")
    (pair,) = load(tmp_path / "pairs.jsonl")
    assert pair["task_index"] is None


def test_an_empty_file(prepare: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "rollouts.jsonl").touch()
    assert "0 lines" in prepare("rollouts.jsonl", "--sft", "sft.jsonl")
    assert load(tmp_path / "sft.jsonl") == []


@pytest.mark.parametrize("size", [1, 37, 1000, 100_000])
def test_byte_ranges_hold_every_line_once(code: SimpleNamespace, tmp_path: Path, size: int) -> None:
    path = tmp_path / "rollouts.jsonl"
    save(path, [rollout(_ng_rollout_index=number) for number in range(20)])
    spans = code.rollouts.ranges(path, size)
    rows = [row.rollout for span in spans for row in code.rollouts.read(path, *span)]
    assert rows == list(range(20))


# ----------------------------------------------------------------------------------------------- choices


def pairs_of(
    prepare: Callable[..., str], tmp_path: Path, attempts: list[tuple[float, str]], *options: str
) -> list[Any]:
    """The pairs of answers that are made of attempts at one task."""
    rows = [answered(text, reward=reward, _ng_rollout_index=n) for n, (reward, text) in enumerate(attempts)]
    save(tmp_path / "rollouts.jsonl", rows)
    prepare("rollouts.jsonl", "--preference", "pairs.jsonl", *options)
    pairs = load(tmp_path / "pairs.jsonl")
    for pair in pairs:
        PreferencePair.model_validate(pair)
    return [(pair["chosen"][0]["content"], pair["rejected"][0]["content"]) for pair in pairs]


@pytest.mark.parametrize(
    ("attempts", "options", "expected"),
    [
        ([(1.0, "a"), (1.0, "b")], [], []),
        ([(1.0, "a"), (0.6, "b")], [], []),
        ([(1.0, "a"), (0.6, "b")], ["--margin", "0.4"], [("a", "b")]),
        ([(0.0, "a"), (1.0, "b"), (0.2, "c"), (0.8, "d")], ["--pairs-per-task", "9"], [("b", "a"), ("d", "c")]),
        ([(0.0, "a"), (1.0, "b"), (0.2, "c"), (0.8, "d")], [], [("b", "a")]),
        (
            [(1.0, "aaaa"), (1.0, "a"), (0.0, "b"), (0.0, "bbbb")],
            ["--pairs-per-task", "9"],
            [("a", "b"), ("aaaa", "bbbb")],
        ),
        ([(1.0, "aaaa"), (0.0, "b")], ["--max-length-ratio", "2"], []),
    ],
    ids=["tie", "margin", "lower margin", "several", "one", "lengths", "ratio"],
)
def test_pairs(prepare: Callable[..., str], tmp_path: Path, attempts: Any, options: Any, expected: Any) -> None:
    assert pairs_of(prepare, tmp_path, attempts, *options) == expected


def test_the_best_of_each_task(prepare: Callable[..., str], tmp_path: Path) -> None:
    rewards = [0.5, 1.0, 0.2, 1.0]
    rows = [rollout(reward=reward, _ng_rollout_index=number) for number, reward in enumerate(rewards)]
    save(tmp_path / "rollouts.jsonl", rows)
    prepare("rollouts.jsonl", "--sft", "sft.jsonl", "--min-reward", "0.4", "--per-task", "2")
    assert [row["rollout_index"] for row in load(tmp_path / "sft.jsonl")] == [1, 3]


def test_the_same_files_from_rollouts_in_any_order(prepare: Callable[..., str], tmp_path: Path) -> None:
    rows = [answered(f"{n}", reward=float(n % 2), _ng_task_index=n // 4, _ng_rollout_index=n % 4) for n in range(16)]
    made = []
    for order in (rows, rows[::-1]):
        save(tmp_path / "rollouts.jsonl", order)
        prepare("rollouts.jsonl", "--sft", "sft.jsonl", "--preference", "pairs.jsonl", "--pairs-per-task", "2")
        made.append([(tmp_path / name).read_bytes() for name in ("sft.jsonl", "pairs.jsonl")])
    assert made[0] == made[1]


def test_rl_tasks_are_copied_byte_for_byte(prepare: Callable[..., str], tmp_path: Path) -> None:
    answer = ',  "expected_answer": "\\u00e9"}'
    tasks = [f'{{"responses_create_params": {{"input": "{name}"}}{answer}' for name in "abcd"]
    save(tmp_path / "tasks.jsonl", tasks)
    rewards = {"a": (0.0, 1.0), "b": (1.0, 1.0), "d": (0.0, 1.0)}
    rows = [
        rollout(
            responses_create_params={"input": name},
            reward=reward,
            _ng_task_index="abcd".index(name),
            _ng_rollout_index=n,
        )
        for name, both in rewards.items()
        for n, reward in enumerate(both)
    ]
    rows[-1]["responses_create_params"] = rows[-2]["responses_create_params"] = {"input": "another question"}
    save(tmp_path / "rollouts.jsonl", rows)
    prepare("rollouts.jsonl", "--rl", "rl.jsonl", "--tasks", "tasks.jsonl")
    assert (tmp_path / "rl.jsonl").read_text() == tasks[0] + "\n"
    (reject,) = load(tmp_path / "rejects.jsonl")
    assert (reject["file"], reject["line"]) == ("tasks.jsonl", 4)


def test_shards_hold_all_rows_in_order(prepare: Callable[..., str], folder: Path, tmp_path: Path) -> None:
    save(tmp_path / "rollouts.jsonl", [rollout(_ng_task_index=number) for number in range(10)])
    prepare("rollouts.jsonl", "--sft", "sft.jsonl", "--shards", "3")
    shards = sorted(tmp_path.glob("sft-*-of-00003.jsonl"))
    assert [row["task_index"] for path in shards for row in load(path)] == list(range(10))
    assert {len(load(path)) for path in shards} == {3, 4}


def test_options_that_make_no_sense(prepare: Callable[..., str]) -> None:
    assert "--margin must be above 0" in prepare("x.jsonl", "--margin", "0", status=1)
    assert "--rl needs --tasks" in prepare("x.jsonl", "--rl", "rl.jsonl", status=1)


# ---------------------------------------------------------------------------------------------- the bench


def test_the_loop_of_the_bench_writes_the_same(prepare: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "rollouts.jsonl").write_bytes(bench_data.lines_of(3, 0, 300))
    loop = tmp_path / "loop"
    loop.mkdir()
    options = [*bench_data.STEPS["all of it"], "--rejects", "rejects.jsonl"]
    prepare("rollouts.jsonl", *options)
    script = bench_data.ROOT / "benchmarks" / "data_loop.py"
    command = [sys.executable, str(script), "rollouts.jsonl", *options]
    subprocess.run(
        [*command[:3], *(f"loop/{o}" if o.endswith(".jsonl") else o for o in options)], cwd=tmp_path, check=True
    )
    (tmp_path / "rollouts.jsonl").unlink()
    assert list(bench_data.differences(tmp_path, loop)) == []
    assert len(load(loop / "rejects.jsonl")) > 0
    lines = (loop / "sft.jsonl").read_text().splitlines()
    (loop / "sft.jsonl").write_text("\n".join([lines[0].replace('"reward":1.0', '"reward":0.5'), *lines[1:]]) + "\n")
    assert list(bench_data.differences(tmp_path, loop)) == ["sft.jsonl, line 1"]
    metrics = (loop / "metrics.jsonl").read_text().splitlines(keepends=True)
    (loop / "metrics.jsonl").write_text("".join(metrics[:-1]))
    assert f"metrics.jsonl, line {len(metrics)}" in list(bench_data.differences(tmp_path, loop))


def test_a_measured_command_that_fails_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        bench_data.measure([sys.executable, "-c", "raise SystemExit(3)"], tmp_path, {})


def test_memory_is_measured_over_all_processes(tmp_path: Path) -> None:
    child = "import time; held = bytearray(100_000_000); time.sleep(0.5)"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    assert bench_data.measure([sys.executable, "-c", parent], tmp_path, {}).peak > 100_000_000
