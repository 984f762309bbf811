"""What attempts at tasks say of a model: per task, and the mean over tasks with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gym_rollouts.decisions import State
from gym_rollouts.decisions.thresholds import at_least
from gym_rollouts.facts import Bits, Numbers
from gym_rollouts.identity import grouped

Values = NDArray[np.float64]
RESAMPLES = 2000
#: From so many tasks on the bootstrap's distribution is normal to three digits, and is computed as such.
NORMAL = 5000
#: Below so many tasks a bootstrap's interval is too narrow: of five equal pairs of runs it calls one better in six.
FEW = 30
#: The square of the normal distribution's 95%.
WILSON = 1.959964**2
#: Student's t for 95%, by how many tasks there are, from two on.
STUDENT = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
    2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048,
)  # fmt: skip


@dataclass
class PerTask:
    """A row for each task that has counted attempts: its number in `Tasks`, and what its attempts were."""

    task: Numbers
    first: Numbers
    attempts: Numbers
    solved: Numbers
    mean: Values
    variance: Values
    low: Values
    high: Values
    answers: Numbers
    length: Values
    cut: Values
    bad_call: Values
    trouble: Values


def per_task(state: State, counted: Bits, solved: float) -> PerTask:
    """Reduce counted attempts to a row for each task. Sums do not depend on the order of the lines."""
    rows = np.flatnonzero(counted)
    reward = state.column("reward")[rows]
    # Sorted by reward, too: a sum of doubles depends on its order.
    order = np.lexsort((state.column("text")[rows], reward, state.tasks.task[rows]))
    rows, reward = rows[order], reward[order]
    task = state.tasks.task[rows]
    _, starts = grouped(task)
    begins = np.flatnonzero(starts)
    if not len(begins):
        none, empty = np.empty(0, np.int64), np.empty(0)
        return PerTask(none, none, none, none, empty, empty, empty, empty, none, empty, empty, empty, empty)
    attempts = np.diff(np.append(begins, len(rows)))

    # Where the attempts at a task have several questions, the least one stands for all.
    first = rows[np.lexsort((rows, state.column("question")[rows], task))][begins]

    def total(values: np.ndarray) -> Values:
        return np.asarray(np.add.reduceat(values.astype(float), begins))

    mean = total(reward) / attempts
    spread = reward - np.repeat(mean, attempts)
    answer_order, new = grouped(state.column("answer")[rows], task)
    answers = np.add.reduceat(new[np.argsort(answer_order)].astype(np.int64), begins)
    return PerTask(
        task[begins],
        first,
        attempts,
        total(at_least(reward, solved)).astype(np.int64),
        mean,
        total(spread * spread) / attempts,
        np.minimum.reduceat(reward, begins),
        np.maximum.reduceat(reward, begins),
        answers,
        total(state.column("length")[rows]) / attempts,
        total(state.column("cut")[rows] >= 0) / attempts,
        total(state.column("bad_call")[rows] >= 0) / attempts,
        total(state.column("troubles")[rows] > 0) / attempts,
    )


def pass_at_k(attempts: int, solved: int, k: int) -> float:
    """The chance that at least one of `k` attempts solves a task.

    Of `attempts` attempts, `solved` solved it. The estimate is unbiased: the share of
    all choices of `k` of the attempts that contain a solved one. Chen et al. 2021,
    "Evaluating Large Language Models Trained on Code", arXiv:2107.03374, equation 1.
    NaN where there are fewer than `k` attempts.
    """
    if attempts < k:
        return math.nan
    wrong = attempts - solved
    if wrong < k:
        return 1.0
    return 1 - math.prod(1 - k / n for n in range(wrong + 1, attempts + 1))


def passes(attempts: Numbers, solved: Numbers, k: int) -> Values:
    """`pass_at_k` of each task."""
    if not len(attempts):
        return np.empty(0)
    pairs, places = np.unique(np.stack([attempts, solved]), axis=1, return_inverse=True)
    return np.array([pass_at_k(int(n), int(c), k) for n, c in pairs.T])[places.ravel()]


def metrics_of(tasks: PerTask, ks: list[int]) -> dict[str, Values]:
    """Each metric's values, one for each task; NaN where a task has none."""
    n, c = tasks.attempts, tasks.solved
    several = np.where(n > 1, n, np.nan)
    return {
        "mean reward": tasks.mean,
        **{f"pass@{k}": passes(n, c, k) for k in ks},
        "tasks with both kinds": ((c > 0) & (c < n)).astype(float),
        "variance within a task": tasks.variance * several / (several - 1),
        "different answers": (tasks.answers - 1) / (several - 1),
        "characters": tasks.length,
        "truncated": tasks.cut,
        "wrong tool calls": tasks.bad_call,
        "tools in trouble": tasks.trouble,
    }


def interval(values: Values, seed: int = 0) -> tuple[float, float, float]:
    """The mean over tasks, and its 95% interval; NaN ends where fewer than two tasks have a value.

    The interval is a bootstrap that draws tasks, each with all its attempts: attempts at one task are not independent.
    Of few tasks it is Student's, which allows for what few tasks leave unknown of how far they spread.
    """
    known = np.sort(values[~np.isnan(values)])
    if not len(known):
        return math.nan, math.nan, math.nan
    mean = float(known.mean())
    if len(known) < 2:
        return mean, math.nan, math.nan
    if len(known) < FEW:
        # The deviation of equal values is rounding, and must not make a difference of nothing one.
        deviation = float(known.std(ddof=1)) if known[0] != known[-1] else 0.0
        half = STUDENT[len(known) - 2] * deviation / math.sqrt(len(known))
        return mean, mean - half, mean + half
    tail = 0.025
    if len(known) >= NORMAL:
        from statistics import NormalDist

        half = -NormalDist().inv_cdf(tail) * float(known.std()) / math.sqrt(len(known))
        return mean, mean - half, mean + half
    rng = np.random.default_rng(seed)
    means = np.concatenate([
        known[rng.integers(0, len(known), (some, len(known)))].mean(axis=1)
        for some in _blocks(RESAMPLES, max(1, (1 << 22) // len(known)))
    ])  # fmt: skip
    low, high = np.quantile(means, (tail, 1 - tail))
    return mean, float(low), float(high)


def share_interval(values: Values, seed: int = 0) -> tuple[float, float, float]:
    """As `interval`, of values from 0 to 1: it stays within, and is never of no width where all are 0, or all are 1.

    Such tasks do not differ, and still do not show that others would be the same. What they show is Wilson's interval
    (Wilson 1927). It holds for values between 0 and 1, too: they are all 0 no more often than shares of the same mean.
    """
    mean, low, high = interval(values, seed)
    known = values[~np.isnan(values)]
    if len(known) > 1 and mean in (0.0, 1.0):
        beyond = WILSON / (len(known) + WILSON)
        return (mean, 0.0, beyond) if mean == 0 else (mean, 1 - beyond, 1.0)
    return mean, max(low, 0.0) if low == low else low, min(high, 1.0) if high == high else high


def _blocks(total: int, size: int) -> list[int]:
    return [min(size, total - at) for at in range(0, total, size)]


def said(value: float) -> Any:
    """A number for JSON, which has no NaN."""
    return None if math.isnan(value) else value
