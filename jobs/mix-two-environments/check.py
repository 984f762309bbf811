"""Sixty rows of each, none invented, none more than four times."""

from collections import Counter

from jobs.sample import must, read

given = {repr(row) for row in read("rollouts.jsonl")}
rows = read("train.jsonl")
must(len(rows) == 120, f"expected 120 rows, found {len(rows)}")
must(all(repr(row) in given for row in rows), "a row of train.jsonl is no row of rollouts.jsonl")
counts = Counter(row["task_source"] for row in rows)
must(set(counts.values()) == {60}, f"expected 60 of each environment, found {dict(counts)}")
most = max(Counter(map(repr, rows)).values())
must(most <= 4, f"a row is there {most} times")
