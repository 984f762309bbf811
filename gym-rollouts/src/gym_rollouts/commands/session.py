"""What every command begins with: outputs claimed before anything is read, a spool, an engine, and the lines' facts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gym_rollouts.decisions import Choices, Outcome, State
from gym_rollouts.engine import Engine, EngineName, open_engine
from gym_rollouts.errors import Fault
from gym_rollouts.files import Outputs, Source, check_input, open_sources, reason_of
from gym_rollouts.report import FINE, NOTHING_USABLE
from gym_rollouts.survey import Table, survey
from gym_rollouts.writing.rejects import write_rejects


@dataclass
class Session:
    """An open command: where to write, and what reads."""

    outputs: Outputs
    engine: Engine
    spool: Path
    quiet: bool
    facts: Path | None = None

    def survey(self, paths: Iterable[Path], folder: Path | None = None) -> Table:
        """The facts of all lines of some inputs; `folder`, of the spool, is for those of a second survey."""
        spool = folder or self.spool
        return survey(open_sources(paths, spool), self.engine, spool, self.quiet, self.facts)

    def state(self, table: Table, choices: Choices) -> State:
        """What the steps have to go by."""
        return State(table, choices, self.engine, self.spool)


@contextmanager
def open_session(
    inputs: Iterable[Path],
    *,
    engine: EngineName = "local",
    address: str | None = None,
    workers: int | None = None,
    spool: Path | None = None,
    quiet: bool = True,
    facts: Path | None = None,
) -> Iterator[Session]:
    """Open a command on its inputs. At the end its outputs are put in place, and the spool is removed.

    Raises:
        Fault: an input is not there, or the spool is no folder.
    """
    inputs = list(inputs)
    for path in inputs:
        if str(path) != "-":
            check_input(path)
    if facts is not None and facts.exists() and not facts.is_dir():
        raise Fault(f"--facts {facts}: is no folder. Name one, such as --facts facts")
    try:
        folder = tempfile.TemporaryDirectory(prefix="gym-rollouts-", dir=spool)
    except OSError as error:
        raise Fault(f"--spool {spool}: no folder can be made there: {reason_of(error)}") from None
    with folder as name, open_engine(engine, workers, address) as opened, Outputs(inputs) as outputs:
        yield Session(outputs, opened, Path(name), quiet, facts)


def unread(sources: Iterable[Source]) -> list[str]:
    """A line for each input whose end is missing: what a command says of it is not of the whole."""
    return [f"{source.name}: not read to its end: {source.damage}" for source in sources if source.damage]


def uncounted(outcome: Outcome) -> list[str]:
    """What of the inputs does not count: how many lines of each step, and the ends that are missing."""
    damaged = [f"the end of {source.name}" for source in outcome.state.table.sources if source.damage]
    return [f"{count:,} {step}" for step, count in outcome.counts().items() if count] + damaged


def finish(outcome: Outcome, place: Path, rejects: Path | None) -> tuple[dict[str, Any], list[str], int]:
    """Write the rejects. Returns the counts of lines, what to say of them, and the exit status."""
    count = write_rejects(outcome.rejects(), place)
    return counts_of(len(outcome.state.table), int(outcome.left.sum()), count, rejects)


def counts_of(lines: int, left: int, count: int, rejects: Path | None) -> tuple[dict[str, Any], list[str], int]:
    """The counts of lines, what to say of them, and the exit status."""
    figures: dict[str, Any] = {"lines": lines, "rejected": count}
    said = [f"{lines:,} lines: {left:,} left, {count:,} rejected" + (f" ({rejects})" if rejects else "")]
    if not left:
        said.append("no line is usable: the rejects say why" if lines else "no line is usable: there is none")
    return figures, said, FINE if left else NOTHING_USABLE
