"""Write tasks of reasoning-gym for NeMo Gym's reasoning_gym that a model of half a million weights can learn.

    python reasoning_tasks.py [--output FOLDER] [--seed N] [--train N] [--same N] [--examples N]

It needs reasoning-gym, which makes the questions and scores the answers:

    spell_backward     a word of 3 to 6 letters from its end; part of the reward for each letter in its place
    number_filtering   a list of 3 numbers, without those that are larger or smaller than another
    rotate_matrix      a matrix of 2 x 2 digits, turned by 0 to 270 degrees

    train.jsonl        training tasks, a third of each kind, which the seed draws
    warm.jsonl         the first of these, for a scripted solver, whose right answers SFT learns from
    held-out.jsonl     tasks to measure with, for every seed the same, and none of them among the training tasks
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import reasoning_gym

AGENT = {"type": "responses_api_agents", "name": "reasoning_gym_simple_agent"}
#: Each kind of task with the settings that make it small enough.
KINDS: dict[str, dict[str, int]] = {
    "spell_backward": {"min_word_len": 3, "max_word_len": 6},
    "number_filtering": {
        "min_numbers": 3, "max_numbers": 3, "min_decimals": 0, "max_decimals": 0, "min_value": 0, "max_value": 9,
    },
    "rotate_matrix": {"min_n": 2, "max_n": 2, "min_rotations": 0, "max_rotations": 3},
}  # fmt: skip
#: The seed of the tasks to measure with, and how far the seeds of training tasks are apart: task N has the seed plus N.
HELD_OUT, APART = 999_000_000, 1_000_000


def row_of(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of reasoning-gym as a task of NeMo Gym."""
    kind = entry["metadata"]["source_dataset"]
    return {
        "responses_create_params": {"input": [{"role": "user", "content": entry["question"]}]},
        "question": entry["question"],
        "answer": entry["answer"],
        "metadata": entry["metadata"],
        "verifier_metadata": {"family": kind, "part": "same"},
        "agent_ref": AGENT,
    }


def draw(kind: str, seed: int, count: int, taken: set[str]) -> Iterator[dict[str, Any]]:
    """So many tasks of a kind, no question of which is among those that are taken, or is asked twice.

    Raises:
        ValueError: the kind has not so many questions.
    """
    tries = 40 * count
    left = count
    for entry in reasoning_gym.create_dataset(kind, seed=seed, size=tries, **KINDS[kind]):
        if left and entry["question"].lower() not in taken:
            taken.add(entry["question"].lower())
            left -= 1
            yield row_of(entry)
        if not left:
            return
    raise ValueError(f"{kind}: found {count - left} of {count} tasks in {tries} tries")


def tasks_of(seed: int, train: int, same: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The training tasks of a seed, the kinds in turn, and the tasks to measure with."""
    taken: set[str] = set()

    def of_all(seed: int, count: int) -> list[dict[str, Any]]:
        drawn = [list(draw(kind, seed, count // len(KINDS), taken)) for kind in KINDS]
        return list(itertools.chain.from_iterable(zip(*drawn, strict=True)))

    held_out = of_all(HELD_OUT, same)
    return of_all(seed * APART, train), held_out


def main(arguments: list[str] | None = None) -> int:
    """Write the files; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(), help="the folder (default: this one)")
    parser.add_argument("--seed", type=int, default=0, help="of the training tasks (default: 0)")
    parser.add_argument("--train", type=int, default=1500, help="training tasks (default: 1500)")
    parser.add_argument("--examples", type=int, default=600, help="of them, for the solver (default: 600)")
    parser.add_argument("--same", type=int, default=210, help="tasks to measure with (default: 210)")
    parser.add_argument("--new", type=int, default=0, choices=[0], help=argparse.SUPPRESS)  # as the other recipes
    options = parser.parse_args(arguments)
    train, held_out = tasks_of(options.seed, options.train, options.same)
    options.output.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("warm", train[: options.examples]), ("held-out", held_out)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (options.output / f"{name}.jsonl").write_text(text, encoding="utf-8")
        print(f"{name}.jsonl: {len(rows)} rows")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
