"""A judge for NeMo Gym's math_with_judge that follows a rule: the same question gets the same verdict each time.

    python rule_judge.py [PORT]

It takes a number below a hundred in English words for the number, and nothing else for equal that differs. It answers
`/v1/chat/completions` on 127.0.0.1, as a model server does, and needs only Python.
"""

from __future__ import annotations

import json
import re
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAMES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
)
ONES = [*NAMES.split(), "eighteen", "nineteen"]
TENS = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
WORDS = dict(zip(ONES, range(20), strict=True))
WORDS |= {f"{TENS[ten]}-{ONES[one]}": 10 * ten + one for ten in range(2, 10) for one in range(1, 10)}
WORDS |= {TENS[ten]: 10 * ten for ten in range(2, 10)}


def plain(answer: str) -> str:
    """An answer as digits where it is a number in words, with or without `\\text{}`."""
    said = re.sub(r"\\text\{(.*)\}", r"\1", answer).strip()
    return str(WORDS.get(said.lower(), said))


def verdict(prompt: str) -> str:
    """The verdict on the two answers in a prompt of math_with_judge.

    Raises:
        ValueError: the prompt has not two answers.
    """
    answers = re.findall(r"<\|Start of Assistant [AB]'s Answer\|>\n(.*?)\n<\|End", prompt, re.DOTALL)
    if len(answers) != 2:
        raise ValueError("expected a prompt of math_with_judge, with two answers")
    same = plain(answers[0]) == plain(answers[1])
    return f"My final verdict: {'[[A=B]]' if same else '[[A!=B]]'}"


class Handler(BaseHTTPRequestHandler):
    """Answers a conversation whose last message is the prompt."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Judge."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        try:
            message = {"role": "assistant", "content": verdict(body["messages"][-1]["content"])}
        except ValueError as error:
            return self.say(400, {"error": {"message": f"{error}"}})
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        said = {"id": "judge", "object": "chat.completion", "created": 0, "model": "judge", "choices": [choice]}
        return self.say(200, said)

    def say(self, status: int, answer: dict[str, object]) -> None:
        """Send JSON."""
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing for each request."""


def main() -> None:
    """Serve until it is interrupted."""
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8001), Handler)
    print(f"The judge is ready at http://127.0.0.1:{server.server_port}/v1", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
