"""Items of the Responses API as chat messages, as a chat template reads them.

What a message cannot hold in the order in which it was written is refused: nothing is moved, merged or dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import Raw, Struct

from gym_rollouts.errors import Unusable

STEP = "conversation"


class Part(Struct, gc=False):
    """A part of an item's content, or of a reasoning item's summary."""

    type: str = ""
    text: str | None = None
    image_url: str | None = None
    detail: str | None = None
    file_id: str | None = None


class Item(Struct, gc=False):
    """An item of a request's input or of a response's output: what the model reads and writes of it."""

    type: str | None = None
    role: str | None = None
    content: str | list[Part] | None = None
    status: str | None = None
    phase: str | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | None = None
    output: str | list[Part] | None = None

    @property
    def kind(self) -> str:
        """The item's type; an item with a role and without a type is a message."""
        return self.type or ("message" if self.role is not None else "")


class Function(Struct, gc=False):
    """The name of a tool and its arguments as the model wrote them, or as an object."""

    name: str
    arguments: str


class ToolCall(Struct, gc=False):
    """A tool call of an assistant's message."""

    id: str
    function: Function
    type: str = "function"


class Message(Struct, gc=False):
    """A message in OpenAI's chat format."""

    role: str
    content: str | list[dict[str, Any]] | None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


@dataclass(frozen=True)
class Template:
    """What a chat template wants: see the options of `prepare`."""

    arguments: Literal["text", "object"] = "text"
    developer: Literal["keep", "system"] = "keep"
    reasoning: str | None = "reasoning_content"
    empty: Literal["null", "text"] = "null"


def to_messages(items: list[Item]) -> list[Message]:
    """Chat messages from items. What the model writes between two inputs is one message where its order allows.

    Raises:
        Unusable: an item that no chat message can hold, or that no message can hold where it stands.
    """
    messages: list[Message] = []
    turn: Message | None = None  # the assistant's message that further items may still join
    for place, item in enumerate(items):
        kind = item.type or item.kind
        if kind == "message" and item.role == "assistant":
            if item.phase:
                raise Unusable(STEP, f"a message of the phase {item.phase!r}, which chat messages do not have")
            text = _answer(item.content)
            if turn is None or turn.content is not None or turn.tool_calls:
                _refuse_after_calls(turn, "text", items[place:])
                messages.append(turn := Message("assistant", None))
            turn.content = text
        elif kind == "reasoning":
            if text := _reasoning(item):
                if turn is None or turn.content is not None or turn.tool_calls:
                    _refuse_after_calls(turn, "reasoning", items[place:])
                    messages.append(turn := Message("assistant", None))
                turn.reasoning = f"{turn.reasoning}\n\n{text}" if turn.reasoning else text
        elif kind == "function_call":
            if item.call_id is None or item.name is None or item.arguments is None:
                raise Unusable(STEP, f"a call without a call_id, a name or arguments: {item.name or item.call_id}")
            if item.namespace:
                raise Unusable(STEP, f"a call with the namespace {item.namespace!r}, which chat messages do not have")
            if turn is None:
                messages.append(turn := Message("assistant", None))
            if turn.tool_calls is None:
                turn.tool_calls = []
            turn.tool_calls.append(ToolCall(item.call_id, Function(item.name, item.arguments)))
        elif kind == "function_call_output":
            turn = None
            if item.call_id is None:
                raise Unusable(STEP, "a result without a call_id")
            messages.append(Message("tool", content_of(item.output, "a result"), tool_call_id=item.call_id))
        elif kind == "message" and item.role in ("user", "system", "developer"):
            turn = None
            messages.append(Message(item.role, content_of(item.content, f"a message of the role {item.role}")))
        elif kind == "message":
            raise Unusable(STEP, f"a message of the role {item.role!r}, which chat messages do not have")
        else:
            raise Unusable(STEP, f"an item of type {kind or None!r}, which is no chat message")
    return messages


def _refuse_after_calls(turn: Message | None, what: str, rest: list[Item]) -> None:
    """Refuse what stands between calls and their results: a message has its calls at its end."""
    if turn is None or not turn.tool_calls:
        return
    results = {item.call_id for item in rest if item.type == "function_call_output"}
    missing = [call.id for call in turn.tool_calls if call.id not in results]
    if missing:
        raise Unusable(STEP, f"the call {missing[0]} has no result")
    raise Unusable(STEP, f"{what} between a call and its result: in a chat message nothing stands behind a call")


def _answer(content: str | list[Part] | None) -> str:
    """The text of what an assistant said."""
    if isinstance(content, str):
        return content
    if content is None:
        raise Unusable(STEP, "a message of the role assistant without content")
    for part in content:
        if part.type != "output_text" or part.text is None:
            raise Unusable(STEP, f"a part of type {part.type!r} where 'output_text' with a text is expected")
    return content[0].text or "" if len(content) == 1 else "".join([part.text or "" for part in content])


def _reasoning(item: Item) -> str:
    """The text of a reasoning item: its content if the model gives it, else its summary."""
    if isinstance(item.content, str) and item.content:
        return item.content
    parts = item.content if isinstance(item.content, list) and item.content else item.summary or []
    if not parts and item.encrypted_content:
        raise Unusable(STEP, "encrypted reasoning, which has no text to train on")
    return "\n\n".join([part.text or "" for part in parts])


