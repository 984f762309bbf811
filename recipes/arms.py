"""The stages of a recipe: tasks, rollouts, SFT, GRPO, measurements.

Its settings and this file decide what its numbers are (`recipes.results.key_of`). Steps are fixed, never minutes, so
that a slow machine gets the same result later.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recipes import live
from recipes.stages import Facts, Run, StageFailed, command

#: What is measured. Each arm but the first two starts from `sft`.
ARMS = ("base", "sft", "continued", "second", "grpo")
#: What an arm needs first.
NEEDS = {"base": (), "sft": (), "continued": ("sft",), "second": ("sft",), "grpo": ("sft",)}


@dataclass(frozen=True)
class Settings:
    """The numbers of the recipe.

    Attributes:
        train: training tasks.
        examples: of these, how many are tried behind worked examples, for the rows of SFT.
        same, new: tasks to measure with, of the templates that are trained on, and of others.
        warm_repeats, warm_temperature: of the rollouts behind worked examples.
        limit: tokens of an answer.
        per_task: rows of SFT that a task gives at most.
        sft_steps, sft_batch, sft_rate: of SFT.
        continued_steps, further_rate: SFT goes on for as many steps as cost what GRPO costs.
        second_tasks, second_repeats, second_steps: a second round of rejection sampling, with the rollouts of GRPO.
        grpo_steps, grpo_batch, group, grpo_rate: of GRPO; the batch is of answers, a group of answers to one task.
        repeats: sampled answers to each task to measure with, beside the likeliest one.
    """

    train: int
    examples: int
    same: int
    new: int
    warm_repeats: int
    warm_temperature: float
    limit: int
    per_task: int
    sft_steps: int
    sft_batch: int
    sft_rate: float
    continued_steps: int
    further_rate: float
    second_tasks: int
    second_repeats: int
    second_steps: int
    grpo_steps: int
    grpo_batch: int
    group: int
    grpo_rate: float
    repeats: int


#: Keys of both of TRL's trainers: 32-bit numbers on CPUs, and one checkpoint, whose log has each step.
COMMON = {
    "dtype": "float32",
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "report_to": "none",
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
    "lr_scheduler_type": "constant_with_warmup",
    "logging_steps": 1,
    "save_only_model": True,
    "output_dir": "trained",
}


def sft_config(model: str, rows: str, steps: int, rate: float, batch: int, seed: int) -> Facts:
    """The configuration of `trl sft`."""
    return {
        "model_name_or_path": model,
        "datasets": [{"path": "json", "data_files": rows}],
        "max_length": 256,
        "max_steps": steps,
        "per_device_train_batch_size": batch,
        "learning_rate": rate,
        "warmup_steps": 5,
        "save_steps": steps,
        "seed": seed,
        **COMMON,
    }


def grpo_config(model: str, rows: str, settings: Settings, seed: int) -> Facts:
    """The configuration of `trl grpo`."""
    return {
        "model_name_or_path": model,
        "datasets": [{"path": "json", "data_files": rows}],
        "reward_funcs": ["gym_trl.gym_reward"],
        "max_steps": settings.grpo_steps,
        "per_device_train_batch_size": settings.grpo_batch,
        "num_generations": settings.group,
        "max_completion_length": settings.limit,
        "temperature": 1.0,
        "beta": 0.0,
        "loss_type": "dapo",
        "learning_rate": settings.grpo_rate,
        "warmup_steps": 3,
        "save_steps": settings.grpo_steps,
        "seed": seed,
        **COMMON,
    }


@dataclass(frozen=True)
class Kind:
    """What sets one recipe apart from the others.

    Attributes:
        environment: the resources server and the agent.
        tasks: the program among the downloads that writes the tasks, and turns rows of SFT into rows without worked
            examples.
        settings: the numbers of the recipe.
        trial: numbers that show in a minute or two that all stages run; what they measure says nothing.
        sft, grpo: more keys of the trainers' configurations, or other values.
    """

    environment: live.Environment
    tasks: str
    settings: Settings
    trial: Settings
    sft: Mapping[str, Any] = field(default_factory=dict)
    grpo: Mapping[str, Any] = field(default_factory=dict)


class Recipe:
    """One seed of a recipe, whose stages are in ``folder``.

    Args:
        kind: which recipe.
        folder: of the run; the model that all seeds start from, and its measurement, are beside it.
        key: what the result depends on, beside the settings.
        seed: of training tasks, sampling and trainers.
        settings: the numbers of the recipe.
        model: a folder to start from in place of the packaged model, for tests.
    """

    def __init__(
        self, kind: Kind, folder: Path, key: Facts, seed: int, settings: Settings, model: Path | None = None
    ) -> None:
        self.own, self.shared = Run(folder / f"seed-{seed}", key), Run(folder / "all-seeds", key)
        self.kind, self.seed, self.settings, self.given = kind, seed, settings, model

    def run(self, arms: list[str]) -> Facts:
        """Train and measure some arms, and what they need; what a result file says of them."""
        costs: Facts = {}
        curves: Facts = {}
        costs["model"] = self.shared.stage("model", {"given": str(self.given or "")}, self.make_model)
        costs["tasks"] = self.own.stage("tasks", self.tasks_settings(), self.make_tasks)
        wanted = [arm for arm in ARMS if arm in arms or any(arm in NEEDS[each] for each in arms)]
        for arm in wanted:
            for name, found in self.train(arm).items():
                curves |= {name: found.pop("curve")} if "curve" in found else {}
                costs[name] = found
        measured = {}
        for arm in [each for each in wanted if each in arms]:
            costs[f"measure-{arm}"] = found = self.measure(arm)
            measured[arm] = {name: found.pop(name) for name in ("greedy", "sampled")}
        tasks = [json.loads(line)["verifier_metadata"] for line in lines_of(self.held_out)]
        return {
            "settings": asdict(self.settings),
            "tasks": [[task["family"], task["part"]] for task in tasks],
            "arms": measured,
            "curves": curves,
            "stages": costs,
        }

    # -------------------------------------------------------------------------------------------- model and tasks

    @property
    def base(self) -> Path:
        """The folder of the model that all starts from."""
        return self.given or self.shared.folder / "model" / "smollm2"

    @property
    def tasks(self) -> Path:
        """The folder of the tasks."""
        return self.own.folder / "tasks"

    @property
    def program(self) -> str:
        """The program that writes the tasks."""
        return str(live.DOWNLOADS / self.kind.tasks)

    @property
    def held_out(self) -> Path:
        """The tasks to measure with."""
        return self.tasks / "held-out.jsonl"

    def make_model(self, folder: Path) -> Facts:
        """Turn the packaged model into a folder that trainers load."""
        if self.given:
            return {}
        program = str(live.DOWNLOADS / "small_model.py")
        peak = command([live.trl_python(), program, "make", "smollm2"], folder, live.trainer_variables())
        return {"peak_mb": peak}

    def tasks_settings(self) -> Facts:
        """What decides which tasks there are."""
        used = ("train", "examples", "same", "new")
        return {"seed": self.seed} | {name: getattr(self.settings, name) for name in used}

    def make_tasks(self, folder: Path) -> Facts:
        """Write the tasks."""
        arguments = [word for name, value in self.tasks_settings().items() for word in (f"--{name}", f"{value}")]
        command([sys.executable, self.program, *arguments], folder, dict(os.environ))
        return {}

    # -------------------------------------------------------------------------------------------------- training

    def model_of(self, arm: str) -> Path:
        """The folder of an arm's model."""
        return self.base if arm == "base" else self.own.folder / arm / "trained"

    def train(self, arm: str) -> dict[str, Facts]:
        """Do the stages of an arm; what each found."""
        given = asdict(self.settings) | {"seed": self.seed}

        def settings(*names: str) -> Facts:
            return {name: given[name] for name in (*self.tasks_settings(), "limit", *names)}

        warm = settings("warm_repeats", "warm_temperature")
        sft = warm | settings("per_task", "sft_steps", "sft_batch", "sft_rate")
        further = sft | settings("further_rate")
        own = self.own
        match arm:
            case "base":
                return {"rollouts": own.stage("rollouts", warm, self.warm_rollouts)}
            case "sft":
                return {
                    "rollouts": own.stage("rollouts", warm, self.warm_rollouts),
                    "sft": own.stage("sft", sft, self.sft),
                }
            case "continued":
                return {"continued": own.stage("continued", further | settings("continued_steps"), self.continued)}
            case "second":
                again = sft | settings("second_tasks", "second_repeats")
                last = further | again | settings("second_steps")
                return {
                    "second-rollouts": own.stage("second-rollouts", again, self.second_rollouts),
                    "second": own.stage("second", last, self.second),
                }
            case "grpo":
                asked = sft | settings("grpo_steps", "grpo_batch", "group", "grpo_rate")
                return {"grpo": own.stage("grpo", asked, self.grpo)}
        raise StageFailed(f"no arm {arm!r}: {', '.join(ARMS)}")

    def warm_rollouts(self, folder: Path) -> Facts:
        """Collect answers of the base model behind worked examples, and keep those that the verifier accepts."""
        one = self.settings
        return self.collect_rows(folder, "base", self.tasks / "warm.jsonl", one.warm_repeats, one.warm_temperature)

    def second_rollouts(self, folder: Path) -> Facts:
        """Collect answers of the model that SFT made, and keep those that the verifier accepts."""
        chosen = folder / "tasks.jsonl"
        rows = lines_of(self.tasks / "train.jsonl")[: self.settings.second_tasks]
        chosen.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        return self.collect_rows(folder, "sft", chosen, self.settings.second_repeats, 1.0)

    def collect_rows(self, folder: Path, arm: str, tasks: Path, repeats: int, temperature: float) -> Facts:
        """Collect rollouts of an arm's model, and turn those that the verifier accepts into rows for SFT."""
        with live.model_server(self.model_of(arm), self.seed, folder / "model.log") as address:
            return self.rows_from(address, folder, tasks, repeats, temperature)

    def rows_from(self, policy: str, folder: Path, tasks: Path, repeats: int, temperature: float) -> Facts:
        """Collect rollouts of what answers at an address, and turn those that the verifier accepts into rows for SFT.

        Raises:
            StageFailed: no row came out.
        """
        with live.gym(self.kind.environment, folder / "gym", policy) as gym:
            gym.collect(tasks, folder / "rollouts.jsonl", repeats, temperature, self.settings.limit)
        rewards = [json.loads(line)["reward"] for line in lines_of(folder / "rollouts.jsonl")]
        accepted = sum(reward >= 1 for reward in rewards)
        if accepted:
            prepare = [*TOOL, "prepare", "rollouts.jsonl", "--sft", "sft.jsonl", "--quiet"]
            prepare += ["--per-task", f"{self.settings.per_task}"]
            command(prepare, folder, dict(os.environ), "prepare.txt")
            self.make_trl_rows(folder)
        rows = len(lines_of(folder / "trl-sft.jsonl")) if accepted else 0
        if not rows:
            said = f"the verifier accepted {accepted or 'none'} of {len(rewards)} answers"
            raise StageFailed(f"{said}, and no row for SFT came out: see {folder}")
        return {"rollouts": len(rewards), "accepted": accepted, "rows": rows}

    def make_trl_rows(self, folder: Path) -> None:
        """Turn ``sft.jsonl`` into ``trl-sft.jsonl``: rows for TRL, without the worked examples of the prompts."""
        command([sys.executable, self.program, "--zero-shot", "sft.jsonl"], folder, dict(os.environ), "rows.txt")

    def sft(self, folder: Path) -> Facts:
        """Train the base model on its own accepted answers."""
        one = self.settings
        rows = self.own.folder / "rollouts" / "trl-sft.jsonl"
        config = sft_config(str(self.base), str(rows), one.sft_steps, one.sft_rate, one.sft_batch, self.seed)
        config |= self.kind.sft
        return self.trl("sft", config, folder)

    def continued(self, folder: Path) -> Facts:
        """Go on with SFT on the same rows."""
        return self.more_sft(folder, "rollouts", self.settings.continued_steps)

    def second(self, folder: Path) -> Facts:
        """Go on with SFT on the accepted answers of the second round."""
        return self.more_sft(folder, "second-rollouts", self.settings.second_steps)

    def more_sft(self, folder: Path, rollouts: str, steps: int) -> Facts:
        """Go on with SFT on the rows that another stage left."""
        one = self.settings
        rows = self.own.folder / rollouts / "trl-sft.jsonl"
        config = sft_config(str(self.model_of("sft")), str(rows), steps, one.further_rate, one.sft_batch, self.seed)
        config |= self.kind.sft
        return self.trl("sft", config, folder)

    def rl_tasks(self) -> Path:
        """The tasks that GRPO gets."""
        return self.tasks / "train.jsonl"

    def grpo(self, folder: Path) -> Facts:
        """Train by GRPO, with the rewards of the running verifier."""
        export = [*TOOL, "export", str(self.rl_tasks()), "--to", "trl", "--output", "trl-rl.jsonl"]
        command(export, folder, dict(os.environ), "export.txt")
        config = grpo_config(str(self.model_of("sft")), "trl-rl.jsonl", self.settings, self.seed)
        config |= self.kind.grpo
        with live.gym(self.kind.environment, folder / "gym") as gym:
            found = self.trl("grpo", config, folder, {"VERIFIER": gym.address()})
        return found | {"rollouts": self.settings.grpo_steps * self.settings.grpo_batch}

    def trl(self, method: str, config: Facts, folder: Path, more: dict[str, str] | None = None) -> Facts:
        """Run a trainer of TRL; its steps, and the most memory that it had."""
        (folder / f"{method}.yaml").write_text(json.dumps(config, indent=2), encoding="utf-8")
        program = str(Path(live.trl_python()).with_name("trl"))
        variables = live.trainer_variables() | (more or {})
        peak = command([program, method, "--config", f"{method}.yaml"], folder, variables)
        checkpoint = folder / "trained" / f"checkpoint-{config['max_steps']}"
        steps = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
        shutil.rmtree(checkpoint)  # the model is in the folder above, too
        return {"peak_mb": peak, "steps": config["max_steps"], "curve": curve_of(steps)}

    # ------------------------------------------------------------------------------------------------ measurements

    def measure(self, arm: str) -> Facts:
        """Have an arm's model answer the held-out tasks; the reward of each answer."""
        one = self.settings
        asked = asdict(one) | ({} if arm == "base" else {"seed": self.seed})

        def work(folder: Path) -> Facts:
            found: Facts = {}
            with (
                live.model_server(self.model_of(arm), self.seed, folder / "model.log") as address,
                live.gym(self.kind.environment, folder / "gym", address) as gym,
            ):
                for name, repeats, temperature in (("greedy", 1, 0.0), ("sampled", one.repeats, 1.0)):
                    rollouts = folder / f"{name}.jsonl"
                    gym.collect(self.held_out, rollouts, repeats, temperature, one.limit)
                    found[name] = rewards_by_task(rollouts)
            return found

        # The model that all start from is measured once.
        return (self.shared if arm == "base" else self.own).stage(f"measure-{arm}", asked, work)


