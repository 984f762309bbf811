"""`gym-rollouts split`: a training and a held-out file that share no question."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from gym_rollouts import options as o
from gym_rollouts.commands.session import Session, counts_of, finish, open_session
from gym_rollouts.decisions import Choices, decide
from gym_rollouts.decisions.steps import MEASURED
from gym_rollouts.errors import Fault, Reject
from gym_rollouts.files import Source, open_sources
from gym_rollouts.report import FINE, NOTHING_USABLE, Report
from gym_rollouts.splitting import drawn, families, held_out
from gym_rollouts.survey import survey
from gym_rollouts.taskfile import holds_tasks, rows_of
from gym_rollouts.writing import format_of
from gym_rollouts.writing.copy import copy_lines, copy_sources
from gym_rollouts.writing.rejects import write_rejects


def split(
    rollouts: Annotated[
        list[Path],
        typer.Argument(
            help="Rollouts or task files: plain, .gz, .zst, .bz2 or .xz; - is standard input.", show_default=False
        ),
    ],
    *,
    train: Annotated[Path, typer.Option("--train", help="The file to write for training.")],
    held: Annotated[Path, typer.Option("--held-out", help="The file to write of what is held out.")],
    share: Annotated[float, typer.Option("--share", help="The share of tasks to hold out, between 0 and 1.")] = 0.1,
    seed: Annotated[int, typer.Option("--seed", help="Another seed draws other tasks.")] = 0,
    rejects: o.Rejects = Path("rejects.jsonl"),
    engine: o.Engine = "local",
    address: o.Address = None,
    workers: o.Workers = None,
    spool: o.Spool = None,
    facts: o.Facts = None,
    quiet: o.Quiet = False,
) -> Report:
    """Split rollouts or tasks by task, so that no task and no question, in any spelling, is on both sides.

    Lines stay as they are, in their order. The order of the lines plays no part in what is drawn. The first line that
    can be read tells rollouts from tasks.

    Examples:

        gym-rollouts split rollouts.jsonl --train train.jsonl --held-out validation.jsonl --share 0.1

        gym-rollouts split tasks.jsonl --train train_tasks.jsonl --held-out validation_tasks.jsonl

    Raises:
        Fault: an input is not there, an output would destroy something, or the share is no share.
    """
    if not 0 < share < 1:
        raise Fault(f"--share {share:g}: expected a number between 0 and 1, such as 0.1")
    with open_session(
        rollouts, engine=engine, address=address, workers=workers, spool=spool, quiet=quiet, facts=facts
    ) as session:
        places = []
        for target, option in ((train, "--train"), (held, "--held-out")):
            format_of(target, option, [".jsonl"])
            places += session.outputs.claim(target, option)
        (named,) = session.outputs.claim(rejects, "--rejects")
        sources = open_sources(rollouts, session.spool)
        if holds_tasks(sources):
            return split_tasks(sources, session, (train, held), places, named, rejects, share, seed)
        state = session.state(survey(sources, session.engine, session.spool, quiet, facts), Choices())
        outcome = decide(state, MEASURED)
        figures, lines, status = finish(outcome, named, rejects)
        rows = np.flatnonzero(outcome.left)
        out = held_out(state, rows, share, seed)
        family = families(state, rows)
        for name, target, place, mask in (("train", train, places[0], ~out), ("held_out", held, places[1], out)):
            count = copy_lines(state.table, rows[mask], place, session.engine, quiet)
            tasks = len(np.unique(family[mask]))
            figures[name] = {"rows": count, "questions": tasks}
            lines.append(f"{target}: {count:,} rows of {tasks:,} questions")
    return Report(figures, *with_empty_sides(figures, lines, status))


def with_empty_sides(figures: dict[str, Any], lines: list[str], status: int) -> tuple[list[str], int]:
    """What to say, and the exit status, where a side has nothing: of a single question both cannot have one."""
    if status == FINE and not (figures["train"]["rows"] and figures["held_out"]["rows"]):
        return [*lines, "nothing is held out: no environment has two questions, of which one can be"], NOTHING_USABLE
    return lines, status


def split_tasks(
    sources: list[Source], session: Session, targets: tuple[Path, Path], places: list[Path], named: Path, rejects: Path,
    share: float, seed: int,
) -> Report:  # fmt: skip
    """Split task rows by their question. A line that stands twice is on one side both times."""
    rows, owners, wrong = [], list[int](), list[Reject]()
    lines = 0
    for number, source in enumerate(sources):
        found = rows_of(source, session.engine)
        for line, row in enumerate(found, 1):
            if source.same_as is not None:
                first = sources[source.same_as].name
                wrong.append(Reject(source.name, line, "repeated line", f"the same file as {first}"))
            elif row.problem is not None and row.problem.step != "conversation":
                wrong.append(Reject(source.name, line, row.problem.step, row.problem.reason))
            else:
                rows.append(row)
                owners.append(number)
        if source.damage:
            wrong.append(Reject(source.name, len(found) + 1, "unreadable", source.damage))
        lines += len(found)
    write_rejects(wrong, named)
    figures, said, status = counts_of(lines, len(rows), len(wrong), rejects)
    environments = {name: number for number, name in enumerate(sorted({row.environment for row in rows}))}
    question = np.array([row.question for row in rows], np.uint64)
    environment = np.array([environments[row.environment] for row in rows], np.int64)
    family = np.unique(question, return_inverse=True)[1].astype(np.int64)
    out = drawn(family, question, environment, share, seed) if rows else np.zeros(0, bool)
    starts, sizes = (np.array([getattr(row, name) for row in rows], np.uint64) for name in ("start", "size"))
    owner = np.array(owners, np.int32)
    names = [str(source.path) for source in sources]
    for name, target, place, mask in zip(("train", "held_out"), targets, places, (~out, out), strict=True):
        count = copy_sources(
            names, owner[mask], starts[mask], sizes[mask].astype(np.uint32), place, session.engine, session.quiet
        )
        questions = len(np.unique(family[mask]))
        figures[name] = {"rows": count, "questions": questions}
        said.append(f"{target}: {count:,} tasks of {questions:,} questions")
    return Report(figures | {"tasks": True}, *with_empty_sides(figures, said, status))
