# training/datasets/validate-format
gym-rollouts scan rollouts.jsonl --redact clean.jsonl --findings findings.jsonl || true
grep -o '"line":[0-9]*' findings.jsonl | cut -d : -f 2 | sort -n -u > lines.txt
