"""Every line on one side, every question on one side, and a share near a fifth."""

from jobs.sample import Row, must, read

rows, train, validation = (read(name) for name in ("rollouts.jsonl", "train.jsonl", "validation.jsonl"))


def questions(some: list[Row]) -> set[str]:
    """The questions of rows, in one spelling."""
    return {"".join(row["responses_create_params"]["input"][0]["content"].casefold().split()) for row in some}


key = repr
must(sorted(train + validation, key=key) == sorted(rows, key=key), "a line is missing, changed, or there twice")
shared = questions(train) & questions(validation)
must(not shared, f"{len(shared)} questions are on both sides, such as {sorted(shared)[:1]}")
share = len(questions(validation)) / len(questions(rows))
must(0.12 <= share <= 0.28, f"validation has {share:.0%} of the questions")
