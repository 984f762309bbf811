"""A row of anybody's data as a task row: a request, and the fields that the environment's verifier needs."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from gym_rollouts.errors import Unusable

Row = dict[str, Any]
#: Columns that hold a question, or a conversation, in the order in which they are looked for.
QUESTIONS = ("question", "prompt", "problem", "instruction", "query", "input", "text")
CONVERSATIONS = ("messages", "conversations", "conversation", "prompt", "chat")
ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "observation": "tool"}
PLACE = re.compile(r"\{([^{}\n]+)\}")
#: The name under which the answer that a conversation ends with can be mapped.
ANSWER = "_answer"


@dataclass(frozen=True)
class Recipe:
    """How rows become tasks: see the options of `tasks`."""

    question: str | None = None
    messages: str | None = None
    fields: tuple[tuple[str, str], ...] = ()
    needed: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    json: tuple[str, ...] = ()
    letters: bool = False
    system: str | None = None
    template: str | None = None
    tools: tuple[Any, ...] = ()
    task_source: str | None = None
    agent: str | None = None
    used: set[str] = field(default_factory=set, compare=False)


def task_of(row: Row, recipe: Recipe) -> Row:
    """A task row.

    Raises:
        Unusable: what it lacks, or cannot hold.
    """
    row = dict(row)
    for name in recipe.json:
        if isinstance(row.get(name), str):
            row[name] = _parse(name, row[name])
    if recipe.letters:
        _letter(row, recipe)
    given = row.get("responses_create_params")
    if isinstance(given, dict) and recipe.question is None and recipe.messages is None:
        recipe.used.add("responses_create_params")
        request = {**given}
        items = request.get("input")
        items = [{"role": "user", "content": items}] if isinstance(items, str) else items
        if not isinstance(items, list):
            raise Unusable("prompt", "responses_create_params.input: expected a text or a list")
    else:
        request, items = {}, _prompt(row, recipe)
    if recipe.system is not None and not any(isinstance(i, dict) and i.get("role") == "system" for i in items):
        items = [{"role": "system", "content": recipe.system}, *items]
    request["input"] = items
    if recipe.tools:
        request["tools"] = list(recipe.tools)
    made: Row = {"responses_create_params": request}
    for target, column in recipe.fields:
        found = _get(row, column)
        recipe.used.add(column.partition(".")[0])
        if _missing(found):
            raise Unusable("field", _lacking(row, column, f"which --map {target}={column} asks for"))
        _put(made, target, found)
    for name in (*recipe.needed, *recipe.keep):
        if _get(made, name) is None and not _missing(found := _get(row, name)):
            recipe.used.add(name.partition(".")[0])
            _put(made, name, found)
    if recipe.task_source:
        made["task_source"] = recipe.task_source
    if recipe.agent:
        made["agent_ref"] = {"type": "responses_api_agents", "name": recipe.agent}
    plain: Row = to_json(made)
    return plain


def _lacking(row: Row, column: str, asked: str) -> str:
    """Why a column gives nothing: there is none, or it is empty here."""
    if column in row or column.partition(".")[0] in row or column == ANSWER:
        return f"no value in the column {column!r}, {asked}"
    return f"no column {column!r}, {asked}. There are: {_names(row)}"


def _parse(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Unusable("field", f"the column {name!r} holds no JSON: {text[:40]!r}") from None


def _missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _get(row: Row, name: str) -> Any:
    """A column, or what lies in it: `a.b` is b within a, unless a column is called so."""
    if name in row:
        return row[name]
    value: Any = row
    for step in name.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def _put(row: Row, name: str, value: Any) -> None:
    *outer, last = name.split(".")
    for step in outer:
        inner = row.setdefault(step, {})
        if not isinstance(inner, dict):
            raise Unusable("field", f"{name}: {step} is a field of its own, which holds no other")
        row = inner
    row[last] = value


def _letter(row: Row, recipe: Recipe) -> None:
    """Options as NeMo Gym has them, each with its letter, and the answer as a letter."""
    sources = dict(recipe.fields)
    column, answer_column = sources.get("options", "options"), sources.get("expected_answer", "expected_answer")
    options, answer = _get(row, column), _get(row, answer_column)
    if isinstance(options, dict) and isinstance(options.get("text"), list):  # as ARC has them: texts and labels
        labels = options.get("label")
        texts = options["text"]
        pairs = list(zip(labels, texts, strict=False)) if isinstance(labels, list) and len(labels) == len(texts) else []
        options = texts
        answer = next((n for n, (label, _) in enumerate(pairs) if label == answer), answer)
    if not isinstance(options, list) or not options or not all(isinstance(option, str) for option in options):
        raise Unusable("field", f"--letters: expected a list of texts in the column {column!r}. Is --parse needed?")
    if len(options) > 26:
        raise Unusable("field", f"--letters: {len(options)} options, and the alphabet has 26 letters")
    letters = [chr(65 + number) for number in range(len(options))]
    if isinstance(answer, str) and answer.strip().isdigit() and answer not in options:
        answer = int(answer)
    if isinstance(answer, int) and not isinstance(answer, bool) and 0 <= answer < len(options):
        letter = letters[answer]
    elif isinstance(answer, str) and options.count(answer) == 1:
        letter = letters[options.index(answer)]
    elif isinstance(answer, str) and answer.strip().upper() in letters:
        letter = answer.strip().upper()
    else:
        raise Unusable("field", f"--letters: the answer {answer!r} is none of the options")
    _put(row, column, [{each: option} for each, option in zip(letters, options, strict=True)])
    _put(row, answer_column, letter)
    row.setdefault("_options", "\n".join(f"{each}: {option}" for each, option in zip(letters, options, strict=True)))


def _prompt(row: Row, recipe: Recipe) -> list[Row]:
    """The request's input."""
    column = recipe.messages
    if column is None and recipe.question is None:
        column = next((name for name in CONVERSATIONS if isinstance(row.get(name), list)), None)
    if column is not None:
        recipe.used.add(column.partition(".")[0])
        found = _get(row, column)
        if not isinstance(found, list):
            raise Unusable("prompt", f"the column {column!r} holds no list of messages")
        return _conversation(found, row, recipe)
    name = recipe.question or next((each for each in QUESTIONS if isinstance(row.get(each), str)), None)
    if name is None and recipe.template is not None and (places := _places(recipe.template, row)):
        if all(_missing(_get(row, place)) for place in places):
            raise Unusable("prompt", f"no text in the columns of the template: {', '.join(places)}")
        return [{"role": "user", "content": _filled(None, row, recipe)}]
    if name is None:
        raise Unusable(
            "prompt", f"no column is known as the question: name one with --question. There are: {_names(row)}"
        )
    text = _get(row, name)
    recipe.used.add(name.partition(".")[0])
    if not isinstance(text, str) or not text.strip():
        raise Unusable(
            "prompt",
            f"no text in the column {name!r}" if name in row else _lacking(row, name, "which --question names"),
        )
    if name == "instruction" and recipe.question is None and isinstance(row.get("input"), str) and row["input"].strip():
        recipe.used.add("input")
        text = f"{text}\n\n{row['input']}"
    return [{"role": "user", "content": _filled(text, row, recipe)}]


