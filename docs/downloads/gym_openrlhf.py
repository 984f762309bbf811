"""Rewards of a NeMo Gym resources server for OpenRLHF, for one turn and for several.

    export VERIFIER=http://127.0.0.1:PORT
    python -m openrlhf.cli.train_ppo_ray --reward.remote_url gym_openrlhf.py ...       # one turn
    python -m openrlhf.cli.train_ppo_ray --train.agent_func_path gym_openrlhf.py ...   # several turns, with tools

The `label` of each row is a whole task row as JSON text, as `gym-rollouts export --to openrlhf` writes it. An answer
that the verifier could not judge has the reward NaN, and a request that fails raises: neither is ever a reward of 0.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, Request, build_opener

import torch
from openrlhf.utils.agent import AgentInstanceBase, MultiTurnAgentExecutor

#: The end-of-turn token, such as `<|im_end|>`: cut from the end of an answer.
END = os.environ.get("END_OF_TURN", "<|im_end|>")
#: Seconds until a request to the resources server fails.
TIMEOUT = float(os.environ.get("VERIFIER_TIMEOUT", "60"))
#: Turns after which an episode is verified as it is.
MOST_TURNS = int(os.environ.get("MOST_TURNS", "8"))

CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


class Session:
    """A session with the resources server that VERIFIER names: tools keep their state in its cookies."""

    def __init__(self) -> None:
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The answer of the server, from JSON.

        Raises:
            RuntimeError: it refused the request, with what it said.
            OSError: there is no such server, or no answer in time.
        """
        url = f"{os.environ['VERIFIER'].rstrip('/')}/{path}"
        request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with self.opener.open(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise RuntimeError(f"{url} answered {error.code}: {error.read(500).decode(errors='replace')}") from None

    def reward(self, task: dict[str, Any], output: list[dict[str, Any]]) -> float:
        """The verdict on an episode, as items of the Responses API; NaN where the verifier masks it."""
        response = {"id": "resp", "object": "response", "created_at": 0.0, "model": "policy", "output": output}
        response |= {"tools": [], "tool_choice": "auto", "parallel_tool_calls": False}
        verdict = self.post("verify", task | {"response": response})
        return float("nan") if verdict.get("mask_sample") else float(verdict["reward"])


def message(text: str) -> dict[str, Any]:
    """What the model said, as an item of the Responses API."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "msg", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


# ------------------------------------------------------------------------------------------------ one turn


def reward_func(queries, prompts, labels, **_):
    """The reward of one answer, for --reward.remote_url. OpenRLHF passes lists of one."""
    query, prompt, label = queries[0], prompts[0], labels[0]
    if not query.startswith(prompt):
        raise ValueError("the prompt was cut: raise --data.max_len")
    text = query[len(prompt) :].removesuffix(END)
    session, task = Session(), json.loads(label)
    session.post("seed_session", task)
    reward = session.reward(task, [message(text)])
    return {"rewards": reward, "scores": reward, "extra_logs": {}}


# -------------------------------------------------------------------------------------------- several turns


def calls_in(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and arguments of each tool call in what the model said; of one that is no JSON, none."""
    for found in CALL.findall(text):
        try:
            call = json.loads(found)
            yield str(call["name"]), dict(call.get("arguments") or {})
        except (ValueError, KeyError, TypeError):
            continue


class Episode(AgentInstanceBase):
    """One attempt at a task, which OpenRLHF steps through: a turn of the model, then the results of its calls."""

    def __init__(self, template: str) -> None:
        self.template = template  # how the chat template wraps what comes back to the model
        self.session, self.output, self.turns = Session(), [], 0

    async def reset(self, states, **_):
        """Begin the session of the task."""
        self.task = json.loads(states["label"])
        await asyncio.to_thread(self.session.post, "seed_session", self.task)
        return states

    async def step(self, states, **_):
        """Run the tools that the model called; without a call, or after MOST_TURNS, have the episode verified."""
        self.turns += 1
        text = states["action_text"].removesuffix(END)
        calls = list(calls_in(text))
        if (said := CALL.sub("", text).strip()) or not calls:
            self.output.append(message(said))
        results = [await asyncio.to_thread(self._run, name, arguments) for name, arguments in calls]
        done = not calls or self.turns == MOST_TURNS
        reward = await asyncio.to_thread(self.session.reward, self.task, self.output) if done else 0.0
        feedback = "" if done else self.template.replace(MARK, "\n".join(results))
        # OpenRLHF adds up the rewards of all steps.
        return {
            "rewards": torch.tensor(reward),
            "scores": reward,
            "environment_feedback": feedback,
            "done": done,
            "sampling_params": states["sampling_params"],
            "extra_logs": {"turns": self.turns},
        }

    def _run(self, name: str, arguments: dict[str, Any]) -> str:
        """Call a tool, and note call and result; the result as the model is to read it."""
        result = json.dumps(self.session.post(name, arguments), ensure_ascii=False)
        number = f"call_{len(self.output)}"
        call = {"type": "function_call", "call_id": number, "name": name, "arguments": json.dumps(arguments)}
        self.output += [call, {"type": "function_call_output", "call_id": number, "output": result}]
        return f"<tool_response>\n{result}\n</tool_response>"


MARK, SAID = "(results)", "(said)"


def between(tokenizer) -> str:
    """What the tokenizer's chat template puts between two turns of the model, with MARK for what comes back.

    Raises:
        ValueError: the template shows the model no earlier turn.
    """
    chat = [{"role": "user", "content": "?"}, {"role": "assistant", "content": SAID}, {"role": "user", "content": MARK}]
    text = tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
    _, said, after = text.partition(SAID)
    if not said or MARK not in after:
        raise ValueError("the chat template leaves out turns: the agent cannot continue a conversation with it")
    return after.removeprefix(tokenizer.eos_token)


class AgentExecutor(MultiTurnAgentExecutor):
    """What --train.agent_func_path loads."""

    def __init__(self) -> None:
        super().__init__(Episode)

    async def execute(self, prompt, label, sampling_params, max_length, hf_tokenizer, llm_engine, images=None):
        """Run one episode, as OpenRLHF does, with the words that the model's chat template has between turns."""
        template = between(hf_tokenizer)
        self.agent_instance_cls = lambda: Episode(template)
        settings = (prompt, label, sampling_params, max_length, hf_tokenizer, llm_engine)
        return await super().execute(*settings, images=images)
