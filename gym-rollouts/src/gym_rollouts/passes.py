"""One pass over all lines of all sources, for commands that go line by line and need no facts of rollouts.

The work is an object of a module's class that can be called with a number and the lines of one range, each with its
place. It may write pieces of an output under that number. Whatever it returns comes back in input order, with the
lines that it is of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from gym_rollouts.engine import Engine, track
from gym_rollouts.files import Source
from gym_rollouts.lines import Range, ranges, read
from gym_rollouts.survey import uncollected

Result = TypeVar("Result")
Lines = Iterator[tuple[int, bytes]]
Work = Callable[[int, Lines], Result]


@dataclass(frozen=True)
class Job(Generic[Result]):
    """A range, its number, and what to do with its lines."""

    number: int
    span: Range
    first: int
    work: Work[Result]


@dataclass(frozen=True)
class Part(Generic[Result]):
    """What came of a range: `line` is the number of its first line in its source, from 1."""

    source: int
    line: int
    lines: int
    result: Result


def _run(job: Job[Result]) -> tuple[int, Result]:
    count = 0

    def counted() -> Lines:
        nonlocal count
        for line in read(job.span, job.first):
            count += 1
            yield line

    with uncollected():
        result = job.work(job.number, counted())
    return count, result


def over_lines(
    sources: list[Source], engine: Engine, work: Work[Result], label: str, quiet: bool
) -> Iterator[Part[Result]]:
    """Do the work on every range of every source. It must read all lines that it is given."""
    engine.expect(sum(source.size for source in sources))
    spans = ranges(sources)
    jobs = [Job(number, span, sources[span.source].start, work) for number, span in enumerate(spans)]
    source, line = -1, 1
    for job, (count, result) in zip(jobs, track(engine.map(_run, jobs), len(jobs), label, quiet), strict=True):
        if job.span.source != source:
            source, line = job.span.source, 1
        yield Part(source, line, count, result)
        line += count


def piece(folder: Path, number: int) -> Path:
    """Where the work on a range puts its piece of an output."""
    return folder / f"{number:08}"
