"""Five pairs, each the best against the worst, as lists of messages."""

from jobs.sample import must, read

expected = {
    "Task 0": (0.7, 0.2),
    "Task 1": (1.0, 0.0),
    "Task 3": (0.9, 0.3),
    "Task 8": (0.8, 0.2),
    "Task 9": (0.9, 0.2),
}
rows = read("dpo.jsonl")
for number, row in enumerate(rows, 1):
    must(
        all(isinstance(row.get(name), list) and row[name] for name in ("prompt", "chosen", "rejected")),
        f"row {number}: expected prompt, chosen and rejected, each a list of messages",
    )
found = {
    row["prompt"][-1]["content"]: tuple(row[side][-1]["content"] for side in ("chosen", "rejected")) for row in rows
}
must(found.keys() == expected.keys(), f"expected pairs of {sorted(expected)}, found {sorted(found)}")
for task, (high, low) in expected.items():
    sides = found[task]
    must(
        f"worth {high}," in sides[0] and f"worth {low}," in sides[1], f"{task}: not the best against the worst: {sides}"
    )
