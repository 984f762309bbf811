"""Try a launch script of verl without a GPU: its configuration, its rows, and its rewards.

    python verl_dry_run.py SCRIPT... [--say TEXT]... [--row N]

SCRIPT is a file that starts `python -m verl.trainer.main_ppo` or `verl.trainer.sft_trainer`. Hydra composes the
configuration as verl has it done, and verl's own checks see it; its own loaders read the rows, with the tokenizer of
the model. For `main_ppo`, each TEXT is then an answer to the prompt of row N, which verl's own reward manager has
judged by the reward function of the configuration. With an agent loop of your own, the texts are the turns of one
episode.

verl takes some mistakes without a word. Here a key that verl does not have, a value of another type than its default,
and a key that its trainer no longer reads are refused. Exit status: 0, or 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import difflib
import importlib.util
import io
import json
import os
import re
import shlex
import sys
import typing
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("VERL_LOGGING_LEVEL", "ERROR")

#: The commands that can be tried, with the configuration of verl that each starts from.
COMMANDS = {"main_ppo": "ppo_trainer", "sft_trainer": "sft_trainer_engine", "sft_trainer_ray": "sft_trainer_engine"}

#: What verl reads though its configuration does not list it.
UNLISTED = ("reward.custom_reward_function.reward_kwargs", "reward.reward_kwargs")

#: What verl's configuration still lists, and main_ppo no longer reads, with where it went.
MOVED = {
    "reward_model.num_workers": "reward.num_workers",
    "reward_model.reward_manager": "reward.reward_manager.name",
    "reward_model.model.path": "reward.reward_model.model_path",
    "custom_reward_function": "reward.custom_reward_function",
    "reward_model": "reward.reward_model",
    "sandbox_fusion": "reward.sandbox_fusion",
}

#: Keys whose default shows only one of the types that verl takes.
TYPES = {
    "data.train_files": str | list[str],
    "data.val_files": str | list[str] | None,
    "data.enable_thinking_default": bool | str | None,
    "trainer.logger": str | list[str],
}


class Refused(Exception):
    """What verl, Hydra or this program has against a script.

    Args:
        said: what is wrong.
        key: the key or argument that is meant, where there is one.
    """

    def __init__(self, said: str, key: str = "") -> None:
        super().__init__(said)
        self.key = key


# ------------------------------------------------------------------------------------------ configuration


#: What ends the arguments of a command in a shell: a pipe, a redirection, the next command.
_ENDS = re.compile(r"[|&;]|\d*[<>]")


def commands_in(script: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of verl that a shell script starts: its name, such as `main_ppo`, and its arguments."""
    for line in script.replace("\\\n", " ").split("\n"):
        words = shlex.split(line, comments=True)
        for at, word in enumerate(words):
            if word.startswith("verl.trainer."):
                rest = words[at + 1 :]
                end = next((at for at, each in enumerate(rest) if _ENDS.match(each)), len(rest))
                yield word.removeprefix("verl.trainer."), rest[:end]


def composed(command: str, arguments: list[str]) -> Any:
    """The configuration that a command trains with, after Hydra's and verl's own checks, and those of this program.

    Raises:
        Refused: something is wrong with it.
    """
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, 1) or list(COMMANDS)
        raise Refused(f"verl.trainer has no {command} that can be tried here: did you mean {near[0]}?", command)
    flags = _hydra_flags(command, arguments)
    base = _defaults(COMMANDS[command], tuple(each for each in flags.overrides if _chooses(each)))
    config = compose(flags.config_name or COMMANDS[command], flags.overrides, flags.config_dir, base)
    faults = [*_unknown(config, base), *_moved(config, base), *_mistyped(config, base)]
    if faults:
        raise faults[0]
    if command == "main_ppo":
        _checked_by_verl(config)
    return config


@cache
def _defaults(name: str, chosen: tuple[str, ...]) -> Any:
    """A configuration of verl as it is, but for the parts that were chosen."""
    return compose(name, list(chosen))


def _hydra_flags(command: str, arguments: list[str]) -> Any:
    """The arguments as Hydra parses them: `overrides`, `config_dir` and `config_name`."""
    from hydra._internal.utils import get_args_parser

    parser, said = get_args_parser(), io.StringIO()
    known = {flag for action in parser._actions for flag in action.option_strings}
    for flag in (word.partition("=")[0] for word in arguments if word.startswith("--")):
        if flag not in known:
            near = difflib.get_close_matches(flag, known, 1)
            raise Refused(f"{command} has no flag {flag}" + (f": did you mean {near[0]}?" if near else ""), flag)
    try:
        with contextlib.redirect_stderr(said):
            return parser.parse_args(arguments)
    except SystemExit:
        raise Refused(f"{command}: {said.getvalue().strip().rpartition('error: ')[2]}") from None


