"""A gain on hard tasks, which easy tasks that only the second model attempted would exaggerate."""

from random import Random

from jobs.sample import rollout, write

draw = Random(11)
before, after = [], []
for task in range(80):
    rate = draw.random()
    for attempt in range(4):
        question = f"Task {task}: what is {task} times 7?"
        if task < 60:
            before.append(rollout(draw, task, attempt, question, f"b{attempt}", float(draw.random() < rate * 0.7)))
        gained = rate * 0.7 + 0.08 if task < 60 else 1.0
        after.append(rollout(draw, task, attempt, question, f"a{attempt}", float(draw.random() < gained)))
write("before.jsonl", before)
write("after.jsonl", after)
