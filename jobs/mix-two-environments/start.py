"""200 attempts of math_with_judge and 20 of mcqa."""

from random import Random

from jobs.sample import rollout, write

draw = Random(13)
write(
    "rollouts.jsonl",
    [
        rollout(draw, task, attempt, f"{server} question {task}", f"{attempt}", float(attempt < 2), task_source=server)
        for server, tasks in (("math_with_judge", 50), ("mcqa", 5))
        for task in range(tasks)
        for attempt in range(4)
    ],
)
