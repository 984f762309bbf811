"""`gym-rollouts export`: the files of `prepare`, and tasks, as the loader of one training framework takes them.

To add a framework, write a function for each kind of row that it takes, and an entry in `TARGETS`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Optional

import msgspec
import pyarrow as pa
import typer

from gym_rollouts import options as o
from gym_rollouts.commands.session import open_session
from gym_rollouts.errors import Fault, Reject, Unusable
from gym_rollouts.files import open_sources
from gym_rollouts.kinds import Row, Unsound, decode, faults, kind_of
from gym_rollouts.lines import ranges, read
from gym_rollouts.messages import Template, render
from gym_rollouts.report import FINE, FOUND, NOTHING_USABLE, Report
from gym_rollouts.rollouts import prompt_of
from gym_rollouts.tool_text import as_text, with_tools
from gym_rollouts.writing import format_of
from gym_rollouts.writing.rejects import write_rejects
from gym_rollouts.writing.stream import JsonStream, ParquetStream

#: Makes a row of a framework of one that `faults` passes; it raises `Unusable` where it cannot.
Convert = Callable[[Row], Row]


def trl_sft(row: Row) -> Row:
    """A conversation for TRL's SFTTrainer."""
    return {"messages": row["messages"]} | _tools(row)


def trl_preference(row: Row) -> Row:
    """A pair for TRL's DPOTrainer: a prompt and its two continuations, all lists of messages."""
    return {name: row[name] for name in ("prompt", "chosen", "rejected")} | _tools(row)


def trl_rl(row: Row) -> Row:
    """A prompt for TRL's GRPOTrainer. `task` is the whole task, which a reward function hands to the verifier.

    It is text: the columns of a dataset have one type each, and the fields of tasks differ by environment.
    """
    return {"prompt": _prompt(row), "task": json.dumps(row, ensure_ascii=False)}


def _tools(row: Row) -> Row:
    """The tools as text, which TRL reads, and only where there are some: parameters of two tools are of no one type."""
    return {"tools": json.dumps(row["tools"], ensure_ascii=False)} if row.get("tools") else {}


def nemo_rl_sft(row: Row) -> Row:
    """A conversation for NeMo RL's `openai_format`, whose tools are a list, where TRL's are text."""
    return {name: row[name] for name in ("messages", "tools") if row.get(name)}


def nemo_rl_preference(row: Row) -> Row:
    """A pair for NeMo RL's `PreferenceDataset`: two continuations of a context, the better one of rank 0.

    Its DPO gives the chat template no tools, and learns the last message of each side and no other.
    """
    if row.get("tools"):
        raise Unusable("tools", "the pair has tools, and NeMo RL's DPO shows the model none")
    for side in ("chosen", "rejected"):
        if len(row[side]) > 1:
            raise Unusable("turns", f"{side} has {len(row[side])} messages, and NeMo RL's DPO learns the last one only")
    sides = [{"rank": rank, "completion": row[side]} for rank, side in enumerate(("chosen", "rejected"))]
    return {"context": row["prompt"], "completions": sides}


def nemo_rl_task(row: Row) -> Row:
    """A task for NeMo RL's `NemoGymDataset`, which posts it to the agent that the row names in `agent_ref`."""
    if agent_of(row) is None:
        source = row.get("task_source")
        option = f"--agent {source}=AGENT" if isinstance(source, str) else "--agent AGENT"
        raise Unusable("agent", f"no agent_ref, which NeMo RL reads; name the agent by {option}")
    return row


def openrlhf_sft(row: Row) -> Row:
    """A conversation for OpenRLHF's SFTDataset, with its tools as text: the loader gives the chat template none."""
    return {"messages": with_tools(as_text(row["messages"], "openrlhf"), row.get("tools") or [])}


def openrlhf_preference(row: Row) -> Row:
    """A pair for OpenRLHF's RewardDataset, which learns all that follows the prompt, whoever wrote it."""
    for side in ("chosen", "rejected"):
        if len(row[side]) > 1:
            raise Unusable("turns", f"{side} has {len(row[side])} messages, and OpenRLHF would learn the tools' too")
    prompt = with_tools(as_text(row["prompt"], "openrlhf"), row.get("tools") or [])
    chosen, rejected = (as_text(row[side], "openrlhf") for side in ("chosen", "rejected"))
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def openrlhf_rl(row: Row) -> Row:
    """A prompt for OpenRLHF's PromptDataset. `label` is the whole task as text, which its reward function gets."""
    label = json.dumps(row, ensure_ascii=False)
    return {"prompt": _prompt_with_tools(row, "openrlhf"), "label": label, "datasource": _source_of(row)}


def verl_sft(row: Row) -> Row:
    """A conversation for verl's MultiTurnSFTDataset, with its tools as text.

    In Parquet, the parameters of all tools would share one type, and each tool would have the fields of all others.
    """
    return {"messages": with_tools(as_text(row["messages"], "verl"), row.get("tools") or [])}


