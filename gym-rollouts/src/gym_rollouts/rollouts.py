"""The one decoder of a rollout: a line becomes a `Rollout`, or `Unusable` says why not. Nothing else is raised."""

from __future__ import annotations

import json
import math
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw, Struct, field

from gym_rollouts.errors import Unusable
from gym_rollouts.messages import Item, Message, check_turns, to_chat_tools, to_messages

STEP = "unreadable"
INDEX_LIMIT = 1 << 62


class Params(Struct, gc=False):
    """What is read of a request. The rest stays as it was written."""

    input: Raw = Raw(b"null")
    instructions: str | None = None
    tools: Raw = Raw(b"null")


class Incomplete(Struct, gc=False):
    """Why a response is not complete."""

    reason: str | None = None


class Response(Struct, gc=False):
    """What is read of a response."""

    id: Raw = Raw(b"null")
    output: list[Item] | None = None
    status: str | None = None
    incomplete_details: Incomplete | None = None


class Agent(Struct, gc=False):
    """Which agent made the attempt."""

    name: str | None = None


class Line(Struct, gc=False):
    """What is read of a line of a rollouts file. All other fields are skipped unread."""

    responses_create_params: Params | None = None
    response: Response | None = None
    reward: float | None = None
    mask_sample: bool | None = None
    agent_ref: Agent | str | None = None
    task_source: str | None = None
    environment: str | None = field(default=None, name="_ng_environment_server")
    task: int | None = field(default=None, name="_ng_task_index")
    rollout: int | None = field(default=None, name="_ng_rollout_index")
    failure: str | None = field(default=None, name="_ng_failure_class")


class Rollout(Struct, gc=False):
    """One attempt at one task. Indices are -1 where the line has none."""

    params: Params
    output: list[Item]
    reward: float
    masked: bool
    environment: str
    task: int
    rollout: int
    response: Raw  # the id that the model server gave it, as JSON
    cut: str | None  # why the model stopped before its end
    failed: str | None  # why the attempt has no verdict


class Prompt(Struct, gc=False):
    """What the attempts at a task share: the request as messages, and the calls that it leaves open."""

    messages: list[Message]
    waiting: frozenset[str]


LINES: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
INPUTS: msgspec.json.Decoder[str | list[Item] | None] = msgspec.json.Decoder(str | list[Item] | None)


def decode(text: bytes) -> Rollout:
    """Decode a line.

    Raises:
        Unusable: why it is no rollout, or has no verdict.
    """
    line = decode_line(text)
    environment = line.environment or _agent(line.agent_ref) or line.task_source or ""
    task, rollout = _index(line.task, "_ng_task_index"), _index(line.rollout, "_ng_rollout_index")
    if line.failure is not None:
        raise Unusable("failed", f"the attempt failed: {line.failure}")
    if line.reward is None:
        raise Unusable(STEP, "no reward: this line is no rollout")
    if not math.isfinite(line.reward):
        raise Unusable(STEP, f"the reward is {line.reward}")
    if line.responses_create_params is None:
        raise Unusable(STEP, "no responses_create_params: this line is no rollout")
    response = line.response
    if response is None:
        raise Unusable(STEP, "no response: this line is no rollout")
    cut = response.incomplete_details.reason if response.incomplete_details else None
    output = response.output or []
    if not cut and (response.status == "incomplete" or (output and output[-1].status == "incomplete")):
        cut = "incomplete"
    failed = response.status if response.status in ("failed", "cancelled") else None
    return Rollout(
        line.responses_create_params, output, line.reward, bool(line.mask_sample),
        environment, task, rollout, response.id, cut, failed,
    )  # fmt: skip


