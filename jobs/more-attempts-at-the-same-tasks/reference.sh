# training/data-quality/quality-metrics training/datasets/prepare-for-training
gym-rollouts metrics monday.jsonl tuesday.jsonl --json > measured.json
python3 - <<'PY' > rate.txt
import json

(found,) = json.load(open("measured.json"))["environments"].values()
print(f"{found['mean reward'][0]:.4f}")
PY
gym-rollouts prepare monday.jsonl tuesday.jsonl --sft sft.jsonl
