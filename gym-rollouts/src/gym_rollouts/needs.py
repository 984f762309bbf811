"""Options that do something only beside others: one that would be ignored is refused, so that nobody relies on it.

Only what was given on the command line is held against this: an option at its default asks for nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from gym_rollouts.decisions.steps import PURPOSES
from gym_rollouts.errors import Fault

Values = dict[str, Any]


@dataclass(frozen=True)
class Need:
    """What some options need: `used` says of all values whether they do something, `mend` what to do if not."""

    options: tuple[str, ...]
    used: Callable[[Values], bool]
    mend: str


def _given(*names: str) -> Callable[[Values], bool]:
    """Say whether one of some options is given."""
    return lambda values: any(values[name] for name in names)


def _takes(step: str) -> Callable[[Values], bool]:
    """Say whether `filter` takes a step."""
    return lambda values: step in PURPOSES[values["purpose"]] and step not in (values["without"] or ())


#: For each command the options that need others, by the names of its parameters; those of "" are of all commands.
NEEDS: dict[str, tuple[Need, ...]] = {
    "": (Need(("address",), lambda values: values["engine"] == "ray", "give --engine ray"),),
    "balance": (Need(("topic",), _given("topics"), "give --topics, the file whose rows have the field"),),
    "check": (Need(("reasoning",), _given("template"), "give --template, whose text is to hold the reasoning"),),
    "filter": (
        Need(("low", "high"), _takes("pass rate"), "leave --without 'pass rate' out"),
        Need(("longest",), _takes("too long"), "take --for sft or dpo, and the step 'too long'"),
        Need(("evaluation",), _takes("evaluation set"), "leave --without 'evaluation set' out"),
    ),
    "prepare": (
        Need(("min_reward", "per_task"), _given("sft"), "give --sft, whose examples it chooses"),
        Need(("pairs_per_task", "max_length_ratio"), _given("preference"), "give --preference, whose pairs it chooses"),
        Need(("margin",), _given("preference", "rl"), "give --preference or --rl"),
        Need(
            ("shards", "arguments", "developer", "reasoning_field", "empty_content"),
            _given("sft", "preference"),
            "give --sft or --preference: RL tasks are written as they are",
        ),
        Need(
            ("truncated",),
            lambda values: values["sft"] or values["preference"] or values["truncated"] == "keep",
            "give --sft or --preference: RL tasks are chosen by all attempts",
        ),
    ),
    "show": (
        Need(("count", "width", "full"), lambda values: not values["symptoms"], "leave --symptoms out"),
        Need(
            ("solved",),
            lambda values: values["symptoms"] or values["failing"] or values["symptom"] == "stops early",
            "give --failing or --symptoms",
        ),
    ),
    "watch": (Need(("every", "patience"), lambda values: not values["once"], "leave --once out"),),
}  # fmt: skip


def check_needs(command: str, values: Values, given: Collection[str], spelled: Callable[[str], str]) -> None:
    """See that no option is given that would be ignored, and no number that is none.

    Args:
        command: the name of the command.
        values: the values of all its parameters.
        given: the parameters that the user gave.
        spelled: the option that a parameter is.

    Raises:
        Fault: one is.
    """
    for need in (*NEEDS[""], *NEEDS.get(command, ())):
        for name in need.options:
            if name in given and not need.used(values):
                option = spelled(name)
                raise Fault(f"{option} does nothing here: {need.mend}, or leave {option} out")
    for name in given:
        if isinstance(values[name], float) and values[name] != values[name]:
            raise Fault(f"{spelled(name)} nan: expected a number")
