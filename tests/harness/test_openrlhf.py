"""Faults planted in what a page shows of OpenRLHF: its launch scripts, command lines and rows."""

from __future__ import annotations

import json

import pytest

from harness.consumers.openrlhf_executor import DATA, contract
from harness.environments import ENVIRONMENTS
from tests.harness.conftest import assert_named, line_of, require

USER, ASSISTANT = {"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}
SFT = json.dumps({"messages": [USER, ASSISTANT]})
PAIR = json.dumps({"prompt": [USER], "chosen": [ASSISTANT], "rejected": [ASSISTANT | {"content": "3"}]})
PROMPT = json.dumps({"prompt": [USER], "label": "{}", "datasource": "mcqa"})
TEXT = f"""\
---
environment: openrlhf
---

# A page

```{{code-block}} bash
:file: rl.sh
:consumer: openrlhf

python -m openrlhf.cli.train_ppo_ray \\
    --actor.model_name_or_path tiny \\
    --data.prompt_dataset rl.jsonl --data.input_key prompt --data.label_key label \\
    --data.apply_chat_template --data.max_len 512 \\
    --reward.remote_url reward.py \\
    --rollout.batch_size 8 --rollout.n_samples_per_prompt 4 \\
    --algo.advantage.estimator group_norm
```

```{{code-block}} console
:consumer: openrlhf

$ ray job submit --working-dir . -- python3 -m openrlhf.cli.train_ppo_ray \\
    --train.agent_func_path agent.py --train.async_enable \\
    --adam.lr 1e-6
$ deepspeed --module openrlhf.cli.train_dpo --data.chosen_key chosen --model.beta 0.1
```

```{{code-block}} jsonl
:consumer: OpenRLHF sft row

{SFT}
```

```{{code-block}} jsonl
:consumer: OpenRLHF preference row

{PAIR}
```

```{{code-block}} jsonl
:consumer: OpenRLHF prompt row

{PROMPT}
```

```{{code-block}} json
:consumer: OpenRLHF chat request

{{"messages": [{{"role": "user", "content": "1+1"}}], "session_id": "a",
 "max_tokens": 8}}
```

```console
$ grep -c "" rl.sh
7
```
""".replace(" \\\n    --adam.lr 1e-6", "")

#: What is right, what stands there instead, what is said, and where.
FAULTS = {
    "a misspelt group of a flag": (
        "--reward.remote_url", "--rewards.remote_url", "did you mean --reward.remote_url?", "--rewards.remote_url",
    ),
    "a misspelt flag of a group": (
        "--data.input_key", "--data.input_keys", "did you mean --data.input_key?", "--data.input_keys",
    ),
    "a flag of the time before 0.10.2": (
        "--reward.remote_url", "--remote_rm_url", "did you mean --reward.remote_url?", "--remote_rm_url",
    ),
    "a flag that is cut short": (
        "--data.apply_chat_template", "--data.apply_chat", "did you mean --data.apply_chat_template?",
        "--data.apply_chat ",
    ),
    "a value of another type": ("--data.max_len 512", "--data.max_len half", "invalid int value: 'half'", "half"),
    "a value that is none of the known": (
        "estimator group_norm", "estimator grpo", "invalid choice: 'grpo'", "estimator grpo",
    ),
    "settings that do not go together": (
        "--rollout.n_samples_per_prompt 4", "--rollout.n_samples_per_prompt 1",
        "group_norm requires n_samples_per_prompt > 1", "python -m openrlhf",
    ),
    "a misspelt flag behind a program that starts it": (
        "--train.async_enable", "--train.async", "did you mean --train.async_enable?", "--train.async\n",
    ),
    "another command": ("openrlhf.cli.train_dpo", "openrlhf.cli.train_dop", "did you mean train_dpo?", "train_dop"),
    "a row without messages": ('{"messages":', '{"message":', "did you mean 'message'?", '{"message":'),
    "a pair without a side": ('"chosen":', '"choosen":', "did you mean 'choosen'?", '"choosen"'),
    "a prompt without its label": ('"label":', '"labels":', "did you mean 'labels'?", '"labels"'),
    "a label that is no text": ('"label": "{}"', '"label": {}', "'label' is no text", '"label": {}'),
    "messages that end with the user's": (
        SFT, json.dumps({"messages": [ASSISTANT, USER]}), "does not end with what the assistant wrote", '{"messages"',
    ),
    "a key that the executor's server does not read": (
        '"max_tokens": 8', '"tools": []', "unknown key 'tools': POST /v1/chat/completions", '"tools"',
    ),
    "a misspelt key of a request": ('"max_tokens"', '"max_token"', "did you mean 'max_tokens'?", '"max_token"'),
    "a message without a role": ('[{"role": "user"', '[{"from": "user"', "for 'role'", '{"from"'),
    "a role that is none": ('[{"role": "user"', '[{"role": "usr"', "did you mean 'user'?", '"usr"'),
}  # fmt: skip


@pytest.fixture(autouse=True)
def installed() -> None:
    """OpenRLHF's environment: skipped where it is not installed, and a fault in CI."""
    require("openrlhf")


def test_what_is_right_passes(judge):
    failure = judge(TEXT)
    assert failure is None, failure.message
    verdicts = [record["verdict"] for record in judge.records]
    assert verdicts == ["executed"] + ["validated"] * 5 + ["executed"]


@pytest.mark.parametrize(("right", "wrong", "said", "place"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_named_with_its_line_and_the_nearest_name(judge, right, wrong, said, place):
    assert_named(judge, TEXT, TEXT.replace(right, wrong, 1), said, place)


def test_a_command_line_is_judged_before_it_runs(judge):
    text = TEXT.split("```{code-block} console")[0] + (
        "```console\n$ python -m openrlhf.cli.train_sft \\\n    --data.max_length 8\n```\n"
    )
    failure = judge(text)
    assert "did you mean --data.max_len?" in failure.message
    assert failure.line == line_of(text, "--data.max_length")


def test_the_contract_is_what_the_source_tells():
    source = (
        "class AgentExecutor:\n"
        "    def _start_server(self):\n"
        "        @app.post('/tokenize')\n"
        "        async def tokenize(request):\n"
        "            return {'tokens': body.get('messages', []), 'count': other.get('x')}\n"
        "    async def execute(self, prompt): ...\n"
    )
    assert contract(source) == {
        "routes": {"POST /tokenize": {"reads": ["messages"], "answers": ["count", "tokens"]}},
        "methods": {"_start_server": ["self"], "execute": ["self", "prompt"]},
    }


def test_the_executor_lacks_what_the_package_passes():
    """The page says so: when this fails, the page has to change."""
    (folder,) = ENVIRONMENTS["openrlhf"].prefix.glob("lib/python*/site-packages/openrlhf")
    engine = (folder / "trainer" / "ray" / "vllm_engine.py").read_text(encoding="utf-8")
    assert "images=images" in engine.partition("self.executor.execute(")[2].partition(")\n")[0]
    assert "images" not in json.loads(DATA.read_text(encoding="utf-8"))["methods"]["execute"]
