"""Hold configurations and command lines of TRL against its own parsers, dataclasses and loaders.

``trl sft --config FILE`` hands what it does not know on to ``accelerate launch``, and takes the beginning of a flag for
the flag. Here a key or flag must be one that TRL or Accelerate has, in full; what TRL itself refuses is TRL's message.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import itertools
import json
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

from harness.consumers.chat import columns_fault
from harness.consumers.strict import (
    Problem,
    data_of,
    line_of,
    mapping,
    row_problems,
    unknown_key,
    unknown_keys,
    wrong_values,
)
from harness.nearest import nearest

#: The commands that train, each a module of ``trl.scripts`` with a parser.
COMMANDS = ("sft", "dpo", "grpo")

#: What makes a configuration for GPUs one that this machine's torch takes: TRL's defaults ask for a GPU's bfloat16.
ON_CPU = ["--use_cpu", "true", "--bf16", "false"]


def config(text: str, command: str) -> list[Problem]:
    """What is wrong with a YAML text that ``trl COMMAND --config`` reads."""
    node, problems = mapping(text)
    if node is None:
        return problems
    hints, launcher = _hints(command), _launcher()
    known = {*hints, *launcher, "env", "accelerate_config"}
    for key, value in node.value:
        if key.value not in known:
            problems.append(unknown_key(key, "", known, f"trl {command}"))
        elif key.value in hints:
            found = unknown_keys(hints[key.value], value, f"{key.value}.")
            problems += found or wrong_values(hints[key.value], value, key.value)
    return problems or list(_refused(command, node))


def command_line(text: str) -> list[Problem]:
    """What is wrong with a command line of ``trl``: its flags, their values, and the configuration that it names."""
    words = shlex.split(text.replace("\\\n", " "))
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    if words[1:2] == ["--version"] or len(words) < 2 or words[1] in ("env", "vllm-serve"):
        return []
    command, arguments = words[1], words[2:]
    if command not in COMMANDS:
        return [Problem(1, f"`trl {command}`: {nearest(command, COMMANDS)}")]
    parser, launcher = _parser(command), _launcher()
    flags = {flag for action in parser._actions for flag in action.option_strings} | {"--config"}
    flags |= {flag for action in launcher.values() for flag in action.option_strings} | {"--accelerate_config"}
    given = [word.partition("=")[0] for word in arguments if word.startswith("--")]
    if unknown := [flag for flag in given if flag not in flags]:
        where = [number for number, row in enumerate(text.split("\n"), 1) if unknown[0] in row]
        return [Problem((where or [1])[0], f"`trl {command}` has no flag {unknown[0]}: {nearest(unknown[0], flags)}")]
    for flag, value in itertools.pairwise(arguments):
        if flag == "--config" and (found := config(Path(value).read_text(encoding="utf-8"), command)):
            return [Problem(1, f"{value}:{each.line}: {each.message}") for each in found]
    said = _said(lambda: parser.parse_args_and_config([*arguments, *ON_CPU], return_remaining_strings=True))
    return [Problem(1, said)] if said else []


def rows(text: str, kind: str) -> list[Problem]:
    """What is wrong with lines of JSON that TRL's trainer for ``kind`` reads, as its collator needs them."""
    return row_problems(text.splitlines(), lambda row: _row_fault(row, kind))


#: The sets of columns, of which one must be there whole, that TRL's trainers read.
COLUMNS = {
    "sft": (("messages",), ("prompt", "completion"), ("text",)),
    "preference": (("prompt", "chosen", "rejected"), ("chosen", "rejected")),
    "rl": (("prompt",),),
}


def _row_fault(row: dict[str, Any], kind: str) -> str | None:
    """Why TRL cannot read a row; None where it can. That it is a conversation is TRL's own judgment."""
    from trl import is_conversational

    wanted = COLUMNS[kind]
    if not any(set(columns) <= row.keys() for columns in wanted):
        missing = [name for name in wanted[0] if name not in row]
        others = [name for name in row if name not in wanted[0]]
        hint = f"; {nearest(missing[0], others)}" if nearest(missing[0], others).startswith("did you") else ""
        return f"a {kind} row of TRL needs {' and '.join(missing)}; the row has {', '.join(row)}{hint}"
    if not is_conversational(row) and any(isinstance(row.get(name), list) for name in ("messages", *wanted[0])):
        return "expected messages, each with `role` and `content`; TRL takes this for no conversation"
    return columns_fault(row, ("messages", "prompt", "completion", "chosen", "rejected"))


# ----------------------------------------------------------------------------------------------- TRL's own


def _parser(command: str) -> Any:
    return importlib.import_module(f"trl.scripts.{command}").make_parser(prog=f"trl {command}")


def _hints(command: str) -> dict[str, Any]:
    """The keys that a command's dataclasses read, with their types."""
    found: dict[str, Any] = {}
    for kind in _parser(command).dataclass_types:
        found |= get_type_hints(kind, include_extras=True)
    return found


def _launcher() -> dict[str, argparse.Action]:
    """The settings of ``accelerate launch``, to which TRL hands on what it does not know."""
    from accelerate.commands.launch import launch_command_parser

    return {action.dest: action for action in launch_command_parser()._actions if action.option_strings}


def _refused(command: str, node: Any) -> Iterator[Problem]:
    """What TRL's own parser has against a configuration, with the line of the key that it names."""
    lines = {key.value: line_of(key) for key, _ in node.value}
    data = {key: value for key, value in data_of(node).items() if key != "env"}
    if said := _parsed(command, data):
        named = re.search(r"argument --(\w+)", said)
        told = [key for key in data if f"`{key}`" in said or f"'{key}'" in said]
        # Of a value that TRL refuses it does not always name the key.
        told += [key for key, value in data.items() if isinstance(value, str) and f" {value} " in f" {said} "]
        key = named[1] if named else next(iter(told), None)
        yield Problem(lines.get(key, 1), f"trl {command}: {said}")


def _parsed(command: str, data: dict[str, Any]) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.yaml")
        path.write_text(json.dumps(data, default=str), encoding="utf-8")
        arguments = ["--config", str(path), *ON_CPU]
        return _said(lambda: _parser(command).parse_args_and_config(arguments, return_remaining_strings=True))


def _said(call: Callable[[], Any]) -> str | None:
    """What a call of TRL refuses, in its words; None where it takes everything."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            call()
    except SystemExit:
        return printed.getvalue().strip().rpartition("error: ")[2]
    except (ImportError, TypeError, ValueError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return None
