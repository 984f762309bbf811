"""What is chosen of the attempts that are left: SFT examples, preference pairs, and the tasks that RL learns from.

Attempts are ordered by what they are, never by where they stand in a file.
"""

from __future__ import annotations

import numpy as np

from gym_rollouts.decisions import State
from gym_rollouts.decisions.thresholds import apart, at_least
from gym_rollouts.facts import Bits, Numbers
from gym_rollouts.identity import grouped, numbered


def ranks(task: Numbers, *keys: np.ndarray) -> tuple[Numbers, Numbers]:
    """Order attempts by task, then by keys, the first one first. Returns the order, and the place in the task."""
    order = np.lexsort((*reversed(keys), task))
    _, starts = grouped(task[order])
    begins = np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0)) if len(order) else order
    return order, np.arange(len(order)) - begins


def choose_sft(state: State, min_reward: float, per_task: int | None) -> Numbers:
    """The rows of the best attempts at each task, by task and attempt."""
    rows = state.rows(at_least(state.column("reward"), min_reward))
    task = state.tasks.task[rows]
    rollout, text, reward = (state.column(name)[rows] for name in ("rollout", "text", "reward"))
    if per_task is not None:
        order, place = ranks(task, -reward, rollout, text)
        best = order[place < per_task]
        rows, task, rollout, text = rows[best], task[best], rollout[best], text[best]
    return rows[np.lexsort((text, rollout, task))]


def choose_pairs(
    state: State, margin: float, per_task: int, max_length_ratio: float | None, side: str
) -> tuple[Numbers, int]:
    """The rows of pairs, chosen and rejected, by task; and how many pairs had two equal sides, which are none.

    The best attempt is paired with the worst, the second best with the second worst, and so on. Among equal rewards
    both sides go from short to long, so that the sides of a pair are of similar length. `side` is the digest that tells
    sides apart. Both sides answer one prompt with the same tools: where the attempts at a task were asked several
    things, each of these has pairs of its own.
    """
    rows = np.flatnonzero(state.left)
    task = numbered(state.column("request")[rows], state.tasks.task[rows])
    reward, length, rollout, text = (state.column(name)[rows] for name in ("reward", "length", "rollout", "text"))
    best, place = ranks(task, -reward, length, rollout, text)
    worst, _ = ranks(task, reward, length, rollout, text)
    taken = place < per_task
    best, worst = best[taken], worst[taken]
    good = apart(reward[best], reward[worst], margin)
    if max_length_ratio is not None:
        longer = np.maximum(length[best], length[worst]).astype(float)
        good &= longer <= max_length_ratio * np.minimum(length[best], length[worst])
    sides = state.column(side)[rows]
    equal = good & (sides[best] == sides[worst])
    good &= ~equal
    return np.stack([rows[best[good]], rows[worst[good]]], axis=1), int(equal.sum())


def useful_tasks(state: State, counted: Bits, margin: float) -> Bits:
    """For each task, whether the rewards of its attempts lie apart by the margin: else there is nothing to learn."""
    rows = np.flatnonzero(counted)
    task, reward = state.tasks.task[rows], state.column("reward")[rows]
    high = np.full(state.tasks.count, -np.inf)
    low = np.full(state.tasks.count, np.inf)
    np.maximum.at(high, task, reward)
    np.minimum.at(low, task, reward)
    with np.errstate(invalid="ignore"):
        return np.asarray((high >= low) & apart(high, low, margin))