def verl_rl(row: Row) -> Row:
    """A prompt for verl's RLHFDataset. `extra_info.task` is the whole task as text, which a reward function gets.

    A reward manager of verl reads `reward_model.ground_truth` of each row: text, empty where the task has no answer.
    """
    answer = _answer_of(row)
    return {
        "data_source": _source_of(row),
        "prompt": _prompt_with_tools(row, "verl"),
        "reward_model": {
            "style": "rule",
            "ground_truth": answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False),
        },
        "extra_info": {"task": json.dumps(row, ensure_ascii=False)},
    }


def _answer_of(row: Row) -> Any:
    """The expected answer of a task, which may stand where NeMo Gym reads it, too; an empty text for none."""
    for holder in (row, row.get("verifier_metadata"), row.get("task_data")):
        if isinstance(holder, dict) and holder.get("expected_answer") is not None:
            return holder["expected_answer"]
    return ""


def _source_of(row: Row) -> str:
    """What a task is counted under: its source, else its agent."""
    source = row.get("task_source")
    return (source if isinstance(source, str) else None) or agent_of(row) or "default"


def _prompt_with_tools(row: Row, loader: str) -> list[Row]:
    """The prompt of a task, with its tools as text of the system message."""
    flat = row["responses_create_params"].get("tools") or []
    tools = [{"type": "function", "function": {n: v for n, v in tool.items() if n != "type"}} for tool in flat]
    return with_tools(as_text(_prompt(row), loader), tools)


def agent_of(row: Row) -> str | None:
    """The name of the agent that a row names; None where it names none."""
    reference = row.get("agent_ref")
    name = reference.get("name") if isinstance(reference, dict) else None
    return name if isinstance(name, str) and name else None


def with_agent(row: Row, agents: dict[str | None, str]) -> Row:
    """A task row that names its agent: the one it had, that of its ``task_source``, or that of all (None)."""
    source = row.get("task_source")
    name = agents.get(source if isinstance(source, str) else None) or agents.get(None)
    if agent_of(row) is not None or name is None:
        return row
    return row | {"agent_ref": {"type": "responses_api_agents", "name": name}}


def read_agents(given: list[str]) -> dict[str | None, str]:
    """The agents that ``--agent`` names, by the `task_source` that each is for, and by None that for all others.

    Raises:
        Fault: a value without a name, or a second one for the same rows.
    """
    agents: dict[str | None, str] = {}
    for each in given:
        source, equals, name = each.rpartition("=")
        if not name or (equals and not source):
            raise Fault(f"--agent {each}: expected AGENT, or TASK_SOURCE=AGENT")
        if (source or None) in agents:
            raise Fault(f"--agent {each}: a second agent for {source or 'all rows'}")
        agents[source or None] = name
    return agents


def _prompt(row: Row) -> list[dict[str, Any]]:
    """The prompt of a task as chat messages."""
    params = row["responses_create_params"]
    prompt = prompt_of(msgspec.json.encode(params["input"]), params.get("instructions"))
    messages: list[dict[str, Any]] = msgspec.to_builtins(render(prompt.messages, Template()))
    return messages


#: What a converter raises where a row has a form that nobody thought of: that row is left out, and no other.
ODD = (
    TypeError, ValueError, LookupError, AttributeError, RecursionError, OverflowError, msgspec.MsgspecError,
)  # fmt: skip

#: The kinds of rows that an agent gets.
TASKS = ("tasks", "rl")

#: For each framework, what it takes: the kind of a row, as `check` tells it, and what makes a row for it.
TARGETS: dict[str, dict[str, Convert]] = {
    "trl": {"sft": trl_sft, "preference": trl_preference, "tasks": trl_rl, "rl": trl_rl},
    "nemo-rl": {
        "sft": nemo_rl_sft, "preference": nemo_rl_preference, "tasks": nemo_rl_task, "rl": nemo_rl_task,
    },
    "openrlhf": {
        "sft": openrlhf_sft, "preference": openrlhf_preference, "tasks": openrlhf_rl, "rl": openrlhf_rl,
    },
    "verl": {"sft": verl_sft, "tasks": verl_rl, "rl": verl_rl},
}  # fmt: skip

_MESSAGES = pa.list_(pa.struct([(name, pa.string()) for name in ("role", "content", "reasoning_content")]))
_VERL_RL = pa.schema([
    ("data_source", pa.string()),
    ("prompt", _MESSAGES),
    ("reward_model", pa.struct([("style", pa.string()), ("ground_truth", pa.string())])),
    ("extra_info", pa.struct([("task", pa.string())])),
])  # fmt: skip

#: The frameworks whose loaders read Parquet too, each with the columns of the rows of each kind.
SCHEMAS: dict[str, dict[str, pa.Schema]] = {
    "verl": {"sft": pa.schema([("messages", _MESSAGES)]), "tasks": _VERL_RL, "rl": _VERL_RL},
}

#: The framework and kind of rows whose loader reads Parquet and nothing else.
PARQUET_ONLY = {("verl", "sft")}


