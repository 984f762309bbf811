"""pass@k against its definition, and intervals against what they promise."""

import math
from itertools import combinations

import numpy as np
import pytest
from gym_rollouts.commands.compare import verdict_of
from gym_rollouts.statistics import interval, pass_at_k, share_interval


@pytest.mark.parametrize("attempts", range(1, 7))
def test_pass_at_k_is_the_share_of_choices_with_a_solved_attempt(attempts: int) -> None:
    for solved in range(attempts + 1):
        outcomes = [number < solved for number in range(attempts)]
        for k in range(1, attempts + 1):
            choices = [any(choice) for choice in combinations(outcomes, k)]
            assert pass_at_k(attempts, solved, k) == pytest.approx(sum(choices) / len(choices))


def test_pass_at_k_of_fewer_attempts_is_unknown() -> None:
    assert math.isnan(pass_at_k(3, 3, 4))


def test_equal_runs_are_seldom_called_different_however_few_the_tasks() -> None:
    random, runs = np.random.default_rng(0), 4000
    for count in (6, 8, 15, 29):
        told = [verdict_of(*interval(random.normal(0, 1, count))[1:], count) for _ in range(runs)]
        assert 1 - told.count("cannot tell") / runs == pytest.approx(0.05, abs=0.015)
    assert {verdict_of(*interval(np.ones(count) * 0.1)[1:], count) for count in range(1, 6)} == {"too few"}


def test_equal_values_have_no_width_and_no_rounding() -> None:
    for count in (6, 29, 30):
        assert verdict_of(*interval(np.full(count, 0.0))[1:], count) == "cannot tell"
        low, high = interval(np.full(count, 0.1))[1:]
        assert (low, high) == (pytest.approx(0.1), pytest.approx(0.1))


@pytest.mark.parametrize("value", [0.0, 1.0])
@pytest.mark.parametrize("count", [2, 5, 40, 6000])
def test_a_share_of_all_or_nothing_is_not_certain(value: float, count: int) -> None:
    mean, low, high = share_interval(np.full(count, value))
    assert (mean, 1 - low if value else high) == (value, pytest.approx(3.8415 / (count + 3.8415), rel=1e-4))
    assert (high if value else low) == value


def test_the_interval_of_a_share_ends_where_shares_do() -> None:
    assert share_interval(np.array([0.0, 1.0]))[1:] == (0.0, 1.0)
    assert all(map(math.isnan, share_interval(np.array([1.0]))[1:]))


def test_many_tasks_keep_the_bootstrap() -> None:
    values = np.arange(30) / 29
    assert interval(values) == (pytest.approx(0.5), pytest.approx(0.3885, abs=1e-4), pytest.approx(0.607, abs=0.01))
