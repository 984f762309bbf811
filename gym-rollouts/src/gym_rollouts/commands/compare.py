"""`gym-rollouts compare`: is B better than A?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from gym_rollouts import options as o
from gym_rollouts.commands.metrics import DEFAULT_KS
from gym_rollouts.commands.session import open_session
from gym_rollouts.decisions import Choices, State, decide
from gym_rollouts.decisions.steps import MEASURED
from gym_rollouts.report import FINE, NOTHING_USABLE, Report, table
from gym_rollouts.statistics import PerTask, interval, passes, per_task, said

Key = tuple[int, int]


def compare(
    a: Annotated[Path, typer.Argument(help="The rollouts to compare with.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="The rollouts to judge.", show_default=False)],
    *,
    k: o.Ks = None,
    solved: o.Solved = 1.0,
    by: Annotated[
        Literal["task", "number"],
        typer.Option("--by", help="Pair tasks of equal number and question, or of equal number only."),
    ] = "task",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of the intervals' draws.")] = 0,
    engine: o.Engine = "local",
    address: o.Address = None,
    workers: o.Workers = None,
    spool: o.Spool = None,
    facts: o.Facts = None,
    quiet: o.Quiet = False,
) -> Report:
    """Say whether the rollouts B are better than the rollouts A, over the tasks that both attempted.

    Each task is held against itself, so that hard tasks do not hide a difference. The interval is that of the mean
    difference over tasks: where it contains 0, these tasks cannot tell the two apart.

    Examples:

        gym-rollouts compare before.jsonl after.jsonl

        gym-rollouts compare before.jsonl after.jsonl --k 1 --k 8 --by number

    Raises:
        Fault: an input is not there.
    """
    ks = sorted(set(k or DEFAULT_KS))
    sides = []
    with open_session(
        [a, b], engine=engine, address=address, workers=workers, spool=spool, quiet=quiet, facts=facts
    ) as session:
        for number, path in enumerate((a, b)):
            folder = session.spool / str(number)
            folder.mkdir()
            state = session.state(session.survey([path], folder), Choices(solved=solved))
            outcome = decide(state, MEASURED)
            sides.append((state, per_task(state, outcome.left, solved)))
        numbered = all((state.column("task")[tasks.first] >= 0).all() for state, tasks in sides)
        keys = [keys_of(state, tasks, numbered, by) for state, tasks in sides]
    both = sorted(keys[0].keys() & keys[1].keys())
    rows = [np.array([each[key] for key in both], np.int64) for each in keys]
    metrics = {"mean reward": [side.mean[row] for (_, side), row in zip(sides, rows, strict=True)]}
    for each in ks:
        metrics[f"pass@{each}"] = [
            passes(side.attempts[row], side.solved[row], each) for (_, side), row in zip(sides, rows, strict=True)
        ]
    found: dict[str, Any] = {
        "tasks": len(both),
        "only_a": len(sides[0][1].task) - len(both),
        "only_b": len(sides[1][1].task) - len(both),
        "paired_by": by if numbered else "question",
        "metrics": {},
    }
    lines = [f"{len(both):,} tasks are in both; {found['only_a']:,} only in A, {found['only_b']:,} only in B"]
    shown: list[list[str]] = []
    for name, (one, other) in metrics.items():
        known = ~np.isnan(one) & ~np.isnan(other)
        if not known.any():
            continue
        difference, low, high = interval(other[known] - one[known], seed)
        better = int((other[known] > one[known]).sum())
        worse = int((other[known] < one[known]).sum())
        verdict = verdict_of(low, high)
        found["metrics"][name] = {
            "a": float(one[known].mean()), "b": float(other[known].mean()), "tasks": int(known.sum()),
            "difference": difference, "low": said(low), "high": said(high),
            "better_tasks": better, "worse_tasks": worse, "verdict": verdict,
        }  # fmt: skip
        ends = "" if np.isnan(low) else f"{low:+.3f} to {high:+.3f}"
        means = (f"{one[known].mean():.3f}", f"{other[known].mean():.3f}", f"{difference:+.3f}")
        shown.append([name, *means, ends, f"{better:,}", f"{worse:,}", verdict])
    if shown:
        lines += table(["", "A", "B", "B - A", "interval", "better", "worse", "verdict"], shown)
    if not numbered:
        lines.append("tasks are paired by their question, which is inferred: not all lines have a _ng_task_index")
    if not both:
        lines.append("no task is in both: are these rollouts of one tasks file?")
        lines.append("--by number pairs tasks of equal number, whatever they ask")
    return Report(found, lines, FINE if both else NOTHING_USABLE)


def keys_of(state: State, tasks: PerTask, numbered: bool, by: str) -> dict[Key, int]:
    """What tells a task in two collections, for each task that it tells from all others."""
    number, question = state.column("task")[tasks.first], state.column("question")[tasks.first]
    keys: dict[Key, int] = {}
    ambiguous: set[Key] = set()
    for row, each in enumerate(zip(number.tolist(), question.tolist(), strict=True)):
        key = (each[0] if numbered else -1, 0 if by == "number" and numbered else each[1])
        if key in keys:
            ambiguous.add(key)
        keys[key] = row
    return {key: row for key, row in keys.items() if key not in ambiguous}


def verdict_of(low: float, high: float) -> str:
    """What an interval of a difference says."""
    if low > 0:
        return "B is better"
    return "B is worse" if high < 0 else "cannot tell"
