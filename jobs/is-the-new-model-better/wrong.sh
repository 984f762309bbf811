# All rollouts of each file, whatever tasks they are of.
python3 - <<'PY'
import json
means = []
for name in ("before.jsonl", "after.jsonl"):
    rewards = [json.loads(line)["reward"] for line in open(name)]
    means.append(sum(rewards) / len(rewards))
difference = means[1] - means[0]
json.dump({"difference": difference, "low": difference - 0.06, "high": difference + 0.06, "better": True}, open("answer.json", "w"))
PY
