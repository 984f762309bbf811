"""Twelve tasks with partial rewards: of five, the best and the worst are at least 0.5 apart, one of them exactly."""

from random import Random

from jobs.sample import rollout, write

draw = Random(17)
REWARDS = [(0.7, 0.2), (1.0, 0.0), (0.6, 0.2), (0.9, 0.3), (0.5, 0.1), (1.0, 1.0), (0.0, 0.0), (0.4, 0.3)]
REWARDS += [(0.8, 0.2), (0.2, 0.9), (0.55, 0.1), (0.3, 0.3)]
write(
    "rollouts.jsonl",
    [
        rollout(draw, task, attempt, f"Task {task}", f"An answer worth {reward}, number {attempt}", reward)
        for task, rewards in enumerate(REWARDS)
        for attempt, reward in enumerate((*rewards, sum(rewards) / 2))
    ],
)
