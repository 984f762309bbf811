"""Which lines are attempts at one task, and which are one attempt.

A task is what NeMo Gym says it is: its number, with the environment. Where a line has no number, lines of equal
normalized request are one task, which is *inferred*. Two inputs may be two collections that both number their tasks
from 0: where a number is of one question here and of another one there, the numbers of the one say nothing of the
other.

Two collections of the same tasks number their attempts alike, too, in two files or joined in one. What tells them apart
is the id that a model server gives each response: equal numbers with two ids are two attempts. Where lines have no such
ids, it is what they say: a file that says other things under the same numbers has attempts of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from gym_rollouts.facts import MASKED, Bits, Numbers
from gym_rollouts.survey import Table


@dataclass
class Tasks:
    """The task of each row, and which rows say again what another one says.

    `task` numbers the tasks from 0; -1 is a row without facts. `names` has a row for each task.
    `repeats` are rows that are no attempt of their own, `contradict` those of them that nothing can decide between;
    `instead` is the row that either is held against.
    """

    task: Numbers
    collection: Numbers
    repeats: Bits
    contradict: Bits
    instead: Numbers
    inferred: Bits

    @cached_property
    def count(self) -> int:
        """How many tasks there are."""
        return int(np.max(self.task, initial=-1)) + 1


def identify(table: Table) -> Tasks:
    """Find the tasks and attempts of a table. The order of the lines of a file plays no part."""
    rows = np.flatnonzero(table.readable)
    _, environments = table.environments
    task, request = table.column("task")[rows], table.column("request")[rows].view(np.int64)
    inferred = task < 0
    collection = collections_of(table, rows, environments[rows])
    value = np.where(inferred, request, task)
    # Requests name themselves: only numbers need to know whose they are.
    owner = np.where(inferred, -1, collection)
    numbers = numbered(value, inferred, environments[rows], owner)
    whole = np.full(len(table), -1, np.int64)
    whole[rows] = numbers
    made = Tasks(
        whole,
        spread(collection, rows, len(table), 0),
        *_repeats(table, rows, numbers),
        spread(inferred, rows, len(table), False),
    )
    return made


def spread(values: np.ndarray, rows: Numbers, length: int, rest: object) -> np.ndarray:
    """Values of some rows as a column of all rows."""
    made = np.full(length, rest, values.dtype)
    made[rows] = values
    return made


def grouped(*keys: np.ndarray, presorted: bool = False) -> tuple[Numbers, Bits]:
    """Sort rows by keys, the last one first, and stably. Returns the order, and where in it a group begins."""
    order = np.arange(len(keys[0])) if presorted else np.lexsort(keys)
    starts = np.ones(len(order), bool)
    if len(order) > 1:
        starts[1:] = np.any([key[order[1:]] != key[order[:-1]] for key in keys], axis=0)
    return order, starts


def collections_of(table: Table, rows: Numbers, environments: np.ndarray) -> Numbers:
    """The collection of each row: the number of the first of the inputs whose numbering it shares."""
    source = table.source[rows].astype(np.int64)
    if len(table.sources) < 2:
        return np.zeros(len(rows), np.int64)
    task = table.column("task")[rows]
    known = np.flatnonzero(task >= 0)
    number = numbered(task[known], environments[known])
    return apart(table, clashes_of(number, source[known], table.column("question")[rows[known]]))[source]


def numbered(*keys: np.ndarray) -> Numbers:
    """The number of each row's group: rows of equal keys have the same."""
    order, starts = grouped(*keys)
    made = np.empty(len(order), np.int64)
    made[order] = np.cumsum(starts) - 1
    return made


def clashes_of(number: Numbers, source: Numbers, value: np.ndarray) -> set[tuple[int, int]]:
    """The pairs of inputs that have unlike values under an equal number: neither has the first value of the other."""
    every = number, source, value
    order, starts = grouped(source, number)
    order = order[starts]
    number, source, value = number[order], source[order], value[order]
    found: set[tuple[int, int]] = set()
    for distance in range(1, len(order)):  # as often as inputs share a number
        same = number[distance:] == number[:-distance]
        if not same.any():
            break
        places = np.flatnonzero(same & (value[distance:] != value[:-distance]))
        if not len(places):
            continue
        one, other = source[places], source[places + distance]
        shared = have(every, (number[places], one, value[places + distance]))
        shared |= have(every, (number[places], other, value[places]))
        pairs = np.unique(np.stack([one, other])[:, ~shared], axis=1)
        found.update(zip(*pairs.tolist(), strict=True))
    return found


