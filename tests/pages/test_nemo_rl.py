"""The check of NeMo RL configurations: what NeMo RL accepts passes, and a planted fault is named with its line."""

from __future__ import annotations

import json
import re

import pytest

from harness.consumers import problems
from harness.consumers.nemo_rl import KEYS
from harness.pages import page_at
from tests.live.support import ROOT

PAGE = page_at(ROOT / "docs", "tutorials/nemo-rl-grpo/index")

GOOD = """\
defaults: examples/nemo_gym/grpo_workplace_assistant_nemotron_nano_v2_9b.yaml
grpo:
  num_generations_per_prompt: 8
policy:
  generation:
    temperature: 1
    vllm_cfg:
      tool_parser_plugin: parser.py
    vllm_kwargs:
      compilation_config:
        backend: eager
  train_global_batch_size: ${mul:${grpo.num_prompts_per_step}, 8}
"""

#: What stands in `GOOD`, what to put there, and the line and message of the problem that it makes.
FAULTS = [
    ("num_generations_per_prompt", "num_generation_per_prompt", 3, "did you mean 'num_generations_per_prompt'?"),
    ("_prompt: 8", "_prompt: eight", 3, "expected int, found 'eight'"),
    ("_prompt: 8", "_prompt: true", 3, "expected int, found True"),
    ("vllm_cfg", "vllm_config", 7, "unknown key 'policy.generation.vllm_config'"),
    ("temperature: 1", "vllm_cfg: 1", 7, "stands twice"),
    ("  train_global", "envs:\n  train_global", 12, "unknown key 'envs'"),
    ("nano_v2_9b", "nano_v3", 1, "NeMo RL's example is"),
]


def test_accepts_what_nemo_rl_reads() -> None:
    assert problems("NeMo RL", GOOD) == []


@pytest.mark.parametrize(("old", "new", "line", "message"), FAULTS)
def test_names_a_fault(old: str, new: str, line: int, message: str) -> None:
    found = problems("NeMo RL", GOOD.replace(old, new, 1))
    assert any(number == line and message in text for number, text in found), found


def test_the_page_names_the_commit_of_the_keys() -> None:
    text = (ROOT / "docs" / "tutorials" / "nemo-rl-grpo" / "index.md").read_text()
    named = set(re.findall(r"NVIDIA-NeMo/RL/(?:blob|tree|commit)/([0-9a-f]{40})", text))
    assert named == {json.loads(KEYS.read_text())["commit"]}


def test_the_page_has_a_configuration_that_is_checked() -> None:
    assert "NeMo RL" in {block.option("consumer") for block in PAGE.blocks}
