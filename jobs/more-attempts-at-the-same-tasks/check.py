"""Each response once, whichever number its attempt has."""

from collections import defaultdict
from pathlib import Path

from jobs.sample import must, read

rows = [row for name in ("monday", "tuesday") for row in read(f"{name}.jsonl")]
rewards = {row["response"]["id"]: row["reward"] for row in rows}
tasks = defaultdict(dict)
for row in rows:
    tasks[row["_ng_task_index"]][row["response"]["id"]] = row["reward"]
mean = sum(sum(each.values()) / len(each) for each in tasks.values()) / len(tasks)
must(Path("rate.txt").is_file(), "there is no rate.txt")
found = float(Path("rate.txt").read_text(encoding="utf-8"))
must(abs(found - mean) < 0.0001, f"rate.txt: expected {mean:.4f} of {len(rewards)} responses, found {found}")
rows = read("sft.jsonl")
must(len(rows) == sum(rewards.values()), f"sft.jsonl: expected {sum(rewards.values()):.0f} rows, found {len(rows)}")
