"""Comparisons of rewards that mean what people mean: 0.7 and 0.2 are 0.5 apart, though their doubles are not quite."""

from __future__ import annotations

import numpy as np

from gym_rollouts.facts import Bits

#: What sums of a thousand rewards are off by, and no two rewards that differ.
RELATIVE = 1e-12


def at_least(values: np.ndarray, least: float | np.ndarray) -> Bits:
    """Say of each value whether it is at least so much."""
    return np.asarray(values >= least - RELATIVE * np.maximum(np.abs(values), np.abs(least)))


def reaches(value: float, least: float) -> bool:
    """Say of one value whether it is at least so much."""
    return bool(at_least(np.asarray(value), least))


def apart(high: np.ndarray, low: np.ndarray, margin: float) -> Bits:
    """Say of each two values whether the one is above the other by the margin, and not equal to it."""
    with np.errstate(over="ignore"):
        slack = RELATIVE * np.maximum(np.maximum(np.abs(high), np.abs(low)), margin)
        return np.asarray((high - low >= margin - slack) & (high - low > slack))
