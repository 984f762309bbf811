"""Faults planted in what a page shows of verl: its configurations, launch scripts, command lines and rows."""

from __future__ import annotations

import json

import pytest

from harness.consumers import verl_recipe
from tests.harness.conftest import assert_named, line_of, require

USER, ASSISTANT = {"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}
SFT = json.dumps({"messages": [USER, ASSISTANT]})
RL = json.dumps({
    "data_source": "mcqa", "prompt": [USER], "reward_model": {"style": "rule", "ground_truth": "2"},
    "extra_info": {"task": "{}"},
})  # fmt: skip
CONFIG = """\
defaults:
  - ppo_trainer
  - _self_
data:
  train_files: rl.jsonl
  train_batch_size: 8
  filter_overlong_prompts: true
algorithm:
  adv_estimator: grpo
actor_rollout_ref:
  actor: {use_dynamic_bsz: true}
  rollout:
    name: vllm
reward:
  custom_reward_function:
    path: reward.py
    reward_kwargs: {url: "${oc.env:VERIFIER}"}
trainer:
  n_gpus_per_node: 8
"""
TEXT = f"""\
---
environment: verl
---

# A page

```{{code-block}} yaml
:file: train.yaml
:consumer: verl ppo

{CONFIG}```

```{{code-block}} python
:file: reward.py

def compute_score(data_source, solution_str, ground_truth, extra_info, url):
    return 1.0
if __name__ == "__main__":
    print(compute_score(*"abcd", url=""))
```

```{{code-block}} bash
:file: rl.sh
:consumer: verl

python -m verl.trainer.main_ppo --config-dir . --config-name train \\
    trainer.total_training_steps=100 \\
    actor_rollout_ref.rollout.n=8
```

```{{code-block}} console
:consumer: verl

$ torchrun --standalone --nproc_per_node=8 -m verl.trainer.sft_trainer \\
    data.train_files=sft.parquet optim.lr=1e-5 \\
    data.max_length=4096
```

```{{code-block}} jsonl
:consumer: verl sft row

{SFT}
```

```{{code-block}} jsonl
:consumer: verl rl row

{RL}
```

```console
$ python reward.py
1.0
$ grep -c "" rl.sh
3
$ python -c 'print(len(open("train.yaml").readlines()))'
19
```
"""

#: What is right, what stands there instead, what is said, and where.
FAULTS = {
    "a misspelt key at the top of a file, which Hydra takes": (
        "algorithm:\n", "algoritm:\n", "verl has no key algoritm: did you mean algorithm?", "algoritm:",
    ),
    "a misspelt key below, in a file": (
        "  train_batch_size: 8", "  train_batch_siz: 8",
        "verl has no key data.train_batch_siz: did you mean data.train_batch_size?", "  train_batch_siz:",
    ),
    "a misspelt key on the command line, which Hydra refuses": (
        "trainer.total_training_steps", "trainer.total_training_step",
        "Could not override 'trainer.total_training_step': did you mean trainer.total_training_steps?",
        "trainer.total_training_step=",
    ),
    "a misspelt key that is added": (
        "actor_rollout_ref.rollout.n=8", "+actor_rollout_ref.rollout.temprature=0.8",
        "did you mean actor_rollout_ref.rollout.temperature?", "rollout.temprature",
    ),
    "a misspelt key of the SFT trainer": (
        "data.max_length", "data.max_len", "did you mean data.max_length?", "data.max_len=",
    ),
    "a misspelt flag of Hydra": ("--config-dir", "--confg-dir", "did you mean --config-dir?", "--confg-dir"),
    "a number that is none": (
        "train_batch_size: 8", "train_batch_size: many", "data.train_batch_size is 'many': expected int",
        "train_batch_size: many",
    ),
    "a number that is none, on the command line": (
        "optim.lr=1e-5", "optim.lr=small", "optim.lr is 'small': expected float", "optim.lr=small",
    ),
    "a no that is a text, and so true": (
        "actor_rollout_ref.rollout.n=8", "data.filter_overlong_prompts=no",
        "data.filter_overlong_prompts is 'no': expected bool", "data.filter_overlong_prompts=no",
    ),
    "a name that verl looks up when it trains": (
        "adv_estimator: grpo", "adv_estimator: grpoo", "verl has no estimator 'grpoo': did you mean grpo?",
        "adv_estimator: grpoo",
    ),
    "a place that is no longer read": (
        "actor_rollout_ref.rollout.n=8", "custom_reward_function.path=reward.py",
        "main_ppo no longer reads custom_reward_function.path, and says nothing: write reward.custom_reward",
        "custom_reward_function.path",
    ),
    "settings that do not go together": (
        "{use_dynamic_bsz: true}", "{use_dynamic_bsz: false}",
        "Please set at least one of 'actor.ppo_micro_batch_size'", "  actor: {use",
    ),
    "no engine": ("    name: vllm\n", "    seed: 1\n", "actor_rollout_ref.rollout.name is not set: vllm", "  rollout:"),
    "a reward function that is not in its file": (
        "def compute_score(", "def score(", "Object not found in module: object_name='compute_score'", "main_ppo",
    ),
    "another command": ("verl.trainer.sft_trainer", "verl.trainer.sft_train", "did you mean sft_trainer?", "sft_train "),
    "a row without messages": ('{"messages":', '{"message":', "did you mean 'message'?", '{"message":'),
    "a row without a source": ('"data_source":', '"datasource":', "did you mean 'datasource'?", '"datasource"'),
    "a row without the answer": (
        '"ground_truth":', '"groundtruth":', "has no reward_model.ground_truth", '"groundtruth"',
    ),
    "a conversation without an answer": (
        SFT, json.dumps({"messages": [USER]}), "no word of the assistant", '{"messages"',
    ),
    "messages of another form": ('"prompt": [{"role"', '"prompt": [{"from"', "cannot read this rl row", '{"from"'),
    "a key that is nearly one of verl's": (
        '"style":', '"stile":', "'reward_model.stile': did you mean 'style'?", '"stile"',
    ),
    "a role that is none": ('"prompt": [{"role": "user"', '"prompt": [{"role": "usr"', "did you mean 'user'?", '"usr"'),
}  # fmt: skip


@pytest.fixture(autouse=True)
def installed() -> None:
    """verl's environment: skipped where it is not installed, and a fault in CI."""
    require("verl")


def test_what_is_right_passes(judge):
    failure = judge(TEXT)
    assert failure is None, failure.message
    verdicts = [record["verdict"] for record in judge.records]
    assert verdicts.count("validated") == 4, verdicts


@pytest.mark.parametrize(("right", "wrong", "said", "place"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_its_line_and_the_nearest_name(judge, right, wrong, said, place):
    assert_named(judge, TEXT, TEXT.replace(right, wrong, 1), said, place)


def test_a_command_line_is_judged_before_it_runs(judge):
    text = TEXT.split("```{code-block} bash")[0] + (
        "```console\n$ python reward.py\n1.0\n$ python3 -m verl.trainer.main_ppo \\\n    data.max_prompt_len=8\n```\n"
    )
    failure = judge(text)
    assert "did you mean data.max_prompt_length?" in failure.message
    assert failure.line == line_of(text, "data.max_prompt_len=")


def test_the_merger_of_checkpoints_is_parsed(judge):
    right = "$ python -m verl.model_merger merge --backend fsdp \\\n    --local_dir a --target_dir b\n"
    text = f"---\nenvironment: verl\n---\n\n# A page\n\n```{{code-block}} console\n:consumer: verl\n\n{right}```\n"
    assert judge(text) is None
    failure = judge(text.replace("--target_dir b", "--target_folder b"))
    assert "model_merger: unrecognized arguments: --target_folder" in failure.message
    assert failure.line == line_of(text.replace("--target_dir b", "--target_folder b"), "--target_folder")


RECIPE = {"agent_ref": {"name": "a"}, "responses_create_params": {"input": [USER]}}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (RECIPE, None),
        (
            {"responses_create_params": RECIPE["responses_create_params"]},
            "no 'agent_ref': the recipe's agent loop raises",
        ),
        (RECIPE | {"agent_ref": {"nam": "a"}}, "'agent_ref' has no 'name'"),
        (RECIPE | {"responses_create_params": {"input": "1+1"}}, "'input' is no list of messages"),
    ],
)
def test_a_row_of_the_recipe_has_what_its_sources_read(row, said):
    found = verl_recipe.row(json.dumps(row, indent=1))
    assert [said in each.message for each in found] == ([True] if said else [])


def test_a_line_of_the_recipe_that_moved_is_named():
    assert "nemo_gym/agent_loop.py:292: expected 'raise ValueError(" in "\n".join(verl_recipe.moved(lambda name: ""))
