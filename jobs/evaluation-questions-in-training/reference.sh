# training/data-quality/filtering-strategies
gym-rollouts filter rollouts.jsonl --for sft --evaluation evaluation.jsonl --reject 'evaluation set' --kept kept.jsonl
grep '"step":"evaluation set"' rejects.jsonl | grep -o '"line":[0-9]*' | cut -d : -f 2 > leaked.txt
