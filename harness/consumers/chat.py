"""Hold chat messages and the tools beside them against what chat templates and trainers read of them.

No framework asks much: TRL and NeMo RL take any role, and a template drops a key that it does not know, so a misspelt
one trains on an empty message. Every kind of row that has messages is judged here. Importable without any package, as
each environment asks it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from harness.nearest import near_miss, nearest

#: Those of OpenAI's chat format, which NeMo Gym and all templates take theirs from.
ROLES = ("system", "developer", "user", "assistant", "tool")

#: What may stand in a message, a tool call, a tool and the function of either. Templates read keys of their own, too,
#: so of others only one that is nearly one of these is refused.
MESSAGE = (
    *("role", "content", "name", "tool_calls", "tool_call_id"),
    *("reasoning_content", "reasoning", "thinking", "refusal", "weight"),
)
CALL = ("id", "type", "function", "name", "arguments")
CALLED = ("name", "arguments")
TOOL = ("type", "function", "name", "description", "parameters", "strict")
FUNCTION = ("name", "description", "parameters", "strict", "return")
#: The keys that hold what a part of a message is, by the part's type; a template may put a picture where it has none.
PARTS = {
    **{name: (name,) for name in ("text", "refusal", "input_audio")},
    **dict.fromkeys(("image", "image_url", "video", "video_url", "audio", "audio_url", "file"), ()),
    **dict.fromkeys(("reasoning", "thinking"), ()),
}


def messages_fault(messages: Any, place: str) -> str | None:
    """What is wrong with a list of messages that stands at ``place`` of a row; None where nothing is."""
    if not isinstance(messages, list):
        return f"{place}: expected a list of messages, found {_short(messages)}"
    return next((said for number, each in enumerate(messages) for said in _message(each, f"{place}[{number}]")), None)


def columns_fault(row: dict[str, Any], names: Iterable[str]) -> str | None:
    """What is wrong with the messages of a row in those of its columns that are lists, and with its tools."""
    for name in names:
        if isinstance(row.get(name), list) and (said := messages_fault(row[name], name)):
            return said
    return tools_fault(row.get("tools"))


def tools_fault(tools: Any) -> str | None:
    """What is wrong with the tools of a row, as OpenAI's chat format or a bare function; a text may hold them."""
    if not isinstance(tools, list):
        return None
    return next((said for number, each in enumerate(tools) for said in _tool(each, f"tools[{number}]")), None)


def _message(message: Any, place: str) -> Iterator[str]:
    yield from _near(message, MESSAGE, place)
    if not isinstance(message, dict):
        return
    role = message.get("role")
    if role not in ROLES:
        found = "there is none" if "role" not in message else f"found {role!r}; {nearest(str(role), ROLES)}"
        yield f"{place}.role: expected one of {', '.join(ROLES)}, {found}"
    calls = message.get("tool_calls")
    if message.get("content") is None and not (role == "assistant" and calls):
        others = [name for name in message if name not in MESSAGE]
        near = nearest("content", others)
        hint = f"; {near}" if near.startswith("did you") else f"; it has {', '.join(message)}"
        yield f"{place}.content: a message of the {role} says something; only one with tool_calls may not{hint}"
    yield from _content(message.get("content"), f"{place}.content")
    if calls is not None and not isinstance(calls, list):
        yield f"{place}.tool_calls: expected a list, found {_short(calls)}"
    for number, call in enumerate(calls if isinstance(calls, list) else []):
        yield from _call(call, f"{place}.tool_calls[{number}]")


def _content(content: Any, place: str) -> Iterator[str]:
    if not isinstance(content, list):
        if not isinstance(content, str | None):
            yield f"{place}: expected a text or a list of parts, found {_short(content)}"
        return
    for number, part in enumerate(content):
        at = f"{place}[{number}]"
        yield from _needed(part, "type", at)
        if not isinstance(part, dict) or "type" not in part:
            continue
        kind = part["type"]
        if kind not in PARTS:
            yield f"{at}.type: found {kind!r}; {nearest(str(kind), PARTS)}"
        else:
            for name in PARTS[kind]:
                yield from _needed(part, name, at)


def _call(call: Any, place: str) -> Iterator[str]:
    yield from _near(call, CALL, place)
    if not isinstance(call, dict):
        return
    called = call
    if "function" in call or "name" not in call:
        yield from _needed(call, "function", place)
        called, place = call.get("function"), f"{place}.function"
    if called is None:
        return
    yield from _near(called, CALLED if called is not call else CALL, place)
    yield from _needed(called, "name", place)
    arguments = called.get("arguments") if isinstance(called, dict) else None
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError as error:
            yield f"{place}.arguments: expected a JSON object as text, found {_short(arguments)}: {error}"
            return
    if arguments is not None and not isinstance(arguments, dict):
        yield f"{place}.arguments: expected a JSON object, found {_short(arguments)}"


def _tool(tool: Any, place: str) -> Iterator[str]:
    if isinstance(tool, str):  # a text of JSON, as some loaders want it
        return
    yield from _near(tool, TOOL, place)
    if not isinstance(tool, dict):
        return
    if "name" in tool:  # a bare function, as TRL and the Responses API have it
        return
    yield from _needed(tool, "function", place)
    if "function" in tool:
        yield from _near(tool["function"], FUNCTION, f"{place}.function")
        yield from _needed(tool["function"], "name", f"{place}.function")


def _near(given: Any, known: tuple[str, ...], place: str) -> Iterator[str]:
    """That something is no object, or has a key that is nearly one that is read, and is not there."""
    if not isinstance(given, dict):
        yield f"{place}: expected an object, found {_short(given)}"
        return
    for name in given:
        if near := near_miss(name, known, given):
            yield f"{place}: nothing reads the key {name!r}: did you mean {near!r}?"


def _needed(given: Any, name: str, place: str) -> Iterator[str]:
    if not isinstance(given, dict):
        yield f"{place}: expected an object, found {_short(given)}"
    elif name not in given:
        near = nearest(name, given)
        yield f"{place}: no {name!r}" + (f"; {near}" if near.startswith("did you") else f"; it has {', '.join(given)}")


def _short(value: Any) -> str:
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
