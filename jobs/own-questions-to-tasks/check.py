"""Twelve rows, each with its question as it was asked and its answer, that the verifier's schema takes."""

import subprocess
from pathlib import Path

from jobs.sample import must, read

rows = read("tasks.jsonl")
must(len(rows) == 12, f"expected 12 rows, found {len(rows)}: two questions have no answer")
for number, row in enumerate(rows, 1):
    asked = row["responses_create_params"]["input"]
    text = asked if isinstance(asked, str) else asked[-1]["content"]
    must(f"Wie groß wäre {number} + {number + 3}?" in text, f"row {number}: the question is {text!r}")
    must(
        str(row.get("expected_answer")) == str(2 * number + 3),
        f"row {number}: the answer is {row.get('expected_answer')!r}",
    )
own = [
    word for name in ("Stufe", "Nr", "Frage", "Lösung") if any(name in row for row in rows) for word in ("--own", name)
]
checked = subprocess.run(
    ["gym-rollouts", "check", "tasks.jsonl", "--kind", "tasks", *own], capture_output=True, text=True, check=False
)
must(checked.returncode == 0, f"gym-rollouts check refuses {Path('tasks.jsonl')}: {checked.stdout[-800:]}")
