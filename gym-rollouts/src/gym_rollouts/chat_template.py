"""Chat templates, rendered as `transformers` renders them, and what of a conversation is not in the text.

The environment is the one that templates of models on the Hugging Face Hub are written for: Jinja's immutable sandbox
with `break` and `continue`, blocks trimmed, `tojson` without escapes, `raise_exception`, `strftime_now`, and the tag
`generation`. Nothing of a template can reach outside of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import jinja2.ext
from jinja2 import nodes
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gym_rollouts.errors import Fault
from gym_rollouts.files import reason_of

Message = dict[str, Any]
#: A character of no language: a text is marked with it, to see whether the template takes it over.
MARK = "\ue000"


class Generation(jinja2.ext.Extension):
    """`{% generation %} ... {% endgeneration %}`, which marks what the model writes: here its inside and no more."""

    tags = {"generation"}  # noqa: RUF012 - the base class has it so

    def parse(self, parser: Parser) -> nodes.Node:
        """Parse the tag."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body, lineno=line)


@dataclass(frozen=True)
class ChatTemplate:
    """The templates of a model by name, and its special tokens."""

    sources: tuple[tuple[str, str], ...]
    tokens: tuple[tuple[str, str], ...] = field(default=())

    def source(self, with_tools: bool) -> str:
        """The template for a conversation: the one called `tool_use` where there are tools, if there is one."""
        named = dict(self.sources)
        return named.get("tool_use", named.get("default", "")) if with_tools else named.get("default", "")


def read_template(place: Path) -> ChatTemplate:
    """Read the chat template of a model's folder, or of a file.

    Raises:
        Fault: there is none, or it is not Jinja.
    """
    if place.is_dir():
        template = _of_folder(place)
    elif place.is_file():
        template = _of_config(place, {}) if place.suffix == ".json" else ChatTemplate((("default", _text(place)),))
    else:
        raise Fault(f"--template {place}: there is no such file or folder. Name a model's folder, or a .jinja file")
    if not dict(template.sources).get("default"):
        raise Fault(
            f"--template {place}: expected chat_template.jinja, or tokenizer_config.json with a chat_template, found "
            "neither. Name the folder that the model's tokenizer is saved in"
        )
    for name, source in template.sources:
        try:
            compile_template(source)
        except jinja2.TemplateError as error:
            raise Fault(f"--template {place}: the template {name!r} is not Jinja: {error}") from None
    return template


def _of_folder(folder: Path) -> ChatTemplate:
    made = ChatTemplate(())
    for name in ("special_tokens_map.json", "tokenizer_config.json", "chat_template.json"):
        if (folder / name).is_file():
            made = _of_config(folder / name, dict(made.tokens), made.sources)
    sources = dict(made.sources)
    if (folder / "chat_template.jinja").is_file():
        sources["default"] = _text(folder / "chat_template.jinja")
    for path in sorted(folder.glob("additional_chat_templates/*.jinja")):
        sources[path.stem] = _text(path)
    return ChatTemplate(tuple(sources.items()), made.tokens)


def _of_config(path: Path, tokens: dict[str, str], before: tuple[tuple[str, str], ...] = ()) -> ChatTemplate:
    try:
        config = json.loads(_text(path))
    except ValueError as error:
        raise Fault(f"--template {path}: not JSON: {error}") from None
    if not isinstance(config, dict):
        raise Fault(f"--template {path}: expected a JSON object")
    for name, value in config.items():
        text = value.get("content") if isinstance(value, dict) else value
        if name.endswith("_token") and isinstance(text, str):
            tokens[name] = text
    found = config.get("chat_template")
    sources = dict(before)
    if isinstance(found, str):
        sources["default"] = found
    for each in found if isinstance(found, list) else ():
        if isinstance(each, dict) and isinstance(each.get("template"), str):
            sources[str(each.get("name", "default"))] = each["template"]
    return ChatTemplate(tuple(sources.items()), tuple(tokens.items()))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Fault(f"--template {path}: cannot be read: {reason_of(error)}") from None