def export(
    rows: Annotated[Path, typer.Argument(help="SFT rows, preference pairs or task rows: .jsonl.", show_default=False)],
    *,
    to: Annotated[str, typer.Option("--to", help=f"The framework: {', '.join(TARGETS)}.")],
    output: Annotated[Path, typer.Option("--output", help="The file to write: .jsonl; for verl .parquet, too.")],
    kind: Annotated[
        Optional[str], typer.Option("--kind", help="sft, preference, tasks or rl; unset, what the rows tell.")
    ] = None,
    agent: Annotated[
        Optional[list[str]],
        typer.Option(
            "--agent", help="The agent of task rows without agent_ref: AGENT, or TASK_SOURCE=AGENT; repeatable."
        ),
    ] = None,
    rejects: o.Rejects = Path("rejects.jsonl"),
    spool: o.Spool = None,
) -> Report:
    """Write the rows that a framework's loader takes: one for each row that `check` passes.

    Every row that is left out is named with the reason, so that what is written is what the framework loads.

    Examples:

        gym-rollouts export sft.jsonl --to trl --output trl-sft.jsonl

        gym-rollouts export rl.jsonl --to trl --output trl-rl.jsonl

        gym-rollouts export rl.jsonl --to nemo-rl --output nemo-rl.jsonl --agent mcqa=mcqa_simple_agent

        gym-rollouts export sft.jsonl --to verl --output verl-sft.parquet

    Raises:
        Fault: the input is not there, the framework is unknown or takes no such rows, or an output would destroy
            something.
    """
    if to not in TARGETS:
        raise Fault(f"--to {to}: expected one of {', '.join(TARGETS)}")
    takes = TARGETS[to]
    if kind is not None and kind not in takes:
        raise Fault(f"--kind {kind}: {to} takes {', '.join(takes)}")
    agents = read_agents(agent or [])
    found: list[Reject] = []
    kinds = Counter[str]()
    count = 0
    with open_session([rows], spool=spool) as session:
        suffix = format_of(output, "--output", [".jsonl", ".parquet"] if to in SCHEMAS else [".jsonl"])
        (place,) = session.outputs.claim(output, "--output")
        (named,) = session.outputs.claim(rejects, "--rejects")
        (source,) = open_sources([rows], session.spool)
        with place.open("wb") as file, (ParquetStream if suffix == ".parquet" else JsonStream)(file) as out:
            for span in ranges([source]):
                for _, line in read(span, source.start):
                    count += 1
                    try:
                        told, made = _converted(line, kind or next(iter(kinds), None), takes, to, agents)
                    except Unusable as problem:
                        found.append(Reject(str(rows), count, problem.step, problem.reason))
                        continue
                    if suffix == ".jsonl" and (to, told) in PARQUET_ONLY:
                        raise Fault(
                            f"--output {output}: {to} reads {told} rows from Parquet only: name a .parquet file"
                        )
                    kinds[told] += 1
                    out.write(made, SCHEMAS.get(to, {}).get(told))
        if source.damage:
            found.append(Reject(str(rows), count + 1, "unreadable", source.damage))
        write_rejects(found, named)
    written = kinds.total()
    figures = {"rows": count, "written": written, "rejected": len(found), "kind": next(iter(kinds), None)}
    said = [f"{count:,} rows: {written:,} written for {to}, {len(found):,} rejected ({rejects})"]
    said += [f"{reject.file}:{reject.line}: {reject.reason}" for reject in found[:3]]
    if source.damage:
        said.append(f"{rows}: {source.damage}: the rows behind line {count:,} are missing")
    said.append(f"{output}: {written:,} rows" + (f" of the kind {next(iter(kinds))}" if kinds else ""))
    return Report(figures, said, NOTHING_USABLE if not written else FOUND if source.damage else FINE)


def _converted(
    line: bytes, kind: str | None, takes: dict[str, Convert], to: str, agents: dict[str | None, str]
) -> tuple[str, Row]:
    """The kind of a row, which all rows of a file share, and what the framework gets of it.

    Raises:
        Fault: agents for rows that no agent gets.
        Unusable: the line is no sound row of that kind, or of none that the framework takes.
    """
    try:
        row = decode(line)
    except Unsound as problem:
        raise Unusable("JSON", str(problem)) from None
    told = kind or kind_of(row)
    if told not in takes:
        what = f"a row of the kind {told}" if told else "a row of no known kind"
        first = ". Make them with gym-rollouts prepare" if told == "rollouts" else ""
        raise Unusable("kind", f"{what}: {to} takes {', '.join(takes)}{first}")
    if fault := next(faults(told, row), None):
        raise Unusable("sound", fault)
    if agents and told not in TASKS:
        raise Fault(f"--agent is for task rows, and these are of the kind {told}")
    try:
        return told, takes[told](with_agent(row, agents))
    except ODD as error:
        raise Unusable("form", f"{to} cannot be given this row: {type(error).__name__}: {error}") from None
