"""What the jobs start from, and how their answers are read: rollouts as NeMo Gym writes them, and JSON Lines."""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from random import Random
from typing import Any, NoReturn

Row = dict[str, Any]


def rollout(draw: Random, task: int, attempt: int, question: str, text: str, reward: float, **more: Any) -> Row:
    """A row of a rollouts file with one answer."""

    def new(prefix: str) -> str:
        return f"{prefix}_{uuid.UUID(int=draw.getrandbits(128)).hex}"

    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": new("msg"), "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    response = {"id": new("resp"), "object": "response", "created_at": 0.0, "model": "policy", "output": [message]}
    response |= {"tools": [], "tool_choice": "auto", "parallel_tool_calls": False}
    return {
        "responses_create_params": {"input": [{"role": "user", "content": question}]},
        "response": response,
        "reward": reward,
        "task_source": "math_with_judge",
        "_ng_task_index": task,
        "_ng_rollout_index": attempt,
    } | more


def write(name: str, rows: list[Row]) -> None:
    """Write JSON Lines."""
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read(name: str) -> list[Row]:
    """Read JSON Lines of an answer; ends the check where that cannot be done."""
    path = Path(name)
    if not path.is_file():
        wrong(f"there is no {name}")
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        wrong(f"{name} is no JSON Lines: {error}")


def must(holds: bool, said: str) -> None:
    """End the check, unless something holds."""
    if not holds:
        wrong(said)


def wrong(said: str) -> NoReturn:
    """End the check: the answer is wrong."""
    sys.exit(f"wrong: {said}")