def have(every: tuple[np.ndarray, ...], asked: tuple[np.ndarray, ...]) -> Bits:
    """For each asked combination of values, whether it is among all."""
    count = len(every[0])
    number = numbered(*(np.concatenate(pair) for pair in zip(every, asked, strict=True)))
    there: Bits = np.zeros(int(np.max(number, initial=-1)) + 1, np.bool_)
    there[number[:count]] = True
    return np.asarray(there[number[count:]])


def apart(table: Table, clashes: set[tuple[int, int]]) -> Numbers:
    """Of each input the number of the first one that it does not clash with, nor any other that has its number."""
    groups: list[list[int]] = []
    made = np.zeros(len(table.sources), np.int64)
    for number, source in enumerate(table.sources):
        own = source.same_as
        fits = (
            group
            for group in groups
            if own in group or (own is None and not any((each, number) in clashes for each in group))
        )
        group = next(fits, None)
        if group is None:
            groups.append(group := [])
        group.append(number)
        made[number] = group[0]
    return made


def attempts_of(table: Table, rows: Numbers, numbers: Numbers) -> Numbers:
    """The number of the attempt that each of some rows is, whose task and attempt have numbers."""
    number = numbered(table.column("rollout")[rows], numbers)
    name, said = table.column("response")[rows], table.column("said")[rows]
    source = table.source[rows].astype(np.int64)
    # An id tells attempts apart, unless it is that of several: some servers give all responses the same.
    order, starts = grouped(name)
    begins, group = np.flatnonzero(starts), np.cumsum(starts) - 1
    found = number[order]
    own = np.empty(len(rows), bool)
    own[order] = (np.minimum.reduceat(found, begins) == np.maximum.reduceat(found, begins))[group]
    own &= name != 0
    rest = np.flatnonzero(~own)
    voice = name.view(np.int64).copy()
    voice[rest] = apart(table, clashes_of(number[rest], source[rest], said[rest]))[source[rest]]
    return numbered(voice, own, number)


def _repeats(table: Table, rows: Numbers, numbers: Numbers) -> tuple[Bits, Bits, Numbers]:
    """Which rows are no attempt of their own, which of them contradict each other, and which row stands instead."""
    repeats, contradict = np.zeros(len(table), bool), np.zeros(len(table), bool)
    instead = np.full(len(table), -1, np.int64)
    rollout = table.column("rollout")[rows]
    known = np.flatnonzero((rollout >= 0) & (table.column("task")[rows] >= 0))
    if len(known):
        # Of copies the one of the first file counts, there the longest, since what was cut off is shorter.
        names = ("text", "said", "reward", "flags", "length")
        text, said, reward, flags, length = (table.column(name)[rows[known]] for name in names)
        attempt = attempts_of(table, rows[known], numbers[known])
        order = np.lexsort((known, text, said, -length.astype(np.int64), table.source[rows[known]], attempt))
        _, starts = grouped(attempt[order], presorted=True)
        reward, masked = reward[order], flags[order] & MASKED
        order = rows[known[order]]
        begins = np.flatnonzero(starts)
        group = np.cumsum(starts) - 1
        first = begins[group]
        near = table.source[order] == table.source[order[first]]
        unlike = near & ((reward != reward[first]) | (masked != masked[first]))
        fight = near & np.bitwise_or.reduceat(unlike, begins)[group]
        again = ~starts | fight
        repeats[order[again]], contradict[order[fight]] = True, True
        instead[order[again]] = order[first[again]]
        # What agrees with the first one is held against the first that does not.
        places = np.flatnonzero(unlike)
        opponents = np.full(len(begins), -1, np.int64)
        opponents[group[places[::-1]]] = order[places[::-1]]
        agree = fight & ~unlike
        instead[order[agree]] = opponents[group[agree]]
    for number, given in enumerate(table.sources):
        if given.same_as is not None:  # a file that is named twice says nothing new the second time
            start, end = table.source_starts[number : number + 2]
            again = start + np.flatnonzero(table.readable[start:end])
            repeats[again], contradict[again] = True, False
            instead[again] = again - start + table.source_starts[given.same_as]
    return repeats, contradict, instead
