"""What `datasets/prepare-for-training` is measured against: one pass over the lines with `json.loads`.

It is what many would write first: one process, dictionaries, and everything in memory until the end. It takes the
page's options and gives the page's outputs, line for line, so that the two can be compared.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

TEXT_PARTS = ("input_text", "output_text")


def to_messages(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Chat messages from Responses items."""
    messages: list[dict[str, Any]] = []
    turn: dict[str, Any] | None = None
    for item in items:
        kind = item.get("type", "message")
        if kind == "reasoning":
            text = "\n\n".join(part["text"] for part in item.get("content") or item["summary"])
            if text:
                turn = {"role": "assistant", "content": None, "reasoning_content": text}
                messages.append(turn)
        elif kind == "function_call":
            if turn is None:
                turn = {"role": "assistant", "content": None}
                messages.append(turn)
            function = {"name": item["name"], "arguments": item["arguments"]}
            turn.setdefault("tool_calls", []).append({"id": item["call_id"], "function": function, "type": "function"})
        elif kind == "function_call_output":
            turn = None
            messages.append({"role": "tool", "content": item["output"], "tool_call_id": item["call_id"]})
        elif item["role"] == "assistant":
            if turn is None or turn["content"] is not None or "tool_calls" in turn:
                turn = {"role": "assistant", "content": None}
                messages.append(turn)
            turn["content"] = text_of(item["content"])
        else:
            turn = None
            messages.append({"role": item["role"], "content": text_of(item["content"])})
    return messages


def text_of(content: Any) -> str:
    """The text of an item's content."""
    return content if isinstance(content, str) else "".join(p["text"] for p in content if p["type"] in TEXT_PARTS)


def to_chat_tools(tools: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """The tools of a chat request."""
    keys = ("name", "description", "parameters", "strict")
    made = [{key: tool[key] for key in keys if tool.get(key) is not None} for tool in tools]
    return [{"type": "function", "function": function} for function in made] or None


def length_of(messages: list[dict[str, Any]]) -> int:
    """How many characters the model wrote."""
    length = 0
    for message in messages:
        if message["role"] == "assistant":
            length += len(message["content"] or "") + len(message.get("reasoning_content", ""))
            length += sum(len(call["function"]["arguments"]) for call in message.get("tool_calls", ()))
    return length


def read(line: bytes) -> dict[str, Any]:
    """A line as an attempt.

    Raises:
        ValueError, KeyError, TypeError: why it is none.
    """
    row = json.loads(line)
    if row.get("mask_sample"):
        raise ValueError("masked")
    if not math.isfinite(row["reward"]):
        raise ValueError("the reward is not finite")
    completion = to_messages(row["response"]["output"])
    if not completion:
        raise ValueError("the output is empty")
    params = row["responses_create_params"]
    return {
        "id": (row["_ng_task_index"], row["_ng_rollout_index"]),
        "reward": row["reward"],
        "length": length_of(completion),
        "prompt": to_messages(params["input"]),
        "tools": to_chat_tools(params.get("tools") or []),
        "completion": completion,
    }


def dump(row: dict[str, Any]) -> str:
    """A row as a line."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def run(options: argparse.Namespace) -> None:
    """Read every line, keep what the outputs need, and write them."""
    tasks: dict[int, list[dict[str, Any]]] = defaultdict(list)
    seen: set[tuple[int, int]] = set()
    rejected: list[dict[str, Any]] = []
    keep = options.sft or options.preference
    with options.rollouts.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                attempt = read(line)
                if attempt["id"] in seen:
                    raise ValueError("the same task and attempt as another line")
            except (ValueError, KeyError, TypeError) as error:
                rejected.append({"file": str(options.rollouts), "line": number, "reason": str(error)})
                continue
            seen.add(attempt["id"])
            if keep:  # as text, which takes less memory than dictionaries
                for part in ("prompt", "completion", "tools"):
                    attempt[part] = json.dumps(attempt[part], ensure_ascii=False, separators=(",", ":"))
            else:
                del attempt["prompt"], attempt["completion"], attempt["tools"]
            tasks[attempt["id"][0]].append(attempt)
    for attempts in tasks.values():
        attempts.sort(key=lambda attempt: attempt["id"])
    options.rejects.write_text("".join(map(dump, rejected)), encoding="utf-8")
    if options.metrics:
        write_metrics(tasks, options)
    if options.sft:
        write_sft(tasks, options)
    if options.preference:
        write_preference(tasks, options)


def write_metrics(tasks: dict[int, list[dict[str, Any]]], options: argparse.Namespace) -> None:
    """One line for each task."""
    with options.metrics.open("w", encoding="utf-8") as out:
        for task in sorted(tasks):
            rewards = [attempt["reward"] for attempt in tasks[task]]
            mean, deviation = round(fmean(rewards), 6), round(pstdev(rewards), 6)
            row = {"task_index": task, "attempts": len(rewards), "mean": mean, "deviation": deviation}
            out.write(dump(row | {"low": min(rewards), "high": max(rewards)}))


def write_sft(tasks: dict[int, list[dict[str, Any]]], options: argparse.Namespace) -> None:
    """The best attempts at each task."""
    with options.sft.open("w", encoding="utf-8") as out:
        for task in sorted(tasks):
            good = [attempt for attempt in tasks[task] if attempt["reward"] >= options.min_reward]
            good = sorted(good, key=lambda attempt: -attempt["reward"])[: options.per_task]
            for attempt in sorted(good, key=lambda attempt: attempt["id"]):
                messages = f"{attempt['prompt'][:-1]},{attempt['completion'][1:]}"
                out.write(
                    f'{{"messages":{messages},"tools":{attempt["tools"]},"reward":{json.dumps(attempt["reward"])},'
                    f'"task_index":{attempt["id"][0]},"rollout_index":{attempt["id"][1]}}}\n'
                )


def write_preference(tasks: dict[int, list[dict[str, Any]]], options: argparse.Namespace) -> None:
    """The i-th best with the i-th worst attempt at each task."""
    with options.preference.open("w", encoding="utf-8") as out:
        for task in sorted(tasks):
            best = sorted(tasks[task], key=lambda attempt: (-attempt["reward"], attempt["length"], attempt["id"]))
            worst = sorted(tasks[task], key=lambda attempt: (attempt["reward"], attempt["length"], attempt["id"]))
            for chosen, rejected in list(zip(best, worst, strict=True))[: options.pairs_per_task]:
                margin = chosen["reward"] - rejected["reward"]
                lengths = sorted((chosen["length"], rejected["length"]))
                if margin < options.margin or lengths[1] > options.max_length_ratio * lengths[0]:
                    continue
                out.write(
                    f'{{"prompt":{chosen["prompt"]},"chosen":{chosen["completion"]},'
                    f'"rejected":{rejected["completion"]},"tools":{chosen["tools"]},'
                    f'"chosen_reward":{json.dumps(chosen["reward"])},"rejected_reward":{json.dumps(rejected["reward"])},'
                    f'"margin":{json.dumps(margin)},"task_index":{task}}}\n'
                )


def main() -> None:
    """The page's command line, as far as the bench uses it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rollouts", type=Path)
    for name in ("sft", "preference", "metrics"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--rejects", type=Path, required=True)
    parser.add_argument("--min-reward", type=float, default=1.0)
    parser.add_argument("--per-task", type=int, default=1 << 62)
    parser.add_argument("--margin", type=float, default=0.5)
    parser.add_argument("--pairs-per-task", type=int, default=1)
    parser.add_argument("--max-length-ratio", type=float, default=math.inf)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
