# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "requests"]
# ///
"""Train a tiny policy by GRPO, with rewards that a running NeMo Gym gives over HTTP.

    python tiny_grpo.py tasks.jsonl --server mcqa --limit 16 --steps 20

It shows what a trainer of your own needs to talk to NeMo Gym, and imports nothing of it. The policy answers
multiple-choice tasks: it is a softmax over the answer letters of each task, so it learns these tasks by heart. In each
step it samples a group of answers for each task, has a resources server verify them, and moves its logits along the
policy gradient. An attempt that was not measured is never a reward of 0: the run stops, or leaves the attempt out.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import requests

Row = dict[str, Any]
Array = np.ndarray[Any, np.dtype[Any]]

WAITS = (0.5, 2.0)  # seconds before the second and the third try
BUSY = {429, 502, 503, 504}  # statuses of a server that may answer a little later


class RolloutFailed(RuntimeError):
    """An attempt without a verdict: a server did not answer, or it answered with an error of its own."""


class RequestRefused(RolloutFailed):
    """A server refused what was sent (HTTP 4xx). It would refuse it again."""


def response_of(text: str) -> dict[str, Any]:
    """A model response in which the model says `text`, in the form of the Responses API."""
    content = [{"type": "output_text", "text": text, "annotations": []}]
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": "tiny",
        "output": [message],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }


def reason(answer: requests.Response) -> str:
    """Why a server refused a request: the fields that it complains of, or the start of what it answered."""
    if answer.status_code == 422:
        return "; ".join(f"{'.'.join(map(str, each['loc'][1:]))}: {each['msg']}" for each in answer.json()["detail"])
    return answer.text[:300]


def reward_of(verdict: dict[str, Any]) -> float:
    """The reward of a verdict; NaN where the server says that it measured nothing (`mask_sample`)."""
    return float("nan") if verdict.get("mask_sample") else float(verdict["reward"])


class Gym:
    """The servers of a running NeMo Gym.

    Args:
        head: the address of the head server, which knows all others.
        waits: seconds to wait before each further try.
        timeout: seconds that a server may take to answer.

    Raises:
        RolloutFailed: the head server does not answer.
    """

    def __init__(
        self, head: str = "http://127.0.0.1:11000", waits: tuple[float, ...] = WAITS, timeout: float = 600
    ) -> None:
        self.waits, self.timeout = waits, timeout
        try:
            listed = requests.get(f"{head}/server_instances", timeout=10)
            listed.raise_for_status()
        except requests.RequestException as error:
            raise RolloutFailed(f"no head server at {head}: {type(error).__name__}") from None
        self.urls = {each["process_name"]: each["url"] for each in listed.json()}

    def post(self, session: requests.Session, server: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Post to a server; the body of its answer.

        Raises:
            RequestRefused: the environment has no such server, or it refused the body.
            RolloutFailed: the server failed.
            requests.RequestException: it could not be reached, is busy, or took too long.
        """
        if server not in self.urls:
            raise RequestRefused(f"{server} is not running; these are: {', '.join(sorted(self.urls))}")
        answer = session.post(f"{self.urls[server]}/{path}", json=body, timeout=self.timeout)
        if answer.ok:
            return answer.json()
        if answer.status_code in BUSY:
            raise requests.ConnectionError(f"HTTP {answer.status_code}")
        kind = RequestRefused if answer.status_code < 500 else RolloutFailed
        raise kind(f"{server}/{path} answered {answer.status_code}: {reason(answer)}")

    def verify(self, server: str, row: Row, text: str) -> dict[str, Any]:
        """The verdict on the answer `text` to a task: `reward`, `mask_sample`, and the server's own fields.

        A further try starts with a new session, as the first one did: nobody knows how far the lost one came.

        Raises:
            RolloutFailed: there is no verdict, after all tries.
        """
        for wait in (*self.waits, None):
            try:
                with requests.Session() as session:
                    self.post(session, server, "seed_session", row)
                    return self.post(session, server, "verify", row | {"response": response_of(text)})
            except requests.ConnectionError as error:
                if wait is None:
                    tries = len(self.waits) + 1
                    raise RolloutFailed(f"{server} gave no answer in {tries} tries: {type(error).__name__}") from None
                time.sleep(wait)
            except requests.RequestException as error:
                raise RolloutFailed(f"{server}: {type(error).__name__}") from None
        raise AssertionError("the last try returns or raises")


class Policy:
    """For each task a softmax over its answer letters; all are equally likely at first."""

    def __init__(self, tasks: int, letters: int) -> None:
        self.logits = np.zeros((tasks, letters))

    def probabilities(self) -> Array:
        """The chance of each letter: an array of (tasks, letters)."""
        scores = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    def sample(self, random: np.random.Generator, attempts: int) -> Array:
        """Draw letters, as numbers from 0: an array of (tasks, attempts)."""
        drawn = random.random((len(self.logits), attempts, 1))
        below = np.cumsum(self.probabilities(), axis=1)[:, None, :-1]
        return (drawn > below).sum(axis=2)

    def update(self, letters: Array, advantage: Array, rate: float) -> None:
        """One step along the policy gradient: the mean over a group of advantage times grad log p(letter)."""
        chosen = np.eye(self.logits.shape[1])[letters]
        gradient = advantage[:, :, None] * (chosen - self.probabilities()[:, None, :])
        self.logits += rate * gradient.mean(axis=1)


