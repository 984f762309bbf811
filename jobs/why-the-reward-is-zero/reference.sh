# agents/debugging-agent-behaviors
gym-rollouts show rollouts.jsonl --symptoms --json > symptoms.json
python3 - <<'PY' > answer.txt
import json

found = json.load(open("symptoms.json"))["symptoms"]
failed = {name: each["rollouts"] for name, each in found.items() if name != "none"}
name = max(failed, key=failed.get)
print(name, failed[name], sep="\n")
PY
