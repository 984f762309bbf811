"""`gym-rollouts filter`: keep the rollouts that a kind of training can use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Optional

import numpy as np
import typer

from gym_rollouts import options as o
from gym_rollouts.commands.session import finish, open_session
from gym_rollouts.decisions import Choices, decide
from gym_rollouts.decisions.steps import PURPOSES, REPORTING, STEPS
from gym_rollouts.errors import Fault
from gym_rollouts.files import check_input
from gym_rollouts.report import Report, table
from gym_rollouts.writing import format_of
from gym_rollouts.writing.copy import copy_lines
from gym_rollouts.writing.rejects import write_rejects

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
    evaluation: Annotated[
        Optional[list[Path]],
        typer.Option("--evaluation", help="Tasks that you evaluate with, which training must not see; repeatable."),
    ] = None,
    reject: Annotated[
        Optional[list[str]],
        typer.Option("--reject", help="A step that only reports, to reject: 'evaluation set' or 'similar task'."),
    ] = None,
    reports: Annotated[
        Optional[Path], typer.Option("--reports", help="Where to name every line that a step only reports.")
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
    facts: o.Facts = None,
    quiet: o.Quiet = False,
) -> Report:
    """Keep the rollouts that a kind of training can use, each line as it is; name every other line.

    Each line is kept, or rejected by the first step that has something against it. See the steps with `--for rl`,
    which takes tasks, `--for dpo`, which compares attempts, and `--for sft`, which imitates them. What is like an
    earlier task, or contains a question of --evaluation, is only reported, unless --reject asks for more.

    Examples:

        gym-rollouts filter rollouts.jsonl --for sft --kept kept.jsonl

        gym-rollouts filter rollouts.jsonl --for rl --low 0.1 --high 0.9 --kept kept.jsonl

    Raises:
        Fault: an input is not there, an output would destroy something, or an option cannot be honored.
    """
    steps = steps_for(purpose, without or [])
    if not 0 <= low <= high <= 1:
        raise Fault(f"--low {low:g} --high {high:g}: expected 0 <= low <= high <= 1, such as --low 0.1 --high 0.9")
    reporting = reporting_of(reject or [], steps, bool(evaluation))
    for path in evaluation or ():
        check_input(path)
    choices = Choices(solved=solved, low=low, high=high, longest=longest, evaluation=tuple(evaluation or ()))
    inputs = [*rollouts, *(evaluation or ())]
    with open_session(
        inputs, engine=engine, address=address, workers=workers, spool=spool, quiet=quiet, facts=facts
    ) as session:
        format_of(kept, "--kept", [".jsonl"])
        (place,) = session.outputs.claim(kept, "--kept")
        (named,) = session.outputs.claim(rejects, "--rejects")
        told = session.outputs.claim(reports, "--reports")[0] if reports else None
        outcome = decide(session.state(session.survey(rollouts), choices), steps, reporting)
        if told:
            write_rejects(outcome.reported(), told)
        figures, said, status = finish(outcome, named, rejects)
        count = copy_lines(outcome.state.table, np.flatnonzero(outcome.left), place, session.engine, quiet)
        tasks = len(np.unique(outcome.state.tasks.task[outcome.left]))
    left, rows = figures["lines"], []
    reported = {step: len(found.rows) for step, found in outcome.reports.items()}
    for step in steps:
        if step in reported:
            if step != "evaluation set" or evaluation:
                rows.append([f"{step} (only reported)", f"{reported[step]:,}", f"{left:,}"])
            continue
        number = outcome.counts()[step]
        left -= number
        rows.append([step, f"{number:,}", f"{left:,}"])
    lines = [*table(["step", "rejected", "left"], [["(read)", "", f"{figures['lines']:,}"], *rows]), *said]
    lines.append(f"{kept}: {count:,} rows of {tasks:,} tasks")
    return Report(
        figures | {"kept": count, "tasks": tasks, "steps": outcome.counts(), "reported": reported}, lines, status
    )


def reporting_of(reject: list[str], steps: list[str], evaluation: bool) -> list[str]:
    """The steps that only report.

    Raises:
        Fault: what is to be rejected is no such step, or has nothing to go by.
    """
    for step in reject:
        if step not in REPORTING:
            raise Fault(
                f"--reject {step!r}: expected one of {', '.join(map(repr, REPORTING))}; all others reject anyway"
            )
        if step not in steps:
            raise Fault(f"--reject {step!r}: --without leaves this step out")
        if step == "evaluation set" and not evaluation:
            raise Fault("--reject 'evaluation set' needs --evaluation, the file of the tasks that you evaluate with")
    return [step for step in REPORTING if step not in reject]


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
