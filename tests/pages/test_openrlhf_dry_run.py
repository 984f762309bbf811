"""The program that tries a launch script of OpenRLHF without a GPU: what it prints, and what it finds wrong."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from harness.environments import NotInstalled
from tests.live.support import ROOT
from tests.pages.warm import run

DOWNLOADS = ROOT / "docs" / "downloads"
USER, ASSISTANT = {"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}
REWARD = """
def reward_func(queries, prompts, labels, **kwargs):
    rewards = [float(query == f"{prompt}{label}<|end|>") for query, prompt, label in zip(queries, prompts, labels)]
    if "error" in queries[0]:
        raise OSError("HTTP Error 500")
    return {"rewards": rewards[0], "scores": rewards[0], "extra_logs": {}}
"""
AGENT = """
import torch
from openrlhf.utils.agent import AgentInstanceBase, MultiTurnAgentExecutor
class Twice(AgentInstanceBase):
    def __init__(self, *args, **kwargs):
        self.turns = 0
    async def step(self, states, **kwargs):
        self.turns += 1
        right = float(states["action_text"] == states["label"])
        feedback = "" if self.turns == 2 else "<|user|>Again.<|end|><|assistant|>"
        return {"rewards": torch.tensor(right), "environment_feedback": feedback, "done": self.turns == 2}
class AgentExecutor(MultiTurnAgentExecutor):
    def __init__(self):
        super().__init__(Twice)
"""
PPO = """\
python -m openrlhf.cli.train_ppo_ray --actor.model_name_or_path tiny --data.prompt_dataset rl.jsonl \\
    --data.input_key prompt --data.label_key label --data.apply_chat_template \\
    --rollout.n_samples_per_prompt 4 --algo.advantage.estimator group_norm """


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, rows and reward files."""
    folder = tmp_path_factory.mktemp("dry")
    files = {
        "sft.jsonl": [{"messages": [USER, ASSISTANT]}, {"messages": [USER | {"content": "word " * 90}, ASSISTANT]}],
        "pairs.jsonl": [{"prompt": [USER], "chosen": [ASSISTANT], "rejected": [USER | ASSISTANT]}],
        "rl.jsonl": [{"prompt": [USER], "label": "2"}],
    }
    for name, rows in files.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "reward.py").write_text(REWARD, encoding="utf-8")
    (folder / "agent.py").write_text(AGENT, encoding="utf-8")
    try:
        made = run(folder, DOWNLOADS / "tiny_model.py", "sft.jsonl")
    except NotInstalled as reason:
        pytest.skip(str(reason))
    assert made.returncode == 0, made.stderr
    return folder


def dry_run(folder: Path, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.sh").write_text(script, encoding="utf-8")
    return run(folder, DOWNLOADS / "openrlhf_dry_run.py", "script.sh", *arguments)


def test_rows_that_a_loader_drops_are_counted(folder: Path) -> None:
    flags = "--model.model_name_or_path tiny --data.apply_chat_template --data.max_len 64"
    script = (
        f"# launches\ndeepspeed --module openrlhf.cli.train_sft {flags} --data.multiturn \\\n"
        "    --data.dataset sft.jsonl --data.input_key messages\n"
        f"deepspeed --module openrlhf.cli.train_dpo {flags} --data.dataset pairs.jsonl --data.prompt_key prompt\n"
    )
    made = dry_run(folder, script)
    assert made.stdout.splitlines() == [
        "train_sft: 6 flags, all known",
        "SFTDataset: 1 of 2 rows loaded",
        "train_dpo: 5 flags, all known",
        "RewardDataset: 1 of 1 rows loaded",
    ], made.stderr
    assert made.returncode == 1


def test_the_reward_function_judges_what_the_model_is_made_to_say(folder: Path) -> None:
    made = dry_run(folder, PPO + "--reward.remote_url reward.py", "--say", "2", "--say", "3")
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-2:] == ['row 1: "2": reward 1.0', 'row 1: "3": reward 0.0']


def test_an_error_of_the_reward_function_is_no_reward(folder: Path) -> None:
    made = dry_run(folder, PPO + "--reward.remote_url reward.py", "--say", "error")
    assert made.returncode == 1
    assert "Failed to fetch reward from remote RM: HTTP Error 500" in made.stdout
    assert made.stdout.endswith('row 1: "error": reward None\n')


def test_the_texts_are_the_turns_of_an_agent(folder: Path) -> None:
    made = dry_run(folder, PPO + "--train.agent_func_path agent.py", "--say", "3", "--say", "2")
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines()[-1] == 'row 1: "2": 2 turns, reward 1.0'
    made = dry_run(folder, PPO + "--train.agent_func_path agent.py", "--say", "3")
    assert made.returncode == 1
    assert "give it the next turn" in made.stderr


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (PPO + "--remote_rm_url x", "no flag --remote_rm_url: did you mean --reward.remote_url?"),
        (PPO + "--data.max_len x", "train_ppo_ray: argument --data.max_len: invalid int value: 'x'"),
        (PPO + "--train.partial_rollout_enable", "requires --train.async_enable"),
        ("python -m openrlhf.cli.train_spt", "did you mean train_sft?"),
        ("echo 1", "starts no openrlhf.cli command"),
    ],
)
def test_what_is_refused_is_said(folder: Path, script: str, said: str) -> None:
    made = dry_run(folder, script)
    assert made.returncode == 1
    assert said in made.stderr
