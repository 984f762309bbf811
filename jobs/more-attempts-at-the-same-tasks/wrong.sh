# Equal numbers are taken for one attempt.
python3 - <<'PY' > rate.txt
import json
seen = {}
for name in ("monday", "tuesday"):
    for line in open(f"{name}.jsonl"):
        row = json.loads(line)
        seen.setdefault((row["_ng_task_index"], row["_ng_rollout_index"]), row["reward"])
print(sum(seen.values()) / len(seen))
PY
gym-rollouts prepare monday.jsonl --sft sft.jsonl
