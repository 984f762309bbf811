"""A chat message is judged in every kind of row that has some: a planted fault is named with the nearest name."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from harness.consumers import problems
from harness.consumers.chat import messages_fault, tools_fault

CALL = {"id": "a", "type": "function", "function": {"name": "add", "arguments": '{"x": 1}'}}
TALK: list[dict[str, Any]] = [
    {"role": "developer", "content": "Add."},
    {"role": "user", "content": [{"type": "text", "text": "1+1"}, {"type": "image"}], "name": "ann"},
    {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "Hm."},
    {"role": "tool", "content": "2", "tool_call_id": "a"},
    {"role": "assistant", "content": "2", "train": True},
]
TOOLS = [
    {"type": "function", "function": {"name": "add", "description": "Adds.", "parameters": {"type": "object"}}},
    {"type": "function", "name": "add", "parameters": {}},
    {"name": "add", "parameters": {}},
    '{"type": "function"}',
]

#: Where in the messages, what stands there instead, and what is said.
FAULTS = [
    ((1, "role"), "usr", "m[1].role: expected one of system, developer, user, assistant, tool, found 'usr'; did you"),
    ((1, "role"), None, "found None"),
    ((1, "content"), None, "m[1].content: a message of the user says something"),
    ((1, "content"), 2, "m[1].content: expected a text or a list of parts, found 2"),
    ((1, "content"), [{"typ": "text", "text": "x"}], "m[1].content[0]: no 'type'; did you mean 'typ'?"),
    ((1, "content"), [{"type": "txt", "text": "x"}], "did you mean 'text'?"),
    ((1, "content"), [{"type": "text", "txt": "x"}], "m[1].content[0]: no 'text'; did you mean 'txt'?"),
    ((1,), {"role": "user", "contnt": "x"}, "m[1]: nothing reads the key 'contnt': did you mean 'content'?"),
    ((1,), {"rol": "user", "content": "x"}, "did you mean 'role'?"),
    ((1,), "x", 'm[1]: expected an object, found "x"'),
    ((3, "tool_call_idd"), "a", None),
    ((2, "tool_calls"), CALL, "m[2].tool_calls: expected a list"),
    ((2, "tool_calls", 0, "function", "arguments"), "{x", "expected a JSON object as text, found"),
    ((2, "tool_calls", 0, "function", "arguments"), "1", "function.arguments: expected a JSON object, found 1"),
    ((2, "tool_calls", 0, "function", "arguments"), {"x": 1}, None),
    ((2, "tool_calls", 0), {"functon": {}}, "did you mean 'function'?"),
    ((2, "tool_calls", 0), {"name": "add", "arguments": {}}, None),
]


def test_sound_messages_and_tools_pass() -> None:
    assert messages_fault(TALK, "m") is None
    assert tools_fault(TOOLS) is None
    assert tools_fault(None) is None


@pytest.mark.parametrize(("at", "value", "said"), FAULTS)
def test_a_fault_of_a_message_is_named(at: tuple[int | str, ...], value: Any, said: str | None) -> None:
    talk: Any = copy.deepcopy(TALK)
    inner = talk
    for step in at[:-1]:
        inner = inner[step]
    inner[at[-1]] = value
    found = messages_fault(talk, "m")
    assert found is None if said is None else said in (found or "")


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ({"typ": "function", "function": {"name": "f"}}, "tools[0]: nothing reads the key 'typ': did you mean 'type'?"),
        ({"type": "function", "functon": {}}, "did you mean 'function'?"),
        ({"type": "function", "function": {"nam": "f"}}, "tools[0].function: nothing reads the key 'nam'"),
        ({"type": "function", "function": {"name": "f", "paramters": {}}}, "did you mean 'parameters'?"),
        (1, "tools[0]: expected an object, found 1"),
    ],
)
def test_a_fault_of_a_tool_is_named(tool: Any, said: str) -> None:
    assert said in (tools_fault([tool]) or "")


PLAIN = [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        ("SFT row", {"messages": PLAIN, "tools": TOOLS[:1]}, None),
        ("SFT row", {"messages": PLAIN[::-1]}, "the last message must be the assistant's"),
        ("SFT row", {"messages": PLAIN, "tools": [{"typ": "function"}]}, "did you mean 'type'?"),
        ("preference pair", {"prompt": PLAIN[:1], "chosen": PLAIN[1:], "rejected": PLAIN[1:]}, None),
        ("preference pair", {"prompt": PLAIN[:1], "chosen": PLAIN[1:], "rejected": [{"role": "user"}]}, "rejected[0]"),
        ("NeMo RL sft row", {"messages": [PLAIN[0] | {"role": "usr"}, PLAIN[1]]}, "did you mean 'user'?"),
        ("NeMo RL sft row", {"messages": PLAIN, "tools": [{"typ": "function"}]}, "did you mean 'type'?"),
    ],
)
def test_a_row_of_messages_is_held_to_it(kind: str, row: dict[str, Any], said: str | None) -> None:
    found = problems(kind, json.dumps(row))
    assert found == [] if said is None else said in found[0][1]
