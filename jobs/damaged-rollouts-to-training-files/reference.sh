# training/datasets/prepare-for-training
gym-rollouts prepare rollouts.jsonl --sft sft.jsonl --preference pairs.jsonl
grep -c -E '"step":"(blank|unreadable|repeated line)"' rejects.jsonl > lost.txt
