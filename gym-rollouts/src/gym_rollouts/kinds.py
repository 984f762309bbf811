"""The kinds of rows that `check` knows: how a row of each is told, and what is asked of it beyond its schema.

A check takes a row that its schema passes, and says what is wrong with it, or None.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from gym_rollouts import schema
from gym_rollouts.calls import validator_of
from gym_rollouts.errors import Unusable

Row = dict[str, Any]
Check = Callable[[Row], str | None]


@dataclass(frozen=True)
class Kind:
    """A kind of row: its schema, the fields that only it has, its checks, and what makes two rows one."""

    schema: str
    marks: tuple[str, ...]
    checks: tuple[Check, ...]
    key: Callable[[Row], Any] | None = None
    again: str = ""
    reading: Callable[[Row], Row] = lambda row: row  # as its schema has it, where rows may be written otherwise


class Unsound(Exception):
    """A line that is no row: the message says why."""


def decode(line: bytes) -> Row:
    """The row on a line, as strictly as the strictest reader takes it.

    Raises:
        Unsound: no JSON object, or JSON that only some readers take, or that they read differently.
    """
    if not line.strip():
        raise Unsound("a blank line")
    try:
        row = json.loads(
            line.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse_constant, parse_float=_number
        )
    except RecursionError:
        raise Unsound("nested too deeply to be read") from None
    except UnicodeDecodeError as error:
        raise Unsound(f"not UTF-8: byte {error.start + 1} of the line") from None
    except ValueError as error:
        raise Unsound(f"not JSON: {error}") from None
    if not isinstance(row, dict):
        raise Unsound(f"expected an object, found {schema.quote(row)}")
    if b"\\u" in line:
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise Unsound("a text holds half of a surrogate pair, which UTF-8 cannot hold") from None
        except RecursionError:
            raise Unsound("nested too deeply to be read") from None
    return row


def _once(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        seen = set[str]()
        for key, _ in pairs:
            if key in seen:
                raise Unsound(f"the key {key!r} stands twice in one object")
            seen.add(key)
    return row


def _refuse_constant(name: str) -> None:
    raise Unsound(f"{name} is not JSON")


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise Unsound(f"the number {text[:40]} is too large to be read")
    return value


# ------------------------------------------------------------------------------------------------------ task rows


def prompt_is_there(row: Row) -> str | None:
    """A request has an input that says something."""
    given = row["responses_create_params"].get("input")
    if not given or (isinstance(given, str) and not given.strip()):
        return "responses_create_params.input: empty"
    return None


def temperature_is_possible(row: Row) -> str | None:
    """Model servers take a temperature from 0 to 2, and a share as top_p."""
    params = row["responses_create_params"]
    for name, most in (("temperature", 2), ("top_p", 1)):
        value = params.get(name)
        if isinstance(value, int | float) and not 0 <= value <= most:
            return f"responses_create_params.{name}: {value:g}, expected 0 to {most}"
    return None


def tools_are_schemas(row: Row) -> str | None:
    """Each tool has a name of its own, and its parameters are a JSON Schema."""
    names = set[str]()
    for number, tool in enumerate(row["responses_create_params"].get("tools") or []):
        place = f"responses_create_params.tools[{number}]"
        if not isinstance(tool, dict) or tool.get("type") != "function":
            continue
        name = tool.get("name")
        if name in names:
            return f"{place}: a second tool of the name {name!r}"
        names.add(str(name))
        parameters = tool.get("parameters")
        if parameters and not _elsewhere(parameters) and validator_of(parameters) is None:
            return f"{place}.parameters: no JSON Schema"
    return None


def _elsewhere(given: Any) -> bool:
    """Say whether a schema refers to one that is not in the row: nobody can tell then, and nothing is fetched."""
    try:
        text = json.dumps(given)
    except (ValueError, RecursionError):
        return True
    return '"$ref": "http' in text or '"$schema"' in text


def answer_is_an_option(row: Row) -> str | None:
    """An expected answer is one of the options: the text itself, the letter that it has, or its place's letter."""
    options, answer = row.get("options"), row.get("expected_answer")
    if not isinstance(options, list) or not options or not isinstance(answer, str):
        return None
    known = set[str]()
    for number, option in enumerate(options):
        if isinstance(option, dict):
            known |= {str(each) for each in option.values()} | (set(option) if len(option) == 1 else set())
        elif isinstance(option, str):
            known.add(option)
        else:
            return None
        if not isinstance(option, dict) or len(option) != 1:  # an option without a letter has that of its place
            known.add(chr(65 + number))
    if answer.strip().casefold() not in {each.strip().casefold() for each in known}:
        return f"expected_answer: {schema.quote(answer)} is none of the options"
    return None


