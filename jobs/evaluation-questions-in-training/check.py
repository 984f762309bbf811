"""The four lines, and the other 26 rows as they were."""

from pathlib import Path

from jobs.sample import must, read

rows = read("rollouts.jsonl")
leaked = {3, 12, 19, 26}
must(
    read("kept.jsonl") == [row for number, row in enumerate(rows, 1) if number not in leaked],
    "kept.jsonl: expected all other lines, unchanged and in their order",
)
must(Path("leaked.txt").is_file(), "there is no leaked.txt")
found = sorted(int(line) for line in Path("leaked.txt").read_text(encoding="utf-8").split())
must(found == sorted(leaked), f"leaked.txt: expected the lines {sorted(leaked)}, found {found}")
