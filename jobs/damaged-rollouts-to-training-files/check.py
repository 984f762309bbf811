"""Rows counted by hand from how the file was made."""

from pathlib import Path

from jobs.sample import must, read

lost = {(2, 3), (10, 1)}
masked = {(task, attempt) for task in (3, 8) for attempt in (0, 3)}
usable = {(task, attempt) for task in range(20) for attempt in range(4)} - lost - masked
right = {(task, attempt) for task, attempt in usable if attempt < task % 5}
pairs = {task for task in range(20) if {(t, a) in right for t, a in usable if t == task} == {True, False}}

sft = read("sft.jsonl")
must(len(sft) == len(right), f"sft.jsonl: expected {len(right)} rows, found {len(sft)}")
said = {row["messages"][-1]["content"] for row in sft}
must(
    said == {f"Attempt {attempt}: {task} times {task} is {task * task}." for task, attempt in right},
    "sft.jsonl: other answers than those of the solved attempts",
)
found = read("pairs.jsonl")
must(len(found) == len(pairs), f"pairs.jsonl: expected {len(pairs)} rows, found {len(found)}")
must(Path("lost.txt").is_file(), "there is no lost.txt")
number = Path("lost.txt").read_text(encoding="utf-8").strip()
must(number == "7", f"lost.txt: expected 2 unreadable, 2 blank and 3 repeated lines, found {number!r}")
