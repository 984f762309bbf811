"""`gym-rollouts prepare`: files that a trainer loads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import numpy as np
import typer

from gym_rollouts import options as o
from gym_rollouts.commands.session import finish, open_session
from gym_rollouts.decisions import Choices, Outcome, State, decide
from gym_rollouts.decisions.steps import MEASURED
from gym_rollouts.errors import Fault
from gym_rollouts.facts import PARTS, Bits, Numbers
from gym_rollouts.files import check_input
from gym_rollouts.messages import Template
from gym_rollouts.report import FINE, NOTHING_USABLE, Report
from gym_rollouts.selection import choose_pairs, choose_sft, useful_tasks
from gym_rollouts.survey import Table
from gym_rollouts.taskfile import choose_tasks, read_tasks
from gym_rollouts.writing import FORMATS, format_of, made_here
from gym_rollouts.writing.copy import copy_tasks
from gym_rollouts.writing.layout import Kind, Layout
from gym_rollouts.writing.rejects import write_rejects
from gym_rollouts.writing.rows import lengths_of, write_rows

Target = Optional[Path]
#: So many tasks without a row the summary as JSON lists.
MOST_NAMED = 1000


def prepare(
    rollouts: o.Rollouts,
    *,
    sft: Annotated[Target, typer.Option("--sft", help="The SFT examples to write: .jsonl or .parquet.")] = None,
    min_reward: Annotated[float, typer.Option("--min-reward", help="The least reward of an SFT example.")] = 1.0,
    per_task: Annotated[
        Optional[int], typer.Option("--per-task", min=1, help="At most so many SFT examples of a task.")
    ] = None,
    preference: Annotated[Target, typer.Option("--preference", help="The preference pairs to write.")] = None,
    margin: Annotated[float, typer.Option("--margin", help="How far apart two rewards must lie at least.")] = 0.5,
    pairs_per_task: Annotated[
        int, typer.Option("--pairs-per-task", min=1, help="At most so many pairs of a task.")
    ] = 1,
    max_length_ratio: Annotated[
        Optional[float], typer.Option("--max-length-ratio", min=1, help="Of the two sides of a pair.")
    ] = None,
    rl: Annotated[Target, typer.Option("--rl", help="The RL tasks to write: lines of --tasks, unchanged.")] = None,
    tasks: Annotated[Target, typer.Option("--tasks", help="The file that the rollouts come from; for --rl.")] = None,
    arguments: Annotated[
        Literal["text", "object"], typer.Option("--arguments", help="What the chat template wants of a call.")
    ] = "text",
    developer: Annotated[
        Literal["keep", "system"], typer.Option("--developer", help="The developer role as it is, or as system.")
    ] = "keep",
    reasoning_field: Annotated[
        str, typer.Option("--reasoning-field", help="The field of a message's reasoning; none leaves it out.")
    ] = "reasoning_content",
    empty_content: Annotated[
        Literal["null", "text"], typer.Option("--empty-content", help="The content of a message of calls only.")
    ] = "null",
    truncated: Annotated[
        Literal["reject", "keep"], typer.Option("--truncated", help="Attempts that a limit cut off.")
    ] = "reject",
    copies: Annotated[
        Literal["reject", "keep"], typer.Option("--copies", help="Lines that their own file has more than once.")
    ] = "reject",
    shards: Annotated[int, typer.Option("--shards", min=1, max=99999, help="Files to write of each kind.")] = 1,
    rejects: o.Rejects = Path("rejects.jsonl"),
    engine: o.Engine = "local",
    address: o.Address = None,
    workers: o.Workers = None,
    spool: o.Spool = None,
    facts: o.Facts = None,
    quiet: o.Quiet = False,
) -> Report:
    """Turn rollouts into files that a trainer loads: SFT conversations, preference pairs, RL tasks.

    SFT takes the attempts with at least the reward, the best of each task. A pair is the best attempt with the worst,
    the second best with the second worst; a tie is no pair. RL takes the tasks whose attempts differ by the margin.

    Examples:

        gym-rollouts prepare rollouts.jsonl --sft sft.jsonl

        gym-rollouts prepare rollouts.jsonl --preference pairs.parquet --rl rl.jsonl --tasks tasks.jsonl

    Raises:
        Fault: an input is not there, an output would destroy something, or an option cannot be honored.
    """
    reasoning = None if reasoning_field == "none" else reasoning_field
    template = Template(arguments, developer, reasoning, empty_content)
    _check(sft, preference, rl, tasks, margin, min_reward, reasoning_field)
    inputs = [*rollouts, *([tasks] if tasks else [])]
    figures: dict[str, Any] = {}
    with open_session(
        inputs, engine=engine, address=address, workers=workers, spool=spool, quiet=quiet, facts=facts
    ) as session:
        targets: dict[Kind, tuple[Path, str, list[Path]]] = {}
        wanted: tuple[tuple[Kind, Path | None], ...] = (("sft", sft), ("preference", preference))
        for kind, target in wanted:
            if target:
                suffix = format_of(target, f"--{kind}")
                FORMATS[suffix].check(Layout(kind, template, False), f"--{kind} {target}")
                ours = partial(made_here, kind=kind)
                targets[kind] = target, suffix, session.outputs.claim(target, f"--{kind}", shards, ours)
        rl_place = None
        if rl:
            format_of(rl, "--rl", [".jsonl"])
            (rl_place,) = session.outputs.claim(rl, "--rl")
        (named,) = session.outputs.claim(rejects, "--rejects")
        state = session.state(
            session.survey(rollouts),
            Choices(solved=min_reward, objects=arguments == "object", copies=copies == "keep"),
        )
        table = state.table
        outcome = decide(state, MEASURED)
        counted = state.left.copy()
        steps = ["conversation", "no answer", *(["truncated"] if truncated == "reject" else []), "arguments"]
        outcome = decide(state, steps, before=outcome)
        counts, said, status = finish(outcome, named, rejects)
        figures |= counts | {"steps": outcome.counts()} | _tasks(outcome, counted, said)
        for kind, (target, suffix, places) in targets.items():
            if kind == "sft":
                rows = choose_sft(state, min_reward, per_task)[:, None]
                extra: dict[str, Any] = {"characters": lengths_of(table.column("length")[rows[:, 0]])}
            else:
                side = "said" if reasoning else "answer"
                rows, equal = choose_pairs(state, margin, pairs_per_task, max_length_ratio, side)
                extra = pair_lengths(table, rows) | {"equal_sides": equal}
            parts = bool((table.column("flags")[rows] & PARTS).any())
            write_rows(table, rows, Layout(kind, template, parts), suffix, places, session.engine, session.spool, quiet)
            without = tasks_without(state, counted, rows[:, 0])
            from_tasks = figures["tasks"] - len(without)
            figures[kind] = {"rows": len(rows), "tasks": from_tasks, "without": without[:MOST_NAMED]} | extra
            said.append(f"{target}: {len(rows):,} rows from {from_tasks:,} of {figures['tasks']:,} tasks")
            said += say_lengths(extra)
            if not len(rows) and status == FINE:
                status = NOTHING_USABLE
                said.append(f"  {why_none(kind, state, counted, min_reward, margin)}")
            if 0 < len(without) < figures["tasks"]:
                said.append(f"  none from {say_tasks(without)}")
        if rl_place and tasks:
            file = read_tasks(tasks, session.engine, session.spool)
            useful = useful_tasks(state, counted, margin)
            of = choose_tasks(file, state, counted, useful)
            copy_tasks(file, of.useful, rl_place, session.engine, quiet)
            write_rejects(of.rejects, named, append=True)
            count, wrong, without = len(of.useful), len(of.rejects), [file.numbers[line] for line in of.useless]
            figures["rl"] = {"rows": count, "rejected": wrong, "not_attempted": of.unattempted}
            figures["rl"]["without"] = without[:MOST_NAMED]
            said.append(f"{rl}: {count:,} rows; of {tasks} {wrong:,} rejected, {of.unattempted:,} not attempted")
            if of.unattempted and of.unattempted + wrong == len(file.rows):
                said.append(f"  no rollout is of a task of {tasks}: give the very file that was collected from")
            elif not count and status == FINE:
                said.append(f"  no task has two attempts whose rewards differ by {margin:g}: see --margin")
            elif count and without:
                said.append(f"  none from {say_tasks(without)}, whose rewards differ by less than {margin:g}")
            if not count:
                status = NOTHING_USABLE
        if gone := session.outputs.obsolete:
            figures["removed"] = [str(path) for path in gone]
            said.append(f"removed, since an earlier run wrote it: {', '.join(figures['removed'])}")
    return Report(figures, said, status)


def why_none(kind: Kind, state: State, counted: Bits, min_reward: float, margin: float) -> str:
    """Why no row came out although lines are left, and which option decides it."""
    if kind == "preference":
        return f"no task has two different attempts whose rewards differ by {margin:g}: see --margin"
    best = state.column("reward")[counted].max(initial=-np.inf)
    if best < min_reward:
        return f"no attempt has a reward of {min_reward:g}, the best has {best:g}: see --min-reward"
    return f"no attempt with a reward of {min_reward:g} can be an example: the rejects say why"


def _check(
    sft: Path | None, preference: Path | None, rl: Path | None, tasks: Path | None,
    margin: float, min_reward: float, reasoning_field: str,
) -> None:  # fmt: skip
    """See that the options can be honored together."""
    if not (sft or preference or rl):
        raise Fault("nothing to write: name --sft, --preference or --rl, such as --sft sft.jsonl")
    if rl and not tasks:
        raise Fault("--rl needs --tasks, the file that the rollouts come from")
    if tasks and not rl:
        raise Fault("--tasks is for --rl: name the file to write, such as --rl rl.jsonl")
    if tasks:
        check_input(tasks)
    if not margin > 0 or not np.isfinite(margin):
        raise Fault(f"--margin {margin:g}: expected a number above 0: two attempts of equal reward are no preference")
    if np.isnan(min_reward):
        raise Fault("--min-reward nan: expected a number")
    if reasoning_field in ("role", "content", "tool_calls", "tool_call_id", ""):
        raise Fault(f"--reasoning-field {reasoning_field!r}: a message has another field of that name")


def _tasks(outcome: Outcome, counted: Any, said: list[str]) -> dict[str, Any]:
    """How many tasks there are, and how they are told apart."""
    state = outcome.state
    rows = np.flatnonzero(counted)
    tasks = np.unique(state.tasks.task[rows])
    inferred = np.unique(state.tasks.task[rows[state.tasks.inferred[rows]]])
    differ = useful_tasks(state, counted, np.finfo(float).tiny)
    figures = {"tasks": len(tasks), "inferred_tasks": len(inferred), "tasks_that_differ": int(differ.sum())}
    line = f"{len(tasks):,} tasks, {figures['tasks_that_differ']:,} of them with attempts of different reward"
    if len(inferred):
        line += f"; {len(inferred):,} of them inferred: no _ng_task_index, so equal requests are one task"
    said.append(line)
    asked = np.unique(np.stack([state.tasks.task[rows], state.column("request")[rows].view(np.int64)]), axis=1)[0]
    several = int((np.unique(asked, return_counts=True)[1] > 1).sum())
    if several:
        figures["tasks_of_several_prompts"] = several
        said.append(
            f"  the attempts at {several:,} of them answer several prompts: are these files of one tasks file? "
            "A pair is of one prompt"
        )
    return figures


def tasks_without(state: State, counted: Bits, rows: Numbers) -> list[int | None]:
    """The numbers of the tasks that have attempts and none among the rows; None is one that has no number."""
    attempts = np.flatnonzero(counted)
    tasks, first = np.unique(state.tasks.task[attempts], return_index=True)
    missing = ~np.isin(tasks, state.tasks.task[rows])
    numbers = state.column("task")[attempts[first[missing]]]
    return [int(number) if number >= 0 else None for number in np.sort(numbers)]


def say_tasks(numbers: Sequence[int | None], most: int = 10) -> str:
    """Tasks by their numbers, the first of them if they are many."""
    known = [str(number) for number in numbers if number is not None][:most]
    if not known:
        return f"{len(numbers):,} tasks without a number"
    more = len(numbers) - len(known)
    word = "task" if len(numbers) == 1 else "tasks"
    return f"the {word} {', '.join(known)}" + (f" and {more:,} more" if more else "")


def pair_lengths(table: Table, rows: Numbers) -> dict[str, Any]:
    """How the lengths of the two sides of pairs compare: a bias that a model would learn."""
    if not len(rows):
        return {}
    sides = table.column("length")[rows].astype(float)
    ratio = sides.max(axis=1) / np.maximum(sides.min(axis=1), 1)
    return {
        "chosen_characters": lengths_of(sides[:, 0]),
        "rejected_characters": lengths_of(sides[:, 1]),
        "chosen_is_longer": int((sides[:, 0] > sides[:, 1]).sum()),
        "median_length_ratio": round(float(np.median(ratio)), 2),
    }


def say_lengths(figures: dict[str, Any]) -> list[str]:
    """The lengths of rows, in words: lines under that of their file."""
    said = []
    if "chosen_is_longer" in figures:
        ratio = figures["median_length_ratio"]
        said.append(f"  the chosen side is longer in {figures['chosen_is_longer']:,}, the median ratio is {ratio:.2f}")
    if figures.get("equal_sides"):
        said.append(f"  {figures['equal_sides']:,} with two equal sides left out")
    if lengths := figures.get("characters"):
        said.append(f"  {lengths['median']:,} characters in the middle, {lengths['longest']:,} at the most")
    return said
