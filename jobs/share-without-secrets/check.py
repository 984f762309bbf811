"""The four lines, nothing left of what was in them, and all other lines as they were."""

import json
from pathlib import Path

from jobs.sample import must, read

before, after = read("rollouts.jsonl"), read("clean.jsonl")
must(len(after) == len(before), f"clean.jsonl has {len(after)} lines of {len(before)}")
had = {4, 9, 13, 17}
for number, (one, other) in enumerate(zip(before, after, strict=True), 1):
    if number not in had:
        must(one == other, f"line {number} had nothing, and differs")
text = json.dumps(after)
for secret in ("sk-proj-", "ghp_", "ada.lovelace"):
    must(secret not in text, f"clean.jsonl still has {secret}...")
must(after[3]["reward"] == 1.0 and "OPENAI_API_KEY" in json.dumps(after[3]), "line 4 lost more than its key")
must(Path("lines.txt").is_file(), "there is no lines.txt")
found = [int(line) for line in Path("lines.txt").read_text(encoding="utf-8").split()]
must(sorted(set(found)) == sorted(had), f"lines.txt: expected the lines {sorted(had)}, found {found}")
