"""Hold command lines and rows of OpenRLHF against its own argument parsers and loaders.

OpenRLHF's programs import vLLM, DeepSpeed and Ray before they parse; here just what they do when they are started is
run, up to where they would train (``docs/downloads/openrlhf_dry_run.py``, which readers have too). Its parsers take the
beginning of a flag for the flag; here a flag must be one that it has, in full.
"""

from __future__ import annotations

import re
from typing import Any

from harness.consumers import downloads
from harness.consumers.chat import columns_fault
from harness.consumers.strict import Problem, row_problems
from harness.nearest import nearest

#: What the rows of a kind have, by the names that the pages give to the loader's keys.
COLUMNS = {"sft": ("messages",), "preference": ("prompt", "chosen", "rejected"), "prompt": ("prompt", "label")}


def dry_run() -> Any:
    """The program that readers try their scripts with."""
    return downloads.program("openrlhf_dry_run")


def flags() -> dict[str, list[str]]:
    """The flags of each command, as its parser has them."""
    program = dry_run()
    return {
        f"openrlhf.cli.{command}": [
            flag for action in program.parser_of(command)._actions for flag in action.option_strings
        ]
        for command in program.COMMANDS
    }


def command_line(text: str) -> list[Problem]:
    """What is wrong with the commands of OpenRLHF in a text of a shell: their names, flags and values."""
    program = dry_run()
    try:
        found = list(program.commands_in(text))
    except ValueError as error:
        return [Problem(1, f"not a shell's words: {error}")]
    if not found:
        return [Problem(1, "no `openrlhf.cli.COMMAND` is started here")]
    problems = []
    for command, arguments in found:
        try:
            program.parsed(command, arguments)
        except program.Refused as refused:
            problems.append(Problem(_line(text, str(refused), command), str(refused)))
    return problems


def _line(text: str, said: str, command: str) -> int:
    """The line of the flag that a refusal names; else that of the command."""
    lines = text.split("\n")
    for flag in re.findall(r"--[\w.]+", said):
        for number, line in enumerate(lines, 1):
            if re.search(rf"(?<![\w.]){re.escape(flag)}(?![\w.])", line):
                return number
    return next(number for number, line in enumerate(lines, 1) if f"openrlhf.cli.{command}" in line)


def rows(text: str, kind: str) -> list[Problem]:
    """What is wrong with lines of JSON that a loader of OpenRLHF reads, as it reads them."""
    return row_problems(text.splitlines(), lambda row: _row_fault(row, kind))


def _row_fault(row: dict[str, Any], kind: str) -> str | None:
    """Why the loader of a kind cannot read a row, or would read it as something else; None where it can."""
    from openrlhf.datasets import prompts_dataset, reward_dataset, sft_dataset

    try:
        if kind == "sft":
            sft_dataset.preprocess_data(row, None, "messages", None, _template)
        elif kind == "preference":
            reward_dataset.preprocess_data(row, None, "prompt", "chosen", "rejected", _template, is_dpo=True)
        else:
            prompts_dataset.preprocess_data(row, None, "prompt", "label", _template)
    except KeyError as error:
        missing = str(error.args[0])
        near = nearest(missing, [name for name in row if name not in COLUMNS[kind]])
        hint = f"; {near}" if near.startswith("did you") else ""
        return f"OpenRLHF's loader asks a {kind} row for {missing!r}; the row has {', '.join(row)}{hint}"
    except (TypeError, AttributeError) as error:
        return f"OpenRLHF's loader cannot read this {kind} row: {error}"
    ends = {"sft": ("messages",), "preference": ("chosen", "rejected"), "prompt": ()}[kind]
    for name in ends:
        # OpenRLHF takes what stands there for the answer, whoever wrote it.
        if row[name][-1]["role"] != "assistant":
            return f"{name!r} does not end with what the assistant wrote, and OpenRLHF trains on its last message"
    if kind == "prompt" and not isinstance(row["label"], str):
        return "'label' is no text: a mixture of rows has one type for it"
    return columns_fault(row, COLUMNS[kind])


def _template(messages: list[dict[str, Any]], **_: Any) -> str:
    """A chat template that asks of each message what all of them ask."""
    return "".join(f"<{message['role']}>{message['content']}" for message in messages)
