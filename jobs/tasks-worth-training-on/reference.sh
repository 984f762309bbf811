# training/data-quality/filtering-strategies training/datasets/prepare-for-training
gym-rollouts filter rollouts.jsonl --for rl --low 0.2 --high 0.8 --kept kept.jsonl
gym-rollouts prepare kept.jsonl --rl rl.jsonl --tasks tasks.jsonl
