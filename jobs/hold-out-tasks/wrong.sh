# By the number of the task, whatever it asks.
grep -v -E '"_ng_task_index": [0-9]*[05],' rollouts.jsonl > train.jsonl
grep -E '"_ng_task_index": [0-9]*[05],' rollouts.jsonl > validation.jsonl