def decode_line(text: bytes) -> Line:
    """Decode the fields of a line.

    Python's `json` also writes NaN and infinities, which are no JSON: only what is read must not be such a number.

    Raises:
        Unusable: it is no JSON object of a rollout's form.
    """
    try:
        return LINES.decode(text)
    except msgspec.ValidationError as error:
        raise Unusable(STEP, say(error)) from None
    except RecursionError:
        raise Unusable(STEP, "nested too deeply to be read") from None
    except UnicodeDecodeError:
        raise Unusable(STEP, "not UTF-8") from None
    except msgspec.DecodeError as error:
        if not text.strip():
            raise Unusable("blank", "a blank line") from None
        reason = f"not JSON: {error}"
    return _decode_loosely(text, reason)


def _decode_loosely(text: bytes, reason: str) -> Line:
    try:
        row = json.loads(text)
    except RecursionError:
        raise Unusable(STEP, "nested too deeply to be read") from None
    except UnicodeDecodeError:
        raise Unusable(STEP, "not UTF-8") from None
    except ValueError:
        raise Unusable(STEP, reason) from None
    if isinstance(row, dict):
        reward = row.get("reward")
        if isinstance(reward, float) and not math.isfinite(reward):
            raise Unusable(STEP, f"the reward is {'NaN' if math.isnan(reward) else reward}")
        params = row.get("responses_create_params")
        if isinstance(params, dict) and _unwritable(params.get("tools")):
            raise Unusable(STEP, "a number that JSON does not have, such as NaN, in the tools")
    try:
        return LINES.decode(msgspec.json.encode(row))
    except msgspec.ValidationError as error:
        raise Unusable(STEP, say(error)) from None
    except RecursionError:
        raise Unusable(STEP, "nested too deeply to be read") from None
    except (UnicodeEncodeError, msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise Unusable(STEP, f"{reason}; {error}") from None


def _unwritable(value: Any) -> bool:
    """Say whether a value holds a number that JSON does not have."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, float) and not math.isfinite(one):
            return True
        if isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, list):
            todo += one
    return False


def say(error: Exception, where: str = "") -> str:
    """An error of msgspec as a reason."""
    return str(error).replace("`$.", f"`{where}.").replace("`$", f"`{where}").replace("`.", "`")


def _agent(agent: Agent | str | None) -> str | None:
    return agent if isinstance(agent, str) else agent.name if agent else None


def _index(value: int | None, name: str) -> int:
    if value is None or value < 0:
        return -1
    if value > INDEX_LIMIT:
        raise Unusable(STEP, f"{name} is {value}, which is no index")
    return value


@lru_cache(maxsize=512)
def prompt_of(items: bytes, instructions: str | None) -> Prompt:
    """The messages of a request. The attempts at a task share it, so that it is converted while it is near.

    Raises:
        Unusable: it is no conversation.
    """
    try:
        content = INPUTS.decode(items)
    except msgspec.ValidationError as error:
        raise Unusable("conversation", say(error, "responses_create_params.input")) from None
    except RecursionError:
        raise Unusable(STEP, "nested too deeply to be read") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise Unusable(STEP, f"not JSON: {error}") from None
    if content is None:
        raise Unusable("conversation", "responses_create_params.input is missing or null")
    messages = to_messages([Item(role="user", content=content)] if isinstance(content, str) else content)
    if instructions:  # a model server puts them before the system message, in one message
        first = messages[0] if messages else None
        if first and first.role in ("system", "developer") and isinstance(first.content, str):
            messages[0] = Message("system", f"{instructions}\n\n{first.content}")
        else:
            messages.insert(0, Message("system", instructions))
    if not messages:
        raise Unusable("conversation", "the input is empty")
    return Prompt(messages, check_turns(messages))


@lru_cache(maxsize=64)
def tools_of(tools: bytes) -> list[dict[str, Any]] | None:
    """The tools of a request, as chat has them.

    Raises:
        Unusable: they are no functions.
    """
    try:
        return to_chat_tools(msgspec.json.decode(tools))
    except RecursionError:
        raise Unusable(STEP, "nested too deeply to be read") from None
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise Unusable("conversation", f"tools: not JSON: {error}") from None
