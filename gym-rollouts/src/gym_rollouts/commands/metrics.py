"""`gym-rollouts metrics`: how good rollouts are, and how sure one can be of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import msgspec
import numpy as np
import typer

from gym_rollouts import options as o
from gym_rollouts.commands.session import finish, open_session, uncounted, unread
from gym_rollouts.decisions import Choices, State, decide
from gym_rollouts.decisions.steps import MEASURED
from gym_rollouts.report import Report
from gym_rollouts.statistics import PerTask, interval, metrics_of, per_task, said, share_interval
from gym_rollouts.writing import format_of

DEFAULT_KS = [1, 2, 4, 8]
#: The metrics that are no shares: their intervals may end anywhere.
UNBOUNDED = ("variance within a task", "characters")


def metrics(
    rollouts: o.Rollouts,
    *,
    k: o.Ks = None,
    solved: o.Solved = 1.0,
    tasks: Annotated[
        Optional[Path], typer.Option("--tasks", help="A file to write: a row of metrics for each task.")
    ] = None,
    rejects: Annotated[
        Optional[Path], typer.Option("--rejects", help="Where to name every line that does not count, and why.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the intervals' draws.")] = 0,
    engine: o.Engine = "local",
    address: o.Address = None,
    workers: o.Workers = None,
    spool: o.Spool = None,
    facts: o.Facts = None,
    quiet: o.Quiet = False,
) -> Report:
    """Measure rollouts for each environment: mean reward, pass@k, variance, answers, lengths, and tool calls.

    Each number is a mean over tasks, with the interval in which it would lie for other tasks of the same kind. Attempts
    that failed, are masked or are there twice do not count; the last line says how many.

    Examples:

        gym-rollouts metrics rollouts.jsonl

        gym-rollouts metrics rollouts.jsonl --k 1 --k 16 --tasks tasks-metrics.jsonl --json

    Raises:
        Fault: an input is not there, or an output would destroy something.
    """
    ks = sorted(set(k or DEFAULT_KS))
    with open_session(
        rollouts, engine=engine, address=address, workers=workers, spool=spool, quiet=quiet, facts=facts
    ) as session:
        task_place = None
        if tasks:
            format_of(tasks, "--tasks", [".jsonl"])
            (task_place,) = session.outputs.claim(tasks, "--tasks")
        named = session.outputs.claim(rejects, "--rejects")[0] if rejects else session.spool / "rejects"
        state = session.state(session.survey(rollouts), Choices(solved=solved))
        outcome = decide(state, MEASURED)
        figures, lines, status = finish(outcome, named, rejects)
        found = per_task(state, outcome.left, solved)
        if task_place:
            write_tasks(state, found, task_place)
    figures |= {"steps": outcome.counts(), "environments": {}, "inferred_tasks": inferred(state, found)}
    names, environments = state.table.environments
    lines = []
    for number, name in enumerate(names):
        mask = environments[found.first] == number
        if mask.any():
            figures["environments"][name] = measured = measure(found, mask, ks, seed)
            lines += show(name, measured)
    figures["unread"] = unread(state.table.sources)
    lines += figures["unread"]
    apart = uncounted(outcome)
    lines.append(f"{figures['lines']:,} lines, {'not counted: ' + ', '.join(apart) if apart else 'all counted'}")
    if figures["inferred_tasks"]:
        lines.append(
            f"{figures['inferred_tasks']:,} tasks are inferred: no _ng_task_index, so equal requests are one task"
        )
    if not outcome.left.any():
        lines.append("no line is usable")
    return Report(figures, lines, status)


def inferred(state: State, tasks: PerTask) -> int:
    """How many tasks are told by their request only."""
    return int(state.tasks.inferred[tasks.first].sum())


def measure(tasks: PerTask, mask: np.ndarray, ks: list[int], seed: int) -> dict[str, Any]:
    """The metrics of some tasks: the mean of each, and its interval."""
    values = {name: column[mask] for name, column in metrics_of(tasks, ks).items()}
    found: dict[str, Any] = {"tasks": int(mask.sum()), "attempts": int(tasks.attempts[mask].sum())}
    tasks_of: dict[str, int] = {}
    # A reward may have any scale; what a verifier gave between 0 and 1 is taken for a share of what it can give.
    shares = bool(((tasks.low >= 0) & (tasks.high <= 1))[mask].all())
    for name, column in values.items():
        if count := int((~np.isnan(column)).sum()):
            share = shares if name == "mean reward" else name not in UNBOUNDED
            mean, low, high = (share_interval if share else interval)(column, seed)
            if name != "mean reward":  # the others are lengths and variances
                low = max(low, 0.0) if low == low else low
            found[name] = [said(each) for each in (mean, low, high)]
            if count < found["tasks"]:
                tasks_of[name] = count
    return found | {"tasks_of": tasks_of}


def show(name: str, metrics: dict[str, Any]) -> list[str]:
    """The metrics of an environment as lines."""
    lines = [f"{name or '(no environment)'}: {metrics['attempts']:,} attempts at {metrics['tasks']:,} tasks"]
    for metric, value in metrics.items():
        if isinstance(value, list):
            mean, low, high = value
            ends = "" if low is None else f"   ({low:.3f} to {high:.3f})"
            # pass@k of those tasks that were attempted k times may rise with k alone: other tasks have it.
            few = f"   of {metrics['tasks_of'][metric]:,} tasks" if metric in metrics["tasks_of"] else ""
            lines.append(f"  {metric:24}{mean:10.3f}{ends}{few}")
    return lines


def write_tasks(state: State, tasks: PerTask, place: Path) -> None:
    """Write a row for each task."""
    names, environments = state.table.environments
    number = state.column("task")[tasks.first]
    encoder = msgspec.json.Encoder()
    with place.open("wb") as out:
        for n in range(len(tasks.task)):
            row = {
                "task_index": None if number[n] < 0 else int(number[n]),
                "environment": names[environments[tasks.first[n]]],
                "attempts": int(tasks.attempts[n]),
                "solved": int(tasks.solved[n]),
                "mean": round(float(tasks.mean[n]), 6),
                "deviation": round(float(tasks.variance[n]) ** 0.5, 6),
                "low": float(tasks.low[n]),
                "high": float(tasks.high[n]),
            }
            out.write(encoder.encode(row) + b"\n")
