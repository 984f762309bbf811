"""Faults planted in commands that a page shows and nobody runs: the program's own parser names each."""

from __future__ import annotations

import pytest

from harness.consumers.commands_shown import gym, gym_rollouts

GYM_RIGHT = (
    "gym dataset download --repo-id nvidia/x --artifact a.jsonl --output train.jsonl",
    "gym eval run --no-serve --agent a --num-repeats 4 \\\n    --input i.jsonl --output o.jsonl +num_repeats_add_seed=true",
    "gym dataset collate --resources-server mcqa --mode train_preparation --download --output-dir d",
    "gym eval run --config resources_servers/mcqa/configs/mcqa.yaml --agent a --input i.jsonl --output o.jsonl",
    "gym eval run --help",
)
GYM_WRONG = {
    "gym datset download": "invalid choice: 'datset'",
    "gym dataset download --repo-idd x": "no flag '--repo-idd'",
    "gym eval run --agent a --concurrency lots": "valid integer",
    "gym eval run --agent a +num_repeat_add_seed=true": "did you mean 'num_repeats_add_seed'?",
    "gym dataset collate --resources-server mcq --mode train_preparation": "mcq/configs/mcq.yaml`, which does not exist",
    "gym dataset collate --resources-server mcqa --mode train": "invalid choice: 'train'",
    "gym eval run --agent a | tail": "expected one command by itself, found '|'",
    "gym eval run --config nowhere.yaml --agent a": "there is no file 'nowhere.yaml', neither in the reader's folder",
    "gym eval run --agent 'a": "not a shell's words",
}
TOOL_RIGHT = (
    "gym-rollouts compare before.jsonl after.jsonl --k 1 --k 4",
    "gym-rollouts prepare no-such-file.jsonl --rl chosen.jsonl \\\n    --tasks train.jsonl",
    "gym-rollouts compare --help",
)
TOOL_WRONG = {
    "gym-rollouts compar a b": "No such command 'compar'",
    "gym-rollouts compare a b --kk 1": "No such option: --kk",
    "gym-rollouts compare a": "Missing argument",
    "gym-rollouts prepare a --per-task x": "valid integer",
    "gym-rollouts prepare a --truncated maybe": "'maybe' is not one of",
    "gym-rollouts prepare a > b": "expected one command by itself, found '>'",
}


@pytest.mark.parametrize("command", GYM_RIGHT)
def test_a_gym_command_that_would_run_is_right(command: str) -> None:
    assert gym(command) == []


@pytest.mark.parametrize(("command", "said"), GYM_WRONG.items())
def test_what_gym_refuses_or_ignores_is_named(command: str, said: str) -> None:
    assert said in gym(command)[0].message


def test_what_stands_under_a_command_that_is_only_parsed_is_refused(judge) -> None:
    text = f"# A page\n\n```{{code-block}} console\n:consumer: gym\n\n$ {GYM_RIGHT[0]}\ndone\n```\n"
    failure = judge(text)
    assert "is only parsed" in failure.message
    assert failure.line == 7
    assert judge(text.replace("\ndone", "")) is None


@pytest.mark.parametrize("command", TOOL_RIGHT)
def test_a_command_of_the_tool_that_would_run_is_right(command: str) -> None:
    assert gym_rollouts(command) == []


@pytest.mark.parametrize(("command", "said"), TOOL_WRONG.items())
def test_what_the_tool_refuses_is_named(command: str, said: str) -> None:
    assert said in gym_rollouts(command)[0].message
