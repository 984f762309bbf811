"""What holds whatever the data: random rows, mutants of good rows, and the rollouts that NeMo Gym ships."""

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from gym_rollouts import balance, filter, metrics, prepare, split
from gym_rollouts.errors import Unusable
from gym_rollouts.facts import FACTS, PACKED, Notes, facts_of
from gym_rollouts.rollouts import decode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample import answer, call, read, result, rollout, write

TOOL = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
GOOD = [
    rollout(params={"tools": [TOOL], "instructions": "Be short."}, output=[call(), result(), *answer("done")]),
    rollout(output=[{"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "hm"}]}, *answer("4")]),
    rollout(question=[{"role": "user", "content": [
        {"type": "input_text", "text": "See:"}, {"type": "input_image", "image_url": "data:x", "detail": "low"}]}]),
    rollout(question=[{"role": "developer", "content": "d"}, {"role": "user", "content": "q"}], mask_sample=False),
    rollout(response={"output": answer("x"), "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}),
]  # fmt: skip
ODD = [
    None, True, 0, -1, 1.5, 1e400, float("nan"), 2**70, "", "x", "\ud800", "\u2028", "\x00", [], [None], [[]], {}, {"": {}},
    "user", "function_call", "\U0001f600" * 50,
]  # fmt: skip


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a row: what holds it, and its key."""
    found = []
    for key, inner in list(value.items()) if isinstance(value, dict) else list(enumerate(value)):
        found.append((value, key))
        if isinstance(inner, dict | list):
            found += places(inner)
    return found


def mutant(rng: random.Random) -> bytes:
    """A good row, with one to three places changed, removed or doubled, or its text cut, doubled or spoiled."""
    row = json.loads(json.dumps(rng.choice(GOOD)))
    row["_ng_task_index"], row["_ng_rollout_index"] = rng.randrange(40), rng.randrange(8)
    row["reward"] = rng.choice([0.0, 0.5, 1.0])
    for _ in range(rng.randrange(1, 4)):
        holder, key = rng.choice(places(row))
        if (isinstance(holder, dict) and key not in holder) or (isinstance(holder, list) and key >= len(holder)):
            continue
        action = rng.randrange(4)
        if action == 0:
            del holder[key]
        elif action == 1 and isinstance(holder, list):
            holder.insert(key, holder[key])
        elif action == 2:
            holder[key] = rng.choice(ODD)
        else:
            holder[key] = json.loads(json.dumps(rng.choice(places(row))[0]))
    text = json.dumps(row, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass").replace(b"\n", b"")
    action, at = rng.randrange(12), rng.randrange(len(text))
    if action == 0:
        return text[:at]
    if action == 1:
        return text[:at] + bytes([rng.choice(b'"{}[],:\\\x00\xff 0')]) + text[at + 1 :]
    if action == 2:
        return text + text
    if action == 3:
        return text[:at] + b"[" * 3000 + text[at:]
    return text


@pytest.fixture(scope="module")
def mutants() -> list[bytes]:
    rng = random.Random(11)
    return [line.replace(b"\n", b"") for line in (mutant(rng) for _ in range(10_000))]


def test_no_mutant_stops_any_command(here: Path, mutants: list[bytes]) -> None:
    source = write(here / "r.jsonl", mutants)
    expected = len(mutants)
    for purpose in ("sft", "dpo", "rl"):
        report = filter([source], purpose=purpose, kept=Path("k.jsonl"))
        rejects = read("rejects.jsonl")
        kept = Path("k.jsonl").read_bytes().split(b"\n")[:-1]
        assert len(rejects) + len(kept) == expected == report.figures["lines"]
        out = {row["line"] for row in rejects}
        assert kept == [line for number, line in enumerate(mutants, 1) if number not in out]
        assert [row["line"] for row in rejects] == sorted(out)
        assert all(row["reason"] for row in rejects)
    metrics([source])
    split([source], train=Path("t.jsonl"), held=Path("h.jsonl"), share=0.3)
    balance([source], train=Path("b.jsonl"), rows=500)
    tasks = write(here / "tasks.jsonl", mutants)
    for options in ({}, {"arguments": "object", "developer": "system", "empty_content": "text"}):
        prepare(
            [source], sft=Path("s.jsonl"), min_reward=0, preference=Path("p.jsonl"), pairs_per_task=9,
            rl=Path("rl.jsonl"), tasks=tasks, truncated="keep", **options,
        )  # fmt: skip
        for row in read("p.jsonl"):
            assert row["chosen"] != row["rejected"]
            assert row["chosen_reward"] > row["rejected_reward"]
        assert read("s.jsonl")
    prepare([source], sft=Path("s.parquet"), min_reward=0)


def test_decoding_raises_nothing_but_unusable(mutants: list[bytes]) -> None:
    notes, reasons = Notes(), set()
    for line in mutants:
        assert PACKED.size == FACTS.itemsize == len(PACKED.pack(*facts_of(0, line, notes)))
        try:
            assert math.isfinite(decode(line).reward)
        except Unusable as problem:
            reasons.add(problem.step)
    assert {"unreadable"} <= reasons


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
inputs = st.lists(
    st.one_of(
        st.builds(lambda role, text: {"role": role, "content": text}, st.sampled_from(["user", "system", "developer"]), texts),
        st.builds(lambda text: {"role": "user", "content": [{"type": "input_text", "text": text}]}, texts),
        st.builds(
            lambda a, b: {"role": "user", "content": [
                {"type": "input_text", "text": a}, {"type": "input_image", "image_url": "u" + b, "detail": "high"}]},
            texts, texts,
        ),
    ),
    min_size=1, max_size=4,
)  # fmt: skip


@st.composite
def outputs(draw: Any) -> list[dict[str, Any]]:
    """What a model may write: turns of reasoning, text and calls, each with its results, and an answer."""
    items: list[dict[str, Any]] = []
    for turn in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            items.append({"type": "reasoning", "summary": [{"type": "summary_text", "text": draw(texts)}]})
        if draw(st.booleans()):
            items += answer(draw(texts))
        ids = [f"c{turn}{n}" for n in range(draw(st.integers(1, 3)))]
        items += [call("f", json.dumps({"x": draw(texts)}), each) for each in ids]
        items += [result(draw(texts), each) for each in draw(st.permutations(ids))]
    return items + answer(draw(texts) + "!")


def said(items: list[dict[str, Any]]) -> list[Any]:
    """What items say, in order."""
    found: list[Any] = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "reasoning":
            found += [("thought", part["text"]) for part in item["summary"] if part["text"]]
        elif kind == "function_call":
            found.append(("call", item["call_id"], item["name"], item["arguments"]))
        elif kind == "function_call_output":
            found.append(("result", item["call_id"], item["output"]))
        else:
            content = item["content"]
            for part in [{"type": "input_text", "text": content}] if isinstance(content, str) else content:
                found.append((item["role"], part.get("text", part.get("image_url"))))
    return found


def written(messages: list[dict[str, Any]]) -> list[Any]:
    """What messages say, in order."""
    found: list[Any] = []
    for message in messages:
        if message.get("reasoning_content"):
            found.append(("thought", message["reasoning_content"]))
        content = message["content"]
        if message["role"] == "tool":
            found.append(("result", message["tool_call_id"], content))
        elif content is not None:
            for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
                found.append((message["role"], part["text"] if part["type"] == "text" else part["image_url"]["url"]))
        for each in message.get("tool_calls", []):
            found.append(("call", each["id"], each["function"]["name"], each["function"]["arguments"]))
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(inputs, outputs(), st.sampled_from([0.0, 0.2, 0.7, 1.0])), min_size=1, max_size=5))
def test_nothing_changes_on_the_way(here: Path, rows: list[Any]) -> None:
    made = [rollout(n, 0, reward, question=given_, output=output) for n, (given_, output, reward) in enumerate(rows)]
    prepare([write(here / "r.jsonl", made)], sft=Path("s.jsonl"), min_reward=0)
    found = {row["task_index"]: row for row in read("s.jsonl")}
    rejected = {row["line"] - 1: row["reason"] for row in read("rejects.jsonl")}
    assert found.keys() | rejected.keys() == set(range(len(rows)))
    assert not rejected
    for number, (given_, output, reward) in enumerate(rows):
        assert written(found[number]["messages"]) == said([*given_, *output])
        assert found[number]["reward"] == reward


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(st.binary(max_size=40), st.sampled_from([json.dumps(row).encode() for row in GOOD])), max_size=12
    )
)
def test_every_line_is_kept_or_rejected(here: Path, lines: list[bytes]) -> None:
    data = b"\n".join(lines)
    if (
        data[:4] in (b"PAR1", b"PK\x03\x04")
        or data[:1] in (b"\x1f", b"\x28", b"B", b"\xfd", b"7", b"\xff", b"\xfe")
        or b"\0" in data[:4]
    ):
        return  # another packing: see test_files
    Path("r.jsonl").write_bytes(data)
    report = filter([Path("r.jsonl")], purpose="rl", kept=Path("k.jsonl"))
    count = data.removeprefix(b"\xef\xbb\xbf").count(b"\n") + (not data.endswith(b"\n") and data != b"")
    if data != b"\xef\xbb\xbf":
        assert report.figures["lines"] == count
    assert report.figures["kept"] + len(read("rejects.jsonl")) == report.figures["lines"]
    assert (report.status == 1) == (report.figures["kept"] == 0)


@pytest.mark.beside("nemo_gym")
def test_all_rollouts_that_nemo_gym_ships(here: Path) -> None:
    import nemo_gym

    root = Path(nemo_gym.__file__).parent.parent
    files = sorted(root.glob("*/**/example_rollouts*.jsonl"))
    assert len(files) > 150
    lines = sum(path.read_bytes().rstrip(b"\n").count(b"\n") + 1 for path in files)
    kept = rejected = inferred = 0
    for path in files:
        report = prepare([path], sft=Path("s.jsonl"), min_reward=-1e300, truncated="keep", preference=Path("p.jsonl"))
        assert report.figures["lines"] == len(path.read_bytes().rstrip(b"\n").split(b"\n"))
        kept += report.figures["sft"]["rows"]
        rejected += report.figures["rejected"]
        inferred += report.figures["inferred_tasks"] > 0
        assert report.figures["sft"]["rows"] + report.figures["rejected"] == report.figures["lines"]
        assert filter([path], purpose="rl", kept=Path("k.jsonl")).figures["lines"] == report.figures["lines"]
    assert kept + rejected == lines
    assert inferred > 40
    assert kept > lines / 2
