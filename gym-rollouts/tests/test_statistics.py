"""pass@k against its definition."""

import math
from itertools import combinations

import pytest
from gym_rollouts.statistics import pass_at_k


@pytest.mark.parametrize("attempts", range(1, 7))
def test_pass_at_k_is_the_share_of_choices_with_a_solved_attempt(attempts: int) -> None:
    for solved in range(attempts + 1):
        outcomes = [number < solved for number in range(attempts)]
        for k in range(1, attempts + 1):
            choices = [any(choice) for choice in combinations(outcomes, k)]
            assert pass_at_k(attempts, solved, k) == pytest.approx(sum(choices) / len(choices))


def test_pass_at_k_of_fewer_attempts_is_unknown() -> None:
    assert math.isnan(pass_at_k(3, 3, 4))
