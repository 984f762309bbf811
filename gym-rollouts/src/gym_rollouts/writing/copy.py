"""Copy chosen lines into one file, byte for byte, with all that an engine has."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gym_rollouts.engine import Engine, track
from gym_rollouts.facts import Numbers
from gym_rollouts.survey import Table
from gym_rollouts.taskfile import TaskFile

LINES = 1 << 14
BUFFER = 1 << 22


@dataclass(frozen=True)
class Copy:
    """Some lines of one source, and where in the output they go."""

    source: str
    starts: NDArray[np.uint64]
    sizes: NDArray[np.uint32]
    place: str
    offset: int


def copy_some(job: Copy) -> int:
    """Copy the lines of a job. Returns how many."""
    out = os.open(job.place, os.O_WRONLY)
    try:
        with open(job.source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # noqa: PTH123
            at, waiting, size = job.offset, list[bytes](), 0
            for start, length in zip(job.starts.tolist(), job.sizes.tolist(), strict=True):
                waiting.append(data[start : start + length])
                size += length + 1
                if size >= BUFFER:
                    at += _write(out, waiting, at)
                    waiting, size = [], 0
            _write(out, waiting, at)
    finally:
        os.close(out)
    return len(job.starts)


def _write(out: int, lines: list[bytes], at: int) -> int:
    data = memoryview(b"\n".join([*lines, b""]))
    done = 0
    while done < len(data):
        done += os.pwrite(out, data[done:], at + done)
    return done


def copy_lines(table: Table, rows: Numbers, place: Path, engine: Engine, quiet: bool = True) -> int:
    """Write the lines of some rows, in the order of `rows`. Returns how many."""
    names = [str(source.path) for source in table.sources]
    return _copy(
        names, table.source[rows], table.column("start")[rows], table.column("size")[rows], place, engine, quiet
    )


def copy_tasks(file: TaskFile, lines: list[int], place: Path, engine: Engine, quiet: bool = True) -> int:
    """Write some lines of a tasks file, each given by its place among them, from 0. Returns how many."""
    starts = np.array([file.rows[line].start for line in lines], np.uint64)
    sizes = np.array([file.rows[line].size for line in lines], np.uint32)
    return _copy([str(file.source.path)], np.zeros(len(lines), np.int32), starts, sizes, place, engine, quiet)


def copy_sources(
    names: list[str], sources: NDArray[np.int32], starts: NDArray[np.uint64], sizes: NDArray[np.uint32],
    place: Path, engine: Engine, quiet: bool = True,
) -> int:  # fmt: skip
    """Write the lines of several files that begin at some places, in their order. Returns how many."""
    return _copy(names, sources, starts, sizes, place, engine, quiet)


def _copy(
    names: list[str], sources: NDArray[np.int32], starts: NDArray[np.uint64], sizes: NDArray[np.uint32],
    place: Path, engine: Engine, quiet: bool,
) -> int:  # fmt: skip
    place.touch()
    offsets = np.concatenate([[0], np.cumsum(sizes.astype(np.int64) + 1)])
    cuts = np.flatnonzero(np.diff(sources)) + 1
    bounds = sorted({0, len(sources), *cuts.tolist(), *range(0, len(sources), LINES)})
    jobs = [Copy(names[sources[a]], starts[a:b], sizes[a:b], str(place), int(offsets[a])) for a, b in pairwise(bounds)]
    return sum(track(engine.map(copy_some, jobs), len(jobs), f"writing {place.name}", quiet))
