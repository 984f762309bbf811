# The first rows of the file.
head -n 120 rollouts.jsonl > train.jsonl
