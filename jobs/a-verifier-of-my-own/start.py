"""Three tasks; nothing else is needed."""

from jobs.sample import write

write(
    "tasks.jsonl",
    [
        {"responses_create_params": {"input": [{"role": "user", "content": question}]}, "expected_answer": answer}
        for question, answer in (("How many seconds has a day?", 86400), ("2 + 2?", 4), ("-30 + 5?", -25))
    ],
)
