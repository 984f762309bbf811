"""Each response once, whichever number its attempt has."""

from pathlib import Path

from jobs.sample import must, read

rewards = {row["response"]["id"]: row["reward"] for name in ("monday", "tuesday") for row in read(f"{name}.jsonl")}
mean = sum(rewards.values()) / len(rewards)
must(Path("rate.txt").is_file(), "there is no rate.txt")
found = float(Path("rate.txt").read_text(encoding="utf-8"))
must(abs(found - mean) < 0.0001, f"rate.txt: expected {mean:.4f} of {len(rewards)} responses, found {found}")
rows = read("sft.jsonl")
must(len(rows) == sum(rewards.values()), f"sft.jsonl: expected {sum(rewards.values()):.0f} rows, found {len(rows)}")
