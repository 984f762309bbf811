"""The rows of the pipeline's files, as classes: what NeMo Gym reads and writes, and what a trainer is handed.

The parts that NeMo Gym types are its own pinned classes. Around them, each row also carries what a dataset or a
server adds under names of its own: those classes stay open, for the reason that `OPEN_MODELS` gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from nemo_gym.base_resources_server import BaseVerifyResponse
from nemo_gym.config_types import AgentServerRef, AggregateMetrics
from nemo_gym.health.types import Finding, Verdict
from nemo_gym.openai_utils import NeMoGymResponseCreateParamsNonStreaming
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, RootModel

from harness.consumers.chat import messages_fault, tools_fault
from harness.consumers.strict import OPEN_MODELS
from harness.nearest import nearest

#: Columns that hold statistics, named for the statistic and what it is of: ``mean/reward``.
STATISTICS = {"patternProperties": {"^[a-z0-9_]+/": {"type": "number"}}}


def _named(agent: dict[str, Any]) -> dict[str, Any]:
    """An agent that a row names: what reads it asks for the name, and takes a row without for one of no agent."""
    if isinstance(agent, dict) and "name" not in agent:
        raise ValueError(f"it has no 'name': {nearest('name', agent) if agent else 'it is empty'}")
    if isinstance(agent, dict) and (unknown := sorted(agent.keys() - AgentServerRef.model_fields)):
        raise ValueError(f"unknown key {unknown[0]!r}: {nearest(unknown[0], AgentServerRef.model_fields)}")
    return agent


class TaskRow(BaseModel):
    """One line of a dataset: one task."""

    model_config = ConfigDict(extra="allow")

    responses_create_params: NeMoGymResponseCreateParamsNonStreaming
    task_source: str | None = None
    agent_ref: Annotated[dict[str, str], AfterValidator(_named)] | None = None


class MaterializedInput(TaskRow):
    """One line of ``*_materialized_inputs.jsonl``: a task, expanded, with its indices."""

    task_index: int = Field(alias="_ng_task_index")
    rollout_index: int = Field(alias="_ng_rollout_index")


class Stamped(BaseModel):
    """What collection writes on every attempt, whether it gave a rollout or a failure."""

    task_index: int = Field(alias="_ng_task_index")
    rollout_index: int = Field(alias="_ng_rollout_index")
    attempt_index: int | None = Field(default=None, alias="_ng_attempt_index")
    environment_server: str | None = Field(default=None, alias="_ng_environment_server")
    result_type: str | None = Field(default=None, alias="_ng_result_type")
    agent_ref: Annotated[dict[str, Any], AfterValidator(_named)] | None = None
    task_source: str | None = None
    skills_ref: dict[str, Any] | None = None


class RolloutRow(BaseVerifyResponse, Stamped):
    """One line of a rollouts file: the task's request, the model's response, and what the verifier said."""

    model_config = ConfigDict(extra="allow")

    reward_components: dict[str, float] | None = None
    ng_trajectory: dict[str, Any] | None = None
    ng_perf: dict[str, Any] | None = None


class FailureRow(Stamped):
    """One line of ``*_failures.jsonl``: an attempt that gave no rollout."""

    model_config = ConfigDict(extra="allow")

    failure_class: str = Field(alias="_ng_failure_class")
    failure_type: str | None = Field(default=None, alias="_ng_failure_type")
    failure_message: str | None = Field(default=None, alias="_ng_failure_message")
    failure_http_status: int | None = Field(default=None, alias="_ng_failure_http_status")
    failure_response_body: str | None = Field(default=None, alias="_ng_failure_response_body")
    failure_terminal: bool | None = Field(default=None, alias="_ng_failure_terminal")
    failure_stage: str | None = Field(default=None, alias="_ng_failure_stage")
    failure_partial_response: dict[str, Any] | None = Field(default=None, alias="_ng_failure_partial_response")


class AgentMetrics(AggregateMetrics):
    """One entry of ``*_aggregate_metrics.json``: the metrics of all rollouts of one agent."""

    agent_ref: Annotated[dict[str, Any], AfterValidator(_named)] | None = None
    environment_server: str | None = Field(default=None, alias="_ng_environment_server")


class AggregateMetricsFile(RootModel[list[AgentMetrics]]):
    """``*_aggregate_metrics.json``."""


class RewardProfile(BaseModel):
    """One line of ``*_reward_profiling.jsonl``: a task with the statistics of its rollouts."""

    model_config = ConfigDict(extra="allow", json_schema_extra=STATISTICS)

    task_index: int = Field(alias="_ng_task_index")
    sample: dict[str, Any]
    num_rollouts: int
    expected_num_rollouts: int
    missing_num_rollouts: int
    reward_profile_completion_pct: float
    rollout_infos: list[dict[str, Any]]


class RepeatMetrics(BaseModel):
    """One entry of ``*_repeat_level_metrics.json``: the statistics of one repeat of all tasks of an agent."""

    model_config = ConfigDict(extra="allow", json_schema_extra=STATISTICS)

    agent_ref: Annotated[dict[str, Any], AfterValidator(_named)]
    rollout_index: int = Field(alias="_ng_rollout_index")
    sample_count: int
    missing_count: int


class RepeatMetricsFile(RootModel[list[RepeatMetrics]]):
    """``*_repeat_level_metrics.json``."""


class RunQuality(BaseModel):
    """What ``quality_summary.json`` says of the whole run."""

    ignored_checks: list[str]
    artifacts: dict[str, Any]
    verdicts: dict[Verdict, int]
    issues: dict[str, int]
    stats: dict[str, Any]


class TaskQuality(BaseModel):
    """What ``quality_summary.json`` says of one task."""

    repeats: int
    healthy: int
    unhealthy: int
    unobserved: int
    flags: list[Any]


class QualitySummary(BaseModel):
    """``quality_summary.json``."""

    run: RunQuality
    tasks: dict[str, TaskQuality]


class SavedFinding(Finding):
    """A finding as it is written: the rollout that it is on is the row's own."""

    subject: dict[str, int | str] = Field(default_factory=dict, exclude=True)


