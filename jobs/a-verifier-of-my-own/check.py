"""Starts the server as its configuration says, and asks it for rewards."""

import json
import urllib.request
from pathlib import Path

from docs.downloads.gym_trl import response_of
from jobs.sample import must, read, wrong
from recipes import live

ASKED = [
    (0, "A day has 86,400 seconds.", 1.0),
    (0, "24 hours, so about 90000.", 0.5),
    (0, "It is 24 * 60, which is 1440", 0.0),
    (1, "4", 1.0),
    (1, "I cannot say.", 0.0),
    (1, "4.3 or so", 0.5),
    (2, "That is -25.", 1.0),
    (2, "That is 25.", 0.0),
    (2, "-27", 0.5),
]


def main() -> None:
    """Ask, and compare."""
    must(Path("estimate.yaml").is_file(), "there is no estimate.yaml")
    tasks = read("tasks.jsonl")
    environment = live.Environment("estimate", "", Path("estimate.yaml").read_text(encoding="utf-8"))
    try:
        with live.gym(environment, Path()) as running:
            url = running.address() + "/verify"
            for number, text, expected in ASKED:
                body = json.dumps(tasks[number] | {"response": response_of(text)}).encode()
                request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
                with urllib.request.urlopen(request, timeout=60) as answer:
                    reward = json.load(answer)["reward"]
                must(
                    reward == expected,
                    f"{text!r} for {tasks[number]['expected_answer']}: expected {expected}, found {reward}",
                )
    except (live.NotReady, StopIteration) as error:
        wrong(f"the server does not start, or has another name: {str(error)[-800:]}")


main()
