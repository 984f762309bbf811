"""Faults planted in what a page shows of NeMo Customizer: its jobs, packages, rows and command lines."""

from __future__ import annotations

import pytest

from tests.harness.conftest import assert_named, require

TEXT = """\
---
environment: nemo-customizer
---

# A page

```{code-block} json
:file: job.json
:consumer: NeMo Customizer job

{
  "model": "default/llama",
  "dataset": "default/tasks",
  "environment": "default/mcqa",
  "training": {
    "type": "grpo",
    "learning_rate": 1e-06,
    "batch_size": 32,
    "parallelism": {"num_gpus_per_node": 8}
  }
}
```

```{code-block} console
:consumer: nemo

$ nemo customization rl submit job.json \\
    --workspace default
```

```{code-block} yaml
:file: nemo-environment.yaml
:consumer: NeMo Customizer environment

format: native-v1
config_paths: [resources_servers/mcqa/configs/mcqa.yaml]
metadata: {name: mcqa}
```

```{code-block} jsonl
:consumer: NeMo Customizer grpo row

{"responses_create_params": {"input": "1+1"}, "agent_ref": {"type": "responses_api_agents", "name": "mcqa_simple_agent"}}
```

```{code-block} jsonl
:consumer: NeMo Customizer dpo row

{"context": [{"role": "user", "content": "1+1"}], "completions": [{"rank": 0, "completion": []}, {"rank": 1, "completion": []}]}
```

```python
print(len(open("job.json").readlines()), open("nemo-environment.yaml").read(7))
```

```output
11 format:
```
"""

#: What is right, what stands there instead, what is said, and where.
FAULTS = {
    "a misspelt key at the top": ('"dataset":', '"datasets":', "did you mean 'dataset'?", '"datasets":'),
    "a misspelt key below": ('"batch_size"', '"batch_sizes"', "did you mean 'batch_size'?", '"batch_sizes"'),
    "a misspelt key further below": ("num_gpus_per", "num_gpu_per", "did you mean 'num_gpus_per_node'?", "num_gpu_per"),
    "a text for a number": ("32,", '"32",', "'training.batch_size': Input should be a valid integer", '"32"'),
    "a value of another type": ("32,", "32.5,", "'training.batch_size': Input should be a valid integer", "32.5"),
    "a method that it lacks": ('"type": "grpo"', '"type": "ppo"', "expected one of dpo, grpo, found 'ppo'", '"ppo"'),
    "no environment": ('"environment": "default/mcqa",\n', "\n", "a GRPO job needs `environment`", '"training": {'),
    "a misspelt flag": ("--workspace", "--workspce", "did you mean '--workspace'?", "--workspce"),
    "a misspelt command": ("rl submit", "rl sumbit", "did you mean 'submit'?", "rl sumbit"),
    "a misspelt key of a package": ("config_paths:", "config_path:", "did you mean 'config_paths'?", "config_path:"),
    "a format that it lacks": ("native-v1", "native-v2", "did you mean 'native-v1'?", "native-v2"),
    "a row without a field": (', "agent_ref": {"type": "responses_api_agents", "name": "mcqa_simple_agent"}', "", "'agent_ref' is a required property", '{"responses_create_params"'),
    "a misspelt field of a row": ('"agent_ref"', '"agent_reff"', "did you mean 'agent_ref'?", "agent_reff"),
    "a misspelt field below": ('"name": "mcqa_simple', '"nam": "mcqa_simple', "did you mean 'name'?", '"nam"'),
    "a request without input": ('{"input"', '{"inputs"', "did you mean 'inputs'?", '"inputs"'),
    "a misspelt field of a pair": ('"context"', '"contxt"', "did you mean 'context'?", "contxt"),
}  # fmt: skip


@pytest.fixture(autouse=True)
def installed() -> None:
    """NeMo Customizer's environment: skipped where it is not installed, and a fault in CI."""
    require("nemo-customizer")


def test_what_is_right_passes(judge):
    failure = judge(TEXT)
    assert failure is None, failure.message
    verdicts = [record["verdict"] for record in judge.records]
    assert verdicts == ["validated"] * 5 + ["executed"] * 2


@pytest.mark.parametrize(("right", "wrong", "said", "place"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_its_line_and_the_nearest_name(judge, right, wrong, said, place):
    assert_named(judge, TEXT, TEXT.replace(right, wrong), said, place)
