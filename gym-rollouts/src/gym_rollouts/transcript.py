"""A rollout as lines of text that fit a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.cells import cell_len, chop_cells

from gym_rollouts.loose import Row, compact, inner, text_of
from gym_rollouts.symptoms import View, kind_of, symptoms_of

LABEL = 10


def transcript(view: View, width: int, longest: int | None) -> Iterator[str]:
    """A rollout, turn by turn: no line is wider than `width`, and a text longer than `longest` characters is cut."""
    row = view.row
    said = [f"task {_or_none(view.task)}, attempt {_or_none(view.attempt)}", f"reward {compact(row.get('reward'))}"]
    if view.environment:
        said.append(view.environment)
    if row.get("mask_sample"):
        said.append("masked")
    yield from wrap(": ".join([said[0], ", ".join(said[1:])]), width)
    params = row.get("responses_create_params")
    if isinstance(text := inner(params, "instructions"), str) and text:
        yield from block("system", text, width, longest)
    asked = inner(params, "input")
    for item in asked if isinstance(asked, list) else [{"role": "user", "content": asked}] if asked else []:
        if isinstance(item, dict):
            yield from block(label_of(item), shown(item), width, longest)
    if tools := sorted(view.tools):
        yield from block("tools", ", ".join(tools), width, longest)
    turn, before = 0, "function_call_output"
    for item in view.items:
        kind = kind_of(item)
        turn += before == "function_call_output" != kind
        yield from block(f"turn {turn}", shown(item), width, longest)
        before = kind
    if view.row.get("_ng_failure_class") is not None:
        failure = [row.get("_ng_failure_class"), row.get("_ng_failure_message"), row.get("_ng_failure_response_body")]
        yield from block("failed", ": ".join(text_of(each) for each in failure if each), width, longest)
    if reason := inner(row, "response", "incomplete_details", "reason"):
        yield from block("cut off", text_of(reason), width, longest)
    yield from block("symptoms", ", ".join(symptoms_of(view)) or "none", width, None)


def _or_none(value: int | None) -> str:
    return "none" if value is None else str(value)


def label_of(item: Row) -> str:
    """Who says an item."""
    role = item.get("role")
    return role if isinstance(role, str) else kind_of(item).replace("function_call", "call") or "item"


def shown(item: Row) -> str:
    """An item as a text."""
    kind = kind_of(item)
    if kind == "function_call":
        arguments = item.get("arguments")
        return f"{text_of(item.get('name'))}({arguments if isinstance(arguments, str) else compact(arguments)})"
    if kind == "function_call_output":
        return f"-> {text_of(item.get('output'))}"
    if kind == "reasoning":
        text = text_of(item.get("content") or item.get("summary"))
        return f"(reasoning) {text or 'encrypted' if item.get('encrypted_content') else text}"
    if kind == "message":
        return text_of(item.get("content")) or "(no text)"
    return compact(item)


def block(label: str, text: str, width: int, longest: int | None) -> Iterator[str]:
    """A text beside its label, in lines."""
    if longest is not None and len(text) > longest:
        text = f"{text[:longest]} ... ({len(text) - longest:,} characters more: --full)"
    first = True
    for line in text.split("\n"):
        for piece in wrap(printable(line), max(width - LABEL, 10)) or [""]:
            yield f"{printable(label)[: LABEL - 1] if first else '':{LABEL}}{piece}".rstrip()
            first = False


def printable(text: str) -> str:
    """A text without what a terminal would obey: control characters are shown as JSON writes them."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else "    " if each == "\t" else json.dumps(each)[1:-1] for each in text)


def wrap(text: str, width: int) -> list[str]:
    """A line of text in lines of at most so many columns; wide characters take two. Blanks within stay."""
    lines, line, used = list[str](), "", 0
    for word in text.split(" "):
        size = cell_len(word)
        if line and used + 1 + size > width:
            lines.append(line)
            line, used = "", 0
        elif line:
            line, used = f"{line} ", used + 1
        elif used == 0 and not word and not lines:
            line, used = " ", 1
            continue
        if size > width:
            *whole, word = chop_cells(word, width)
            lines += whole
            size = cell_len(word)
        line, used = line + word, used + size
    return [*lines, line] if line else lines
