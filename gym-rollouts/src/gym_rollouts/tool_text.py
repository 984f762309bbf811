"""Tools, their calls and their results as text of the messages, for loaders that give a chat template just messages.

The words are those of the Hermes format, which the chat templates of Qwen 2.5 and 3 write.
"""

from __future__ import annotations

import json
from typing import Any

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


def as_text(messages: list[Row]) -> list[Row]:
    """The messages with tool calls in the text of the assistant, and results as messages of the user.

    Results that follow each other are one message, as the templates have them.
    """
    made: list[Row] = []
    after_result = False
    for message in messages:
        if message["role"] == "tool":
            text = f"<tool_response>\n{message['content']}\n</tool_response>"
            if after_result:
                made[-1]["content"] += f"\n{text}"
            else:
                made.append({"role": "user", "content": text})
        else:
            calls = [_call(call["function"]) for call in message.get("tool_calls") or []]
            text = "\n".join([message["content"], *calls] if message.get("content") else calls)
            kept = {name: value for name, value in message.items() if name in ("role", "reasoning_content")}
            made.append(kept | {"content": text})
        after_result = message["role"] == "tool"
    return made


def _call(function: Row) -> str:
    """A call as its tag. The arguments stand as the model wrote them, also where they are no JSON."""
    arguments = function["arguments"]
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return f'<tool_call>\n{{"name": {json.dumps(function["name"])}, "arguments": {arguments or "{}"}}}\n</tool_call>'
