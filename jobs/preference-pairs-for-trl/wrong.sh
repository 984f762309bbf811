# Neighbors in the file are pairs.
python3 - <<'PY'
import json
rows = [json.loads(line) for line in open("rollouts.jsonl")]
with open("dpo.jsonl", "w") as out:
    for a, b in zip(rows[::3], rows[1::3]):
        if a["reward"] - b["reward"] >= 0.5:
            text = [r["response"]["output"][0]["content"][0]["text"] for r in (a, b)]
            sides = [[{"role": "assistant", "content": t}] for t in text]
            print(json.dumps({"prompt": a["responses_create_params"]["input"], "chosen": sides[0], "rejected": sides[1]}), file=out)
PY
