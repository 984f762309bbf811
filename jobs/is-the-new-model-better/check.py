"""The paired difference, computed here by hand; the interval as near as a bootstrap comes."""

import json
import math
from collections import defaultdict
from pathlib import Path

from jobs.sample import must, read, wrong

means = []
for name in ("before.jsonl", "after.jsonl"):
    rewards = defaultdict(list)
    for row in read(name):
        rewards[row["_ng_task_index"]].append(row["reward"])
    means.append({task: sum(each) / len(each) for task, each in rewards.items()})
differences = [means[1][task] - means[0][task] for task in means[0]]
mean = sum(differences) / len(differences)
error = math.sqrt(sum((each - mean) ** 2 for each in differences) / (len(differences) - 1) / len(differences))
low, high = mean - 1.96 * error, mean + 1.96 * error

if not Path("answer.json").is_file():
    wrong("there is no answer.json")
answer = json.loads(Path("answer.json").read_text(encoding="utf-8"))
must(abs(answer["difference"] - mean) < 0.002, f"difference: expected {mean:.3f}, found {answer['difference']}")
for name, expected in (("low", low), ("high", high)):
    must(abs(answer[name] - expected) < 0.02, f"{name}: expected about {expected:.3f}, found {answer[name]}")
must(answer["better"] is (low > 0), f"better: expected {low > 0}")
