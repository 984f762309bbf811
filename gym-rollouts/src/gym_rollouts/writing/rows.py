"""Chosen lines as rows of an output: each worker reads its lines again, converts them, and writes a piece."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from gym_rollouts.engine import Engine, track
from gym_rollouts.facts import Numbers
from gym_rollouts.messages import Template, render, to_messages
from gym_rollouts.rollouts import Rollout, decode, prompt_of, tools_of
from gym_rollouts.survey import Table, uncollected
from gym_rollouts.writing import FORMATS
from gym_rollouts.writing.layout import Layout

ROWS = 1 << 12
ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True)
class Piece:
    """Some rows of an output. `lines` has for each side of each row the number of its source, its place, its size."""

    lines: NDArray[np.uint64]
    sources: tuple[str, ...]
    layout: Layout
    suffix: str
    place: str


def write_piece(piece: Piece) -> int:
    """Write the rows of a piece. Returns how many."""
    files = [os.open(source, os.O_RDONLY) for source in piece.sources]
    make = {"sft": sft_line, "preference": preference_line}[piece.layout.kind]
    try:
        with uncollected():
            rows = [
                make(
                    [decode(os.pread(files[source], size, start)) for source, start, size in sides],
                    piece.layout.template,
                )
                for sides in piece.lines.tolist()
            ]
            FORMATS[piece.suffix].encode(rows, piece.layout, Path(piece.place))
    finally:
        for file in files:
            os.close(file)
    return len(piece.lines)


def sft_line(sides: list[Rollout], template: Template) -> bytes:
    """A line of an SFT file: the whole conversation, with its tools and where it comes from."""
    (rollout,) = sides
    prompt, tools = given_of(rollout, template)
    said = completion_of(rollout, template)
    return b'{"messages":%b,%b,"tools":%b,"reward":%b,"task_index":%b,"rollout_index":%b}\n' % (
        prompt[:-1], said[1:], tools, ENCODER.encode(rollout.reward), index(rollout.task), index(rollout.rollout),
    )  # fmt: skip


def preference_line(sides: list[Rollout], template: Template) -> bytes:
    """A line of a preference file: one prompt, and what two attempts made of it."""
    chosen, rejected = sides
    prompt, tools = given_of(chosen, template)
    rewards = chosen.reward, rejected.reward, difference(chosen.reward, rejected.reward)
    return (
        b'{"prompt":%b,"chosen":%b,"rejected":%b,"tools":%b,'
        b'"chosen_reward":%b,"rejected_reward":%b,"margin":%b,"task_index":%b}\n'
    ) % (
        prompt, completion_of(chosen, template), completion_of(rejected, template), tools,
        *map(ENCODER.encode, rewards), index(chosen.task),
    )  # fmt: skip


def difference(high: float, low: float) -> float:
    """How far apart two rewards are, as people write it: 0.7 and 0.2 are 0.5 apart."""
    return float(f"{high - low:.12g}")


def given_of(rollout: Rollout, template: Template) -> tuple[bytes, bytes]:
    """The prompt and the tools of a rollout, as JSON."""
    params = rollout.params
    return _given(bytes(params.input), params.instructions, bytes(params.tools), template)


@lru_cache(maxsize=512)
def _given(items: bytes, instructions: str | None, tools: bytes, template: Template) -> tuple[bytes, bytes]:
    messages = render(prompt_of(items, instructions).messages, template)
    return ENCODER.encode(messages), ENCODER.encode(tools_of(tools))


def completion_of(rollout: Rollout, template: Template) -> bytes:
    """What the model and its tools wrote, as JSON."""
    return ENCODER.encode(render(to_messages(rollout.output), template))


def index(number: int) -> bytes:
    """An index as JSON; `null` for one that a line did not have."""
    return b"null" if number < 0 else b"%d" % number


def write_rows(
    table: Table, rows: Numbers, layout: Layout, suffix: str, places: list[Path], engine: Engine, spool: Path,
    quiet: bool = True,
) -> None:  # fmt: skip
    """Write rows into as many shards as there are places. `rows` has a column for each side."""
    sources = tuple(str(source.path) for source in table.sources)
    columns = (table.source, table.column("start"), table.column("size"))
    bounds = [len(rows) * n // len(places) for n in range(len(places) + 1)]
    jobs: list[Piece] = []
    shards: list[list[Path]] = []
    for start, end in pairwise(bounds):
        shards.append([])
        for at in range(start, end, ROWS):
            some = rows[at : min(at + ROWS, end)]
            lines = np.stack([column[some].astype(np.uint64) for column in columns], axis=-1)
            place = spool / f"{layout.kind}-{len(jobs)}"
            jobs.append(Piece(lines, sources, layout, suffix, str(place)))
            shards[-1].append(place)
    for _ in track(engine.map(write_piece, jobs), len(jobs), f"writing {layout.kind}", quiet):
        pass
    for pieces, place in zip(shards, places, strict=True):
        FORMATS[suffix].join(_used(pieces), layout, place)


def _used(pieces: list[Path]) -> Iterator[Path]:
    """Pieces, each removed once it was read."""
    for piece in pieces:
        yield piece
        piece.unlink()


def lengths_of(values: NDArray[Any]) -> dict[str, int]:
    """How long rows are, in characters."""
    if not len(values):
        return {}
    middle, high = np.quantile(values, (0.5, 0.95), method="inverted_cdf")
    return {"median": int(middle), "95%": int(high), "longest": int(values.max())}
