"""Rows as a training framework's loader takes them."""

import gzip
import json
import os
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from gym_rollouts import Fault, export, prepare
from gym_rollouts.commands.export import TARGETS
from gym_rollouts.tool_text import as_text
from sample import call, read, result, rollout, write

OUT = Path("out.jsonl")
TOOLS = [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": True}]
TASKS = [
    {"responses_create_params": {"input": "2 + 2?", "instructions": "Add."}, "expected_answer": "4"},
    {"responses_create_params": {"input": [{"role": "user", "content": "3?"}]}, "options": [{"A": "3"}]},
]


@pytest.fixture
def prepared(here: Path) -> Path:
    """The files of `prepare`: a task with tools, one without."""
    calls = [call(), result(), *rollout()["response"]["output"]]
    lines = [
        rollout(0, 0, 1.0, output=calls, params={"tools": TOOLS}),
        rollout(0, 1, 0.0, params={"tools": TOOLS}),
        rollout(1, 0, 1.0, "5", "2 + 3?"),
        rollout(1, 1, 0.0, "6", "2 + 3?"),
    ]
    prepare([write(here / "r.jsonl", lines)], sft=Path("sft.jsonl"), preference=Path("pairs.jsonl"), quiet=True)
    write(here / "tasks.jsonl", TASKS)
    return here


def test_trl_gets_conversations_with_tools_as_text(prepared: Path) -> None:
    made = export(Path("sft.jsonl"), to="trl", output=OUT)
    first, second = read(OUT)
    assert made.figures == {"rows": 2, "written": 2, "rejected": 0, "kind": "sft"}
    assert [set(first), set(second)] == [{"messages", "tools"}, {"messages"}]
    assert json.loads(first["tools"])[0]["function"]["name"] == "f"
    assert [message["role"] for message in first["messages"]] == ["user", "assistant", "tool", "assistant"]


def test_trl_gets_pairs_and_no_other_columns(prepared: Path) -> None:
    export(Path("pairs.jsonl"), to="trl", output=OUT)
    assert [set(row) - {"tools"} for row in read(OUT)] == [{"prompt", "chosen", "rejected"}] * 2


def test_trl_gets_prompts_with_the_whole_task(prepared: Path) -> None:
    made = export(Path("tasks.jsonl"), to="trl", output=OUT)
    rows = read(OUT)
    assert made.status == 0
    assert [message["role"] for message in rows[0]["prompt"]] == ["system", "user"]
    assert rows[1]["prompt"] == [{"role": "user", "content": "3?"}]
    assert [json.loads(row["task"]) for row in rows] == TASKS
    write(prepared / "rl.jsonl", [task | {"task_source": "mcqa"} for task in TASKS])
    assert export(Path("rl.jsonl"), to="trl", output=OUT, kind="rl").figures["written"] == 2


def test_nemo_rl_gets_tasks_that_name_their_agent(prepared: Path) -> None:
    rows = [
        TASKS[0] | {"task_source": "mcqa"},
        TASKS[0] | {"task_source": "math"},
        TASKS[0] | {"task_source": "math", "agent_ref": {"name": "own"}},
        TASKS[1],
    ]
    write(prepared / "rl.jsonl", rows)
    export(Path("rl.jsonl"), to="nemo-rl", output=OUT, agent=["mcqa=mcqa_simple_agent", "other"])
    made = read(OUT)
    assert [row["agent_ref"]["name"] for row in made] == ["mcqa_simple_agent", "other", "own", "other"]
    assert made[0]["agent_ref"]["type"] == "responses_api_agents"
    assert [{**row, "agent_ref": None} for row in made] == [{**row, "agent_ref": None} for row in rows]


def test_a_task_without_an_agent_is_left_out_of_nemo_rl(prepared: Path) -> None:
    rows = [
        TASKS[0] | {"task_source": "mcqa"},
        TASKS[0] | {"task_source": "math", "agent_ref": {"type": "x"}},
        TASKS[1],
    ]
    write(prepared / "rl.jsonl", rows)
    made = export(Path("rl.jsonl"), to="nemo-rl", output=OUT, agent=["mcqa=mcqa_simple_agent"])
    assert made.figures["written"] == 1
    assert "name the agent by --agent math=AGENT" in made.lines[1]
    assert "name the agent by --agent AGENT" in made.lines[2]


def test_nemo_rl_gets_conversations_with_tools_as_a_list(prepared: Path) -> None:
    export(Path("sft.jsonl"), to="nemo-rl", output=OUT)
    first, second = read(OUT)
    assert [set(first), set(second)] == [{"messages", "tools"}, {"messages"}]
    assert first["tools"][0]["function"]["name"] == "f"


def test_nemo_rl_gets_pairs_that_its_dpo_learns_whole(prepared: Path) -> None:
    tools, plain = read("pairs.jsonl")
    (told,) = plain["chosen"]
    lines = [tools, plain, plain | {"chosen": [told, {"role": "user", "content": "Sure?"}, told]}]
    write(prepared / "pairs.jsonl", lines)
    made = export(Path("pairs.jsonl"), to="nemo-rl", output=OUT)
    (row,) = read(OUT)
    assert row["context"] == plain["prompt"]
    assert [(each["rank"], each["completion"]) for each in row["completions"]] == [
        (0, plain["chosen"]),
        (1, plain["rejected"]),
    ]
    assert "the pair has tools" in made.lines[1]
    assert "chosen has 3 messages" in made.lines[2]


def test_openrlhf_gets_tools_calls_and_results_as_text(prepared: Path) -> None:
    made = export(Path("sft.jsonl"), to="openrlhf", output=OUT)
    first, second = read(OUT)
    assert made.figures["written"] == 2
    system, user, called, returned, said = first["messages"]
    assert system["role"] == "system"
    assert '"name": "f"' in system["content"]
    assert [each["role"] for each in (user, called, returned, said)] == ["user", "assistant", "user", "assistant"]
    assert re.fullmatch(r'<tool_call>\n\{"name": "\w+", "arguments": .*\}\n</tool_call>', called["content"])
    assert re.fullmatch(r"<tool_response>\n.*\n</tool_response>", returned["content"])
    assert [each["role"] for each in second["messages"]] == ["user", "assistant"]
    assert {name for row in (first, second) for each in row["messages"] for name in each} <= {
        "role",
        "content",
        "reasoning_content",
    }


def test_openrlhf_gets_pairs_that_it_learns_whole(prepared: Path) -> None:
    tools, plain = read("pairs.jsonl")
    (told,) = plain["chosen"]
    write(prepared / "pairs.jsonl", [tools | {"chosen": [told]}, plain, plain | {"rejected": [told, told]}])
    made = export(Path("pairs.jsonl"), to="openrlhf", output=OUT)
    first, second = read(OUT)
    assert first["prompt"][0]["role"] == "system"
    assert {name: second[name] for name in second} == {name: plain[name] for name in ("prompt", "chosen", "rejected")}
    assert "rejected has 2 messages" in made.lines[1]


def test_openrlhf_gets_prompts_with_the_whole_task_as_label(prepared: Path) -> None:
    with_tool = {"responses_create_params": {"input": "Use f.", "tools": TOOLS}, "task_source": "office"}
    write(prepared / "tasks.jsonl", [*TASKS, with_tool])
    assert export(Path("tasks.jsonl"), to="openrlhf", output=OUT).figures["written"] == 3
    rows = read(OUT)
    assert [json.loads(row["label"]) for row in rows] == [*TASKS, with_tool]
    assert [row["datasource"] for row in rows] == ["default", "default", "office"]
    told = rows[2]["prompt"][0]["content"]
    assert '\n{"type": "function", "function": {"name": "f", "parameters": {' in told


def test_verl_gets_conversations_as_parquet_with_tools_as_text(prepared: Path) -> None:
    made = export(Path("sft.jsonl"), to="verl", output=Path("out.parquet"))
    first, second = pq.read_table("out.parquet").to_pylist()
    assert made.figures == {"rows": 2, "written": 2, "rejected": 0, "kind": "sft"}
    assert '"name": "f"' in first["messages"][0]["content"]
    assert [each["role"] for each in first["messages"]] == ["system", "user", "assistant", "user", "assistant"]
    assert [each["role"] for each in second["messages"]] == ["user", "assistant"]


def test_verl_gets_prompts_with_answer_and_task_in_both_formats(prepared: Path) -> None:
    listed = {"responses_create_params": {"input": "Use f.", "tools": TOOLS}, "expected_answer": ["a"]}
    tasks = [*TASKS, listed | {"task_source": "office"}]
    write(prepared / "tasks.jsonl", tasks)
    for output in (OUT, Path("out.parquet")):
        assert export(Path("tasks.jsonl"), to="verl", output=output).figures["written"] == 3
    rows, columns = read(OUT), pq.read_table("out.parquet").to_pylist()
    assert [row["reward_model"]["ground_truth"] for row in rows] == ["4", "", '["a"]']
    assert [json.loads(row["extra_info"]["task"]) for row in rows] == tasks
    assert [row["data_source"] for row in rows] == ["default", "default", "office"]
    for row in columns:
        row["prompt"] = [{name: text for name, text in each.items() if text is not None} for each in row["prompt"]]
    assert columns == rows


def test_parquet_of_many_rows_and_of_none_is_whole(prepared: Path) -> None:
    write(prepared / "tasks.jsonl", TASKS * 1001)
    export(Path("tasks.jsonl"), to="verl", output=Path("out.parquet"))
    assert pq.read_table("out.parquet").num_rows == 2002
    write(prepared / "none.jsonl", [{"prompt": []}])
    assert export(Path("none.jsonl"), to="verl", output=Path("none.parquet")).status != 0
    assert pq.read_table("none.parquet").num_rows == 0


def test_results_that_follow_each_other_are_one_message() -> None:
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    results = [{"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}]
    messages = [{"role": "assistant", "content": "Both.", "tool_calls": [call, call]}, *results]
    said, returned = as_text(messages)
    assert said["content"].count('{"name": "f", "arguments": {"a": 1}}') == 2
    assert said["content"].startswith("Both.\n<tool_call>")
    assert returned == {
        "role": "user",
        "content": "<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response>",
    }


def test_parts_of_text_are_joined_and_pictures_refused(here: Path) -> None:
    texts, user = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], {"role": "user", "content": "q"}
    picture, said = [{"type": "image_url", "image_url": {"url": "data:x"}}], {"role": "assistant", "content": "a"}
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    returned = {"role": "tool", "tool_call_id": "c", "name": "f", "content": texts}
    rows = [
        {"messages": [{"role": "system", "content": texts}, {"role": "user", "content": texts}, said], "tools": TOOLS},
        {"messages": [user, {"role": "assistant", "content": texts, "tool_calls": [called]}, returned, said]},
        {"messages": [{"role": "user", "content": picture}, said]},
        {"messages": [user, said | {"thinking": "hm"}]},
        {"messages": [{"role": "user", "content": [{"type": "video", "video": "v"}]}, said]},
    ]
    write(here / "sft.jsonl", rows)
    for to, output in (("openrlhf", OUT), ("verl", Path("out.parquet"))):
        made = export(Path("sft.jsonl"), to=to, output=output)
        first, second = read(OUT) if to == "openrlhf" else pq.read_table(output).to_pylist()
        assert first["messages"][0]["content"].startswith("a\nb\n\n# Tools")
        assert [each["content"] for each in first["messages"][1:]] == ["a\nb", "a"]
        assert second["messages"][1]["content"].startswith("a\nb\n<tool_call>")
        assert second["messages"][2]["content"] == "<tool_response>\na\nb\n</tool_response>"
        assert made.lines[1:4] == [
            f"sft.jsonl:3: message 1: {to} takes no pictures",
            f"sft.jsonl:4: message 2: {to} takes no field 'thinking', which would be lost",
            f"sft.jsonl:5: message 1: {to} takes no parts of the type 'video'",
        ]
    asked = [{"type": "input_image", "image_url": "data:x", "detail": "auto"}, {"type": "input_text", "text": "w?"}]
    write(here / "t.jsonl", [{"responses_create_params": {"input": [{"role": "user", "content": asked}]}}])
    assert "verl takes no pictures" in export(Path("t.jsonl"), to="verl", output=OUT).lines[1]
    assert export(Path("t.jsonl"), to="trl", output=OUT).figures["written"] == 1


def test_a_row_of_a_form_that_nobody_thought_of_is_left_out(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def convert(row: dict) -> dict:
        return {"text": row["messages"][3]["content"]}

    monkeypatch.setitem(TARGETS["trl"], "sft", convert)
    made = export(Path("sft.jsonl"), to="trl", output=OUT)
    assert (made.figures["written"], made.figures["rejected"]) == (1, 1)
    assert "sft.jsonl:2: trl cannot be given this row: IndexError" in made.lines[1]


def test_verl_gets_the_answer_from_where_it_stands(here: Path) -> None:
    asked = {"responses_create_params": {"input": "q"}}
    rows = [
        {"verifier_metadata": {"expected_answer": "4"}},
        {"task_data": {"expected_answer": 5}},
        {"expected_answer": None},
    ]
    write(here / "t.jsonl", [asked | row for row in rows])
    export(Path("t.jsonl"), to="verl", output=OUT)
    assert [row["reward_model"]["ground_truth"] for row in read(OUT)] == ["4", "5", ""]


def test_a_damaged_input_is_told(prepared: Path) -> None:
    row = read("sft.jsonl")[1]
    lines = "".join(json.dumps(row | {"task_index": n, "x": os.urandom(1000).hex()}) + "\n" for n in range(3000))
    packed = gzip.compress(lines.encode())
    Path("cut.jsonl.gz").write_bytes(packed[: len(packed) // 2])
    made = export(Path("cut.jsonl.gz"), to="trl", output=OUT)
    assert made.status == 1
    assert made.figures["written"] == len(read(OUT)) > 0
    assert "the gzip data is damaged or ends too early" in made.lines[-2]
    assert "damaged" in read("rejects.jsonl")[-1]["reason"]


def test_what_is_left_out_is_named(prepared: Path) -> None:
    good = read("sft.jsonl")[1]
    write(prepared / "mixed.jsonl", [good, "x", good | {"messages": []}, {"prompt": []}])
    made = export(Path("mixed.jsonl"), to="trl", output=OUT)
    assert (made.figures["written"], made.figures["rejected"], len(read(OUT))) == (1, 3, 1)
    assert [reject["line"] for reject in read("rejects.jsonl")] == [2, 3, 4]
    assert "mixed.jsonl:2: not JSON" in made.lines[1]


def test_rows_that_a_framework_does_not_take_are_status_1(prepared: Path) -> None:
    made = export(Path("r.jsonl"), to="trl", output=OUT)
    assert made.status == 1
    assert (
        "a row of the kind rollouts: trl takes sft, preference, tasks, rl. Make them with gym-rollouts prepare"
        in made.lines[1]
    )
    write(prepared / "other.jsonl", [{"a": 1}])
    assert "a row of no known kind" in export(Path("other.jsonl"), to="trl", output=OUT).lines[1]


def test_wrong_use_is_a_fault(prepared: Path) -> None:
    for options, said in (
        ({"to": "tlr"}, "--to tlr: expected one of trl, nemo-rl, openrlhf, verl"),
        ({"to": "trl", "kind": "pairs"}, "--kind pairs: trl takes sft, preference, tasks, rl"),
        ({"to": "nemo-rl", "agent": ["a", "b"]}, "a second agent for all rows"),
        ({"to": "nemo-rl", "agent": ["a=b", "a=c"]}, "a second agent for a"),
        ({"to": "nemo-rl", "agent": ["=b"]}, "expected AGENT, or TASK_SOURCE=AGENT"),
        ({"to": "nemo-rl", "agent": ["a"]}, "--agent is for task rows, and these are of the kind sft"),
        ({"to": "trl", "output": Path("sft.jsonl")}, "is an input too"),
        ({"to": "trl", "output": Path("out.csv")}, "must be one of .jsonl"),
        ({"to": "trl", "output": Path("out.parquet")}, "must be one of .jsonl"),
        ({"to": "verl"}, "verl reads sft rows from Parquet only"),
        ({"to": "verl", "kind": "preference"}, "verl takes sft, tasks, rl"),
    ):
        with pytest.raises(Fault, match=said):
            export(Path("sft.jsonl"), **({"output": OUT} | options))
    assert not OUT.exists()


def test_each_target_names_kinds_that_check_knows() -> None:
    from gym_rollouts.kinds import KINDS

    assert all(set(takes) <= set(KINDS) for takes in TARGETS.values())
