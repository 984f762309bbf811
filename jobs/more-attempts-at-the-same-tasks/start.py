"""Both days number their attempts from 0, and the second day went better. One response is in both files."""

from random import Random

from jobs.sample import rollout, write

draw = Random(19)


def collect(rate: float) -> list[dict]:
    """A day."""
    return [
        rollout(draw, task, attempt, f"Question {task}", f"{draw.randrange(10**6)}", float(draw.random() < rate))
        for task in range(25)
        for attempt in range(4)
    ]


monday, tuesday = collect(0.3), collect(0.7)
tuesday[40] = monday[40]
write("monday.jsonl", monday)
write("tuesday.jsonl", tuesday)