def compose(name: str, overrides: list[str] = (), folder: str | None = None, base: Any = None) -> Any:
    """What Hydra composes of a configuration of verl, or of one in `folder` that builds on it.

    Raises:
        Refused: Hydra refuses an override, or finds no such configuration.
    """
    import hydra
    from hydra._internal.hydra import Hydra
    from hydra._internal.utils import create_config_search_path
    from hydra.core.global_hydra import GlobalHydra

    path = create_config_search_path(str(_folder()))
    if folder:  # as Hydra's main does for --config-dir
        path.prepend("command-line", f"file://{Path(folder).resolve()}", "schema")
    GlobalHydra.instance().clear()
    Hydra.create_main_hydra2("verl", path)
    try:
        return hydra.compose(name.removesuffix(".yaml"), overrides=list(overrides))
    except (hydra.errors.HydraException, ValueError) as error:
        raise _of_hydra(error, overrides, base) from None
    finally:
        GlobalHydra.instance().clear()


def _of_hydra(error: Exception, overrides: list[str], base: Any) -> Refused:
    """What Hydra said, on one line, with the nearest name of a key that it does not know."""
    said = " ".join(str(error).split("\n")[0].split())
    named = next((each for each in overrides if _key(each) and f"'{_key(each)}'" in said), "")
    named = named or next((each for each in overrides if each in str(error)), "")
    near = _near(_key(named), base) if named and base is not None and said.startswith("Could not override") else ""
    return Refused(f"{said.rstrip('.')}{near}", _key(named))


def _folder() -> Path:
    """The folder of verl's own configurations.

    Raises:
        Refused: verl is not installed.
    """
    package = importlib.util.find_spec("verl")
    if package is None or not package.submodule_search_locations:
        raise Refused("verl is not installed")
    return Path(package.submodule_search_locations[0], "trainer", "config")


def _chooses(override: str) -> bool:
    """Whether an override chooses one of several parts, such as `model_engine=megatron`, rather than a value."""
    name = _key(override).partition("@")[0]
    return bool(name) and "." not in name and (_folder() / name).is_dir()


def _key(override: str) -> str:
    """The key of an override: of `+a.b=1`, `a.b`."""
    return override.partition("=")[0].lstrip("+~")


