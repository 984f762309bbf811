"""Steps that reject lines. A step is a function, and an entry in `STEPS`; commands name the steps that they take.

A step sees the lines that those before it left (`State.left`), and returns a `Rejection`: the rows that it has
something against, and a function that says why of each. What a step needs of the user it finds in `State.choices`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gym_rollouts.engine import Engine
from gym_rollouts.errors import Reject
from gym_rollouts.facts import Bits, Numbers
from gym_rollouts.identity import Tasks, identify
from gym_rollouts.survey import Table


@dataclass(frozen=True)
class Choices:
    """What the user chose, as far as steps ask."""

    solved: float = 1.0
    low: float = 0.0
    high: float = 1.0
    longest: int | None = None
    objects: bool = False
    copies: bool = False
    evaluation: tuple[Path, ...] = ()


class Rejection(NamedTuple):
    """The rows that a step rejects, and why each."""

    rows: Numbers
    reason: Callable[[int], str]


@dataclass
class State:
    """What the steps have to go by."""

    table: Table
    choices: Choices
    engine: Engine
    spool: Path
    left: Bits = field(init=False)
    #: What a step found that the next one of its kind needs, too.
    cache: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Start with all lines left."""
        self.left = np.ones(len(self.table), bool)

    @cached_property
    def tasks(self) -> Tasks:
        """The tasks of the table."""
        return identify(self.table)

    def column(self, name: str) -> np.ndarray:
        """A column of FACTS."""
        return self.table.column(name)

    def rows(self, mask: Bits) -> Numbers:
        """Of the rows that are left, those of a mask."""
        return np.flatnonzero(self.left & mask)


Step = Callable[[State], Rejection]


@dataclass
class Outcome:
    """What the steps did: how many lines each rejected or only reported, and which lines are left."""

    state: State
    rejections: dict[str, Rejection]
    reports: dict[str, Rejection]

    @property
    def left(self) -> Bits:
        """The rows that no step rejected."""
        return self.state.left

    def rejects(self) -> Iterator[Reject]:
        """Every rejected line, in input order, and behind each source what is missing of it."""
        table = self.state.table
        step_of = np.zeros(len(table), np.uint8)
        names = list(self.rejections)
        for number, name in enumerate(names, 1):
            step_of[self.rejections[name].rows] = number
        damages = {damage.file: damage for damage in table.damages()}
        source = 0
        for row in np.flatnonzero(step_of).tolist():
            while source < table.source[row]:
                yield from filter(None, [damages.pop(table.sources[source].name, None)])
                source += 1
            name = names[step_of[row] - 1]
            yield Reject(table.file_of(row), table.line_of(row), name, self.rejections[name].reason(row))
        yield from damages.values()

    def reported(self) -> Iterator[Reject]:
        """Every line that a step only reports, in input order for each step."""
        table = self.state.table
        for name, rejection in self.reports.items():
            for row in np.sort(rejection.rows).tolist():
                yield Reject(table.file_of(row), table.line_of(row), name, rejection.reason(row))

    def counts(self) -> dict[str, int]:
        """How many lines each step rejected."""
        return {name: len(rejection.rows) for name, rejection in self.rejections.items()}


def decide(state: State, steps: Iterable[str], reporting: Iterable[str] = (), before: Outcome | None = None) -> Outcome:
    """Take steps one after the other, behind those `before`. Those of `reporting` only say what they would reject."""
    from gym_rollouts.decisions.steps import STEPS

    only_report = set(reporting)
    outcome = before or Outcome(state, {}, {})
    for name in steps:
        rejection = STEPS[name](state)
        if name in only_report:
            outcome.reports[name] = rejection
        else:
            outcome.rejections[name] = rejection
            state.left[rejection.rows] = False
    return outcome
