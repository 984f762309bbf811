"""What the rows of an output are made of, as far as a format must know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gym_rollouts.messages import Template

Kind = Literal["sft", "preference"]
#: The fields of each kind in their order: lists of messages, JSON, numbers, whole numbers.
FIELDS: dict[Kind, dict[str, Literal["messages", "json", "number", "index"]]] = {
    "sft": {
        "messages": "messages",
        "tools": "json",
        "reward": "number",
        "task_index": "index",
        "rollout_index": "index",
    },
    "preference": {
        "prompt": "messages",
        "chosen": "messages",
        "rejected": "messages",
        "tools": "json",
        "chosen_reward": "number",
        "rejected_reward": "number",
        "margin": "number",
        "task_index": "index",
    },
}


@dataclass(frozen=True)
class Layout:
    """The kind of the rows, how their messages are written, and whether a content among them has parts."""

    kind: Kind
    template: Template
    parts: bool