def _names(row: Row) -> str:
    return ", ".join(map(str, row))


def _places(template: str, row: Row) -> list[str]:
    """The columns of a row that a template names; none if it also asks for a question, which the row has not."""
    names = [found[1] for found in PLACE.finditer(template)]
    return [] if "question" in names else [name for name in names if name.partition(".")[0] in row]


def _filled(text: str | None, row: Row, recipe: Recipe) -> str:
    """The template with the row's values in it. Braces around what is no column stay: LaTeX has many.

    `text` is the question; with none, the template has no place for it.
    """
    if recipe.template is None:
        return text or ""
    values = row if text is None else {**row, "question": text}
    if "_options" in row:
        values = {**values, "options": row["_options"]}

    def value_of(found: re.Match[str]) -> str:
        name = found[1]
        value = _get(values, name)
        if name not in values and value is None:
            return found[0]
        recipe.used.add(name.partition(".")[0])
        return value if isinstance(value, str) else json.dumps(to_json(value), ensure_ascii=False)

    return PLACE.sub(value_of, recipe.template)


def _conversation(messages: list[Any], row: Row, recipe: Recipe) -> list[Row]:
    """Chat messages, in OpenAI's form or ShareGPT's, as items: up to the last one that is not the model's."""
    items: list[Row] = []
    ends: list[tuple[int, bool]] = []
    answer = ""
    for number, message in enumerate(messages):
        if not isinstance(message, dict):
            raise Unusable("prompt", f"message {number + 1}: expected an object")
        role = message.get("role", message.get("from"))
        role = ROLES.get(role, role) if isinstance(role, str) else role
        content = message.get("content", message.get("value"))
        if role == "assistant":
            if content not in (None, "", []):
                answer = content if isinstance(content, str) else json.dumps(to_json(content))
                items.append({"role": "assistant", "content": _content(content, number)})
            for call in message.get("tool_calls") or ():
                items.append(_call(call, number))
        elif role == "tool":
            if not isinstance(message.get("tool_call_id"), str):
                raise Unusable("prompt", f"message {number + 1}: a tool's result without a tool_call_id")
            output = content if isinstance(content, str) else json.dumps(to_json(content), ensure_ascii=False)
            items.append({"type": "function_call_output", "call_id": message["tool_call_id"], "output": output})
        elif role in ("user", "system", "developer"):
            items.append({"role": role, "content": _content(content, number)})
        else:
            raise Unusable("prompt", f"message {number + 1}: the role {role!r} is none of a conversation")
        ends.append((len(items), role == "assistant"))
    while ends and ends[-1][1]:
        ends.pop()
    if not ends:
        raise Unusable("prompt", "no message asks the model for something")
    row[ANSWER] = answer if len(ends) < len(messages) else ""
    kept = items[: ends[-1][0]]
    last = kept[-1]
    if recipe.template is not None and last.get("role") == "user" and isinstance(last.get("content"), str):
        last["content"] = _filled(last["content"], row, recipe)
    return kept


