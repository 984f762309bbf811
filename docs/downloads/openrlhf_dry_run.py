"""Try a launch script of OpenRLHF without a GPU: its flags, its rows, and its rewards.

    python openrlhf_dry_run.py SCRIPT... [--say TEXT]... [--row N]

SCRIPT is a file that starts `python -m openrlhf.cli.train_sft`, `train_rm`, `train_dpo` or `train_ppo_ray`. The flags
go through OpenRLHF's own parser and its own checks; the rows through its own loader, with the tokenizer of the model.
For `train_ppo_ray`, each TEXT is then an answer to the prompt of row N, and the reward function of the script judges
it, called by OpenRLHF's own executor. Where the script names an agent function, the texts are the turns of an episode.

Only the engine that generates is not OpenRLHF's: no vLLM, DeepSpeed, Ray or flash-attn is needed. Exit status: 0, or 1
where a flag is refused, a row is dropped or an answer gets no reward.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import contextlib
import difflib
import importlib.util
import io
import json
import math
import os
import shlex
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

#: The commands whose flags can be parsed here.
COMMANDS = ("train_sft", "train_rm", "train_dpo", "train_ppo_ray", "serve_rm")


class Refused(Exception):
    """What OpenRLHF, or this program, has against a script."""


# ------------------------------------------------------------------------------------------------- flags


def commands_in(script: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of OpenRLHF that a shell script starts: its name, such as `train_sft`, and its arguments."""
    for line in script.replace("\\\n", " ").split("\n"):
        words = shlex.split(line, comments=True)
        for at, word in enumerate(words):
            if word.startswith("openrlhf.cli."):
                yield word.removeprefix("openrlhf.cli."), words[at + 1 :]


def parser_of(command: str) -> argparse.ArgumentParser:
    """The parser of a command, as OpenRLHF makes it.

    Raises:
        Refused: there is no such command.
    """
    body, names = _main(command)
    parse = next(at for at, each in enumerate(body) if "parse_args" in ast.unparse(each))
    exec(compile(ast.Module(body[:parse], []), command, "exec"), names)
    return names["parser"]


def parsed(command: str, arguments: list[str]) -> Any:
    """The settings that a command trains with, after OpenRLHF's own checks of them.

    Raises:
        Refused: OpenRLHF refuses the arguments, or would take the beginning of a flag for the whole flag.
    """
    known = {flag for action in parser_of(command)._actions for flag in action.option_strings}
    for word in arguments:
        flag = word.partition("=")[0]
        if flag.startswith("--") and flag not in known:
            near = difflib.get_close_matches(flag, known, 1, 0.5) or _same_words(flag, known)
            raise Refused(f"{command} has no flag {flag}" + (f": did you mean {near[0]}?" if near else ""))
    body, names = _main(command)
    found: list[Any] = []
    names["train"] = names["server"] = found.append
    said, before = io.StringIO(), sys.argv
    sys.argv = [command, *arguments]
    try:
        with contextlib.redirect_stderr(said):
            exec(compile(ast.Module(body, []), command, "exec"), names)
    except SystemExit:
        raise Refused(f"{command}: {said.getvalue().strip().rpartition('error: ')[2]}") from None
    except AssertionError as error:
        raise Refused(f"{command}: {error}") from None
    finally:
        sys.argv = before
    return found[0] if found else None


def _same_words(flag: str, known: set[str]) -> list[str]:
    """The flags that end like one from before OpenRLHF 0.10.2: `--remote_rm_url` became `--reward.remote_url`."""
    words = set(flag.strip("-").replace(".", "_").split("_"))
    shared = {each: len(words & set(each.strip("-").replace(".", "_").split("_"))) for each in known}
    best = max(sorted(shared), key=lambda each: shared[each])
    return [best] if shared[best] > 1 else []


def _main(command: str) -> tuple[list[ast.stmt], dict[str, Any]]:
    """What a command does when it is started, and the names that this needs, without the imports that train."""
    package = importlib.util.find_spec("openrlhf")
    if package is None or not package.submodule_search_locations:
        raise Refused("openrlhf is not installed")
    path = Path(package.submodule_search_locations[0], "cli", f"{command}.py")
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, 1) or COMMANDS
        raise Refused(f"openrlhf.cli has no {command} that parses here: did you mean {near[0]}?")
    module = ast.parse(path.read_text(encoding="utf-8"))
    main = next(each for each in module.body if isinstance(each, ast.If) and "__main__" in ast.unparse(each.test))
    return main.body, {"argparse": argparse, "datetime": datetime, "math": math, "os": os}


# -------------------------------------------------------------------------------------------------- rows


class Strategy:
    """What OpenRLHF's loaders ask of the strategy that trains: the settings, and where to print."""

    def __init__(self, args: Any) -> None:
        self.args = args

    def print(self, *_: Any) -> None:
        """Print nothing."""

    def is_rank_0(self) -> bool:
        """Nobody is: the first rank draws progress bars."""
        return False


