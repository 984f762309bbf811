"""Tools, their calls and their results as text of the messages, for loaders that give a chat template just messages.

The words are those of the Hermes format, which the chat templates of Qwen 2.5 and 3 write.
"""

from __future__ import annotations

import json
from typing import Any

from gym_rollouts.errors import Unusable

Row = dict[str, Any]

#: How a model is told of its tools: in its system message, with one tool on a line.
TOOLS = """\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{tools}
</tools>

For each function call, return a json object with function name and arguments within \
<tool_call></tool_call> XML tags:
<tool_call>
{{"name": <function-name>, "arguments": <args-json-object>}}
</tool_call>"""


def with_tools(messages: list[Row], tools: list[Row]) -> list[Row]:
    """The messages with the tools in the system message, which is made where there is none."""
    if not tools:
        return messages
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    told = TOOLS.format(tools=lines)
    if messages and messages[0]["role"] == "system":
        first = messages[0]
        return [first | {"content": f"{first['content']}\n\n{told}"}, *messages[1:]]
    return [{"role": "system", "content": told}, *messages]


#: The fields of a message that a conversation as text has or that become its text; `name` is that of a result's tool.
HELD = {"role", "content", "reasoning_content", "tool_calls", "tool_call_id"}


def as_text(messages: list[Row], loader: str = "the loader") -> list[Row]:
    """The messages with tool calls in the text of the assistant, and results as messages of the user.

    Results that follow each other are one message, as the templates have them.

    Raises:
        Unusable: a message has what no text can hold, and `loader` would not get it.
    """
    made: list[Row] = []
    after_result = False
    for number, message in enumerate(messages):
        content = _text(message.get("content"), number, loader)
        held = HELD | {"name"} if message["role"] == "tool" else HELD
        for name, value in message.items():
            if name not in held and value not in (None, "", [], {}):
                raise Unusable("fields", f"message {number + 1}: {loader} takes no field {name!r}, which would be lost")
        if message["role"] == "tool":
            text = f"<tool_response>\n{content}\n</tool_response>"
            if after_result:
                made[-1]["content"] += f"\n{text}"
            else:
                made.append({"role": "user", "content": text})
        else:
            calls = [_call(call["function"]) for call in message.get("tool_calls") or []]
            text = "\n".join([content, *calls] if content else calls)
            kept = {name: value for name, value in message.items() if name in ("role", "reasoning_content")}
            made.append(kept | {"content": text})
        after_result = message["role"] == "tool"
    return made


def _text(content: Any, number: int, loader: str) -> str:
    """A content as one text: its parts are joined by line breaks, as vLLM does for a template that takes texts."""
    if content is None or isinstance(content, str):
        return content or ""
    for part in content:
        kind = part.get("type")
        if kind != "text" or not isinstance(part.get("text"), str):
            what = "no pictures" if kind in ("image", "image_url", "input_image") else f"no parts of the type {kind!r}"
            raise Unusable("parts", f"message {number + 1}: {loader} takes {what}")
    return "\n".join(part["text"] for part in content)


def _call(function: Row) -> str:
    """A call as its tag. The arguments stand as the model wrote them, also where they are no JSON."""
    arguments = function["arguments"]
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return f'<tool_call>\n{{"name": {json.dumps(function["name"])}, "arguments": {arguments or "{}"}}}\n</tool_call>'
