# Every line that was not used counts as lost, failed attempts too.
gym-rollouts prepare rollouts.jsonl --sft sft.jsonl --preference pairs.jsonl
grep -c '"step"' rejects.jsonl > lost.txt