#: The site's tool, in this environment.
TOOL = (sys.executable, "-m", "gym_rollouts")
#: What of a trainer's log is a curve.
CURVES = {
    "reward": "reward",
    "reward_std": "spread",
    "loss": "loss",
    "completions/mean_length": "tokens",
    "frac_reward_zero_std": "equal groups",
}


def curve_of(steps: list[Facts]) -> dict[str, list[float]]:
    """A trainer's log as curves: of each figure, a number for each step."""
    found: dict[str, list[float]] = {}
    for step in steps:
        for name, said in CURVES.items():
            if name in step:
                found.setdefault(said, []).append(round(float(step[name]), 4))
    return found


def rewards_by_task(rollouts: Path) -> list[list[float]]:
    """The rewards of each task's attempts, by the numbers that NeMo Gym gave them.

    Raises:
        StageFailed: the tasks have not equally many attempts: some were lost.
    """
    rows: list[dict[str, Any]] = [json.loads(line) for line in lines_of(rollouts)]
    rows.sort(key=lambda row: (row["_ng_task_index"], row["_ng_rollout_index"]))
    found: dict[int, list[float]] = {}
    for row in rows:
        found.setdefault(row["_ng_task_index"], []).append(float(row["reward"]))
    if len({len(rewards) for rewards in found.values()}) != 1:
        raise StageFailed(f"{rollouts}: the tasks have not equally many attempts")
    return list(found.values())


def lines_of(path: Path) -> list[str]:
    """The lines of a text file."""
    return path.read_text(encoding="utf-8").splitlines()