def one_value_for_a_field(row: Row) -> str | None:
    """NeMo Gym reads a field from `verifier_metadata` or from the row: two values contradict each other."""
    for holder in ("verifier_metadata", "task_data"):
        inner: Any = row.get(holder)
        for name, value in inner.items() if isinstance(inner, dict) else ():
            if name in row and row[name] != value:
                return f"{name}: another value in {holder}"
    return None


# --------------------------------------------------------------------------------------------------- rollout rows


def has_output(row: Row) -> str | None:
    """The model wrote something."""
    return None if row["response"].get("output") else "response.output: empty"


def has_indices(row: Row) -> str | None:
    """Trainers tell tasks and attempts by NeMo Gym's numbers."""
    for name in ("_ng_task_index", "_ng_rollout_index"):
        value = row.get(name)
        if type(value) is not int or value < 0:
            return f"{name}: expected a whole number from 0, found {schema.quote(value)}"
    return None


def attempt_of(row: Row) -> Any:
    """Which attempt at which task of which environment a rollout is."""
    agent = row.get("agent_ref")
    name = agent.get("name") if isinstance(agent, dict) else agent
    environment = row.get("_ng_environment_server") or name or row.get("task_source")
    return [environment, row.get("_ng_task_index"), row.get("_ng_rollout_index")]


# -------------------------------------------------------------------------------------------------- training rows


#: What chat templates read of a message.
FIELDS = ("role", "content", "name", "reasoning_content", "tool_calls", "tool_call_id")


def conversation(row: Row) -> str | None:
    """An SFT conversation: what the model learns stands last, and calls and results match."""
    messages = row["messages"]
    return _turns(messages, "messages", row) or _ends("messages", messages) or _unoffered(messages, "messages", row)


def sides(row: Row) -> str | None:
    """Two sides of a pair: each a continuation of the prompt, and not the same.

    A rejected side may call what no tool is: that can be why it is the worse one.
    """
    for side in ("chosen", "rejected"):
        if wrong := _turns([*row["prompt"], *row[side]], f"prompt and {side}", row) or _ends(side, row[side]):
            return wrong
    if wrong := _unoffered(row["chosen"], "chosen", row):
        return wrong
    if row["chosen"] == row["rejected"]:
        return "chosen and rejected are the same"
    better, worse = row.get("chosen_reward"), row.get("rejected_reward")
    if isinstance(better, int | float) and isinstance(worse, int | float) and not better > worse:
        return f"chosen_reward {better:g} is not above rejected_reward {worse:g}"
    return None


def _ends(place: str, messages: list[Any]) -> str | None:
    last = messages[-1]
    if last.get("role") != "assistant":
        return f"{place}: the last message has the role {last.get('role')!r}, expected 'assistant'"
    content = last.get("content")
    texts = [content] if isinstance(content, str) else [part.get("text", part) for part in content or ()]
    if not last.get("tool_calls") and not any(not isinstance(text, str) or text.strip() for text in texts):
        return f"{place}: the last message says and calls nothing"
    return None


def _unoffered(messages: list[Any], place: str, row: Row) -> str | None:
    """A call of a tool that the row does not offer, where it offers some: the model would learn to make tools up."""
    tools = [tool.get("function", tool) for tool in row.get("tools") or ()]
    names = {tool.get("name") for tool in tools if isinstance(tool, dict)}
    for number, message in enumerate(messages):
        for call in message.get("tool_calls") or ():
            if names and (name := call["function"].get("name")) not in names:
                return f"{place}[{number}]: a call of {schema.quote(name)}, which is none of the row's tools"
    return None


def _content(message: Any, where: str, row: Row) -> str | None:
    """What a template would pass over in silence: a field that is nearly one that it reads, a part with no value."""
    for name in message:
        if name not in FIELDS and (near := get_close_matches(name, FIELDS, 1, 0.85)):
            return f"{where}: the unknown field {name!r}. Is {near[0]!r} meant?"
    content = message.get("content")
    if not isinstance(content, list):
        return None
    if not content and not message.get("tool_calls"):
        return f"{where}.content: an empty list"
    for number, part in enumerate(content):
        kind = part.get("type")
        if isinstance(kind, str) and not _shows(part, kind, row):
            return f"{where}.content[{number}]: a part of the type {kind!r} without what it shows"
    return None