def advantages(rewards: Array) -> Array:
    """Each reward less the mean of its task's group; the groups are the rows of (tasks, attempts).

    NaN is an attempt that was not measured: it has no say in the mean, and gets 0, which moves nothing. So does each
    attempt of a group with fewer than two measured ones. Nothing is divided by the standard deviation.
    """
    measured = ~np.isnan(rewards)
    count = measured.sum(axis=1, keepdims=True)
    mean = np.nansum(rewards, axis=1, keepdims=True) / np.maximum(count, 1)
    return np.where(measured & (count > 1), rewards - mean, 0.0)


def collect(gym: Gym, server: str, rows: list[Row], answers: Array, mask: bool, workers: int) -> Array:
    """Have each answer verified: rewards of (tasks, attempts), NaN where an attempt was masked.

    Args:
        answers: the letter of each attempt, as a number: (tasks, attempts).
        mask: leave out an attempt that failed, in place of stopping.
        workers: how many attempts to verify at a time.

    Raises:
        RolloutFailed: an attempt failed and `mask` is off, or the server refused a request.
    """

    def attempt(task: int, letter: int) -> float:
        row = rows[task]
        name = next(iter(row["options"][letter]))
        try:
            return reward_of(gym.verify(server, row, rf"\boxed{{{name}}}"))
        except RolloutFailed as error:
            if mask and not isinstance(error, RequestRefused):
                return float("nan")
            raise type(error)(f"task {row['_ng_task_index']}: {error}") from None

    tasks = np.repeat(np.arange(len(rows)), answers.shape[1])
    with ThreadPoolExecutor(workers) as pool:
        rewards = list(pool.map(attempt, tasks.tolist(), answers.ravel().tolist()))
    return np.array(rewards).reshape(answers.shape)


def read(path: Path, limit: int | None) -> list[Row]:
    """The first tasks of a file, each with the number of its group.

    Raises:
        ValueError: a task is not multiple choice, or has not as many options as the first.
    """
    lines = path.read_text(encoding="utf-8").splitlines()[:limit]
    rows = [{"_ng_task_index": index} | json.loads(line) for index, line in enumerate(lines)]
    for number, row in enumerate(rows, start=1):
        if len(row.get("options") or []) != len(rows[0].get("options") or []) or not row.get("options"):
            raise ValueError(f"{path}, line {number}: every task needs `options`, as many as the first one")
    return rows


def train(gym: Gym, rows: list[Row], options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train a new policy on the tasks, and print a line for some steps; a row for each step."""
    policy = Policy(len(rows), len(rows[0]["options"]))
    random = np.random.default_rng(options.seed)
    steps = []
    print("step  mean reward  tasks with signal  masked attempts")
    for step in range(options.steps):
        letters = policy.sample(random, options.group)
        rewards = collect(gym, options.server, rows, letters, options.on_failure == "mask", options.concurrency)
        masked = int(np.isnan(rewards).sum())
        if masked > options.max_masked * rewards.size:
            raise RolloutFailed(f"step {step}: {masked} of {rewards.size} attempts were not measured")
        advantage = advantages(rewards)
        policy.update(letters, advantage, options.rate)
        signal = int(advantage.any(axis=1).sum())
        steps.append({"step": step, "reward": float(np.nanmean(rewards)), "signal": signal, "masked": masked})
        if step % options.every == 0 or step == options.steps - 1:
            print(f"{step:4}  {steps[-1]['reward']:11.2f}  {f'{signal} of {len(rows)}':>17}  {masked:15}", flush=True)
    return steps


def main() -> None:
    """Read the command line, train, and save a row for each step."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("tasks", type=Path, help="JSONL file of multiple-choice tasks")
    parser.add_argument("--server", default="mcqa", help="the resources server that verifies (default: %(default)s)")
    parser.add_argument(
        "--head", default="http://127.0.0.1:11000", help="NeMo Gym's head server (default: %(default)s)"
    )
    parser.add_argument("--limit", type=int, help="use only the first tasks of the file")
    parser.add_argument("--steps", type=int, default=20, help="updates of the policy (default: %(default)s)")
    parser.add_argument("--group", type=int, default=8, help="attempts at each task in a step (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=1.5, help="learning rate (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the answers that the policy draws (default: %(default)s)"
    )
    parser.add_argument("--concurrency", type=int, default=16, help="attempts at a time (default: %(default)s)")
    parser.add_argument(
        "--on-failure",
        choices=["stop", "mask"],
        default="stop",
        help="what an attempt without a verdict does (default: %(default)s)",
    )
    parser.add_argument("--max-masked", type=float, default=0.25, help="stop above this share (default: %(default)s)")
    parser.add_argument("--every", type=int, default=4, help="print every so many steps (default: %(default)s)")
    parser.add_argument(
        "--log", type=Path, default=Path("steps.jsonl"), help="a row for each step (default: %(default)s)"
    )
    options = parser.parse_args()
    try:
        steps = train(Gym(options.head), read(options.tasks, options.limit), options)
    except (RolloutFailed, ValueError) as error:
        sys.exit(f"tiny_grpo: {error}")
    options.log.write_text("".join(json.dumps(step) + "\n" for step in steps), encoding="utf-8")


if __name__ == "__main__":
    main()