class RolloutVerdict(BaseModel):
    """One line of ``rollout_verdicts.jsonl``: what the health checks say of one rollout."""

    task_index: int | str = Field(alias="_ng_task_index")
    rollout_index: int | str = Field(alias="_ng_rollout_index")
    rollout_id: str
    verdict: Verdict
    findings: list[SavedFinding]
    unobserved: list[str]
    stage_index: int | str | None = None


class RLRow(TaskRow):
    """One task for reinforcement learning: a task that names where it is answered and judged."""

    task_source: str


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
    content: str | list[dict[str, Any]] | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


def _sound(fault: Callable[..., str | None], *place: str) -> BeforeValidator:
    """What refuses a value for what ``fault`` says of it, before its type is looked at."""

    def check(value: Any) -> Any:
        if said := fault(value, *place):
            raise ValueError(said)
        return value

    return BeforeValidator(check)


def _ends_with_the_assistant(messages: list[ChatMessage]) -> list[ChatMessage]:
    if messages[-1].role != "assistant":
        raise ValueError(
            f"the last message must be the assistant's, which is what is trained on; it is of the role "
            f"{messages[-1].role!r}"
        )
    return messages


Tools = Annotated[list[dict[str, Any]] | None, _sound(tools_fault)]


class SFTRow(BaseModel):
    """One example for supervised fine-tuning: a conversation that ends with the assistant."""

    messages: Annotated[
        list[ChatMessage],
        Field(min_length=2),
        _sound(messages_fault, "messages"),
        AfterValidator(_ends_with_the_assistant),
    ]
    tools: Tools = None
    reward: float | None = None
    task_index: int | None = None
    rollout_index: int | None = None


class PreferencePair(BaseModel):
    """One preference: two continuations of one prompt, the first the better."""

    prompt: Annotated[list[ChatMessage], Field(min_length=1), _sound(messages_fault, "prompt")]
    chosen: Annotated[list[ChatMessage], Field(min_length=1), _sound(messages_fault, "chosen")]
    rejected: Annotated[list[ChatMessage], Field(min_length=1), _sound(messages_fault, "rejected")]
    tools: Tools = None
    chosen_reward: float | None = None
    rejected_reward: float | None = None
    margin: float | None = None
    task_index: int | None = None


OPEN_MODELS.update(
    TaskRow="a dataset's own columns (expected_answer, uuid, ...) travel with the task to its verifier",
    MaterializedInput="a dataset's own columns travel with the task to its verifier",
    RolloutRow="a resources server adds fields of its own (extracted_answer, ...) to what it returns",
    RLRow="a dataset's own columns travel with the task to its verifier",
    RewardProfile="its statistics are named for whatever numbers a server's rollouts hold",
    RepeatMetrics="its statistics are named for whatever numbers a server's rollouts hold",
    FailureRow="a failure carries the task's row and what the failing step knew",
)
