"""Pass rates from 0 to 8 of 8, where two tasks have masked attempts that change their rate."""

from random import Random

from jobs.sample import rollout, write

draw = Random(4)
WINS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 0, 4]
tasks = [f"What is {n} + {n}?" for n in range(len(WINS))]
write(
    "tasks.jsonl",
    [
        {"responses_create_params": {"input": [{"role": "user", "content": question}]}, "expected_answer": f"{2 * n}"}
        for n, question in enumerate(tasks)
    ],
)
rows = []
for task, wins in enumerate(WINS):
    for attempt in range(8):
        right = attempt < wins
        # Task 1 has one win of four that count, task 7 three of four.
        masked = (task == 1 and attempt >= 4) or (task == 7 and attempt < 4)
        more = {"mask_sample": True} if masked else {}
        text = f"The answer is \\boxed{{{2 * task + (not right) * (attempt + 1)}}}."
        rows.append(rollout(draw, task, attempt, tasks[task], text, float(right), **more))
draw.shuffle(rows)
write("rollouts.jsonl", rows)