def loaded(command: str, args: Any) -> tuple[Any, int, Any]:
    """The rows of a command as OpenRLHF loads them, how many the files have, and the tokenizer."""
    from datasets import utils
    from openrlhf.datasets import PromptDataset, RewardDataset, SFTDataset
    from openrlhf.datasets.utils import blending_datasets
    from openrlhf.utils import get_tokenizer

    utils.disable_progress_bars()
    strategy, data = Strategy(args), args.data
    rl = command == "train_ppo_ray"
    model = (args.actor if rl else args.model).model_name_or_path
    tokenizer = get_tokenizer(model, None, "left" if rl else "right", strategy)
    files = data.prompt_dataset if rl else data.dataset
    split = data.prompt_split if rl else data.dataset_split
    rows = blending_datasets(files, None, strategy, dataset_split=split)
    template = {"input_template": data.input_template}
    if rl:
        return PromptDataset(rows, tokenizer, strategy, **template), len(rows), tokenizer
    settings = (rows, tokenizer, data.max_len, strategy)
    if command == "train_sft":
        pretrain, multiturn = args.model.pretrain_mode_enable, data.multiturn
        rest = {"pretrain_mode": pretrain, "multiturn": multiturn, "num_processors": 1}
        return SFTDataset(*settings, **template, **rest), len(rows), tokenizer
    dpo = command == "train_dpo"
    return RewardDataset(*settings, **template, is_dpo=dpo, num_processors=1), len(rows), tokenizer


# ----------------------------------------------------------------------------------------------- rewards


class Engine:
    """Stands for vLLM: it answers each request with the next text."""

    def __init__(self, tokenizer: Any, texts: list[str]) -> None:
        self.tokenizer, self.texts = tokenizer, iter(texts)

    async def generate(self, prompt: list[int], params: Any, multi_modal_data: Any = None) -> Any:
        """The answer, with the end-of-turn token among its ids and not in its text, as vLLM gives it."""
        text = next(self.texts, None)
        if text is None:
            raise Refused("the agent goes on after the last --say: give it the next turn")
        ids = [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.tokenizer.eos_token_id]
        logprobs = [{each: SimpleNamespace(logprob=0.0)} for each in ids]
        answer = SimpleNamespace(token_ids=ids, text=text, finish_reason="stop", logprobs=logprobs)
        return SimpleNamespace(outputs=[answer])


def executor_of(args: Any) -> Any:
    """OpenRLHF's executor, with the reward function or agent function that the settings name."""
    from openrlhf.utils.agent import AgentExecutorBase, SingleTurnAgentExecutor

    if not args.train.agent_func_path:
        return SingleTurnAgentExecutor(args.reward.remote_url)
    # As openrlhf.trainer.ray.vllm_engine loads it, which imports vLLM.
    path = args.train.agent_func_path
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("agent_module", path))
    module.__spec__.loader.exec_module(module)
    if not issubclass(getattr(module, "AgentExecutor", object), AgentExecutorBase):
        raise Refused(f"{path} has no class AgentExecutor that is an AgentExecutorBase")
    return module.AgentExecutor()


def episode(executor: Any, args: Any, row: tuple[Any, ...], tokenizer: Any, texts: list[str]) -> dict[str, Any]:
    """What OpenRLHF's executor makes of answers to a row: its own result."""
    _, prompt, label, images = row
    logprobs = None if args.algo.advantage.is_correction_level == "off" else 1
    params = SimpleNamespace(max_tokens=args.rollout.max_new_tokens, logprobs=logprobs)
    settings = (prompt, label, params, args.data.max_len, tokenizer, Engine(tokenizer, texts), images)
    return asyncio.run(executor.execute(*settings))


# -------------------------------------------------------------------------------------------------- main


def tried(command: str, arguments: list[str], options: argparse.Namespace) -> bool:
    """Try one command, and print what was found; whether nothing is wrong."""
    args = parsed(command, arguments)
    flags = sum(word.startswith("--") for word in arguments)
    print(f"{command}: {flags} flags, all known")
    if command == "serve_rm":
        return True
    rows, count, tokenizer = loaded(command, args)
    print(f"{type(rows).__name__}: {len(rows)} of {count} rows loaded")
    fine = len(rows) == count
    if command == "train_ppo_ray" and options.say:
        episodes = [options.say] if args.train.agent_func_path else [[text] for text in options.say]
        executor = executor_of(args)
        for texts in episodes:
            made = episode(executor, args, rows[options.row - 1], tokenizer, texts)
            turns = len(made["action_ranges"])
            said = f"reward {made['reward']}" if turns == 1 else f"{turns} turns, reward {made['reward']}"
            print(f"row {options.row}: {json.dumps(texts[-1][:40], ensure_ascii=False)}: {said}")
            fine = fine and made["reward"] is not None
    return fine


def script_tried(script: Path, options: argparse.Namespace) -> bool:
    """Try every command of a script; whether nothing is wrong."""
    found = list(commands_in(script.read_text(encoding="utf-8")))
    if not found:
        raise Refused(f"{script} starts no openrlhf.cli command")
    wrong = [command for command, words in found if not tried(command, words, options)]
    return not wrong


def main(arguments: list[str] | None = None) -> int:
    """Try every command of the scripts; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scripts", nargs="+", type=Path, metavar="SCRIPT", help="a shell script that starts OpenRLHF")
    parser.add_argument("--say", action="append", default=[], metavar="TEXT", help="an answer of the model")
    parser.add_argument("--row", type=int, default=1, help="the row that is answered, from 1 (default: 1)")
    options = parser.parse_args(arguments)
    try:
        wrong = [script for script in options.scripts if not script_tried(script, options)]
        return 1 if wrong else 0
    except (Refused, OSError) as error:
        print(f"openrlhf_dry_run: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
