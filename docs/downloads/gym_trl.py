"""Rewards and rollouts of NeMo Gym for TRL's GRPOTrainer.

One turn: the trainer generates, and a resources server verifies. VERIFIER is its address, and each row of the dataset
has the task row as JSON text in its column `task`, as `gym-rollouts export --to trl` writes it:

    trl grpo --config grpo.yaml        # with reward_funcs: [gym_trl.gym_reward]

Several turns: an agent of NeMo Gym asks the model, calls its tools and has the result verified. AGENT is its address,
and the `prompt` of each row is the task row as JSON text:

    GRPOTrainer(model=..., rollout_func=gym_trl.agent_rollouts, reward_funcs=gym_trl.rollout_reward, ...)

An answer that the verifier could not judge has the reward None, which TRL leaves out. A request that fails raises:
neither is ever a reward of 0.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

#: Requests at a time, and seconds until one fails.
CONCURRENCY = int(os.environ.get("GYM_CONCURRENCY", "16"))
TIMEOUT = float(os.environ.get("GYM_TIMEOUT", "600"))


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer of a server, from JSON.

    Raises:
        RuntimeError: the server refused the request, with what it said.
        OSError: there is no such server, or no answer in time.
    """
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urlopen(request, timeout=TIMEOUT) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise RuntimeError(f"{url} answered {error.code}: {error.read(500).decode(errors='replace')}") from None


def reward_in(verdict: dict[str, Any]) -> float | None:
    """The reward of a verdict; None where nothing was measured."""
    return None if verdict.get("mask_sample") else float(verdict["reward"])


# ------------------------------------------------------------------------------------------------ one turn


def response_of(text: str) -> dict[str, Any]:
    """An answer as an agent sends it to `/verify`: a response of the Responses API."""
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": "msg", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    response = {"id": "resp", "object": "response", "created_at": 0.0, "model": "policy", "output": [message]}
    return response | {"tools": [], "tool_choice": "auto", "parallel_tool_calls": False}


def gym_reward(completions: list[Any], task: list[str], **_: Any) -> list[float | None]:
    """The rewards of a batch of answers. TRL hands over each column of the rows by its name."""
    url = os.environ["VERIFIER"].rstrip("/") + "/verify"

    def judge(completion: Any, row: str) -> float | None:
        text = completion if isinstance(completion, str) else completion[-1]["content"]
        return reward_in(post(url, json.loads(row) | {"response": response_of(text)}))

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        return list(pool.map(judge, completions, task))


# ------------------------------------------------------------------------------------------- several turns


def agent_rollouts(prompts: list[str], trainer: Any) -> dict[str, list[Any]]:
    """The rollouts of an agent: one for each prompt, which TRL has already repeated `num_generations` times.

    Returns: `prompt_ids` (before the first turn), `completion_ids` (all that followed), `logprobs` and `env_mask` (as
        long as those; 0 for what the model did not write), and `verdict`, the reward for `rollout_reward`.

    Raises:
        RuntimeError: the agent failed, or a rollout has no token ids, or a turn does not continue the one before it.
    """
    url = os.environ["AGENT"].rstrip("/") + "/run"
    sampling = {
        "temperature": trainer.args.temperature,
        "top_p": trainer.args.top_p,
        "max_output_tokens": trainer.args.max_completion_length,
    }
    numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys(prompts))}
    seen: Counter[str] = Counter()
    tasks = []
    for prompt in prompts:
        task = json.loads(prompt)
        task["responses_create_params"] = task["responses_create_params"] | sampling
        tasks.append(task | {"_ng_task_index": numbers[prompt], "_ng_rollout_index": seen[prompt]})
        seen[prompt] += 1
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        rollouts = list(pool.map(lambda task: post(url, task), tasks))
    columns: dict[str, list[Any]] = {name: [] for name in ("prompt_ids", "completion_ids", "logprobs", "env_mask")}
    for rollout in rollouts:
        for name, value in zip(columns, tokens_of(rollout), strict=True):
            columns[name].append(value)
    return columns | {"verdict": [reward_in(rollout) for rollout in rollouts]}


def tokens_of(rollout: dict[str, Any]) -> tuple[list[int], list[int], list[float], list[int]]:
    """The tokens of a rollout: of its first prompt, and of all that followed, with log-probabilities and a mask.

    Raises:
        RuntimeError: there are no token ids, or a turn does not continue the tokens of the turn before it.
    """
    turns = [item for item in rollout["response"]["output"] if "generation_token_ids" in item]
    if not turns:
        raise RuntimeError(
            "the rollout has no token ids: start the environment with vllm_model_for_training.yaml, "
            "which sets return_token_id_information"
        )
    prompt = list(turns[0]["prompt_token_ids"])
    ids: list[int] = []
    logprobs: list[float] = []
    mask: list[int] = []
    for number, turn in enumerate(turns):
        before, whole = prompt + ids, turn["prompt_token_ids"]
        if whole[: len(before)] != before:
            raise RuntimeError(f"turn {number + 1} does not continue the tokens of the turns before it")
        told, wrote = whole[len(before) :], turn["generation_token_ids"]
        ids += [*told, *wrote]
        logprobs += [0.0] * len(told) + list(turn["generation_log_probs"])
        mask += [0] * len(told) + [1] * len(wrote)
    return prompt, ids, logprobs, mask


def rollout_reward(completions: list[Any], verdict: list[float | None], **_: Any) -> list[float | None]:
    """The rewards that `agent_rollouts` brought along."""
    return verdict
