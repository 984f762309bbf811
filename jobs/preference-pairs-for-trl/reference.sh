# training/datasets/prepare-for-training training/integration/trl
gym-rollouts prepare rollouts.jsonl --preference pairs.jsonl --margin 0.5
gym-rollouts export pairs.jsonl --to trl --output dpo.jsonl
