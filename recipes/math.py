"""The recipe on math: short questions with a number as the answer, judged by math_with_judge without a judge.

Before GRPO the model that SFT made tries all training tasks, and only those stay that it sometimes solves: the others
give no signal. The second round of rejection sampling gets as many answers as this and GRPO together.
"""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path

from recipes import arms, live
from recipes.arms import TOOL, Kind, Settings, lines_of
from recipes.stages import Facts, command

ENVIRONMENT = live.Environment(
    server="math_with_judge",
    agent="math_with_judge_simple_agent",
    # The verifier names a model for its judge, which it never asks. It parses each answer in a process of its own, and
    # math-verify gives up after five seconds of any clock: with its 32 at a time, right answers got 0 on two cores.
    alone="""\
math_with_judge:
  resources_servers:
    math_with_judge:
      entrypoint: app.py
      domain: math
      should_use_judge: false
      library_verifier_max_concurrency: 2
      library_verifier_timeout_seconds: 60
      judge_model_server: {type: responses_api_models, name: judge_model}
      judge_responses_create_params: {input: []}
judge_model:
  responses_api_models:
    vllm_model:
      entrypoint: app.py
      base_url: ${policy_base_url}
      api_key: none
      model: judge
      return_token_id_information: false
      uses_reasoning_parser: false
""",
    overrides=tuple(
        f"++math_with_judge.resources_servers.math_with_judge.library_verifier_{name}"
        for name in ("max_concurrency=2", "timeout_seconds=60")
    ),
)
SETTINGS = Settings(
    train=480,
    examples=320,
    same=168,
    new=60,
    warm_repeats=4,
    warm_temperature=0.7,
    limit=20,
    per_task=2,
    sft_steps=60,
    sft_batch=16,
    sft_rate=2e-5,
    continued_steps=240,
    further_rate=1e-5,
    second_tasks=480,
    second_repeats=9,
    second_steps=170,
    grpo_steps=40,
    grpo_batch=64,
    group=8,
    grpo_rate=5e-6,
    repeats=4,
)
TRIAL = replace(
    SETTINGS,
    train=16, examples=16, same=4, new=2, warm_repeats=4, sft_steps=8, sft_batch=8, sft_rate=5e-5, continued_steps=2,
    second_tasks=8, second_repeats=4, second_steps=2, grpo_steps=2, grpo_batch=8, group=4, repeats=2,
)  # fmt: skip
KIND = Kind(ENVIRONMENT, "math_tasks.py", SETTINGS, TRIAL)


class Recipe(arms.Recipe):
    """A recipe whose GRPO gets only tasks that the model of SFT sometimes solves."""

    def train(self, arm: str) -> dict[str, Facts]:
        """Do the stages of an arm; what each found."""
        if arm != "grpo":
            return super().train(arm)
        asked = asdict(self.settings) | {"seed": self.seed}
        return {"profile": self.own.stage("profile", asked, self.profile)} | super().train(arm)

    def profile(self, folder: Path) -> Facts:
        """Have the model of SFT try each training task, and keep those whose answers are not all right or all wrong.

        Raises:
            StageFailed: there are none, in the words of the tool, which ends with 1 where it writes no row.
        """
        train, repeats = self.tasks / "train.jsonl", self.settings.warm_repeats
        with (
            live.model_server(self.model_of("sft"), self.seed, folder / "model.log") as address,
            live.gym(self.kind.environment, folder / "gym", address) as gym,
        ):
            gym.collect(train, folder / "rollouts.jsonl", repeats, 1.0, self.settings.limit)
        choose = [*TOOL, "prepare", "rollouts.jsonl", "--rl", "chosen.jsonl", "--tasks", str(train), "--quiet"]
        command([*choose, "--truncated", "keep"], folder, dict(os.environ), "choose.txt")
        chosen = len(lines_of(folder / "chosen.jsonl"))
        return {"rollouts": self.settings.train * repeats, "tasks": self.settings.train, "chosen": chosen}

    def rl_tasks(self) -> Path:
        """The tasks that GRPO gets."""
        return self.own.folder / "profile" / "chosen.jsonl"
