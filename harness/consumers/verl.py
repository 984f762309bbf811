"""Hold configurations, command lines and rows of verl against its own configuration, checks and loaders.

Hydra composes each as verl has it done, and verl's own checks see it (``docs/downloads/verl_dry_run.py``, which readers
have too). Hydra refuses an override whose key is unknown; of a file it takes any key, and of both any value. Here a key
must be one that verl has, and a value of the type that verl has for it.
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from harness.consumers import downloads
from harness.consumers.chat import columns_fault
from harness.consumers.strict import Problem, mapping, row_problems, unknown_key
from harness.nearest import near_miss, nearest

# Before anything imports datasets: it would ask the Hub about its own reader of JSON.
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def dry_run() -> Any:
    """The program that readers try their scripts with."""
    return downloads.program("verl_dry_run")


def keys() -> dict[str, list[str]]:
    """The keys of each command, as Hydra composes them."""
    program = dry_run()
    return {
        f"verl.trainer.{command}": [key for key, _ in program._leaves(program.compose(name))]
        for command, name in program.COMMANDS.items()
    }


def config(text: str, command: str) -> list[Problem]:
    """What is wrong with a YAML text that builds on a configuration of verl and is composed by Hydra."""
    node, problems = mapping(text)
    if node is None:
        return problems
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "page.yaml").write_text(text, encoding="utf-8")
        return [
            Problem(_line_of_key(node, refused.key), str(refused))
            for refused in _refused(command, ["--config-dir", folder, "--config-name", "page"])
        ]


def command_line(text: str) -> list[Problem]:
    """What is wrong with the commands of verl in a text of a shell: their names, flags, keys and values."""
    program = dry_run()
    try:
        found = list(program.commands_in(text))
    except ValueError as error:
        return [Problem(1, f"not a shell's words: {error}")]
    mergers = list(_mergers(text))
    if not found and not mergers:
        return [Problem(1, "no `verl.trainer.COMMAND` is started here")]
    return [Problem(_line_of_word(text, refused, "model_merger"), str(refused)) for refused in mergers if refused] + [
        Problem(_line_of_word(text, refused, command), str(refused))
        for command, arguments in found
        for refused in _refused(command, arguments)
    ]


def _mergers(text: str) -> Iterator[Any]:
    """For each start of verl's merger of checkpoints, what its parser refuses, or None.

    Only the parser is run: its module imports what trains.
    """
    program = dry_run()
    source = (program._folder().parents[1] / "model_merger" / "base_model_merger.py").read_text(encoding="utf-8")
    parse = next(each for each in ast.parse(source).body if getattr(each, "name", "") == "parse_args")
    names = {"argparse": argparse}
    exec(compile(ast.Module([parse], []), "model_merger", "exec"), names)
    for line in text.replace("\\\n", " ").split("\n"):
        words = shlex.split(line, comments=True)
        if "verl.model_merger" in words:
            said, before = io.StringIO(), sys.argv
            sys.argv = words[words.index("verl.model_merger") :]
            try:
                with contextlib.redirect_stderr(said):
                    names["parse_args"]()
                yield None
            except SystemExit:
                told = said.getvalue().strip().rpartition("error: ")[2]
                flag = next(iter(re.findall(r"--[\w-]+", told)), "")
                yield program.Refused(f"model_merger: {told}", flag)
            finally:
                sys.argv = before


def _refused(command: str, arguments: list[str]) -> Iterator[Any]:
    """What a command's configuration is refused for, if it is: that, or its reward function, which verl then loads."""
    program = dry_run()
    try:
        made = program.composed(command, arguments)
    except program.Refused as refused:
        yield refused
        return
    if command == "main_ppo" and (path := made.reward.custom_reward_function.path) and Path(path).exists():
        from verl.trainer.ppo.reward import get_custom_reward_fn

        if "reward_kwargs" in made.reward.custom_reward_function:
            made.reward.custom_reward_function.reward_kwargs = {}  # they may name what is known where verl runs
        try:
            get_custom_reward_fn(made)
        except (AttributeError, RuntimeError, ImportError) as error:
            said = f"{error}: {error.__cause__!r}" if error.__cause__ else str(error)
            yield program.Refused(said, "reward.custom_reward_function.name")


def _line_of_key(node: Any, key: str) -> int:
    """The line on which a key of a mapping stands, or the deepest that is there of those above it."""
    line = node.start_mark.line + 1
    for name in key.split("."):
        found = [pair for pair in getattr(node, "value", []) if isinstance(pair, tuple) and pair[0].value == name]
        if not found:
            return line
        line, node = found[0][0].start_mark.line + 1, found[0][1]
    return line


def _line_of_word(text: str, refused: Any, command: str) -> int:
    """The line of the argument that is refused; else that of the command."""
    lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if refused.key and re.search(rf"(?<![\w.]){re.escape(refused.key)}(?![\w.])", line):
            return number
    return next(number for number, line in enumerate(lines, 1) if re.search(rf"verl\.(trainer\.)?{command}", line))


