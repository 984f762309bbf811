# training/data-quality/dataset-balancing
gym-rollouts balance rollouts.jsonl --rows 120 --train train.jsonl --most-copies 4
