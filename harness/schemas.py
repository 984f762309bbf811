"""The rows of the pipeline's files, as classes: what NeMo Gym reads and writes, and what a trainer is handed.

The parts that NeMo Gym types are its own pinned classes. Around them, each row also carries what a dataset or a
server adds under names of its own: those classes stay open, for the reason that `OPEN_MODELS` gives.
"""

from __future__ import annotations

from typing import Any, Literal

from nemo_gym.base_resources_server import BaseVerifyResponse
from nemo_gym.openai_utils import NeMoGymResponseCreateParamsNonStreaming
from pydantic import BaseModel, ConfigDict, Field

from harness.strict import OPEN_MODELS


class TaskRow(BaseModel):
    """One line of a dataset: one task."""

    model_config = ConfigDict(extra="allow")

    responses_create_params: NeMoGymResponseCreateParamsNonStreaming
    task_source: str | None = None
    agent_ref: dict[str, str] | None = None


class MaterializedInput(TaskRow):
    """One line of ``*_materialized_inputs.jsonl``: a task, expanded, with its indices."""

    task_index: int = Field(alias="_ng_task_index")
    rollout_index: int = Field(alias="_ng_rollout_index")


class RolloutRow(BaseVerifyResponse):
    """One line of a rollouts file: the task's request, the model's response, and what the verifier said."""

    model_config = ConfigDict(extra="allow")

    task_index: int = Field(alias="_ng_task_index")
    rollout_index: int = Field(alias="_ng_rollout_index")


class FailureRow(BaseModel):
    """One line of ``*_failures.jsonl``: an attempt that gave no rollout."""

    model_config = ConfigDict(extra="allow")

    task_index: int = Field(alias="_ng_task_index")
    rollout_index: int = Field(alias="_ng_rollout_index")
    failure_class: str = Field(alias="_ng_failure_class")


class FunctionCall(BaseModel):
    """A tool call's function: ``arguments`` is JSON text, as in OpenAI's chat format."""

    name: str
    arguments: str


class ToolCall(BaseModel):
    """A tool call of an assistant's chat message."""

    id: str
    type: Literal["function"]
    function: FunctionCall


class ChatMessage(BaseModel):
    """A message in OpenAI's chat format, with the reasoning that some templates take."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class SFTRow(BaseModel):
    """One example for supervised fine-tuning: a conversation that ends with the assistant."""

    messages: list[ChatMessage] = Field(min_length=2)
    tools: list[dict[str, Any]] | None = None
    reward: float | None = None
    task_index: int | None = None
    rollout_index: int | None = None


class PreferencePair(BaseModel):
    """One preference: two continuations of one prompt, the first the better."""

    prompt: list[ChatMessage] = Field(min_length=1)
    chosen: list[ChatMessage] = Field(min_length=1)
    rejected: list[ChatMessage] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None
    chosen_reward: float | None = None
    rejected_reward: float | None = None
    margin: float | None = None
    task_index: int | None = None


OPEN_MODELS.update(
    TaskRow="a dataset's own columns (expected_answer, uuid, ...) travel with the task to its verifier",
    MaterializedInput="a dataset's own columns travel with the task to its verifier",
    RolloutRow="a resources server adds fields of its own (extracted_answer, ...) to what it returns",
    FailureRow="a failure carries the task's row and what the failing step knew",
)