def content_of(content: str | list[Part] | None, owner: str) -> str | list[dict[str, Any]]:
    """What a chat message holds of an input's content: text, or parts where there are several or images."""
    if isinstance(content, str):
        return content
    if content is None:
        raise Unusable(STEP, f"{owner} without content")
    if len(content) == 1 and content[0].type == "input_text" and content[0].text is not None:
        return content[0].text
    return [_chat_part(part) for part in content]


def _chat_part(part: Part) -> dict[str, Any]:
    if part.type == "input_text" and part.text is not None:
        return {"type": "text", "text": part.text}
    if part.type == "input_image" and part.image_url:
        return {"type": "image_url", "image_url": {"url": part.image_url, "detail": part.detail or "auto"}}
    raise Unusable(STEP, f"a part of type {part.type!r} without a text or an image's URL")


def to_chat_tools(tools: Any) -> list[dict[str, Any]] | None:
    """The tools of a chat request from those of a Responses request, in its shape or in that of chat; None for none.

    Raises:
        Unusable: what is no list of functions.
    """
    if tools is None:
        return None
    if not isinstance(tools, list):
        raise Unusable(STEP, f"tools: expected a list, found {json_type(tools)}")
    made = []
    for number, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise Unusable(STEP, f"tools[{number}]: expected an object, found {json_type(tool)}")
        if tool.get("type") != "function":
            raise Unusable(STEP, f"a tool of type {tool.get('type')!r}, which chat models do not have")
        inner = tool.get("function", tool)
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str) or not inner["name"]:
            raise Unusable(STEP, f"tools[{number}]: a function without a name")
        order = ("name", "description", "parameters", "strict")
        keys = [*order, *(key for key in inner if key not in (*order, "type"))]
        made.append({"type": "function", "function": {k: inner[k] for k in keys if inner.get(k) is not None}})
    return made or None


def json_type(value: Any) -> str:
    """What JSON calls the type of a value."""
    names = {dict: "an object", list: "an array", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def check_turns(messages: list[Message], waiting: frozenset[str] = frozenset()) -> frozenset[str]:
    """See that calls and results match. Returns the calls that are still to be answered at the end.

    `waiting` are those that the messages before leave open.

    Raises:
        Unusable: a call without a result, a result without a call, or two calls of one turn with one id.
    """
    missing = waiting
    for message in messages:
        if message.role == "tool":
            if message.tool_call_id not in missing:
                raise Unusable(STEP, f"the result of {message.tool_call_id} follows no call of that id")
            missing = missing - {message.tool_call_id}
            continue
        if missing:
            raise Unusable(STEP, f"the call {min(missing)} has no result")
        if message.tool_calls:
            ids = [call.id for call in message.tool_calls]
            missing = frozenset(ids)
            if len(missing) < len(ids):
                raise Unusable(STEP, f"two calls of one turn have the id {next(i for i in ids if ids.count(i) > 1)}")
    return missing


def check_end(messages: list[Message]) -> None:
    """See that the model has the last word.

    Raises:
        Unusable: it has not.
    """
    last = messages[-1] if messages else None
    if last is None or last.role != "assistant" or not ((last.content and _has_text(last)) or last.tool_calls):
        raise Unusable("no answer", "the output does not end with an answer or a call of the model")


def _has_text(message: Message) -> bool:
    return not isinstance(message.content, str) or not message.content.isspace()


def render(messages: list[Message], template: Template) -> list[dict[str, Any]]:
    """Messages as a chat template wants them, ready for JSON.

    Raises:
        Unusable: the template wants arguments as an object, and the model wrote none.
    """
    made = []
    for message in messages:
        role = "system" if message.role == "developer" and template.developer == "system" else message.role
        content = "" if message.content is None and template.empty == "text" else message.content
        row: dict[str, Any] = {"role": role, "content": content}
        if message.reasoning is not None and template.reasoning:
            row[template.reasoning] = message.reasoning
        if message.tool_calls:
            row["tool_calls"] = [
                {
                    "id": call.id,
                    "function": {"name": call.function.name, "arguments": _arguments(call.function, template)},
                    "type": call.type,
                }
                for call in message.tool_calls
            ]
        if message.tool_call_id is not None:
            row["tool_call_id"] = message.tool_call_id
        made.append(row)
    return made


def plain(arguments: str) -> str:
    """Arguments without the white space between their parts, numbers as they were written; as they are, if no JSON."""
    try:
        return msgspec.json.format(arguments, indent=-1)
    except (msgspec.DecodeError, RecursionError, ValueError):
        return arguments


def _arguments(function: Function, template: Template) -> Any:
    if template.arguments == "text":
        return function.arguments
    assert isinstance(function.arguments, str)
    try:
        found = msgspec.json.decode(function.arguments) if function.arguments.strip() else {}
    except (msgspec.DecodeError, RecursionError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise Unusable(STEP, f"the arguments of {function.name} are no JSON object, which --arguments object asks for")
    # As they were written, but on one line: a row is one.
    return Raw(plain(function.arguments).encode() if function.arguments.strip() else b"{}")
