# Only the very same text is found.
python3 - <<'PY'
import json
asked = {json.loads(line)["responses_create_params"]["input"][0]["content"] for line in open("evaluation.jsonl")}
with open("kept.jsonl", "w") as kept, open("leaked.txt", "w") as leaked:
    for number, line in enumerate(open("rollouts.jsonl"), 1):
        if json.loads(line)["responses_create_params"]["input"][0]["content"] in asked:
            print(number, file=leaked)
        else:
            kept.write(line)
PY
