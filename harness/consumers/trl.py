"""Hold configurations and command lines of TRL against its own parsers, dataclasses and loaders.

``trl sft --config FILE`` hands what it does not know on to ``accelerate launch``, and takes the beginning of a flag for
the flag. Here a key or flag must be one that TRL or Accelerate has, in full; what TRL itself refuses is TRL's message.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import io
import itertools
import json
import re
import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import yaml

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
from harness.nearest import near_miss, nearest

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
            found += _below(key.value, value, node) or wrong_values(hints[key.value], value, key.value)
            problems += found
        elif key.value in launcher and (said := _launched(launcher[key.value], data_of(value))):
            problems.append(Problem(line_of(key), f"{key.value!r}, which `accelerate launch` gets: {said}"))
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
        if flag == "--config" and not Path(value).is_file():
            files = [str(path) for path in Path().glob("*.y*ml")]
            return [Problem(1, f"`--config {value}`: the reader has no such file here; {nearest(value, files)}")]
        if flag == "--config" and (found := config(Path(value).read_text(encoding="utf-8"), command)):
            return [Problem(1, f"{value}:{each.line}: {each.message}") for each in found]
    said = _said(lambda: parser.parse_args_and_config([*arguments, *ON_CPU], return_remaining_strings=True))
    return [Problem(1, said)] if said else []


def _below(name: str, value: yaml.Node, config: yaml.Node) -> list[Problem]:
    """The keys and values that TRL takes whatever they are, and that fail when the training starts."""
    if name == "report_to":
        given = value.value if isinstance(value, yaml.SequenceNode) else [value]
        known = {"all", "none", *_integrations()}
        return [
            Problem(line_of(each), f"'report_to': nothing is called {each.value!r}: {nearest(each.value, known)}")
            for each in given
            if isinstance(each, yaml.ScalarNode) and data_of(each) not in (None, *known)
        ]
    if not isinstance(value, yaml.MappingNode):
        return []
    if name == "model_init_kwargs":  # it goes on to a model's own configuration, which may have any key
        given = [key.value for key, _ in value.value]
        near = [(key, near_miss(key.value, MODEL, given)) for key, _ in value.value]
        return [unknown_key(key, f"{name}.", [meant], "a model") for key, meant in near if meant]
    known = _kwargs(name, config)
    return [unknown_key(key, f"{name}.", known, "TRL") for key, _ in value.value if known and key.value not in known]


#: What `from_pretrained` reads of its further keywords, for any model.
MODEL = (
    "attn_implementation",
    "device_map",
    "dtype",
    "quantization_config",
    "revision",
    "torch_dtype",
    "trust_remote_code",
)


def _kwargs(name: str, config: yaml.Node) -> set[str]:
    """The keys that are read of a setting that takes any mapping; none where that is not known."""
    if name == "gradient_checkpointing_kwargs":
        from torch.utils.checkpoint import checkpoint

        return {"preserve_rng_state", *_named(checkpoint)} - {"function"}
    if name == "accelerator_config":
        from transformers.trainer_pt_utils import AcceleratorConfig

        return _named(AcceleratorConfig)
    if name == "lr_scheduler_kwargs":
        from transformers.optimization import TYPE_TO_SCHEDULER_FUNCTION

        chosen = data_of(config).get("lr_scheduler_type")
        makers = {kind.value: _named(make) for kind, make in TYPE_TO_SCHEDULER_FUNCTION.items()}
        # A flag may choose another than the file, which has none.
        used = [makers[chosen]] if chosen in makers else list(makers.values())
        given = {"optimizer", "num_warmup_steps", "num_training_steps"}
        return set() if chosen in makers and "kwargs" in makers[chosen] else set().union(*used) - given - {"kwargs"}
    return set()


def _named(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters) - {"args"}


def _integrations() -> set[str]:
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    return set(INTEGRATION_TO_CALLBACK)


def _launched(action: argparse.Action, value: Any) -> str | None:
    """What the launcher's own parser has against a value of a setting; None where it takes it."""
    if action.nargs == 0:
        return None if isinstance(value, bool) else f"expected true or false, found {value!r}"
    if action.nargs is not None or value is None or "$" in str(value):
        return None
    try:
        made = action.type(str(value)) if callable(action.type) else str(value)
    except (TypeError, ValueError, argparse.ArgumentTypeError):
        return f"expected a value of the type {getattr(action.type, '__name__', action.type)}, found {value!r}"
    if action.choices is not None and made not in action.choices:
        return f"expected one of {', '.join(map(str, action.choices))}, found {value!r}"
    return None


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