def _leaves(config: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The keys below which there are no more, in full, with their values as they are written."""
    from omegaconf import DictConfig

    for name in config:
        value = config._get_node(name)
        at = f"{path}{name}"
        if isinstance(value, DictConfig) and not value._is_none() and not value._is_interpolation() and len(value):
            yield from _leaves(value, f"{at}.")
        else:
            yield at, _written(value)


def _written(node: Any) -> Any:
    """The value of a node: of one that refers to another, the text that does."""
    from omegaconf import DictConfig, ListConfig, OmegaConf

    if node._is_interpolation() or node._is_none() or node._is_missing():
        return node._value()
    return OmegaConf.to_container(node) if isinstance(node, DictConfig | ListConfig) else node._value()


def _unknown(config: Any, base: Any) -> Iterator[Refused]:
    """The keys that verl does not have: of a file, or added with `+`."""
    known = dict(_leaves(base))
    branches = {key[:at] for key in known for at, letter in enumerate(key) if letter == "."}
    for key in dict(_leaves(config)):
        if key in known or key.startswith(UNLISTED) or key in branches:
            continue
        parents = [key[:at] for at, letter in enumerate(key) if letter == "."]
        if any(known.get(parent, 0) in ({}, None) for parent in parents):
            continue  # whatever is put there: verl hands it on
        parent, _, name = key.rpartition(".")
        if name not in _fields(base, parent):
            unknown = next((each for each in parents if each not in branches), key)
            yield Refused(f"verl has no key {unknown}{_near(unknown, base)}", unknown)


def _moved(config: Any, base: Any) -> Iterator[Refused]:
    """The keys of before verl 0.8 that main_ppo does not read."""
    before = dict(_leaves(base))
    for key, value in _leaves(config):
        old = next((each for each in MOVED if f"{key}.".startswith(f"{each}.")), None)
        if old and "reward" in base and value != before.get(key):
            where = MOVED[old] + key.removeprefix(old)
            yield Refused(f"main_ppo no longer reads {key}, and says nothing: write {where}", key)


def _mistyped(config: Any, base: Any) -> Iterator[Refused]:
    """The values of another type than verl's own: Hydra takes any."""
    before = dict(_leaves(base))
    for key, value in _leaves(config):
        if key not in before or value == before[key] or "${" in str(value):
            continue
        if (kind := _type(base, key, before[key])) is not None and not _fits(kind, value):
            shown = getattr(kind, "__name__", None) if isinstance(kind, type) else str(kind).replace("typing.", "")
            yield Refused(f"{key} is {value!r}: expected {shown}, and Hydra takes any", key)


def _type(base: Any, key: str, default: Any) -> Any:
    """The type of a key: of verl's class where its own default is of it, else of the default; None where unknown."""
    if key in TYPES:
        return TYPES[key]
    parent, _, name = key.rpartition(".")
    annotation = _fields(base, parent).get(name)
    if annotation is not None and _fits(annotation, default):
        return annotation
    return None if default is None or isinstance(default, dict) or default == "???" else type(default)


def _fields(base: Any, path: str) -> dict[str, Any]:
    """The fields of the dataclass that verl makes of a part of its configuration, with their types."""
    from hydra.utils import get_class
    from omegaconf import OmegaConf

    part = OmegaConf.select(base, path) if path else base
    target = part.get("_target_") if part is not None and hasattr(part, "get") else None
    if not target:
        return {}
    kind = get_class(target)
    if not dataclasses.is_dataclass(kind):
        return {}
    try:
        return typing.get_type_hints(kind)
    except Exception:  # a hint that needs what is not installed
        return {field.name: None for field in dataclasses.fields(kind)}


def _fits(kind: Any, value: Any) -> bool:
    """Whether a value is of a type, without a conversion: `off` is a text, and so true. An int is a float, too."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    try:
        adapter = TypeAdapter(kind, config=ConfigDict(arbitrary_types_allowed=True))
    except Exception:  # a class of verl's own, or of what is not installed
        try:
            adapter = TypeAdapter(kind)
        except Exception:
            return True
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def _near(key: str, base: Any) -> str:
    """A hint with the nearest key that verl has."""
    known = [name for name, _ in _leaves(base)]
    known += [f"{'.'.join(name.split('.')[:at])}" for name in known for at in range(1, name.count(".") + 1)]
    parent, _, last = key.rpartition(".")
    beside = [name for name in known if name.rpartition(".")[0] == parent]
    close = difflib.get_close_matches(last, [name.rpartition(".")[2] for name in beside], 1)
    if close:
        return f": did you mean {parent}.{close[0]}?" if parent else f": did you mean {close[0]}?"
    near = difflib.get_close_matches(key, [name for name in known if not key.startswith(f"{name}.")], 1, 0.7)
    return f": did you mean {near[0]}?" if near else ""


def _checked_by_verl(config: Any) -> None:
    """Run what main_ppo checks before it starts Ray, and look up the names that it looks up later.

    Raises:
        Refused: verl refuses the configuration.
    """
    from omegaconf import OmegaConf
    from verl.trainer.ppo.core_algos import ADV_ESTIMATOR_REGISTRY, get_adv_estimator_fn
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    engine = "actor_rollout_ref.rollout.name"
    if OmegaConf.is_missing(config, engine) or not OmegaConf.select(config, engine):
        raise Refused(f"{engine} is not set: vllm, sglang or trtllm", engine)
    estimator = "algorithm.adv_estimator"
    try:
        get_adv_estimator_fn(config.algorithm.adv_estimator)
    except ValueError:
        near = difflib.get_close_matches(config.algorithm.adv_estimator, map(str, ADV_ESTIMATOR_REGISTRY), 1)
        hint = f": did you mean {near[0]}?" if near else f": it has {', '.join(map(str, ADV_ESTIMATOR_REGISTRY))}"
        raise Refused(f"verl has no estimator {config.algorithm.adv_estimator!r}{hint}", estimator) from None
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        needs = {"use_reference_policy": need_reference_policy(config), "use_critic": need_critic(config)}
        try:
            validate_config(config=config, **needs)
        except Exception as error:
            cause = error.__cause__ or error
            said = " ".join(str(cause).split())
            raise Refused(f"verl's check of the configuration: {said}", _named_in(said, config)) from None


def _named_in(said: str, config: Any) -> str:
    """The last of the keys that a message names, in full or by their last part."""
    names = [key for key, _ in _leaves(config)]
    return next((key for key in names if key in said), "") or next(
        (key for key in names if len(key.rpartition(".")[2]) > 8 and key.rpartition(".")[2] in said), ""
    )


# -------------------------------------------------------------------------------------------------- rows


def tokenizer_of(model: Any) -> Any:
    """The tokenizer of a model, as verl loads it."""
    from verl.utils import hf_tokenizer

    return hf_tokenizer(str(Path(model.get("tokenizer_path") or model.path).expanduser()))


def rl_rows(config: Any, tokenizer: Any) -> Any:
    """The rows of main_ppo, as verl loads and filters them."""
    import datasets
    from verl.trainer.ppo.utils import create_rl_dataset

    datasets.utils.disable_progress_bars()
    with contextlib.redirect_stdout(io.StringIO()):
        return create_rl_dataset(config.data.train_files, config.data, tokenizer, None)


def sft_rows(config: Any, tokenizer: Any) -> Any:
    """The rows of sft_trainer, as verl loads them."""
    from verl.utils.dataset.multiturn_sft_dataset import MultiTurnSFTDataset
    from verl.utils.import_utils import load_extern_object

    own = config.data.custom_cls
    kind = load_extern_object(own.path, own.name) if own.path else MultiTurnSFTDataset
    files = config.data.train_files
    with contextlib.redirect_stdout(io.StringIO()):
        return kind(parquet_files=files, tokenizer=tokenizer, config=config.data, processor=None)


def rl_fault(row: dict[str, Any]) -> str | None:
    """What the reward manager of verl would not find in a row that the loader took; None where all is there."""
    if "data_source" not in row:
        return "has no data_source, which the reward manager reads"
    if not isinstance(row.get("reward_model"), dict) or "ground_truth" not in row["reward_model"]:
        return "has no reward_model.ground_truth, which the reward manager reads"
    return None


def count_in(files: Any) -> int:
    """How many rows the files have."""
    import pyarrow.parquet as pq

    count = 0
    for name in [files] if isinstance(files, str) else files:
        path = Path(name).expanduser()
        if path.suffix == ".parquet":
            count += pq.read_metadata(path).num_rows
        else:
            count += sum(1 for line in path.read_text(encoding="utf-8").split("\n") if line.strip())
    return count


# ----------------------------------------------------------------------------------------------- rewards


def reward_of(config: Any, tokenizer: Any, row: dict[str, Any], text: str) -> Any:
    """What verl's own reward manager makes of an answer to a row, with the reward function that is configured."""
    import numpy as np
    import torch
    from verl import DataProto
    from verl.trainer.ppo.reward import load_reward_manager

    ids = torch.tensor([[*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]])
    others = {}
    for name, value in {**row, "__num_turns__": 2, "tool_extra_fields": {}}.items():
        if name != "dummy_tensor":
            others[name] = np.empty(1, dtype=object)
            others[name][0] = value
    data = DataProto.from_dict({"responses": ids, "attention_mask": torch.ones_like(ids)}, others)
    manager = load_reward_manager(config, tokenizer)
    return manager.loop.run_until_complete(manager.run_single(data))["reward_score"]


def agent_loop_of(config: Any, row: dict[str, Any]) -> str:
    """The agent loop of a row: its own, else the configured one."""
    return str(row.get("agent_name") or config.actor_rollout_ref.rollout.agent.default_agent_loop)


class Engine:
    """Stands for the servers of vLLM or SGLang: it answers each request with the next text."""

    def __init__(self, tokenizer: Any, texts: list[str]) -> None:
        self.tokenizer, self.texts = tokenizer, iter(texts)

    async def generate(self, **_: Any) -> Any:
        """The answer's tokens, with the one that ends a turn."""
        text = next(self.texts, None)
        if text is None:
            raise Refused("the agent goes on after the last --say: give it the next turn")
        ids = [*self.tokenizer(text, add_special_tokens=False)["input_ids"], self.tokenizer.eos_token_id]
        rest = {"num_preempted": 0, "routed_experts": None, "extra_fields": {}, "stop_reason": "completed"}
        return SimpleNamespace(token_ids=ids, log_probs=[0.0] * len(ids), **rest)


def episode_of(config: Any, tokenizer: Any, row: dict[str, Any], texts: list[str]) -> Any:
    """What the agent loop of a row makes of the texts as its turns: verl's own output of an agent loop."""
    import hydra
    import transformers
    import verl.experimental.agent_loop.agent_loop as loops
    from omegaconf import OmegaConf
    from verl.utils.dataset.rl_dataset import get_dataset_class

    known = dict(loops._agent_loop_registry)
    if listed := config.actor_rollout_ref.rollout.agent.agent_loop_config_path:
        known |= {each.name: each for each in OmegaConf.load(listed)}
    name = agent_loop_of(config, row)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        raise Refused(f"no agent loop {name!r}" + (f": did you mean {near[0]!r}?" if near else ""), name)
    sys.path[:0] = [""] if "" not in sys.path else []  # the folder in which verl is started
    with contextlib.redirect_stdout(io.StringIO()):
        dataset = get_dataset_class(config.data)
    settings = {"trainer_config": loops.DictConfigWrap(config), "data_config": loops.DictConfigWrap(config.data)}
    settings |= {"server_manager": Engine(tokenizer, texts), "tokenizer": tokenizer, "processor": None}
    settings["hf_model_type"] = transformers.AutoConfig.from_pretrained(tokenizer.name_or_path).model_type

    async def run() -> Any:
        loop = hydra.utils.instantiate(config=known[name], dataset_cls=dataset, **settings)
        return await loop.run({"temperature": 1.0}, **{key: row[key] for key in row if key != "dummy_tensor"})

    return asyncio.run(run())


# -------------------------------------------------------------------------------------------------- main


def tried_rl(config: Any, options: argparse.Namespace) -> bool:
    """Load the rows of main_ppo, and have the answers judged; whether nothing is wrong."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        OmegaConf.resolve(config)  # as main_ppo does
    except OmegaConfBaseException as error:
        raise Refused(" ".join(str(error).split("\n")[0].split())) from None
    tokenizer = tokenizer_of(config.actor_rollout_ref.model)
    rows, count = rl_rows(config, tokenizer), count_in(config.data.train_files)
    batch = config.data.train_batch_size
    print(f"{type(rows).__name__}: {len(rows)} of {count} rows loaded, {len(rows) // batch} batches of {batch}")
    faults = [(at, said) for at in range(len(rows)) if (said := rl_fault(rows[at]))]
    for at, said in faults[:3]:
        print(f"row {at + 1} {said}")
    fine = len(rows) == count and not faults and len(rows) >= batch
    if not options.say or not len(rows):
        return fine
    row = rows[options.row - 1]
    if agent_loop_of(config, row) != "single_turn_agent":
        made = episode_of(config, tokenizer, row, options.say)
        learned = sum(made.response_mask)
        print(f"row {options.row}: {len(options.say)} turns, reward {made.reward_score}")
        print(f"  {len(made.response_ids)} tokens after the prompt, {learned} of them learned")
        return fine and made.reward_score is not None
    for text in options.say:
        reward = reward_of(config, tokenizer, rows[options.row - 1], text)
        print(f"row {options.row}: {json.dumps(text[:40], ensure_ascii=False)}: reward {reward}")
    return fine


def tried_sft(config: Any) -> bool:
    """Load each row of sft_trainer; whether all can be learned from."""
    rows, count = sft_rows(config, tokenizer_of(config.model)), count_in(config.data.train_files)
    refused, nothing = [], 0
    for at in range(len(rows)):
        try:
            nothing += not int(rows[at]["loss_mask"].sum())
        except Exception as error:
            refused.append((at, " ".join(str(error).split())[:120]))
    print(f"{type(rows).__name__}: {len(rows) - len(refused)} of {count} rows can be read")
    for at, said in refused[:3]:
        print(f"row {at + 1}: {said}")
    if nothing:
        print(f"{nothing} rows have nothing to learn: no word of the assistant is left")
    return len(rows) == count and not refused and not nothing


def tried(command: str, arguments: list[str], options: argparse.Namespace) -> bool:
    """Try one command, and print what was found; whether nothing is wrong."""
    config = composed(command, arguments)
    set_here = sum(1 for each in arguments if "=" in each and not each.startswith("--"))
    print(f"{command}: composed, {set_here} keys set on the command line, all known")
    return tried_rl(config, options) if command == "main_ppo" else tried_sft(config)


def main(arguments: list[str] | None = None) -> int:
    """Try every command of the scripts; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scripts", nargs="+", type=Path, metavar="SCRIPT", help="a shell script that starts verl")
    parser.add_argument("--say", action="append", default=[], metavar="TEXT", help="an answer of the model")
    parser.add_argument("--row", type=int, default=1, help="the row that is answered, from 1 (default: 1)")
    options = parser.parse_args(arguments)
    fine = True
    try:
        for script in options.scripts:
            found = list(commands_in(script.read_text(encoding="utf-8")))
            if not found:
                raise Refused(f"{script} starts no verl.trainer command")
            for command, words in found:
                fine = tried(command, words, options) and fine
    except (Refused, OSError) as error:
        print(f"verl_dry_run: {error}", file=sys.stderr)
        return 1
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
