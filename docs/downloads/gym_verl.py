"""Rewards of NeMo Gym resources servers for verl: a reward function for one turn, and an agent loop for several.

    reward.custom_reward_function.path=gym_verl.py                  # one turn: verl calls compute_score
    actor_rollout_ref.rollout.agent.agent_loop_config_path=...      # several turns, with tools: GymAgentLoop

`verifiers` maps each `data_source` of the rows to the address of its resources server. `extra_info.task` of each row is
a whole task row as JSON text, as `gym-rollouts export --to verl` writes it. An answer that the verifier could not judge
raises, as a request that fails does: verl then leaves this attempt out of its group. Neither is ever a reward of 0.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Iterator, Mapping
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.request import HTTPCookieProcessor, Request, build_opener
from uuid import uuid4

from verl.experimental.agent_loop.agent_loop import AgentLoopBase, AgentLoopOutput

#: Seconds until a request to a resources server fails.
TIMEOUT = float(os.environ.get("VERIFIER_TIMEOUT", "60"))
#: Turns after which an episode is verified as it is.
MOST_TURNS = int(os.environ.get("MOST_TURNS", "8"))

CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)


class Masked(Exception):
    """The verifier could not judge an attempt, which is to be left out."""


class Refused(Exception):
    """A resources server refused a request; `said` is its answer."""

    def __init__(self, url: str, code: int, said: str) -> None:
        super().__init__(f"{url} answered {code}: {said}")
        self.said = said


class Session:
    """A session with a resources server: its tools keep their state in the cookies.

    Args:
        verifiers: the address of the server of each `data_source`.
        source: the `data_source` of the row.
    """

    def __init__(self, verifiers: Mapping[str, str], source: str) -> None:
        if source not in verifiers:
            raise KeyError(f"no verifier for the data_source {source!r}: there are {', '.join(verifiers)}")
        self.url = verifiers[source].rstrip("/")
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()))

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """The answer of the server, from JSON.

        Raises:
            Refused: the server refused it.
            OSError: there is no such server, or no answer in time.
        """
        request = Request(f"{self.url}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        try:
            with self.opener.open(request, timeout=TIMEOUT) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise Refused(f"{self.url}/{path}", error.code, error.read(500).decode(errors="replace")) from None

    def reward(self, task: dict[str, Any], output: list[dict[str, Any]]) -> float:
        """The verdict on an episode, as items of the Responses API.

        Raises:
            Masked: the verifier gives none.
        """
        response = {"id": "resp", "object": "response", "created_at": 0.0, "model": "policy", "output": output}
        response |= {"tools": [], "tool_choice": "auto", "parallel_tool_calls": False}
        verdict = self.post("verify", task | {"response": response})
        if verdict.get("mask_sample"):
            raise Masked(f"{self.url} could not judge this attempt")
        return float(verdict["reward"])


def message(text: str) -> dict[str, Any]:
    """What the model said, as an item of the Responses API."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "msg", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


# ------------------------------------------------------------------------------------------------ one turn


def compute_score(data_source, solution_str, ground_truth, extra_info, verifiers, **_):
    """The reward of one answer. `verifiers` is of the `reward_kwargs`."""
    session, task = Session(verifiers, data_source), json.loads(extra_info["task"])
    session.post("seed_session", task)
    return session.reward(task, [message(solution_str)])


# -------------------------------------------------------------------------------------------- several turns


def calls_in(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and arguments of each tool call in what the model said; of one that is no JSON, none."""
    for found in CALL.findall(text):
        try:
            call = json.loads(found)
            yield str(call["name"]), dict(call.get("arguments") or {})
        except (ValueError, KeyError, TypeError):
            continue


class GymAgentLoop(AgentLoopBase):
    """One attempt at a task: turns of the model, and the results of its calls, until a turn without a call."""

    async def run(self, sampling_params: dict[str, Any], **row: Any) -> AgentLoopOutput:
        """The tokens of an episode, which of them the model wrote, and the verdict on it."""
        verifiers = self.config.reward.custom_reward_function.reward_kwargs.verifiers
        session, task = Session(verifiers, row["data_source"]), json.loads(row["extra_info"]["task"])
        await asyncio.to_thread(session.post, "seed_session", task)
        messages, output, episode = list(row["raw_prompt"]), [], uuid4().hex
        tokens = await self.ct_build_initial_tokens(messages)
        mask, logprobs = [], []
        most = self.rollout_config.response_length
        for _ in range(MOST_TURNS):
            room = {"max_tokens": most - len(mask)}  # the turns of an episode share the length of a response
            said = await self.server_manager.generate(
                request_id=episode, prompt_ids=tokens, sampling_params=sampling_params | room
            )
            merged, mask, logprobs = await self.ct_merge_assistant_token(
                tokens, said.token_ids, mask, logprobs, assistant_logprobs=said.log_probs
            )
            tokens, text = merged.token_ids, self.tokenizer.decode(said.token_ids, skip_special_tokens=True)
            calls = list(calls_in(text))
            if (spoken := CALL.sub("", text).strip()) or not calls:
                output.append(message(spoken))
            results = [await asyncio.to_thread(called, session, output, *call) for call in calls]
            if not calls:
                break
            before = [*messages, {"role": "assistant", "content": text}]
            messages = [*before, {"role": "user", "content": "\n".join(results)}]
            merged, wider, logprobs_wider = await self.ct_merge_context_msg(before, messages, tokens, mask, logprobs)
            if len(wider) >= most:
                break
            tokens, mask, logprobs = merged.token_ids, wider, logprobs_wider
        reward = await asyncio.to_thread(session.reward, task, output)
        return AgentLoopOutput(
            prompt_ids=tokens[: len(tokens) - len(mask)],
            response_ids=tokens[len(tokens) - len(mask) :][:most],
            response_mask=mask[:most],
            response_logprobs=logprobs[:most] if logprobs else None,
            reward_score=reward,
            num_turns=len(messages) + 1,
            metrics={},
            extra_fields={"turn_scores": [], "tool_rewards": [], "reward_extra_info": {"acc": reward}},
        )


def called(session: Session, output: list[dict[str, Any]], name: str, arguments: dict[str, Any]) -> str:
    """Call a tool, and note call and result in `output`; the result as the model is to read it."""
    try:
        result = json.dumps(session.post(name, arguments), ensure_ascii=False)
    except Refused as error:  # the model is to read it, as with NeMo Gym's own agent
        result = error.said
    number = f"call_{len(output)}"
    call = {"type": "function_call", "call_id": number, "name": name, "arguments": json.dumps(arguments)}
    output += [call, {"type": "function_call_output", "call_id": number, "output": result}]
    return f"<tool_response>\n{result}\n</tool_response>"
