"""The symptom's name and its count."""

from pathlib import Path

from jobs.sample import must, read

count = sum(row["response"].get("status") == "incomplete" for row in read("rollouts.jsonl"))
must(Path("answer.txt").is_file(), "there is no answer.txt")
lines = Path("answer.txt").read_text(encoding="utf-8").split("\n")
must("cut off" in lines[0].lower(), f"the symptom: expected 'cut off', found {lines[0]!r}")
must(len(lines) > 1 and lines[1].strip() == f"{count}", f"the second line: expected {count}, found {lines[1:2]}")