#: What the rows of a kind have. verl's loader of SFT rows takes messages; its reward managers read the rest.
COLUMNS = {"sft": ("messages",), "rl": ("prompt", "data_source", "reward_model")}
#: The names that verl's own preparations of datasets write, all of which something of it reads or shows.
RL = (*COLUMNS["rl"], "extra_info", "ability", "agent_name")
RL_REWARD = ("ground_truth", "style")


def rows(text: str, kind: str) -> list[Problem]:
    """What is wrong with lines of JSON that a loader of verl reads, as it and the reward manager read them."""
    return row_problems(text.splitlines(), lambda row: _row_fault(row, kind))


def _row_fault(row: dict[str, Any], kind: str) -> str | None:
    """Why verl cannot train on a row; None where it can. The loader judges it, with a template for all messages."""
    if missing := [name for name in COLUMNS[kind] if name not in row]:
        near = nearest(missing[0], [name for name in row if name not in COLUMNS[kind]])
        hint = f"; {near}" if near.startswith("did you") else ""
        reader = "reward manager" if missing[0] in COLUMNS["rl"][1:] else "loader"
        return f"verl's {reader} asks a {kind} row for {missing[0]!r}; the row has {', '.join(row)}{hint}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            said = (_sft_fault if kind == "sft" else _rl_fault)(dry_run(), row, Path(folder))
            return said or columns_fault(row, COLUMNS[kind][:1]) or (_misspelt(row) if kind == "rl" else None)
        except Exception as error:  # verl's loaders raise what the row happens to break
            return f"verl's loader cannot read this {kind} row: {type(error).__name__}: {error}"


def _misspelt(row: dict[str, Any]) -> str | None:
    """A key of a row for reinforcement learning that is nearly one of verl's: it carries any other on."""
    for place, given, known in (("", row, RL), ("reward_model.", row["reward_model"], RL_REWARD)):
        for name in given:
            if near := near_miss(name, known, given):
                return f"nothing of verl reads the key {place + name!r}: did you mean {near!r}?"
    return None


def _rl_fault(program: Any, row: dict[str, Any], folder: Path) -> str | None:
    import datasets

    datasets.config.HF_DATASETS_CACHE = folder  # what it makes of these rows nobody reads again
    (folder / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    made = program.compose("ppo_trainer", [f"data.train_files={shlex.quote(str(folder / 'rows.jsonl'))}"])
    loaded = program.rl_rows(made, _tokenizer())
    _tokenizer().apply_chat_template(loaded[0]["raw_prompt"], tokenize=False)
    said = program.rl_fault(loaded[0])
    return f"the row {said}" if said else None


def _sft_fault(program: Any, row: dict[str, Any], folder: Path) -> str | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist([row]), folder / "rows.parquet")
    files = f"data.train_files={folder / 'rows.parquet'}"
    made = program.compose("sft_trainer_engine", [files, "data.max_length=1000000"])
    if not int(program.sft_rows(made, _tokenizer())[0]["loss_mask"].sum()):
        return "there is no word of the assistant in 'messages': verl learns nothing from this row"
    return None


@cache
def _tokenizer() -> Any:
    """A tokenizer that has every character, with a chat template that asks of each message what all of them ask."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = ["<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    made = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    template = (
        "{% for m in messages %}{{ '<' + m['role'] + '>' + m['content'] }}{% endfor %}"
        "{% if add_generation_prompt %}<assistant>{% endif %}"
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", chat_template=template)


def agent_loops(text: str) -> list[Problem]:
    """What is wrong with a YAML list of agent loops, which verl makes by Hydra's `instantiate`."""
    import yaml

    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.SequenceNode):
        return [Problem(1, "expected a list of agent loops, each with `name` and `_target_`")]
    problems = []
    for item in node.value:
        fields = {key.value: (key, value) for key, value in item.value}
        for name in ("name", "_target_"):
            if name not in fields:
                problems.append(Problem(item.start_mark.line + 1, f"an agent loop needs {name!r}"))
        if "_target_" in fields and (said := _not_a_loop(fields["_target_"][1].value)):
            problems.append(Problem(fields["_target_"][1].start_mark.line + 1, said))
        known = {"name", "_target_", *(_settings(fields["_target_"][1].value) if "_target_" in fields else ())}
        others = [key for name, (key, _) in fields.items() if name not in known]
        problems += [unknown_key(key, "", known, "an agent loop") for key in others]
    return problems


def _class_of(target: str) -> Any:
    from hydra.utils import get_class

    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        return get_class(target)
    finally:
        sys.path[:] = before


def _not_a_loop(target: str) -> str | None:
    """Why a dotted name is no class of an agent loop; None where it is one."""
    from verl.experimental.agent_loop.agent_loop import AgentLoopBase

    try:
        kind = _class_of(target)
    except Exception as error:  # whatever the module raises
        return f"{target}: {' '.join(str(error).split())}"
    return None if issubclass(kind, AgentLoopBase) else f"{target} is no AgentLoopBase"


def _settings(target: str) -> list[str]:
    """What an agent loop of that class takes beside what verl gives it."""
    import inspect

    try:
        return list(inspect.signature(_class_of(target).__init__).parameters)
    except Exception:
        return []
