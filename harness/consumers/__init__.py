"""Who reads a configuration or data file: one entry for each, in `CONSUMERS`.

A YAML, JSON or JSONL block names its consumer. The table says in which environment the consumer's own classes are
installed, and which function asks them; importing it needs none of them. `ask` runs in that environment.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harness.consumers.commands import COMMAND_CONFIGS

GYM = "harness.consumers.gym:"
ROWS = "harness.consumers.rows:"


@dataclass(frozen=True)
class Consumer:
    """What reads a text.

    Attributes:
        function: ``module:function``, called with the text and the ``arguments``; it returns what is wrong, as a list
            of `harness.consumers.strict.Problem`.
        arguments: what it gets after the text.
        environment: the name, in `harness.environments`, of where it runs, whichever the environment of the page is.
    """

    function: str
    arguments: tuple[str, ...] = ()
    environment: str = "tests"


def _rows(annotation: str) -> Consumer:
    return Consumer(GYM + "rows", (ROWS + annotation,))


def _arguments(environment: str, annotation: str) -> Consumer:
    return Consumer("harness.consumers.hugging_face:arguments", (annotation,), environment)


#: Every consumer that a block may name.
CONSUMERS: dict[str, Consumer] = {
    **{f"gym {command}": Consumer(GYM + "gym_config", (command,)) for command in COMMAND_CONFIGS},
    "task row": _rows("TaskRow"),
    "materialized input": _rows("MaterializedInput"),
    "rollout row": _rows("RolloutRow"),
    "failure row": _rows("FailureRow"),
    "aggregate metrics": _rows("AggregateMetricsFile"),
    "reward profile": _rows("RewardProfile"),
    "repeat metrics": _rows("RepeatMetricsFile"),
    "quality summary": _rows("QualitySummary"),
    "rollout verdict": _rows("RolloutVerdict"),
    "SFT row": _rows("SFTRow"),
    "preference pair": _rows("PreferencePair"),
    "RL row": _rows("RLRow"),
    "prompt config": Consumer(GYM + "document", ("nemo_gym.prompt:PromptConfig",)),
    "json": Consumer(GYM + "plain_json"),
    "NeMo RL": Consumer("harness.consumers.nemo_rl:problems"),
    **{
        f"NeMo RL {each} row": Consumer("harness.consumers.nemo_rl:rows", (each,))
        for each in ("task", "sft", "preference", "binary preference")
    },
    **{f"trl {each}": Consumer("harness.consumers.trl:config", (each,), "trl") for each in ("sft", "dpo", "grpo")},
    **{
        f"TRL {each} row": Consumer("harness.consumers.trl:rows", (each,), "trl")
        for each in ("sft", "preference", "rl")
    },
    **{
        f"OpenRLHF {each} row": Consumer("harness.consumers.openrlhf:rows", (each,), "openrlhf")
        for each in ("sft", "preference", "prompt")
    },
    **{
        f"verl {name}": Consumer("harness.consumers.verl:config", (command,), "verl")
        for name, command in (("ppo", "main_ppo"), ("sft", "sft_trainer"))
    },
    **{f"verl {each} row": Consumer("harness.consumers.verl:rows", (each,), "verl") for each in ("sft", "rl")},
    "verl recipe row": Consumer("harness.consumers.verl_recipe:row"),
    "verl agent loops": Consumer("harness.consumers.verl:agent_loops", (), "verl"),
    "OpenRLHF chat request": Consumer("harness.consumers.openrlhf_executor:request", ("POST /v1/chat/completions",)),
    "NeMo Customizer job": Consumer("harness.consumers.nemo_customizer:job", (), "nemo-customizer"),
    "NeMo Customizer environment": Consumer("harness.consumers.nemo_customizer:manifest", (), "nemo-customizer"),
    **{
        f"NeMo Customizer {each} row": Consumer("harness.consumers.nemo_customizer:rows", (each,), "nemo-customizer")
        for each in ("grpo", "dpo")
    },
    "TrainingArguments": _arguments("transformers", "transformers:TrainingArguments"),
}

#: Programs whose command lines are judged before they run, or, where the block says `:consumer: PROGRAM`, instead.
PROGRAMS: dict[str, Consumer] = {
    "trl": Consumer("harness.consumers.trl:command_line", (), "trl"),
    "openrlhf": Consumer("harness.consumers.openrlhf:command_line", (), "openrlhf"),
    "verl": Consumer("harness.consumers.verl:command_line", (), "verl"),
    "NeMo RL": Consumer("harness.consumers.nemo_rl:command_line"),
    "nemo": Consumer("harness.consumers.nemo_customizer:command_line", (), "nemo-customizer"),
}
#: Programs that judge their command lines themselves as they run: asked only where the block says `:consumer: PROGRAM`.
JUDGING_THEMSELVES: dict[str, Consumer] = {
    "gym": Consumer("harness.consumers.commands_shown:gym"),
    "gym-rollouts": Consumer("harness.consumers.commands_shown:gym_rollouts"),
}
#: Programs in Python that name NeMo Gym are asked for fields that its classes would drop.
PYTHON = Consumer("harness.consumers.gym_python:unknown_fields")
#: All whose command lines can be judged without a run.
PARSERS = PROGRAMS | JUDGING_THEMSELVES
#: Programs that others start: what follows these words is theirs.
_STARTED = {
    "openrlhf": re.compile(r"\s(?:-m|--module)\s+openrlhf\.cli\."),
    "verl": re.compile(r"\s-m\s+verl\.(?:trainer\.|model_merger\b)"),
    "NeMo RL": re.compile(r"\sexamples/(?:nemo_gym/)?run_\w+\.py\b"),
}


def program_of(command: str) -> str | None:
    """The program of `PARSERS` that a command of a shell starts, after variables that are set for it."""
    for program, started in _STARTED.items():
        if started.search(command):
            return program
    words = [word for word in command.split() if not re.fullmatch(r"\w+=\S*", word)]
    return words[0] if words and words[0] in PARSERS else None


def problems(name: str, text: str) -> list[tuple[int, str]]:
    """What the consumer ``name`` has against ``text``, as `ask` returns it."""
    return ask(CONSUMERS[name].function, CONSUMERS[name].arguments, text)


def ask(function: str, arguments: Sequence[str], text: str) -> list[tuple[int, str]]:
    """What a consumer's ``module:function`` has against ``text``: pairs of a line, from 1, and a message, by line."""
    module, _, name = function.partition(":")
    found = getattr(importlib.import_module(module), name)(text, *arguments)
    return sorted({(problem.line, problem.message) for problem in found})
