"""`gym-rollouts filter`: keep the rollouts that a kind of training can use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Optional

import numpy as np
import typer

from gym_rollouts import options as o
from gym_rollouts.commands.session import finish, open_session
from gym_rollouts.decisions import Choices, decide
from gym_rollouts.decisions.steps import PURPOSES, STEPS
from gym_rollouts.errors import Fault
from gym_rollouts.report import Report, table
from gym_rollouts.writing import format_of
from gym_rollouts.writing.copy import copy_lines

Purpose = Literal["sft", "dpo", "rl"]


def filter(
    rollouts: o.Rollouts,
    *,
    purpose: Annotated[Purpose, typer.Option("--for", help="The kind of training.")],
    kept: Annotated[Path, typer.Option("--kept", help="The file to write: the lines that are left, as they are.")],
    rejects: o.Rejects = Path("rejects.jsonl"),
    without: Annotated[
        Optional[list[str]], typer.Option("--without", help="A step to leave out; repeatable.", show_default=False)
    ] = None,
    solved: o.Solved = 1.0,
    low: Annotated[float, typer.Option("--low", help="The lowest pass rate of a task, from 0 to 1.")] = 0.0,
    high: Annotated[float, typer.Option("--high", help="The highest pass rate of a task, from 0 to 1.")] = 1.0,
    longest: Annotated[
        Optional[int], typer.Option("--longest", min=1, help="Characters that an attempt may have.", show_default=False)
    ] = None,
    engine: o.Engine = "local",
    address: o.Address = None,
    workers: o.Workers = None,
    spool: o.Spool = None,
    quiet: o.Quiet = False,
) -> Report:
    """Keep the rollouts that a kind of training can use, each line as it is; name every other line.

    Each line is kept, or rejected by the first step that has something against it. See the steps with `--for rl`,
    which takes tasks, `--for dpo`, which compares attempts, and `--for sft`, which imitates them.

    Examples:

        gym-rollouts filter rollouts.jsonl --for sft --kept kept.jsonl

        gym-rollouts filter rollouts.jsonl --for rl --low 0.1 --high 0.9 --kept kept.jsonl

    Raises:
        Fault: an input is not there, an output would destroy something, or an option cannot be honoured.
    """
    steps = steps_for(purpose, without or [])
    if not 0 <= low <= high <= 1:
        raise Fault(f"--low {low:g} --high {high:g}: expected 0 <= low <= high <= 1, such as --low 0.1 --high 0.9")
    choices = Choices(solved=solved, low=low, high=high, longest=longest)
    with open_session(rollouts, engine=engine, address=address, workers=workers, spool=spool, quiet=quiet) as session:
        format_of(kept, "--kept", [".jsonl"])
        (place,) = session.outputs.claim(kept, "--kept")
        (named,) = session.outputs.claim(rejects, "--rejects")
        outcome = decide(session.state(session.survey(rollouts), choices), steps)
        figures, said, status = finish(outcome, named, rejects)
        count = copy_lines(outcome.state.table, np.flatnonzero(outcome.left), place, session.engine, quiet)
    left, rows = figures["lines"], []
    for step, number in outcome.counts().items():
        left -= number
        rows.append([step, f"{number:,}", f"{left:,}"])
    lines = [*table(["step", "rejected", "left"], [["(read)", "", f"{figures['lines']:,}"], *rows]), *said]
    lines.append(f"{kept}: {count:,} rows")
    return Report(figures | {"kept": count, "steps": outcome.counts()}, lines, status)


def steps_for(purpose: Purpose, without: list[str]) -> list[str]:
    """The steps of a purpose, less some.

    Raises:
        Fault: there is no such step, or it cannot be left out.
    """
    needed = ("blank", "unreadable", "failed")
    for step in without:
        if step not in STEPS:
            raise Fault(f"--without {step!r}: there is no such step. There are: {', '.join(PURPOSES[purpose])}")
        if step in needed:
            raise Fault(f"--without {step!r}: this step cannot be left out: its lines have nothing to decide by")
        if step not in PURPOSES[purpose]:
            raise Fault(f"--without {step!r}: --for {purpose} does not take this step: leave the option out")
    return [step for step in PURPOSES[purpose] if step not in without]