@lru_cache(maxsize=8)
def compile_template(source: str) -> jinja2.Template:
    """Compile a template."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )

    def to_json(
        value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
    ) -> str:
        return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment.filters["tojson"] = to_json
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return environment.from_string(source)


def render(template: ChatTemplate, messages: list[Message], tools: Any, prompt: bool) -> str:
    """The text of a conversation. `prompt`: the model is to go on after it.

    Raises:
        Exception: whatever the template makes of it.
    """
    compiled = compile_template(template.source(bool(tools)))
    return compiled.render(
        messages=messages, tools=tools or None, documents=None, add_generation_prompt=prompt, **dict(template.tokens)
    )


def lost(template: ChatTemplate, messages: list[Message], tools: Any, prompt: bool, reasoning: bool) -> str | None:
    """What is wrong with the text that a template makes of a conversation: it fails, or something is not in it."""
    try:
        text = render(template, messages, tools, prompt)
    except Exception as error:
        said = str(error).splitlines()
        return f"the template fails: {type(error).__name__}: {said[0] if said else ''}"
    spaced = " ".join(text.split())
    places, marked, marked_tools = mark(messages, tools)
    try:
        shown = render(template, marked, marked_tools, prompt)
    except Exception:  # a template that looks into what was marked
        shown = None
    for number, (who, name, value) in enumerate(places):
        if name in REASONING and not reasoning:
            continue
        marks = (marker(number), json.dumps(marker(number))[1:-1])
        missing = shown is not None and not any(each in shown for each in marks)
        if isinstance(value, str) and value.strip() and (missing or not _holds(text, spaced, value)):
            return f"{who} is not in the text, or not all of it"
        if isinstance(value, dict) and (wrong := _arguments(value, text, missing)):
            return f"{who} {wrong}"
    return None


def _holds(text: str, spaced: str, value: str) -> bool:
    spellings = (value.strip(), json.dumps(value.strip())[1:-1], json.dumps(value.strip(), ensure_ascii=False)[1:-1])
    return any(each in text for each in spellings) or " ".join(value.split()) in spaced


def marker(number: int) -> str:
    """The mark of a text."""
    return f"{MARK}{number}{MARK}"


def mark(messages: list[Message], tools: Any) -> tuple[list[tuple[str, str, Any]], list[Message], Any]:
    """Mark all that a text should hold.

    Returns of each mark what it is, the name of its field, and the text or the call that it is in; then the marked
    messages and tools.
    """
    places: list[tuple[str, str, Any]] = []
    made, made_tools = deepcopy(messages), deepcopy(tools)

    def note(holder: dict[str, Any], name: str, who: str) -> None:
        if isinstance(holder.get(name), str):
            places.append((who, name, holder[name]))
            holder[name] += marker(len(places) - 1)

    for place, message in enumerate(made):
        who = f"message {place + 1} ({message.get('role')}): its"
        for name in REASONING:
            note(message, name, f"{who} {name}")
        note(message, "content", f"{who} content")
        for part in message["content"] if isinstance(message.get("content"), list) else ():
            if isinstance(part, dict):
                note(part, "text", f"{who} content")
        for call in message.get("tool_calls") or ():
            function = call.get("function", call) if isinstance(call, dict) else None
            if not isinstance(function, dict):
                continue
            who_calls = f"message {place + 1} ({message.get('role')}): the call of {function.get('name')}"
            before = deepcopy(function)
            note(function, "name", who_calls)
            value = _mapping(function.get("arguments"))
            if value is not None:
                places.append((who_calls, "arguments", before))
                value = value | {marker(len(places) - 1): 1}
                text = isinstance(function["arguments"], str)
                function["arguments"] = json.dumps(value, ensure_ascii=False) if text else value
    for tool in made_tools or ():
        function = tool.get("function", tool) if isinstance(tool, dict) else {}
        if isinstance(function, dict):
            note(function, "name", f"the tool {function.get('name')}")
    return places, made, made_tools


def _mapping(arguments: Any) -> dict[str, Any] | None:
    if isinstance(arguments, dict):
        return arguments
    try:
        value = json.loads(arguments) if isinstance(arguments, str) and arguments.strip() else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


#: The fields that reasoning has in chat messages.
REASONING = ("reasoning_content", "reasoning", "thinking")


def _arguments(function: dict[str, Any], text: str, missing: bool) -> str | None:
    """What of a tool call's arguments is not in the text."""
    arguments = function["arguments"]
    if isinstance(arguments, str) and arguments not in text:
        twice = (json.dumps(arguments), json.dumps(arguments, ensure_ascii=False))
        if twice[0][1:-1] != arguments and any(each in text for each in twice):
            return "has its arguments encoded twice. Write them as an object: gym-rollouts prepare --arguments object"
    leaves = _leaves(_mapping(arguments))
    lacking = missing or any(not any(each in text for each in _spellings(leaf)) for leaf in leaves)
    return "is in the text without its arguments, or without some of them" if lacking else None


def _leaves(value: Any) -> Iterator[Any]:
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            todo += [*one, *one.values()]
        elif isinstance(one, list):
            todo += one
        elif one is not None:
            yield one


def _spellings(value: Any) -> Iterator[str]:
    """How a template may write a value: as text, as JSON, and as JSON within JSON."""
    texts = [value, value.strip()] if isinstance(value, str) else [str(value)]
    yield from texts
    for ascii_only in (False, True):
        made = json.dumps(value, ensure_ascii=ascii_only)
        made = made[1:-1] if isinstance(value, str) else made
        yield made
        yield json.dumps(made, ensure_ascii=ascii_only)[1:-1]
