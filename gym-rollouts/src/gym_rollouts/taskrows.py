"""A row of anybody's data as a task row: a request, and the fields that the environment's verifier needs."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
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


#: What an answer to lettered options can be: each is a way to read it.
READINGS = ("letter", "text", "number")
#: Fields of a message that hold what a model thought: chat servers and datasets call it by either name.
THOUGHTS = ("reasoning_content", "reasoning", "thinking")


@dataclass(frozen=True)
class Unreadable:
    """Stands in a row for a value that could not be read: a row is rejected if it is used."""

    reason: str


@dataclass
class Numbers:
    """What all answers of a column together tell of how each is to be read: see `survey_letters`."""

    fits: Counter[str] = field(default_factory=Counter)
    zeros: int = 0
    lasts: int = 0
    numbered: int = 0

    @property
    def first(self) -> int:
        """From which number the answers count the options. A 0 can only be counted from 0."""
        return 1 if self.lasts and not self.zeros else 0

    @property
    def only(self) -> str | None:
        """The one reading that makes sense of every answer that any reading makes sense of."""
        whole = [reading for reading in READINGS if self.fits["any"] and self.fits[reading] == self.fits["any"]]
        return whole[0] if len(whole) == 1 else None

    def said(self) -> list[str]:
        """What a user has to know of the numbers, where they do not show it themselves."""
        if self.first:
            return ["--letters: the answers' numbers count from 1: none is 0, and some are that of the last option"]
        if self.numbered and not self.zeros:
            return ["--letters: no answer shows whether its numbers count from 0 or from 1. They were read as from 0"]
        return []


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
    numbers: Numbers = field(default_factory=lambda: Numbers(), compare=False)
    #: The columns that were used, and --template if it was.
    used: set[str] = field(default_factory=set, compare=False)
    #: Which options found nothing to do, and in how many of the rows.
    idle: Counter[str] = field(default_factory=Counter, compare=False)


def task_of(row: Row, recipe: Recipe) -> Row:
    """A task row.

    Raises:
        Unusable: what it lacks, or cannot hold.
    """
    row = _parsed(row, recipe)
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
    if recipe.system is not None:
        if any(isinstance(item, dict) and item.get("role") == "system" for item in items):
            recipe.idle["--system"] += 1
        else:
            items = [{"role": "system", "content": recipe.system}, *items]
    request["input"] = items
    if recipe.tools:
        recipe.idle["--tools"] += bool(request.get("tools"))
        request["tools"] = request.get("tools") or list(recipe.tools)
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


def _parsed(row: Row, recipe: Recipe) -> Row:
    """A copy of a row, with the columns as values whose text is JSON."""
    row = dict(row)
    for name in recipe.json:
        if isinstance(row.get(name), str):
            row[name] = _parse(name, row[name])
    return row


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
    column, answer_column = _letter_columns(recipe)
    options, answer, label = _choices(row, recipe)
    letters = [chr(65 + number) for number in range(len(options))]
    if label is not None:
        letter = letters[label]
    else:
        found = _readings(options, answer, recipe.numbers.first)
        if (only := recipe.numbers.only) and only in found:
            found = {only: found[only]}
        places = sorted(set(found.values()))
        if not places:
            raise Unusable("field", f"--letters: the answer {answer!r} is none of the options")
        if len(places) > 1:
            told = ", ".join(f"as a {reading} {letters[place]}" for reading, place in found.items())
            raise Unusable("field", f"--letters: the answer {answer!r} can be read in more than one way: {told}")
        letter = letters[places[0]]
    _put(row, column, [{each: option} for each, option in zip(letters, options, strict=True)])
    _put(row, answer_column, letter)
    row.setdefault("_options", "\n".join(f"{each}: {option}" for each, option in zip(letters, options, strict=True)))


def _letter_columns(recipe: Recipe) -> tuple[str, str]:
    """The columns of the options and of the answer."""
    sources = dict(recipe.fields)
    return sources.get("options", "options"), sources.get("expected_answer", "expected_answer")


def _choices(row: Row, recipe: Recipe) -> tuple[list[str], Any, int | None]:
    """The options of a row, its answer, and which option that is where the options have labels of their own.

    Raises:
        Unusable: the options are no list of texts, or too many.
    """
    column, answer_column = _letter_columns(recipe)
    options, answer = _get(row, column), _get(row, answer_column)
    label = None
    if isinstance(options, dict) and isinstance(options.get("text"), list):  # as ARC has them: texts and labels
        labels = options.get("label")
        options = options["text"]
        if isinstance(labels, list) and len(labels) == len(options) and labels.count(answer) == 1:
            label = labels.index(answer)
    if not isinstance(options, list) or not options or not all(isinstance(option, str) for option in options):
        raise Unusable("field", f"--letters: expected a list of texts in the column {column!r}. Is --parse needed?")
    if len(options) > 26:
        raise Unusable("field", f"--letters: {len(options)} options, and the alphabet has 26 letters")
    return options, answer, label


def _readings(options: list[str], answer: Any, first: int) -> dict[str, int]:
    """The option, by its place, that each way to read an answer makes of it."""
    found: dict[str, int] = {}
    if isinstance(answer, bool) or not isinstance(answer, str | int):
        return found
    text = str(answer)
    letter = text.strip().upper()
    if len(letter) == 1 and 0 <= ord(letter) - 65 < len(options):
        found["letter"] = ord(letter) - 65
    if options.count(text) == 1:
        found["text"] = options.index(text)
    number = int(letter) if letter.isdecimal() and len(letter) < 4 else -1
    if 0 <= number - first < len(options):
        found["number"] = number - first
    return found


def survey_letters(rows: Iterable[Row], recipe: Recipe) -> None:
    """Look at all answers before any is read: one number alone does not show from where it counts the options."""
    numbers = recipe.numbers
    for row in rows:
        try:
            options, answer, label = _choices(_parsed(row, recipe), recipe)
        except Unusable:
            continue
        if label is not None:
            continue
        from_0, from_1 = (_readings(options, answer, first) for first in (0, 1))
        if ("number" in from_0 or "number" in from_1) and not {"letter", "text"} & set(from_0):
            numbers.numbered += 1
            numbers.zeros += "number" not in from_1
            numbers.lasts += "number" not in from_0
        numbers.fits.update({"letter", "text"} & set(from_0))
        numbers.fits.update(f"from {first}" for first, each in enumerate((from_0, from_1)) if "number" in each)
        numbers.fits["any"] += bool(from_0 or from_1)
    numbers.fits["number"] = numbers.fits[f"from {numbers.first}"]


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


def misspelled(template: str, columns: Iterable[str], letters: bool) -> tuple[str, str] | None:
    """A place of a template that is no column, with the column that is nearest; None where all of them may be meant.

    Braces around what is no column stay, since LaTeX has many. So a place is misspelled if it is nearly a column and
    no argument of a LaTeX command, or if the template has no place that is a column.
    """
    known = [*columns, "question", *(["options"] if letters else [])]
    places = list(PLACE.finditer(template))
    strange = [place for place in places if place[1] not in known and place[1].partition(".")[0] not in known]
    alone = len(strange) == len(places)
    for place in strange:
        argument = re.search(r"[\w}\]^]$", template[: place.start()])
        near = get_close_matches(place[1], known, 1, 0.0 if alone else 0.8)
        if near and (alone or not argument):
            return place[1], near[0]
    return None


def _filled(text: str | None, row: Row, recipe: Recipe) -> str:
    """The template with the row's values in it. Braces around what is no column stay: LaTeX has many.

    `text` is the question; with none, the template has no place for it.
    """
    if recipe.template is None:
        return text or ""
    recipe.used.add("--template")
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
    turns = [_turn(message, number) for number, message in enumerate(messages)]
    end = len(turns)
    while end and turns[end - 1][0] == "assistant":
        end -= 1
    if not end:
        raise Unusable("prompt", "no message asks the model for something")
    # Only what is taken off is an answer: an earlier turn answers an earlier question.
    row[ANSWER] = next((text for n in range(len(turns) - 1, end - 1, -1) if (text := _said(turns[n][1], n))), "")
    items: list[Row] = []
    for number, (role, content) in enumerate(turns[:end]):
        message = messages[number]
        _refuse_lost(message, role, number)
        if role == "assistant":
            items += _assistant(message, content, number)
        elif role == "tool":
            if not isinstance(message.get("tool_call_id"), str):
                raise Unusable("prompt", f"message {number + 1}: a tool's result without a tool_call_id")
            output = content if isinstance(content, str) else json.dumps(to_json(content), ensure_ascii=False)
            items.append({"type": "function_call_output", "call_id": message["tool_call_id"], "output": output})
        else:
            items.append({"role": role, "content": _content(content, number)})
    last = items[-1]
    if recipe.template is not None and last.get("role") == "user" and isinstance(last.get("content"), str):
        last["content"] = _filled(last["content"], row, recipe)
    return items


def _turn(message: Any, number: int) -> tuple[str, Any]:
    """The role and the content of a message. A table has all columns in all rows: an empty one says nothing."""
    if not isinstance(message, dict):
        raise Unusable("prompt", f"message {number + 1}: expected an object")
    role = message.get("from") if message.get("role") is None else message["role"]
    role = ROLES.get(role, role) if isinstance(role, str) else role
    if role not in ("user", "system", "developer", "assistant", "tool"):
        raise Unusable("prompt", f"message {number + 1}: the role {role!r} is none of a conversation")
    return role, message.get("value") if message.get("content") is None else message["content"]


def _refuse_lost(message: Row, role: str, number: int) -> None:
    """Refuse what a message says and no item can hold: a history without it is another one."""
    lost = {
        "function_call": "which tool_calls have replaced",
        "refusal": "which a task row cannot hold",
        "audio": "which a task row cannot hold",
    }
    if role != "tool":  # there it is the tool's, which the call has
        lost["name"] = "which a task row cannot hold"
    if role != "assistant":
        lost |= dict.fromkeys((*THOUGHTS, "tool_calls"), f"which a message of the role {role} does not have")
    for name, why in lost.items():
        if message.get(name) not in (None, "", [], {}):
            raise Unusable("prompt", f"message {number + 1}: {name}, {why}")


def _assistant(message: Row, content: Any, number: int) -> list[Row]:
    """The items of an assistant's message in the history: what it thought, said and called."""
    items: list[Row] = []
    thoughts = [message[name] for name in THOUGHTS if message.get(name) not in (None, "", [], {})]
    if thoughts:
        if not isinstance(thoughts[0], str) or any(each != thoughts[0] for each in thoughts):
            raise Unusable("prompt", f"message {number + 1}: expected one text as reasoning")
        summary = [{"type": "summary_text", "text": thoughts[0]}]
        items.append({"type": "reasoning", "id": f"rs_{number + 1}", "summary": summary})
    calls = [_call(call, number) for call in message.get("tool_calls") or ()]
    text = _said(content, number)
    if text or not (items or calls):  # an empty turn is a turn, too
        items.append({"role": "assistant", "content": text})
    return items + calls


def _said(content: Any, number: int) -> str:
    """What an assistant said: its text, or that of its parts."""
    if content is None or isinstance(content, str):
        return content or ""
    texts = []
    for part in content if isinstance(content, list) else [None]:
        given = part if isinstance(part, dict) else {}
        if given.get("type") not in ("text", "output_text", "input_text") or not isinstance(given.get("text"), str):
            raise Unusable("prompt", f"message {number + 1}: expected a text, or parts of text, of the assistant")
        texts.append(given["text"])
    return "".join(texts)


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
        return _exact(value)
    if isinstance(value, Unreadable):
        raise Unusable("field", value.reason)
    raise Unusable("field", f"a value of the type {type(value).__name__}, which JSON does not have")


def _exact(value: Decimal) -> int | float | str:
    """A decimal number as JSON readers take it whole: as a number where they get all digits, else as text."""
    if not value.is_finite():
        raise Unusable("field", f"the number {value}, which JSON does not have")
    if value == value.to_integral_value():
        return int(value)
    near = float(value)
    return near if Decimal(repr(near)) == value else f"{value:f}".rstrip("0")


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
