"""The topic of each task, from a file of tasks: NeMo Gym does not copy a task's other fields into its rollouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from gym_rollouts.errors import Fault
from gym_rollouts.facts import digest
from gym_rollouts.files import open_whole
from gym_rollouts.lines import ranges, read

#: The topic of a task whose row names none, or that has no row.
UNKNOWN = "unknown"


def read_topics(path: Path, name: str, folder: Path) -> dict[int, str]:
    """The topic of each task, by the task's number.

    Args:
        path: tasks, or the materialized inputs of a collection. Tasks without `_ng_task_index` are numbered as NeMo Gym
            does it: distinct lines from 0. A row that is no task has the number of its line, from 0: many are equal.
        name: the field of a row that is its topic.
        folder: where a compressed file is unpacked.

    Raises:
        Fault: a line is not a JSON object, no row has the field, or the end of the file is missing.
    """
    row_type = msgspec.defstruct(
        "Row",
        [
            ("task", int | None, msgspec.field(name="_ng_task_index", default=None)),
            ("params", Any, msgspec.field(name="responses_create_params", default=None)),
            ("topic", Any, msgspec.field(name=name, default=None)),
        ],
    )
    decoder, topics, known = msgspec.json.Decoder(row_type), dict[int, str](), dict[tuple[int, bool], int]()
    (source,) = open_whole([path], folder, "--topics")
    lines = (line for span in ranges([source]) for line in read(span, source.start))
    for number, (place, line) in enumerate(lines):
        if not line.strip():
            continue
        try:
            row: Any = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Fault(f"{path}, line {number + 1}: expected a task, found: {error}") from None
        if row.task is not None:
            told = row.task
        elif row.params is not None:
            told = known.setdefault((digest(line), place + len(line) < source.size), len(known))
        else:
            told = number
        if row.topic is not None:
            topics[told] = str(row.topic)
    if not topics:
        raise Fault(f"{path}: no row has the field {name!r}: name another one with --topic")
    return topics
