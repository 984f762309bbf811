"""Serve a solver of puzzles that makes slips, in place of a model: it looks up what is right, and sometimes spoils it.

    python reasoning_solver.py TASKS.jsonl [--port N] [--slips 0.3] [--seed N]

It answers `/v1/chat/completions` for NeMo Gym's `vllm_model`. A slip changes one character of the answer, swaps two, or
leaves one out. What it says depends on the question, the request's `seed`, and `--seed`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import sys
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def slip(answer: str, dice: random.Random) -> str:
    """An answer with one slip in it; never the answer itself."""
    places = [at for at, sign in enumerate(answer) if sign.isalnum()]
    if not places:
        return answer + answer
    at = dice.choice(places)
    other = dice.choice([each for each in "aeiost" + "0123456789" if each != answer[at]])
    at_next = next((place for place in places if place > at and answer[place] != answer[at]), None)
    spoilt = [answer[:at] + other + answer[at + 1 :], answer[:at] + answer[at + 1 :]]
    if at_next is not None:
        swapped = list(answer)
        swapped[at], swapped[at_next] = swapped[at_next], swapped[at]
        spoilt.append("".join(swapped))
    return dice.choice(spoilt)


def answers_of(path: Path) -> dict[str, str]:
    """The answer to each question of a file of tasks.

    Raises:
        ValueError: a row has no question or no answer.
    """
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            found[row["question"].strip()] = row["answer"]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}:{number}: expected `question` and `answer`, found {error!r}") from None
    return found


class Server(ThreadingHTTPServer):
    """Serves the answers of a file on this machine."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, answers: Mapping[str, str], port: int, slips: float, seed: int) -> None:
        self.answers, self.slips, self.seed = answers, slips, seed
        super().__init__(("127.0.0.1", port), Handler)

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a body of `/v1/chat/completions`."""
        content = body["messages"][-1]["content"]
        question = content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        said = self.answers.get(question.strip(), "I do not know.")
        dice = random.Random(f"{self.seed} {body.get('seed')} {question}")
        if dice.random() < self.slips:
            said = slip(said, dice)
        message = {"role": "assistant", "content": said}
        return {
            "id": "chatcmpl-solver",
            "object": "chat.completion",
            "created": 0,
            "model": body.get("model", "solver"),
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }


class Handler(BaseHTTPRequestHandler):
    """The two addresses that an OpenAI-compatible client asks."""

    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """List the one model."""
        self.say(200, {"object": "list", "data": [{"id": "solver", "object": "model"}]})

    def do_POST(self) -> None:
        """Answer a conversation."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        try:
            self.say(200, self.server.complete(json.loads(body)))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            self.say(400, {"error": {"message": f"{type(error).__name__}: {error}"}})

    def say(self, status: int, answer: dict[str, Any]) -> None:
        """Send JSON."""
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Nothing for each request."""


def main(arguments: list[str] | None = None) -> int:
    """Serve; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tasks", type=Path, help="a JSON Lines file of tasks")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: 8000)")
    parser.add_argument("--slips", type=float, default=0.3, help="the chance of a slip in an answer (default: 0.3)")
    parser.add_argument("--seed", type=int, default=0, help="another seed slips elsewhere (default: 0)")
    options = parser.parse_args(arguments)
    try:
        server = Server(answers_of(options.tasks), options.port, options.slips, options.seed)
    except (OSError, ValueError) as error:
        print(f"reasoning_solver: {error}", file=sys.stderr)
        return 1
    print(f"the solver is served at http://127.0.0.1:{server.server_port}/v1", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
