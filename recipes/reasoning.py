"""The recipe on reasoning: puzzles of reasoning-gym, judged by reasoning_gym, and a model of half a million weights.

A scripted solver answers the tasks with mistakes, the verifier scores it, and a model with random weights learns from
what was right. All else is as in `recipes.arms`, but for one more arm: GRPO on the verifier's partial credit.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from recipes import arms, live
from recipes.arms import Kind, Settings
from recipes.stages import Facts, command

#: The model starts from random weights, so what it does before SFT is no arm.
ARMS = ("sft", "continued", "second", "grpo", "dense")
#: The chance that the scripted solver spoils an answer.
SLIPS = "0.3"
#: The weights of `partial_credit.score` and `partial_credit.exact`.
RIGHT, PARTIAL = [0.0, 1.0], [1.0, 0.0]
#: What TRL prints of both rewards at each step.
LOGGED = re.compile(r"'rewards/(score|exact)/mean': '?([-\d.e]+)")

ENVIRONMENT = live.Environment(
    server="reasoning_gym",
    agent="reasoning_gym_simple_agent",
    alone="reasoning_gym: {resources_servers: {reasoning_gym: {entrypoint: app.py, domain: knowledge}}}\n",
)
SETTINGS = Settings(
    train=1500,
    examples=600,
    same=210,
    new=0,
    warm_repeats=1,
    warm_temperature=1.0,
    limit=12,
    per_task=1,
    sft_steps=500,
    sft_batch=64,
    sft_rate=1e-3,
    continued_steps=1200,
    further_rate=3e-4,
    second_tasks=960,
    second_repeats=8,
    second_steps=800,
    grpo_steps=120,
    grpo_batch=64,
    group=8,
    grpo_rate=1e-4,
    repeats=4,
)
TRIAL = replace(
    SETTINGS,
    train=24, examples=24, same=6, warm_repeats=2, sft_steps=200, sft_batch=8, continued_steps=2, second_tasks=6,
    second_repeats=4, second_steps=2, grpo_steps=2, grpo_batch=8, group=4, repeats=2,
)  # fmt: skip
KIND = Kind(
    ENVIRONMENT,
    "reasoning_tasks.py",
    SETTINGS,
    TRIAL,
    sft={"assistant_only_loss": True, "logging_steps": 1, "lr_scheduler_type": "cosine"},
    grpo={"reward_funcs": ["partial_credit.score", "partial_credit.exact"], "reward_weights": RIGHT},
)


class Recipe(arms.Recipe):
    """One seed of the recipe. Its rewards are what the verifier says; a right answer has 1."""

    def run(self, wanted: list[str]) -> Facts:
        """Train and measure some arms: `arms` counts right answers, and `scores` has the verifier's rewards."""
        found = super().run([arm for arm in wanted if arm != "dense"])
        if "dense" in wanted:
            found["stages"]["dense"] = dense = self.own.stage("dense", self.settings_of_dense(), self.dense)
            found["curves"]["dense"] = dense.pop("curve")
            found["stages"]["measure-dense"] = measured = self.measure("dense")
            found["arms"]["dense"] = {name: measured.pop(name) for name in ("greedy", "sampled")}
        found["scores"] = found["arms"]
        found["arms"] = {
            arm: {name: [[float(each >= 1) for each in task] for task in rewards] for name, rewards in kinds.items()}
            for arm, kinds in found["scores"].items()
        }
        return found

    def settings_of_dense(self) -> Facts:
        """What decides the model that learns from partial credit."""
        return {"weights": PARTIAL, "seed": self.seed} | vars(self.settings)

    @property
    def base(self) -> Path:
        """The model with random weights, whose tokens are those of the first rows."""
        return self.own.folder / "rollouts" / "tiny"

    def make_model(self, folder: Path) -> Facts:
        """Nothing: the model is made where its first rows are."""
        return {}

    def warm_rollouts(self, folder: Path) -> Facts:
        """Have the scripted solver answer, keep what the verifier accepts, and make the model."""
        one = self.settings
        tasks = self.tasks / "warm.jsonl"
        with solver(tasks, folder, self.seed) as address:
            found = self.rows_from(address, folder, tasks, one.warm_repeats, one.warm_temperature)
        make = ["tiny_model.py", "trl-sft.jsonl", "--letters", "--layers", "2", "--seed", f"{self.seed}"]
        make[0] = str(live.DOWNLOADS / make[0])
        command([live.trl_python(), *make], folder, live.trainer_variables(), "model.txt")
        return found

    def make_trl_rows(self, folder: Path) -> None:
        """Turn ``sft.jsonl`` into rows for TRL as it is: its prompts have no worked examples."""
        export = ["export", "sft.jsonl", "--to", "trl", "--output", "trl-sft.jsonl"]
        command([*arms.TOOL, *export], folder, dict(os.environ), "rows.txt")

    def grpo(self, folder: Path) -> Facts:
        """Train by GRPO; the curves have the means of both rewards, whichever it is that counts."""
        found = super().grpo(folder)
        found["curve"] |= both_rewards((folder / "log.txt").read_text(encoding="utf-8"))
        return found

    def dense(self, folder: Path) -> Facts:
        """Train by GRPO with the verifier's partial credit as the reward."""
        kind = replace(self.kind, grpo={**self.kind.grpo, "reward_weights": PARTIAL})
        other = Recipe(kind, self.own.folder.parent, self.own.key, self.seed, self.settings)
        return other.grpo(folder)


def both_rewards(log: str) -> dict[str, list[float]]:
    """The means of both rewards at each step, from what TRL printed."""
    found: dict[str, list[float]] = {"score": [], "exact": []}
    for name, said in LOGGED.findall(log):
        found[name].append(round(float(said), 4))
    return found


@contextlib.contextmanager
def solver(tasks: Path, folder: Path, seed: int) -> Iterator[str]:
    """Serve the scripted solver for some tasks; yield the address.

    Raises:
        live.NotReady: it ended before it listened.
    """
    program = [sys.executable, str(live.DOWNLOADS / "reasoning_solver.py"), str(tasks), "--port", "0"]
    program += ["--slips", SLIPS, "--seed", f"{seed}"]
    with live.serving("the solver", program, folder / "solver.log") as address:
        yield address
