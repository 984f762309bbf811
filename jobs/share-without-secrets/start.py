"""Keys in an answer, in JSON within a text, with escapes, and as a key of an object. None of them was ever valid."""

import json
from pathlib import Path
from random import Random

from jobs.sample import rollout

draw = Random(3)
KEY = "sk-proj-" + "".join(draw.choice("abcdefghkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(48))
TOKEN = "ghp_" + "".join(draw.choice("abcdefghkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(36))
TEXTS = {
    4: f"The configuration has OPENAI_API_KEY={KEY}.",
    9: json.dumps({"config": json.dumps({"token": TOKEN})}),
    13: "Write to ada.lovelace@analytical-engines.com about it.",
    17: f"The header was Authorization: token {TOKEN}",
}
lines = []
for number in range(1, 21):
    text = TEXTS.get(number, f"The answer to question {number} is {number * 3}.")
    lines.append(json.dumps(rollout(draw, number, 0, f"Question {number}", text, 1.0)))
lines[8] = lines[8].replace("ghp_", "\\u0067hp_")
Path("rollouts.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
