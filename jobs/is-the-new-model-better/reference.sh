# training/data-quality/quality-metrics
gym-rollouts compare before.jsonl after.jsonl --json > compared.json
python3 - <<'PY'
import json

found = json.load(open("compared.json"))["metrics"]["mean reward"]
answer = {name: found[name] for name in ("difference", "low", "high")}
json.dump(answer | {"better": found["low"] > 0}, open("answer.json", "w"))
PY
