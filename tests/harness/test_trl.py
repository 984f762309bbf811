"""Faults planted in what a page shows of TRL: its configurations, command lines and rows."""

from __future__ import annotations

import pytest

from tests.harness.conftest import assert_named, line_of, require

CONFIG = """\
model_name_or_path: model
datasets:
  - path: json
    data_files: sft.jsonl
output_dir: trained
max_steps: 2
bf16: true
"""
TEXT = f"""\
---
environment: trl
---

# A page

```{{code-block}} yaml
:file: sft.yaml
:consumer: trl sft

{CONFIG}```

```{{code-block}} console
:consumer: trl

$ trl sft --config sft.yaml --max_steps 3 \\
    --learning_rate 1e-4 --num_processes 8
```

```{{code-block}} jsonl
:consumer: TRL sft row

{{"messages": [{{"role": "user", "content": "1+1"}}, {{"role": "assistant", "content": "2"}}]}}
```

```{{code-block}} jsonl
:consumer: TRL preference row

{{"prompt": [{{"role": "user", "content": "1+1"}}], "chosen": [{{"role": "assistant", "content": "2"}}], \
"rejected": [{{"role": "assistant", "content": "3"}}]}}
```

```python
print(len(open("sft.yaml").readlines()))
```

```output
7
```
"""

#: What is right, what stands there instead, what is said, and where.
FAULTS = {
    "a misspelt key at the top": ("max_steps: 2", "max_step: 2", "did you mean 'max_steps'?", "max_step: 2"),
    "a misspelt key below": ("data_files:", "data_file:", "did you mean 'data_files'?", "data_file:"),
    "a value of another type": ("max_steps: 2", "max_steps: two", "'max_steps': Input should be", "max_steps: two"),
    "a share of a step": ("max_steps: 2", "max_steps: 2.5", "'max_steps': Input should be", "max_steps: 2.5"),
    "a value that is none of the known": (
        "bf16: true", "lr_scheduler_type: cosin", "trl sft: ", "lr_scheduler_type",
    ),
    "a misspelt key of a setting that takes any": (
        "bf16: true", "gradient_checkpointing_kwargs: {use_reentrnt: false}", "did you mean 'use_reentrant'?",
        "use_reentrnt",
    ),
    "a misspelt key for the scheduler": (
        "bf16: true", "lr_scheduler_kwargs: {num_cycls: 2}", "did you mean 'num_cycles'?", "num_cycls",
    ),
    "a misspelt key for the model": (
        "bf16: true", "model_init_kwargs: {dtyp: bfloat16}", "did you mean 'dtype'?", "dtyp",
    ),
    "a place for reports that is none": ("bf16: true", "report_to: wandbb", "did you mean 'wandb'?", "wandbb"),
    "a number of processes that is none": (
        "bf16: true", "num_processes: eight", "expected a value of the type int, found 'eight'", "eight",
    ),
    "a precision that is none": (
        "bf16: true", "mixed_precision: bf17", "expected one of no, fp16, bf16, fp8, found 'bf17'", "bf17",
    ),
    "a configuration that is not there": (
        "--config sft.yaml", "--config stf.yaml", "the reader has no such file here; did you mean 'sft.yaml'?",
        "$ trl sft",
    ),
    "a misspelt flag": ("--learning_rate", "--lerning_rate", "did you mean '--learning_rate'?", "--lerning_rate"),
    "a flag that is cut short": ("--max_steps", "--max_step ", "did you mean '--max_steps'?", "--max_step "),
    "a flag's value of another type": ("--max_steps 3", "--max_steps three", "invalid int value: 'three'", "three"),
    "another command": ("$ trl sft", "$ trl stf", "did you mean 'sft'?", "$ trl stf"),
    "a row without a field": ('"chosen":', '"choosen":', "did you mean 'choosen'?", "choosen"),
    "a row of other messages": ('"messages": [{"role"', '"messages": [{"from"', "no conversation", '{"from"'),
    "a role that is none": (
        '"messages": [{"role": "user"', '"messages": [{"role": "usr"', "did you mean 'user'?", '"usr"',
    ),
    "a misspelt key of a message": ('"content": "3"', '"contnt": "3"', "did you mean 'content'?", '"contnt"'),
    "a role that is none in a pair": (
        '"rejected": [{"role": "assistant"', '"rejected": [{"role": "asistant"', "did you mean 'assistant'?", '"asistant"',
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def installed() -> None:
    """TRL's environment: skipped where it is not installed, and a fault in CI."""
    require("trl")


def test_what_is_right_passes(judge):
    failure = judge(TEXT)
    assert failure is None, failure.message
    verdicts = [record["verdict"] for record in judge.records]
    assert verdicts == ["validated"] * 4 + ["executed"] * 2


@pytest.mark.parametrize(("right", "wrong", "said", "place"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_its_line_and_the_nearest_name(judge, right, wrong, said, place):
    assert_named(judge, TEXT, TEXT.replace(right, wrong), said, place)


KNOWN = """\
gradient_checkpointing_kwargs: {use_reentrant: false}
lr_scheduler_type: cosine_with_min_lr
lr_scheduler_kwargs: {min_lr: 1e-6}
model_init_kwargs: {dtype: bfloat16, rope_theta: 1}
accelerator_config: {split_batches: true}
report_to: [wandb, tensorboard]
num_processes: 8
mixed_precision: bf16
"""


def test_keys_and_values_that_others_read_pass(judge):
    text = TEXT.replace("bf16: true\n", KNOWN).split("```python")[0]
    failure = judge(text)
    assert failure is None, failure.message


def test_a_command_line_is_judged_before_it_runs(judge):
    text = TEXT.split("```{code-block} console")[0] + "```console\n$ trl sft --config sft.yaml --max_step 3\n```\n"
    failure = judge(text)
    assert "did you mean '--max_steps'?" in failure.message
    assert failure.line == line_of(text, "--max_step 3")


def test_a_program_that_nothing_parses_is_named(judge):
    failure = judge(TEXT.replace(":consumer: trl\n", ":consumer: tlr\n"))
    assert "no program 'tlr'" in failure.message
    assert "did you mean 'trl'?" in failure.message
