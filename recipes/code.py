"""The recipe on code: functions of one line, judged by code_gen."""

from __future__ import annotations

from dataclasses import replace

from recipes import live
from recipes.arms import Kind, Settings

ENVIRONMENT = live.Environment(
    server="code_gen",
    agent="code_gen_simple_agent",
    alone="""\
code_gen:
  resources_servers:
    code_gen: {entrypoint: app.py, domain: coding, num_processes: 2, unit_test_timeout_secs: 10, debug: false}
""",
    overrides=("++code_gen.resources_servers.code_gen.num_processes=2",),
)
SETTINGS = Settings(
    train=480,
    examples=200,
    same=168,
    new=60,
    warm_repeats=4,
    warm_temperature=0.7,
    limit=40,
    per_task=2,
    sft_steps=30,
    sft_batch=16,
    sft_rate=2e-5,
    continued_steps=78,
    further_rate=1e-5,
    second_tasks=192,
    second_repeats=4,
    second_steps=56,
    grpo_steps=24,
    grpo_batch=32,
    group=8,
    grpo_rate=1e-5,
    repeats=4,
)
TRIAL = replace(
    SETTINGS,
    train=32, examples=16, same=4, new=2, warm_repeats=4, sft_steps=2, sft_batch=4, continued_steps=2,
    second_tasks=8, second_repeats=4, second_steps=2, grpo_steps=2, grpo_batch=8, group=4, repeats=2,
)  # fmt: skip
KIND = Kind(ENVIRONMENT, "code_tasks.py", SETTINGS, TRIAL)
