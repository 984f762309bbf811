"""Splits without leaks, and draws that depend on nothing but the seed and what a row is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gym_rollouts.decisions import State
from gym_rollouts.facts import Bits, Numbers
from gym_rollouts.identity import grouped

Words = NDArray[np.uint64]


def mixed(seed: int, *columns: np.ndarray) -> Words:
    """A draw of 64 bits for each row, from a seed and what the row is: the splitmix64 finalizer, column by column."""
    with np.errstate(over="ignore"):
        state = np.full(len(columns[0]), (seed + 1) % (1 << 64), np.uint64)
        for column in columns:
            state = state ^ (column.astype(np.int64).view(np.uint64) if column.dtype != np.uint64 else column)
            state = state + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return state


def families(state: State, rows: Numbers) -> Numbers:
    """The family of each row: rows of one task, or of one question in any spelling, are of one family."""
    task, question = state.tasks.task[rows], state.column("question")[rows]
    _, by_task = np.unique(task, return_inverse=True)
    _, by_question = np.unique(question, return_inverse=True)
    family = by_task.astype(np.int64)
    while True:  # the least number spreads over what is connected
        before = family
        for groups in (by_question, by_task):
            least = np.full(len(groups), np.iinfo(np.int64).max)
            np.minimum.at(least, groups, family)
            family = least[groups]
        if np.array_equal(before, family):
            return family


def held_out(state: State, rows: Numbers, share: float, seed: int) -> Bits:
    """Which rows are held out: in each environment, so many of the families that the seed draws first, whole."""
    if not len(rows):
        return np.zeros(0, bool)
    _, environments = state.table.environments
    return drawn(families(state, rows), state.column("question")[rows], environments[rows], share, seed)


def drawn(family: Numbers, question: Words, environment: np.ndarray, share: float, seed: int) -> Bits:
    """Of rows with these families, questions and environments, those that are held out."""
    # What a family is does not depend on the order of its lines: its least question and environment.
    order = np.lexsort((question, family))
    _, starts = grouped(family[order])
    begins = np.flatnonzero(starts)
    name = question[order][begins]
    first_of = np.minimum.reduceat(environment[order], begins)
    draw = mixed(seed, name)
    place = np.lexsort((name, draw, first_of))
    _, first = grouped(first_of[place])
    counts = np.diff(np.append(np.flatnonzero(first), len(place)))
    rank = np.arange(len(place)) - np.repeat(np.flatnonzero(first), counts)
    # An environment of which all is held out would teach nothing: one family stays.
    wanted = np.repeat(np.minimum(np.ceil(share * counts - 1e-9), counts - 1), counts)
    chosen = np.zeros(len(begins), bool)
    chosen[place] = rank < wanted
    made = np.zeros(len(family), bool)
    made[order] = np.repeat(chosen, np.diff(np.append(begins, len(family))))
    return made
