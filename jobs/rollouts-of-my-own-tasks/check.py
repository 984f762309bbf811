"""24 rollouts with rewards, three of each task, at the temperature."""

from collections import Counter

from jobs.sample import must, read

asked = [row["responses_create_params"]["input"][0]["content"] for row in read("tasks.jsonl")]
rows = read("rollouts.jsonl")
found = Counter(row["responses_create_params"]["input"][0]["content"] for row in rows)
must(
    found == Counter(dict.fromkeys(asked, 3)), f"expected 3 rollouts of each of 8 tasks, found {sorted(found.values())}"
)
must({row["reward"] for row in rows} == {0.0, 1.0}, "expected rewards of 0 and 1")
must({row["responses_create_params"].get("temperature") for row in rows} == {1.0}, "another temperature than 1")
