"""From inputs to facts: every line of every input becomes a row of a `Table`, in input order."""

from __future__ import annotations

import gc
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_128

from gym_rollouts.engine import Engine, track
from gym_rollouts.errors import Fault, Reject
from gym_rollouts.facts import FACTS, PACKED, PROBLEMS, Bits, Notes, Numbers, facts_of
from gym_rollouts.files import Source, reason_of
from gym_rollouts.lines import RANGE, Range, ranges, read


@dataclass(frozen=True)
class Job:
    """A range to survey: where its facts go."""

    span: Range
    first: int
    facts: str
    kept: str | None = None


#: What kept facts depend on beside the lines: other columns, another release, or another meaning of a column, which is
#: a new number here, have other facts.
VERSION = f"{FACTS.descr}{version('gym-rollouts')} 3".encode()


def survey_range(job: Job) -> int:
    """Write the facts of a range's lines, and the texts that they number. Returns how many lines it has.

    Where a folder for facts is named, they are taken from there if they are of these very bytes, else kept there.
    """
    if job.kept is None:
        return _survey(job)
    kept = Path(job.kept, content_key(job.span, job.first))
    try:
        for suffix in (".npy", ".json"):
            shutil.copyfile(f"{kept}{suffix}", f"{job.facts}{suffix}")
        json.loads(Path(f"{job.facts}.json").read_bytes())
        return len(np.load(f"{job.facts}.npy", mmap_mode="r"))
    except (OSError, ValueError, EOFError):  # none are there, or the disk lost a part
        count = _survey(job)
        for suffix in (".json", ".npy"):
            unfinished = f"{kept}.{os.getpid()}{suffix}"
            shutil.copyfile(f"{job.facts}{suffix}", unfinished)
            Path(unfinished).replace(f"{kept}{suffix}")
        return count


def content_key(span: Range, first: int) -> str:
    """What the facts of a range depend on: its bytes, to the end of its last line, and where they lie."""
    state = xxh3_128(VERSION + f"{span.start} {span.end} {first}".encode())
    with Path(span.path).open("rb", buffering=0) as file:
        at = max(span.start - 1, first)
        file.seek(at)
        while at < span.end and (chunk := file.read(min(1 << 20, span.end - at))):
            state.update(chunk)
            at += len(chunk)
        while chunk := file.read(1 << 16):
            end = chunk.find(b"\n")
            state.update(chunk if end < 0 else chunk[:end])
            if end >= 0:
                break
    return state.hexdigest()


def _survey(job: Job) -> int:
    notes, pack = Notes(), PACKED.pack
    with uncollected():
        rows = [pack(*facts_of(place, text, notes)) for place, text in read(job.span, job.first)]
    np.save(f"{job.facts}.npy", np.frombuffer(b"".join(rows), FACTS))
    Path(f"{job.facts}.json").write_bytes(msgspec.json.encode(list(notes.numbers)))
    return len(rows)


@contextmanager
def uncollected() -> Iterator[None]:
    """Look for no cycles meanwhile: rows form none, and looking takes a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def survey(sources: list[Source], engine: Engine, spool: Path, quiet: bool = True, facts: Path | None = None) -> Table:
    """Read all lines of all sources with all that an engine has. `spool` is a folder for the facts.

    `facts` is a folder in which they stay, for the next command on the same lines.
    """
    kept = None
    if facts is not None:
        try:
            facts.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Fault(f"--facts {facts}: no folder can be made there: {reason_of(error)}") from None
        kept = str(facts.absolute())
    engine.expect(sum(source.size for source in sources))
    spans = ranges(sources, RANGE)
    jobs = [Job(span, sources[span.source].start, str(spool / f"facts-{n}"), kept) for n, span in enumerate(spans)]
    for _ in track(engine.map(survey_range, jobs), len(jobs), "reading", quiet):
        pass
    return Table(sources, [job.span.source for job in jobs], [job.facts for job in jobs])


@dataclass
class Table:
    """The facts of all lines, in input order.

    `column` gives one of FACTS, `file_of` and `line_of` say where a row stands, `note` is the text of a number.
    """

    sources: list[Source]
    part_sources: list[int]
    part_facts: list[str]
    _columns: dict[str, NDArray[Any]] = field(default_factory=dict)

    @cached_property
    def _parts(self) -> list[NDArray[Any]]:
        return [np.load(f"{name}.npy", mmap_mode="r") for name in self.part_facts]

    @cached_property
    def _texts(self) -> list[list[str]]:
        return [msgspec.json.decode(Path(f"{name}.json").read_bytes(), type=list[str]) for name in self.part_facts]

    @cached_property
    def part_starts(self) -> Numbers:
        """The row with which each part begins, and the number of rows."""
        return np.cumsum([0, *(len(part) for part in self._parts)])

    def __len__(self) -> int:
        """How many lines there are."""
        return int(self.part_starts[-1])

    def column(self, name: str) -> NDArray[Any]:
        """A column of FACTS for all rows."""
        if name not in self._columns:
            found = [part[name] for part in self._parts]
            self._columns[name] = np.concatenate(found) if found else np.empty(0, FACTS[name])
        return self._columns[name]

    @cached_property
    def source(self) -> NDArray[np.int32]:
        """The number of each row's source."""
        return np.repeat(np.array(self.part_sources, np.int32), np.diff(self.part_starts))

    @cached_property
    def source_starts(self) -> Numbers:
        """The row with which each source begins, and the number of rows."""
        return np.searchsorted(self.source, np.arange(len(self.sources) + 1))

    @cached_property
    def environments(self) -> tuple[list[str], NDArray[np.int32]]:
        """The names of the environments, sorted, and the number of each row's; -1 where a row has no facts."""
        column = self.column("environment")
        used = [
            [texts[n] for n in np.unique(part["environment"]) if n >= 0]
            for part, texts in zip(self._parts, self._texts, strict=True)
        ]
        names = sorted({name for each in used for name in each})
        numbers = {name: number for number, name in enumerate(names)}
        made = np.full(len(self), -1, np.int32)
        for start, end, texts in zip(self.part_starts[:-1], self.part_starts[1:], self._texts, strict=True):
            lookup = np.array([*(numbers.get(text, -1) for text in texts), -1], np.int32)
            made[start:end] = lookup[column[start:end]]
        return names, made

    def note(self, row: int, column: str) -> str:
        """The text of a note of a row."""
        part = int(np.searchsorted(self.part_starts, row, side="right")) - 1
        return self._texts[part][int(self._parts[part][column][row - self.part_starts[part]])]

    def file_of(self, row: int) -> str:
        """The name of a row's file, as the user gave it."""
        return self.sources[int(self.source[row])].name

    def line_of(self, row: int) -> int:
        """The number of a row's line in its file, from 1."""
        return int(row - self.source_starts[int(self.source[row])]) + 1

    def where(self, row: int, beside: int) -> str:
        """Where a row stands, for a reason that another row is rejected for."""
        line = f"line {self.line_of(row)}"
        return line if self.source[row] == self.source[beside] else f"{line} of {self.file_of(row)}"

    @property
    def readable(self) -> Bits:
        """Rows that have facts."""
        return np.asarray(self.column("step") == 0)

    def damages(self) -> list[Reject]:
        """A reject for the missing end of each source that was damaged, behind its last line."""
        counts = np.diff(self.source_starts)
        return [
            Reject(source.name, int(count) + 1, "unreadable", source.damage)
            for source, count in zip(self.sources, counts, strict=True)
            if source.damage
        ]

    def problem(self, row: int) -> str:
        """The step that found a row without facts."""
        return PROBLEMS[int(self.column("step")[row])]
