# training/data-quality/dataset-balancing
gym-rollouts split rollouts.jsonl --train train.jsonl --held-out validation.jsonl --share 0.2