def _shows(part: Any, kind: str, row: Row) -> bool:
    """Say whether a part has its value: a text, an address, or what a column beside the messages holds."""
    if kind == "text":
        return isinstance(part.get("text"), str)
    held = [part.get(name) for name in (kind, "url", "path", "base64", "data")]
    held = [each.get("url", each) if isinstance(each, dict) else each for each in held]
    return any(held) or bool(row.get(kind) or row.get(f"{kind}s"))


def _turns(messages: list[Any], place: str, row: Row) -> str | None:
    waiting = set[Any]()
    for number, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        where = f"{place}[{number}]"
        if wrong := _content(message, where, row):
            return wrong
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                return f"{where}: the result of {schema.quote(message.get('tool_call_id'))} follows no call of that id"
            waiting.discard(message.get("tool_call_id"))
            if content is None:
                return f"{where}.content: a result without content"
            continue
        if waiting:
            return f"{where}: the call {min(map(str, waiting))} has no result before it"
        if content is None and not message.get("tool_calls"):
            return f"{where}.content: null, and no call"
        for call in message.get("tool_calls") or ():
            if call.get("id") in waiting:
                return f"{where}: two calls have the id {schema.quote(call.get('id'))}"
            waiting.add(call.get("id"))
            arguments = call["function"].get("arguments")
            if isinstance(arguments, str) and arguments.strip():
                try:
                    given = json.loads(arguments)
                except (ValueError, RecursionError):
                    return f"{where}: the arguments of {call['function'].get('name')} are not JSON"
                if not isinstance(given, dict):
                    return f"{where}: the arguments of {call['function'].get('name')} are no JSON object"
    return None


def arguments_as_text(row: Row) -> Row:
    """A training row whose arguments are objects, for a template that wants them so, as the schema has it."""
    made = dict(row)
    for name in ("messages", "prompt", "chosen", "rejected"):
        if isinstance(row.get(name), list):
            made[name] = [_call_as_text(message) for message in row[name]]
    return made


def _call_as_text(message: Any) -> Any:
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    if not isinstance(calls, list):
        return message
    made = []
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        is_object = isinstance(function, dict) and isinstance(function.get("arguments"), dict)
        made.append(call | {"function": function | {"arguments": "{}"}} if is_object and function else call)
    return message | {"tool_calls": made}


TASK = (prompt_is_there, temperature_is_possible, tools_are_schemas, answer_is_an_option, one_value_for_a_field)
WHOLE: Callable[[Row], Any] = lambda row: row  # noqa: E731
AGAIN = "the same row as"

#: One entry for each kind, the one with the most telling fields first.
KINDS = {
    "preference": Kind("preference-pair", ("chosen", "rejected"), (sides,), WHOLE, AGAIN, arguments_as_text),
    "sft": Kind("sft-row", ("messages",), (conversation,), WHOLE, AGAIN, arguments_as_text),
    "failures": Kind("failure-row", ("_ng_failure_class",), ()),
    "rollouts": Kind("rollout-row", ("response",), (has_output, has_indices), attempt_of, "the same attempt as"),
    "inputs": Kind("materialized-input", ("responses_create_params", "_ng_rollout_index"), TASK, WHOLE, AGAIN),
    "tasks": Kind("task-row", ("responses_create_params",), TASK, WHOLE, "the same task as"),
    "rl": Kind("rl-row", (), TASK, WHOLE, "the same task as"),
}


def kind_of(row: Row) -> str | None:
    """The kind that a row's fields tell; None where they tell none."""
    return next((name for name, kind in KINDS.items() if kind.marks and all(mark in row for mark in kind.marks)), None)


def faults(kind: str, row: Row) -> Iterator[str]:
    """What is wrong with a row of a kind, the first of it. Nothing is raised."""
    known = KINDS[kind]
    try:
        if wrong := schema.fault(known.schema, known.reading(row)):
            yield wrong
            return
        for check in known.checks:
            if wrong := check(row):
                yield wrong
                return
    except Unusable as error:
        yield error.reason
    except (RecursionError, ValueError, OverflowError, TypeError, KeyError, AttributeError, IndexError) as error:
        yield f"cannot be read as a row of the kind {kind}: {type(error).__name__}"
