"""Fifty-two questions, of which fifteen are asked by two tasks, in another spelling."""

from random import Random

from jobs.sample import rollout, write

draw = Random(9)
questions = [f"How much is {n} plus {n * n}?" for n in range(52)]
questions += [f"  how much is {n}  PLUS {n * n} ?".replace(" ?", "?") for n in range(15)]
write(
    "rollouts.jsonl",
    [
        rollout(draw, task, attempt, question, f"{attempt}", float(draw.random() < 0.5))
        for task, question in enumerate(questions)
        for attempt in range(3)
    ],
)
