"""Files that a trainer loads."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from gym_rollouts import Fault, filter, prepare
from sample import answer, call, read, result, rollout, write

THOUGHT = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
CHAT_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {}}}}}


def sft(here: Path, *rows: Any, **options: Any) -> tuple[list[Any], list[Any]]:
    """The rows and the rejects of `prepare --sft`."""
    prepare([write(here / "r.jsonl", list(rows))], sft=Path("s.jsonl"), **({"min_reward": -1e300} | options))
    return read("s.jsonl"), read("rejects.jsonl")


REJECTED = {
    "tools with null": (rollout(params={"tools": [None]}), "tools[0]"),
    "tools as an object": (rollout(params={"tools": {}}), "tools: expected a list"),
    "tools as a text": (rollout(params={"tools": "auto"}), "tools: expected a list"),
    "a tool without a name": (rollout(params={"tools": [{"type": "function"}]}), "a function without a name"),
    "a hosted tool": (rollout(params={"tools": [{"type": "web_search"}]}), "web_search"),
    "no content": (rollout(question=[{"role": "user"}]), "without content"),
    "null content": (rollout(question=[{"role": "user", "content": None}]), "without content"),
    "no output": (rollout(output=[call(), {"type": "function_call_output", "call_id": "c1"}, *answer("x")]), "a result without content"),
    "no result": (rollout(output=[call(), *answer("x")]), "the call c1 has no result"),
    "no call": (rollout(output=[result(), *answer("x")]), "follows no call of that id"),
    "one id twice in a turn": (rollout(output=[call(), call(), result(), result(), *answer("x")]), "have the id c1"),
    "reasoning between calls": (rollout(output=[call(), THOUGHT, call(call_id="c2"), result(), result(call_id="c2"), *answer("x")]), "reasoning between a call and its result"),
    "text between calls": (rollout(output=[call(), *answer("t"), call(call_id="c2"), result(), result(call_id="c2"), *answer("x")]), "text between a call and its result"),
    "a call left open in the prompt": (rollout(question=[{"role": "user", "content": "q"}, call(), {"role": "user", "content": "r"}]), "the call c1 has no result"),
    "a refusal": (rollout(output=[{"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}]), "refusal"),
    "a file": (rollout(question=[{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]), "input_file"),
    "an image by id": (rollout(question=[{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]), "input_image"),
    "encrypted reasoning": (rollout(output=[{"type": "reasoning", "summary": [], "encrypted_content": "x"}, *answer("x")]), "encrypted"),
    "an unknown item": (rollout(output=[{"type": "web_search_call"}, *answer("x")]), "web_search_call"),
    "no items": (rollout(output=[]), "does not end with an answer"),
    "only white space": (rollout(text=" \n"), "does not end with an answer"),
    "an empty input": (rollout(question=[]), "the input is empty"),
    "no input": (rollout(question=None, params={"input": None}), "missing or null"),
    "cut off": (rollout(response={"output": answer("x"), "incomplete_details": {"reason": "max_output_tokens"}}), "max_output_tokens"),
    "incomplete": (rollout(response={"output": answer("x"), "status": "incomplete"}), "incomplete"),
    "failed": (rollout(response={"output": answer("x"), "status": "failed"}), "failed"),
    "nested too deeply": (b'{"x":' + b"[" * 200_000 + json.dumps(rollout()).encode()[1:], "nested too deeply"),
    "half an emoji": (json.dumps(rollout(text="\ud83d")), "surrogate"),
    "an infinite reward": (rollout(reward=float("inf")), "the reward is inf"),
    "a true reward": (rollout(reward=True), "reward"),
    "no reward": ({k: v for k, v in rollout().items() if k != "reward"}, "no reward"),
    "a list": ([], "array"),
    "two rows on a line": (json.dumps(rollout()) * 2, "not JSON"),
    "arguments as an object": (rollout(output=[call(arguments={}), result(), *answer("x")]), "arguments"),  # type: ignore[arg-type]
    "a NaN that would be written": (json.dumps(rollout(params={"tools": [{"type": "function", "name": "f", "x": float("nan")}]})), "NaN"),
}  # fmt: skip


@pytest.mark.parametrize(("row", "reason"), REJECTED.values(), ids=REJECTED)
def test_what_cannot_be_trained_on_is_named(here: Path, row: Any, reason: str) -> None:
    rows, rejects = sft(here, rollout(1), row, rollout(2))
    assert [each["task_index"] for each in rows] == [1, 2]
    assert [(each["file"], each["line"]) for each in rejects] == [(str(here / "r.jsonl"), 2)]
    assert reason in rejects[0]["reason"]


KEPT = {
    "NaN elsewhere": json.dumps(rollout(score=float("nan"), logprobs=[-float("inf")])),
    "a large integer": rollout(big=2**200),
    "reasoning as a text": rollout(output=[{"type": "reasoning", "content": "hm"}, *answer("x")]),
    "a reason that is null": rollout(response={"output": answer("x"), "incomplete_details": {"reason": None}}),
    "line separators": rollout(text="a\u2028b\u0085c\x00d"),
    "think tags": rollout(text="<think>\nhm\n</think>\n\n4"),
    "ends with a call": rollout(output=[call()]),
    "prefilled": rollout(
        question=[{"role": "user", "content": "q"}, {"role": "assistant", "content": "The answer is"}]
    ),
    "arguments cut off": rollout(output=[call(arguments='{"id": 7'), result("Error"), *answer("x")]),
    "the same call id each turn": rollout(output=[call(), result(), call(), result(), *answer("x")]),
    "results in another order": rollout(
        output=[call(), call(call_id="d"), result(call_id="d"), result(), *answer("x")]
    ),
    "the last of two rewards": json.dumps(rollout()).replace('"reward"', '"reward": 0.0, "reward"'),
    "a negative index": rollout(-1, -1),
    "a large reward": rollout(reward=10**22),
}


@pytest.mark.parametrize("row", KEPT.values(), ids=KEPT)
def test_what_can_be_trained_on_is_kept(here: Path, row: Any) -> None:
    rows, rejects = sft(here, row)
    assert rejects == []
    assert len(rows) == 1


def test_tools_of_both_shapes_are_chat_tools(here: Path) -> None:
    flat = {"type": "function", **CHAT_TOOL["function"], "strict": None}  # type: ignore[dict-item]
    for tool in (CHAT_TOOL, flat):
        rows, _ = sft(here, rollout(params={"tools": [tool]}, output=[call(), result(), *answer("x")]))
        assert rows[0]["tools"] == [CHAT_TOOL]
    report = filter([Path("r.jsonl")], purpose="sft", kept=Path("k.jsonl"))
    assert report.figures["kept"] == 1


TURN = [
    {"role": "developer", "content": "d"},
    {"role": "user", "content": "q"},
]


def test_a_chat_template_has_its_way(here: Path) -> None:
    row = rollout(question=TURN, output=[THOUGHT, call(arguments='{"b": 1.0, "a": "é"}'), result(), *answer("x")])
    (plain,), _ = sft(here, row)
    assert [message["role"] for message in plain["messages"]] == ["developer", "user", "assistant", "tool", "assistant"]
    assert plain["messages"][2]["content"] is None
    assert plain["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"b": 1.0, "a": "é"}'
    (other,), _ = sft(
        here, row, arguments="object", developer="system", reasoning_field="reasoning", empty_content="text"
    )
    assert other["messages"][0]["role"] == "system"
    assert other["messages"][2] == {
        "role": "assistant", "content": "", "reasoning": "hm",
        "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": {"b": 1.0, "a": "é"}}, "type": "function"}],
    }  # fmt: skip
    (none,), _ = sft(here, row, reasoning_field="none")
    assert "hm" not in json.dumps(none)


@pytest.mark.parametrize("arguments", ['{"a"', "[]", "null", '"x"', '{"a": 1, "a": 2}', '{"b": {"a": 1, "a": 2}}'])
def test_arguments_that_are_no_object_are_named(here: Path, arguments: str) -> None:
    row = rollout(output=[call(arguments=arguments), result(), *answer("x")])
    assert sft(here, row)[1] == []
    rows, rejects = sft(here, row, arguments="object")
    assert (rows, [each["step"] for each in rejects]) == ([], ["arguments"])


def test_arguments_over_several_lines_are_one_row(here: Path) -> None:
    row = rollout(output=[call(arguments='{\n  "a": 1.50,\n  "b": "x  y"\n}'), result(), *answer("x")])
    rows, rejects = sft(here, row, arguments="object")
    assert rejects == []
    assert Path("s.jsonl").read_text().count("\n") == 1
    assert '"arguments":{"a":1.50,"b":"x  y"}' in Path("s.jsonl").read_text()
    assert rows[0]["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"a": 1.5, "b": "x  y"}


@pytest.mark.parametrize("empty", ["null", "text"])
@pytest.mark.parametrize("arguments", ["text", "object"])
def test_sides_that_a_template_makes_equal_are_no_pair(here: Path, arguments: Any, empty: Any) -> None:
    said = [
        [call(arguments='{"a":1}'), result(), *answer("x")],
        [*answer(""), call(arguments='{ "a": 1 }'), result(), *answer("x")],
    ]
    write(here / "r.jsonl", [rollout(0, n, float(n), output=output) for n, output in enumerate(said)])
    report = prepare([Path("r.jsonl")], preference=Path("p.jsonl"), arguments=arguments, empty_content=empty)
    assert read("p.jsonl") == [], report.lines


@pytest.mark.parametrize("change", ["question", "tools", "file"])
def test_the_sides_of_a_pair_answer_one_prompt(here: Path, change: str) -> None:
    def attempt(number: int, side: int) -> Any:
        question = f"q{side}?" if change != "tools" else "q?"
        tools = {"tools": [CHAT_TOOL] if side and change == "tools" else []}
        return rollout(0, number, float(number % 2), f"{number}", question, params=tools)

    rows = [attempt(number, number % 2) for number in range(2)]
    if change == "file":  # two collections that both number from 0, without an attempt in common
        files = [write(here / f"{n}.jsonl", [row]) for n, row in enumerate(rows)]
    else:
        files = [write(here / "r.jsonl", rows)]
    report = prepare(files, preference=Path("p.jsonl"))
    assert read("p.jsonl") == []
    assert report.figures.get("tasks_of_several_prompts", 0) == (change != "file")
    assert any("answer several prompts" in line for line in report.lines) == (change != "file")
    same = [attempt(number, 0) for number in range(2)]
    prepare([write(here / "r.jsonl", [*same, *[attempt(n, 1) for n in (2, 3)]])], preference=Path("p.jsonl"))
    assert [(row["prompt"][0]["content"][1:2], row["task_index"]) for row in read("p.jsonl")] == (
        [("?", 0)] * 2 if change == "tools" else [("0", 0), ("1", 0)]
    )


def test_a_pair_has_two_unequal_sides(here: Path) -> None:
    write(here / "r.jsonl", [rollout(0, n, float(n), "The answer is B.") for n in range(2)])
    report = prepare([Path("r.jsonl")], preference=Path("p.jsonl"))
    assert report.figures["preference"] == {"rows": 0, "tasks": 0, "without": [0], "equal_sides": 1}
    rows = [rollout(0, n, float(n), output=[{"type": "reasoning", "content": f"{n}"}, *answer("B")]) for n in range(2)]
    write(here / "r.jsonl", rows)
    assert prepare([Path("r.jsonl")], preference=Path("p.jsonl")).figures["preference"]["rows"] == 1
    report = prepare([Path("r.jsonl")], preference=Path("p.jsonl"), reasoning_field="none")
    assert report.figures["preference"]["rows"] == 0


@pytest.mark.parametrize(
    ("high", "low", "margin", "pairs"),
    [(0.7, 0.2, 0.5, 1), (1.0, 0.9, 0.1, 1), (0.3, 0.1, 0.2, 1), (0.3, 0.1, 0.21, 0), (1e22, 0, 0.5, 1), (0.30000000000000004, 0.3, 1e-20, 0)],
)  # fmt: skip
def test_margins_mean_what_people_mean(here: Path, high: float, low: float, margin: float, pairs: int) -> None:
    write(here / "r.jsonl", [rollout(0, 0, high, "a"), rollout(0, 1, low, "b")])
    write(here / "t.jsonl", [{"responses_create_params": {"input": "2 + 2?"}}])
    report = prepare(
        [Path("r.jsonl")], preference=Path("p.jsonl"), margin=margin, rl=Path("rl.jsonl"), tasks=Path("t.jsonl")
    )
    assert report.figures["preference"]["rows"] == report.figures["rl"]["rows"] == pairs
    if (high, low) == (0.7, 0.2):
        assert read("p.jsonl")[0]["margin"] == 0.5


def test_tasks_that_teach_nothing_are_named(here: Path) -> None:
    rows = [rollout(t, n, float(n and t != 1), f"{n}", f"{t}?") for t in range(3) for n in range(2)]
    write(here / "r.jsonl", rows)
    tasks = write(here / "t.jsonl", [{"responses_create_params": {"input": f"{t}?"}} for t in range(3)])
    report = prepare([Path("r.jsonl")], rl=Path("rl.jsonl"), tasks=tasks)
    assert (report.figures["rl"]["rows"], report.figures["rl"]["without"]) == (2, [1])
    assert "  none from the task 1, whose rewards differ by less than 0.5" in report.lines
    tasks.write_bytes(tasks.read_bytes().split(b"\n")[0])  # a part of the tasks: the others are not this file's
    assert prepare([Path("r.jsonl")], rl=Path("rl.jsonl"), tasks=tasks).figures["rl"]["without"] == []


@pytest.mark.parametrize(("low", "high", "kept"), [(0.1, 0.7, 30), (0.3, 0.7, 20), (0.31, 0.69, 0)])
def test_pass_rates_at_the_bounds_are_inside(here: Path, low: float, high: float, kept: int) -> None:
    rows = [rollout(t, n, float(n < wins), f"{n}", f"{t}?") for t, wins in enumerate((1, 3, 7)) for n in range(10)]
    report = filter([write(here / "r.jsonl", rows)], purpose="rl", kept=Path("k.jsonl"), low=low, high=high)
    assert report.figures["kept"] == kept


def test_a_tasks_file_of_another_collection_is_named(here: Path) -> None:
    write(here / "r.jsonl", [rollout(500, n, float(n), f"{n}", "2 + 2?") for n in range(2)])
    write(here / "t.jsonl", [{"responses_create_params": {"input": "2 + 2?"}}])
    made = prepare([Path("r.jsonl")], rl=Path("rl.jsonl"), tasks=Path("t.jsonl"))
    assert "no rollout is of a task of t.jsonl: give the very file that was collected from" in made.lines[-1]
    write(here / "r.jsonl", [rollout(0, n, float(n), f"{n}", "2 + 2?") for n in range(2)])
    made = prepare([Path("r.jsonl")], rl=Path("rl.jsonl"), tasks=Path("t.jsonl"))
    assert not any("no rollout" in line for line in made.lines)


def test_parquet_has_what_jsonl_has(here: Path) -> None:
    rows = [
        rollout(0, 0, 1.0, "[1]", params={"tools": [CHAT_TOOL]}),
        rollout(1, 0, 1.0, output=[THOUGHT, call(), result(), *answer("x")]),
        rollout(2, 0, 1.0, "\x00\u2028"),
    ]
    image = [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:x"}]
    for more in ([], [rollout(3, 0, 1.0, question=[{"role": "user", "content": image}])]):
        expected, _ = sft(here, *rows, *more)
        prepare([Path("r.jsonl")], sft=Path("s.parquet"), preference=Path("p.parquet"))
        found = pq.read_table("s.parquet").to_pylist()
        assert pq.read_table("p.parquet").num_rows == 0
        for one, two in zip(found, expected, strict=True):
            assert (one["tools"] and json.loads(one["tools"])) == two["tools"]
            for a, b in zip(one["messages"], two["messages"], strict=True):
                content = b["content"]
                if more and isinstance(content, str):
                    content = [{"type": "text", "text": content, "image_url": None}]
                elif more and content:
                    content = [{"text": None, "image_url": None} | part for part in content]
                assert a == {"reasoning_content": None, "tool_calls": None, "tool_call_id": None} | b | {
                    "content": content
                }


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".jsonl.gz", ".jsonl.zst"])
def test_more_shards_than_rows_are_all_there(here: Path, suffix: str) -> None:
    write(here / "r.jsonl", [rollout(n) for n in range(2)])
    prepare([Path("r.jsonl")], sft=Path(f"s{suffix}"), shards=4)
    first = {path.name: path.read_bytes() for path in sorted(here.glob("s-*"))}
    assert len(first) == 4
    if suffix == ".parquet":
        assert sum(pq.read_table(name).num_rows for name in first) == 2
    prepare([Path("r.jsonl")], sft=Path(f"s{suffix}"), shards=4)
    assert first == {path.name: path.read_bytes() for path in sorted(here.glob("s-*"))}


REFUSED = {
    "nothing": {},
    "rl without tasks": {"rl": Path("rl.jsonl")},
    "tasks without rl": {"sft": Path("s.jsonl"), "tasks": Path("r.jsonl")},
    "a margin of 0": {"preference": Path("p.jsonl"), "margin": 0},
    "a margin that is none": {"preference": Path("p.jsonl"), "margin": float("nan")},
    "objects in Parquet": {"sft": Path("s.parquet"), "arguments": "object"},
    "an unknown format": {"sft": Path("s.csv")},
    "RL as Parquet": {"rl": Path("rl.parquet"), "tasks": Path("t.jsonl")},
    "a field that is there": {"sft": Path("s.jsonl"), "reasoning_field": "content"},
    "an address without Ray": {"sft": Path("s.jsonl"), "address": "127.0.0.1:1"},
}


@pytest.mark.parametrize("options", REFUSED.values(), ids=REFUSED)
def test_options_that_cannot_be_honoured_are_refused(here: Path, options: dict[str, Any]) -> None:
    write(here / "r.jsonl", [rollout()])
    write(here / "t.jsonl", [{}])
    with pytest.raises(Fault):
        prepare([Path("r.jsonl")], **options)
    assert sorted(path.name for path in here.iterdir()) == ["r.jsonl", "t.jsonl"]


@pytest.mark.parametrize("bounds", [(0.9, 0.1), (10, 90), (-1, 1), (float("nan"), 1)])
def test_pass_rates_that_are_none_are_refused(here: Path, bounds: tuple[float, float]) -> None:
    write(here / "r.jsonl", [rollout()])
    with pytest.raises(Fault, match="expected 0 <= low <= high <= 1"):
        filter([Path("r.jsonl")], purpose="rl", kept=Path("k.jsonl"), low=bounds[0], high=bounds[1])


def test_answers_that_differ_in_indentation_are_two(here: Path) -> None:
    code = "def f(xs):\n    for x in xs:\n        total += x\n{}return total"
    rows = [rollout(0, 0, 0.0, code.format(" " * 8)), rollout(0, 1, 1.0, code.format(" " * 4))]
    filter([write(here / "r.jsonl", rows)], purpose="dpo", kept=Path("k.jsonl"))
    assert prepare([Path("k.jsonl")], preference=Path("p.jsonl")).figures["preference"]["rows"] == 1


def test_many_processes_write_what_one_writes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [rollout(n // 4, n % 4, float(n % 2), f"a{n}", f"{n // 4}? " + "x" * 300) for n in range(600)]
    write(here / "r.jsonl", rows)
    prepare([Path("r.jsonl")], sft=Path("a.jsonl"), preference=Path("b.jsonl"), workers=1)
    for module, name, value in (("engine", "SMALL", -1), ("survey", "RANGE", 50_000), ("writing.rows", "ROWS", 16)):
        monkeypatch.setattr(f"gym_rollouts.{module}.{name}", value)
    prepare([Path("r.jsonl")], sft=Path("c.jsonl"), preference=Path("d.jsonl"), workers=2)
    assert Path("a.jsonl").read_bytes() == Path("c.jsonl").read_bytes()
    assert Path("b.jsonl").read_bytes() == Path("d.jsonl").read_bytes()


def test_the_tasks_that_gave_nothing_are_named(here: Path) -> None:
    rows = [rollout(task, attempt, reward, f"{reward} {attempt}") for task, rewards in ((0, (1.0, 0.0)), (1, (0.0, 0.0)), (2, (1.0, 1.0)), (7, (0.0, 0.0)))
            for attempt, reward in enumerate(rewards)]  # fmt: skip
    made = prepare([write(here / "r.jsonl", rows)], sft=Path("s.jsonl"), preference=Path("p.jsonl"))
    assert (made.figures["sft"]["tasks"], made.figures["sft"]["without"]) == (2, [1, 7])
    assert (made.figures["preference"]["tasks"], made.figures["preference"]["without"]) == (1, [1, 2, 7])
    assert "s.jsonl: 3 rows from 2 of 4 tasks" in "\n".join(made.lines)
    assert "none from the tasks 1, 2, 7" in made.lines[-1]


def test_what_it_says_fits_a_terminal(here: Path) -> None:
    rows = [rollout(task, n, float(n), "a" * (n + 1) * 40, f"{task}?") for task in range(40) for n in range(2)]
    write(Path("r.jsonl"), [*rows, *(rollout(40, n, 1.0, "b", "40?") for n in range(2))])
    report = prepare([Path("r.jsonl")], sft=Path("s.jsonl"), preference=Path("p.jsonl"))
    assert "  the chosen side is longer in 40, the median ratio is 2.00" in report.lines
    assert "  80 characters in the middle, 80 at the most" in report.lines
    assert max(map(len, report.lines)) <= 80


NOTHING = {
    "sft": ([rollout(1, reward=0.25), rollout(2, reward=0.5)], "no attempt has a reward of 1, the best has 0.5: see --min-reward"),
    "preference": ([rollout(1), rollout(2)], "no task has two different attempts whose rewards differ by 0.5: see --margin"),
}  # fmt: skip


@pytest.mark.parametrize("kind", NOTHING)
def test_a_file_without_a_row_says_why_and_is_no_success(here: Path, kind: str) -> None:
    rows, why = NOTHING[kind]
    target = Path(f"{kind}.jsonl")
    report = prepare([write(here / "r.jsonl", rows)], **{kind: target})
    assert (report.status, read(target)) == (1, [])
    assert report.lines[-1].strip() == why
    assert report.figures["rejected"] == 0


def test_tasks_that_teach_nothing_are_no_success_either(here: Path) -> None:
    rows = [rollout(number, question=f"q{number}") for number in (0, 1)]
    tasks = write(here / "t.jsonl", [{"responses_create_params": row["responses_create_params"]} for row in rows])
    report = prepare([write(here / "r.jsonl", rows)], rl=Path("rl.jsonl"), tasks=tasks)
    assert (report.status, read("rl.jsonl")) == (1, [])
    assert "no task has two attempts whose rewards differ by 0.5: see --margin" in report.lines[-1]


def test_one_of_two_files_without_a_row_is_no_success(here: Path) -> None:
    report = prepare([write(here / "r.jsonl", [rollout(1)])], sft=Path("s.jsonl"), preference=Path("p.jsonl"))
    assert (report.status, len(read("s.jsonl")), read("p.jsonl")) == (1, 1, [])
