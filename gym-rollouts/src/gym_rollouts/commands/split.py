"""`gym-rollouts split`: a training and a held-out file that share no question."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gym_rollouts import options as o
from gym_rollouts.commands.session import finish, open_session
from gym_rollouts.decisions import Choices, decide
from gym_rollouts.decisions.steps import MEASURED
from gym_rollouts.errors import Fault
from gym_rollouts.report import Report
from gym_rollouts.splitting import families, held_out
from gym_rollouts.writing import format_of
from gym_rollouts.writing.copy import copy_lines


def split(
    rollouts: o.Rollouts,
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
    """Split rollouts by task, so that no task and no question, in any spelling, is on both sides.

    Lines stay as they are, in their order. The order of the lines plays no part in what is drawn.

    Examples:

        gym-rollouts split rollouts.jsonl --train train.jsonl --held-out validation.jsonl --share 0.1

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
        state = session.state(session.survey(rollouts), Choices())
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
    return Report(figures, lines, status)
