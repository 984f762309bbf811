"""Rows to test with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def answer(text: str) -> list[dict[str, Any]]:
    return [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": text}]}]


def call(name: str = "f", arguments: str = "{}", call_id: str = "c1") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def result(output: Any = "ok", call_id: str = "c1") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def rollout(
    task: int | None = 0,
    attempt: int | None = 0,
    reward: Any = 1.0,
    text: str = "4",
    question: Any = "2 + 2?",
    output: list[Any] | None = None,
    params: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    prompt = [{"role": "user", "content": question}] if isinstance(question, str) else question
    row = {
        "responses_create_params": {"input": prompt} | (params or {}),
        "response": {"output": answer(text) if output is None else output},
        "reward": reward,
        "agent_ref": {"name": "env_agent"},
    }
    if task is not None:
        row["_ng_task_index"] = task
    if attempt is not None:
        row["_ng_rollout_index"] = attempt
    return row | more


def write(path: Path, rows: list[Any]) -> Path:
    """Write rows as JSON Lines; a text or bytes are a line as they stand."""
    lines = [
        row if isinstance(row, bytes) else (row if isinstance(row, str) else json.dumps(row)).encode() for row in rows
    ]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def read(path: Path | str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_bytes().split(b"\n") if line]
