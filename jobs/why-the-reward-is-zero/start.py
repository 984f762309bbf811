"""40 attempts: 29 ran out of tokens, some with an answer in sight, five gave no answer, and six are solved."""

from random import Random

from jobs.sample import rollout, write

draw = Random(23)
rows = []
for number in range(40):
    row = rollout(draw, number // 4, number % 4, f"Question {number // 4}", f"First, I note {number} things. " * 3, 0.0)
    response = row["response"]
    if number % 7 == 3:
        row["reward"] = 1.0
    elif number % 8 == 5:
        response["output"] = []
    else:
        response |= {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
        response["output"][-1]["status"] = "incomplete"
    rows.append(row)
write("rollouts.jsonl", rows)
