"""What goes wrong in a rollout, told from its items. A symptom is a function, and an entry in `SYMPTOMS`."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from gym_rollouts.facts import TROUBLE
from gym_rollouts.loose import Row, compact, index, inner, number, text_of

#: So many equal calls in a row, with equal results, are a loop.
LOOP = 3
#: A text goes round in circles where its end, of so many characters and bytes, compresses so many times: prose does
#: two or three times.
ENDING, SHORTEST, CIRCLES = 4000, 400, 6


@dataclass
class View:
    """A rollout, read as far as it can be."""

    row: Row
    items: list[Row] = field(default_factory=list)
    calls: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)

    @property
    def reward(self) -> float | None:
        """The reward, if it is a number."""
        return number(self.row.get("reward"))

    @property
    def task(self) -> int | None:
        """NeMo Gym's number of the task."""
        return index(self.row.get("_ng_task_index"))

    @property
    def attempt(self) -> int | None:
        """NeMo Gym's number of the attempt."""
        return index(self.row.get("_ng_rollout_index"))

    @property
    def environment(self) -> str:
        """The environment, by whatever names it."""
        agent = self.row.get("agent_ref")
        name = self.row.get("_ng_environment_server") or inner(agent, "name") or agent or self.row.get("task_source")
        return name if isinstance(name, str) else ""

    @property
    def answer(self) -> str | None:
        """The last message of the model; None where it ends with something else."""
        last = self.items[-1] if self.items else {}
        return text_of(last.get("content")) if kind_of(last) == "message" else None

    @property
    def tools(self) -> set[str]:
        """The names of the tools that the request offers."""
        offered = inner(self.row, "responses_create_params", "tools")
        tools = offered if isinstance(offered, list) else []
        names = [inner(tool, "name") or inner(tool, "function", "name") for tool in tools]
        return {name for name in names if isinstance(name, str)}


def view(row: Row) -> View:
    """A row as a rollout."""
    found = inner(row, "response", "output")
    items = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
    calls = [item for item in items if kind_of(item) == "function_call"]
    return View(row, items, calls, [item for item in items if kind_of(item) == "function_call_output"])


def kind_of(item: Row) -> str:
    """The type of an item; one with a role and no type is a message."""
    kind = item.get("type")
    return kind if isinstance(kind, str) else "message" if "role" in item else ""


def _failed(view: View) -> bool:
    status = inner(view.row, "response", "status")
    return view.row.get("_ng_failure_class") is not None or status in ("failed", "cancelled")


def _cut_off(view: View) -> bool:
    response = view.row.get("response")
    return bool(inner(response, "incomplete_details", "reason")) or inner(response, "status") == "incomplete"


def _no_output(view: View) -> bool:
    return not view.items and not _failed(view)


def _out_of_steps(view: View) -> bool:
    return bool(view.items) and kind_of(view.items[-1]) == "function_call_output"


def _tool_loop(view: View) -> bool:
    results = {str(item.get("call_id")): compact(item.get("output")) for item in view.results}
    said = [(str(call.get("call_id")), compact([call.get("name"), call.get("arguments")])) for call in view.calls]
    keys = [(call, results.get(call_id)) for call_id, call in said]
    return max((len(list(run)) for _, run in groupby(keys)), default=0) >= LOOP


def tells_of_error(item: Row) -> bool:
    """Say whether a tool's result is an error: it begins as one, or it is an object that has one."""
    text = text_of(item.get("output")).strip()
    if text.startswith("{"):
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            body = None
        if isinstance(body, dict):
            return any(body.get(name) for name in ("error", "detail", "exception", "traceback"))
    return bool(TROUBLE.search(text[:100]))


def _tool_error(view: View) -> bool:
    return any(map(tells_of_error, view.results))


def _malformed(view: View) -> bool:
    return any(not is_object(call.get("arguments")) for call in view.calls)


def is_object(arguments: Any) -> bool:
    """Say whether a call's arguments are a JSON object, or nothing."""
    if not isinstance(arguments, str):
        return isinstance(arguments, dict)
    try:
        return isinstance(json.loads(arguments), dict) if arguments.strip() else True
    except (ValueError, RecursionError):
        return False


def _unknown_tool(view: View) -> bool:
    tools = view.tools
    return bool(tools) and any(str(call.get("name")) not in tools for call in view.calls)


def _no_tools_used(view: View) -> bool:
    return bool(view.tools) and not view.calls and bool(view.items)


def _empty_answer(view: View) -> bool:
    return view.answer is not None and not view.answer.strip()


def _reasoning_only(view: View) -> bool:
    return bool(view.items) and kind_of(view.items[-1]) == "reasoning"


def _circles(view: View) -> bool:
    for item in view.items:
        if kind_of(item) in ("message", "reasoning"):
            end = text_of(item.get("content") or item.get("summary"))[-ENDING:].encode("utf-8", "replace")
            if len(end) >= SHORTEST and len(end) >= CIRCLES * len(zlib.compress(end, 1)):
                return True
    return False


#: One entry for each symptom: what it means, and how it is told. `stops early` is told from the task's other attempts.
SYMPTOMS: dict[str, tuple[str, Callable[[View], bool] | None]] = {
    "failed": ("the attempt has no verdict", _failed),
    "cut off": ("a limit ended the model's turn", _cut_off),
    "no output": ("the model returned nothing", _no_output),
    "out of steps": ("the rollout ends with a tool's result", _out_of_steps),
    "tool loop": (f"the same call with the same result, {LOOP} times in a row", _tool_loop),
    "tool error": ("a tool's result is an error", _tool_error),
    "malformed arguments": ("the arguments of a call are no JSON object", _malformed),
    "unknown tool": ("a call of a tool that the request does not offer", _unknown_tool),
    "no tools used": ("tools are offered, and none is called", _no_tools_used),
    "empty answer": ("the last message has no text", _empty_answer),
    "reasoning without answer": ("the rollout ends with reasoning", _reasoning_only),
    "repeats itself": ("a text of the model ends in the same words again and again", _circles),
    "stops early": ("wrong, with fewer calls than a right attempt, and no other symptom", None),
}


def symptoms_of(view: View) -> list[str]:
    """The symptoms of a rollout by itself."""
    return [name for name, (_, shows) in SYMPTOMS.items() if shows and shows(view)]
