"""20 tasks of four attempts; a cut line, two blank ones, three repeated, a NaN reward, and four masked attempts."""

import json
from pathlib import Path
from random import Random

from jobs.sample import rollout

draw = Random(7)
lines = []
for task in range(20):
    for attempt in range(4):
        right = attempt < task % 5  # none, one, ... all
        text = f"Attempt {attempt}: {task} times {task} is {task * task + (not right) * (attempt + 1)}."
        row = rollout(draw, task, attempt, f"What is {task} times {task}?", text, float(right))
        if task in (3, 8) and attempt in (0, 3):
            row["mask_sample"] = True
        lines.append(json.dumps(row))
lines[11] = lines[11][:200]  # attempt 3 of task 2
lines[41] = lines[41].replace('"reward": 0.0', '"reward": NaN')  # attempt 1 of task 10
lines += [lines[5], lines[20], lines[60], "", "  "]
Path("rollouts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