def _content(content: Any, number: int) -> Any:
    if isinstance(content, str):
        return content
    parts: list[Row] = []
    for part in content if isinstance(content, list) else [None]:
        if isinstance(part, dict) and part.get("type") in ("text", "input_text") and isinstance(part.get("text"), str):
            parts.append({"type": "input_text", "text": part["text"]})
        elif isinstance(part, dict) and part.get("type") in ("image_url", "input_image"):
            url = part.get("image_url")
            holder = {"url": url, "detail": part.get("detail")} if isinstance(url, str) else url
            if not isinstance(holder, dict) or not isinstance(holder.get("url"), str):
                raise Unusable("prompt", f"message {number + 1}: a picture without an address")
            image = {"type": "input_image", "image_url": holder["url"], "detail": holder.get("detail") or "auto"}
            parts.append(image)
        else:
            raise Unusable("prompt", f"message {number + 1}: expected a text, or parts of text and pictures")
    return parts


def _call(call: Any, number: int) -> Row:
    function = call.get("function") if isinstance(call, dict) else None
    known = isinstance(function, dict) and isinstance(function.get("name"), str) and isinstance(call.get("id"), str)
    if not known or not isinstance(function, dict):
        raise Unusable("prompt", f"message {number + 1}: a tool call without an id or a name")
    arguments = function.get("arguments")
    text = arguments if isinstance(arguments, str) else json.dumps(to_json(arguments or {}), ensure_ascii=False)
    return {"type": "function_call", "call_id": call["id"], "name": function["name"], "arguments": text}


def to_json(value: Any) -> Any:
    """A value of a table as JSON has it.

    Raises:
        Unusable: bytes, or a number that JSON does not have.
    """
    if isinstance(value, dict):
        return {str(key): to_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise Unusable("field", f"the number {value}, which JSON does not have")
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise Unusable("field", f"a value of the type {type(value).__name__}, which JSON does not have")


def to_tools(tools: Any) -> tuple[Any, ...]:
    """Tools of a request, from those of chat or of the Responses API.

    Raises:
        Unusable: it is no list of functions.
    """
    made = []
    for tool in tools if isinstance(tools, list) else [None]:
        inner = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
            raise Unusable("tools", "expected a list of functions, each with a name")
        rest = {key: value for key, value in inner.items() if key not in ("type", "parameters", "strict")}
        strict = bool(inner.get("strict", False))
        made.append({"type": "function", **rest, "parameters": inner.get("parameters") or {}, "strict": strict})
    return tuple(made)
