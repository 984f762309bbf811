"""`gym-rollouts compare`: is B better than A?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer

from gym_rollouts import options as o
from gym_rollouts.commands.metrics import DEFAULT_KS
from gym_rollouts.commands.session import open_session, uncounted, unread
from gym_rollouts.decisions import Choices, Outcome, decide
from gym_rollouts.decisions.steps import MEASURED
from gym_rollouts.errors import Fault
from gym_rollouts.report import FINE, NOTHING_USABLE, Report, table
from gym_rollouts.statistics import PerTask, Values, interval, passes, per_task, said

Key = tuple[int, int]
#: Under so many tasks there is no verdict: where the two are alike, five differences have one sign one time in sixteen.
FEWEST = 6
TOO_FEW = "too few"


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
        Fault: an input is not there, or both are standard input.
    """
    if str(a) == str(b) == "-":
        raise Fault("compare - -: standard input holds one of A and B only: write the other to a file, and name that")
    ks = sorted(set(k or DEFAULT_KS))
    sides: list[Side] = []
    with open_session(
        [a, b], engine=engine, address=address, workers=workers, spool=spool, quiet=quiet, facts=facts
    ) as session:
        for number, path in enumerate((a, b)):
            folder = session.spool / str(number)
            folder.mkdir()
            state = session.state(session.survey([path], folder), Choices(solved=solved))
            outcome = decide(state, MEASURED)
            sides.append(Side(outcome, per_task(state, outcome.left, solved)))
        numbered = all((side.column("task") >= 0).all() for side in sides)
        pairs = pair(*(side.keys(numbered, by) for side in sides))
    columns = [
        {"mean reward": side.tasks.mean[rows]}
        | {f"pass@{each}": passes(side.tasks.attempts[rows], side.tasks.solved[rows], each) for each in ks}
        for side, rows in zip(sides, pairs.rows, strict=True)
    ]
    found: dict[str, Any] = {
        "tasks": pairs.count,
        "only_a": pairs.only[0],
        "only_b": pairs.only[1],
        "ambiguous_a": pairs.ambiguous[0],
        "ambiguous_b": pairs.ambiguous[1],
        "paired_by": by if numbered else "question",
        "not_counted": {name: side.outcome.counts() for name, side in zip("ab", sides, strict=True)},
        "unread": [line for side in sides for line in unread(side.outcome.state.table.sources)],
        "metrics": {},
    }
    lines = [f"{pairs.count:,} tasks are in both; {pairs.only[0]:,} only in A, {pairs.only[1]:,} only in B"]
    if any(pairs.ambiguous):
        lines.append(
            f"{pairs.ambiguous[0]:,} of A and {pairs.ambiguous[1]:,} of B are in no pair: several tasks of one file "
            f"have the same {'number' if by == 'number' and numbered else 'question'}"
        )
    shown: list[list[str]] = []
    for name, one in columns[0].items():
        if told := judge(one, columns[1][name], seed):
            found["metrics"][name] = told
            shown.append(row_of(name, told))
    if shown:
        lines += table(["", "A", "B", "B - A", "interval", "better", "worse", "verdict"], shown)
    for name, told in found["metrics"].items():
        if told["tasks"] < pairs.count:
            lines.append(f"{name} is of {told['tasks']:,} of the {pairs.count:,} tasks: the others have fewer attempts")
    if any(row[-1] == TOO_FEW for row in shown):
        lines.append(f"{TOO_FEW}: under {FEWEST} tasks say nothing of other tasks, however large the difference")
    if not numbered:
        lines.append("tasks are paired by their question, which is inferred: not all lines have a _ng_task_index")
    if not pairs.count:
        lines.append("no task is in both: are these rollouts of one tasks file?")
        lines.append("--by number pairs tasks of equal number, whatever they ask")
    lines += found["unread"]
    for name, side in zip("AB", sides, strict=True):
        if apart := uncounted(side.outcome):
            lines.append(f"{name}: {len(side.outcome.state.table):,} lines, not counted: {', '.join(apart)}")
    return Report(found, lines, FINE if pairs.count else NOTHING_USABLE)


@dataclass
class Side:
    """One of the two files: its lines, and its tasks."""

    outcome: Outcome
    tasks: PerTask

    def column(self, name: str) -> np.ndarray:
        """A fact of each task."""
        return self.outcome.state.column(name)[self.tasks.first]

    def keys(self, numbered: bool, by: str) -> list[tuple[Key, str]]:
        """What tells each task in two collections: its number and question; and its environment."""
        names, environments = self.outcome.state.table.environments
        count = len(self.tasks.task)
        number = self.column("task").tolist() if numbered else [-1] * count
        question = [0] * count if by == "number" and numbered else self.column("question").tolist()
        told = [names[each] for each in environments[self.tasks.first].tolist()]
        return list(zip(zip(number, question, strict=True), told, strict=True))


@dataclass
class Pairs:
    """The tasks that are in both files, a row of each; of each file, how many are not, and how many may be several."""

    rows: list[np.ndarray]
    only: list[int]
    ambiguous: list[int]

    @property
    def count(self) -> int:
        """How many tasks are in both."""
        return len(self.rows[0])


def pair(*sides: list[tuple[Key, str]]) -> Pairs:
    """Find the tasks of two files that are one.

    The environment counts only where number and question are those of several tasks: another environment may be what
    the two files are to be compared by.
    """
    several = {key for side in sides for key, count in Counter(key for key, _ in side).items() if count > 1}
    full = [[(key, name if key in several else "") for key, name in side] for side in sides]
    unclear = {key for side in full for key, count in Counter(side).items() if count > 1}
    rows = [{key: row for row, key in enumerate(side) if key not in unclear} for side in full]
    both = sorted(rows[0].keys() & rows[1].keys())
    return Pairs(
        [np.array([each[key] for key in both], np.int64) for each in rows],
        [len(each) - len(both) for each in rows],
        [sum(key in unclear for key in side) for side in full],
    )


def judge(one: Values, other: Values, seed: int) -> dict[str, Any] | None:
    """A metric of the tasks in both files, and what their difference says; None where no task has it in both."""
    known = ~np.isnan(one) & ~np.isnan(other)
    if not known.any():
        return None
    one, other = one[known], other[known]
    difference, low, high = interval(other - one, seed)
    return {
        "a": float(one.mean()), "b": float(other.mean()), "tasks": len(one),
        "difference": difference, "low": said(low), "high": said(high),
        "better_tasks": int((other > one).sum()), "worse_tasks": int((other < one).sum()),
        "verdict": verdict_of(low, high, len(one)),
    }  # fmt: skip


def row_of(name: str, told: dict[str, Any]) -> list[str]:
    """A metric as a row of the table."""
    ends = "" if told["low"] is None else f"{told['low']:+.3f} to {told['high']:+.3f}"
    means = (f"{told['a']:.3f}", f"{told['b']:.3f}", f"{told['difference']:+.3f}")
    return [name, *means, ends, f"{told['better_tasks']:,}", f"{told['worse_tasks']:,}", told["verdict"]]


def verdict_of(low: float, high: float, tasks: int) -> str:
    """What an interval of a difference says, which is that of so many tasks."""
    if tasks < FEWEST:
        return TOO_FEW
    if low > 0:
        return "B is better"
    return "B is worse" if high < 0 else "cannot tell"
