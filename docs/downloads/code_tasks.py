"""Write coding tasks for NeMo Gym's code_gen that a model of 135 million weights can learn: functions of one line.

    python code_tasks.py [--output FOLDER] [--seed N] [--train N] [--same N] [--new N] [--examples N]

A task asks for a function `solve`, such as "the sum of the list xs times 7", and has unit tests that code_gen runs.

    train.jsonl        training tasks: each of 28 templates, with constants that the seed draws
    warm.jsonl         the first of these, behind three worked examples, for a model that does not know the format yet
    held-out.jsonl     tasks to measure with, for every seed the same: of these templates, and of 10 others

    python code_tasks.py --zero-shot SFT.jsonl --output FOLDER

turns the file of `gym-rollouts prepare --sft` into rows `prompt` and `completion`, without the worked examples.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SYSTEM = "Answer with Python code only."
QUESTION = "Write a Python function solve({name}) that returns {what}."
WORDS = ("bag", "bus", "cat", "cup", "dog", "egg", "end", "fan", "hat", "ice", "jam", "key", "map", "net", "pen", "tea")
LETTERS = "aeiourstnlmdcpghbf"
#: No template asks for these.
WORKED = (
    ("x", "x minus 3", "x - 3"),
    ("s", "the last 2 characters of the string s", "s[-2:]"),
    ("xs", "a list of the elements of xs plus 1", "[v + 1 for v in xs]"),
)
#: The seed of the tasks to measure with.
HELD_OUT = 999


@dataclass(frozen=True)
class Constants:
    """What a task is about: a factor, a number, a count, a word, and two letters."""

    k: int
    c: int
    m: int
    word: str
    one: str
    other: str


Rule = tuple[str, str, Callable[[Any, Constants], Any]]

#: Of each template its name: what the function takes, what it returns, and how that is computed.
TEMPLATES: dict[str, Rule] = {
    "add": ("x", "x plus {c}", lambda x, a: x + a.c),
    "times": ("x", "x times {k}", lambda x, a: x * a.k),
    "square": ("x", "x squared plus {c}", lambda x, a: x * x + a.c),
    "minus": ("x", "{c} minus x", lambda x, a: a.c - x),
    "divide": ("x", "x divided by {k}, rounded down", lambda x, a: x // a.k),
    "remainder": ("x", "the remainder of x divided by {k}", lambda x, a: x % a.k),
    "greater": ("x", "True if x is greater than {c}", lambda x, a: x > a.c),
    "divisible": ("x", "True if x is divisible by {k}", lambda x, a: x % a.k == 0),
    "larger": ("x", "the larger of x and {c}", lambda x, a: max(x, a.c)),
    "distance": ("x", "the absolute difference of x and {c}", lambda x, a: abs(x - a.c)),
    "linear": ("x", "x times {k} plus {c}", lambda x, a: x * a.k + a.c),
    "sum": ("xs", "the sum of the list xs plus {c}", lambda x, a: sum(x) + a.c),
    "count-greater": (
        "xs",
        "how many elements of the list xs are greater than {k}",
        lambda x, a: sum(v > a.k for v in x),
    ),
    "scale": ("xs", "a list with every element of xs multiplied by {k}", lambda x, a: [v * a.k for v in x]),
    "first": ("xs", "the first {m} elements of the list xs", lambda x, a: x[: a.m]),
    "last": ("xs", "the last {m} elements of the list xs", lambda x, a: x[-a.m :]),
    "less": ("xs", "a list of the elements of xs that are less than {c}", lambda x, a: [v for v in x if v < a.c]),
    "largest": ("xs", "the largest element of the list xs plus {c}", lambda x, a: max(x) + a.c),
    "length": ("xs", "the length of the list xs times {k}", lambda x, a: len(x) * a.k),
    "repeat": ("s", "the string s repeated {m} times", lambda s, a: s * a.m),
    "prefix": ("s", "the first {m} characters of the string s", lambda s, a: s[: a.m]),
    "append": ("s", "the string s with '{word}' added at the end", lambda s, a: s + a.word),
    "drop": ("s", "the string s without its first {m} characters", lambda s, a: s[a.m :]),
    "upper": ("s", "the string s in upper case followed by '{word}'", lambda s, a: s.upper() + a.word),
    "count-letter": ("s", "how many times the letter '{one}' appears in the string s", lambda s, a: s.count(a.one)),
    "replace": ("s", "the string s with every '{one}' replaced by '{other}'", lambda s, a: s.replace(a.one, a.other)),
    "starts": ("s", "True if the string s starts with '{one}'", lambda s, a: s.startswith(a.one)),
    "reverse": ("s", "the string s reversed and followed by '{word}'", lambda s, a: s[::-1] + a.word),
}

#: Templates that no training task has.
NEW: dict[str, Rule] = {
    "cube": ("x", "x cubed plus {c}", lambda x, a: x**3 + a.c),
    "smaller": ("x", "the smaller of x and {c}", lambda x, a: min(x, a.c)),
    "at-most": ("x", "True if x is at most {c}", lambda x, a: x <= a.c),
    "sum-times": ("xs", "the sum of the list xs times {k}", lambda x, a: sum(x) * a.k),
    "smallest": ("xs", "the smallest element of the list xs minus {c}", lambda x, a: min(x) - a.c),
    "without": ("xs", "the list xs without its last {m} elements", lambda x, a: x[: -a.m]),
    "all-greater": (
        "xs",
        "True if every element of the list xs is greater than {k}",
        lambda x, a: all(v > a.k for v in x),
    ),
    "ends": ("s", "True if the string s ends with '{one}'", lambda s, a: s.endswith(a.one)),
    "prepend": ("s", "the string s with '{word}' added at the beginning", lambda s, a: a.word + s),
    "title": ("s", "the string s in title case followed by '{word}'", lambda s, a: s.title() + a.word),
}


# ---------------------------------------------------------------------------------------------------- tasks


def inputs(name: str, a: Constants, dice: random.Random) -> list[Any]:
    """What a function is tried on: ordinary values, and those on both sides of its constants."""
    if name == "x":
        return [dice.randint(-20, 90) for _ in range(4)] + [a.c, a.c + 1, 3 * a.k, 0]
    if name == "xs":
        lists = [[dice.randint(-9, 70) for _ in range(dice.randint(a.m, 30))] for _ in range(4)]
        return [*lists, [a.k + dice.randint(1, 9) for _ in range(a.m + 1)]]
    texts = ["".join(dice.choice(f"{LETTERS} ") for _ in range(dice.randint(a.m, 30))) for _ in range(4)]
    return [*texts, f"{a.one}{texts[0]}{a.one}", f"{a.other}{texts[1]}{a.other}"]


def draw(family: str, rule: Rule, dice: random.Random) -> dict[str, Any] | None:
    """A task of a template; None where its tests would be passed by a function that always returns the same."""
    one, other = dice.sample(LETTERS, 2)
    a = Constants(dice.randint(2, 40), dice.randint(2, 60), dice.randint(2, 24), dice.choice(WORDS), one, other)
    name, what, compute = rule
    tried = inputs(name, a, dice)
    expected = [json.dumps(compute(value, a)) for value in tried]
    if len(set(expected)) == 1:
        return None
    question = QUESTION.format(name=name, what=what.format_map(vars(a)))
    tests = {"inputs": [json.dumps(value) for value in tried], "outputs": expected, "fn_name": "solve"}
    return {
        "responses_create_params": {
            "input": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
        },
        "verifier_metadata": {"unit_tests": tests, "family": family},
    }


def draw_tasks(templates: dict[str, Rule], count: int, seed: int, taken: set[str]) -> Iterator[dict[str, Any]]:
    """Tasks of some templates in turn, none of which asks what `taken` has, nor what another of them asks.

    Raises:
        ValueError: the templates have not so many.
    """
    dice = random.Random(f"{seed}")
    names = list(templates)
    drawn = tries = 0
    while drawn < count:
        family = names[tries % len(names)]
        tries += 1
        if tries > 200 * count:
            raise ValueError(f"{len(names)} templates have fewer than {count} tasks that differ")
        task = draw(family, templates[family], dice)
        if task is None or (question := question_of(task)) in taken:
            continue
        taken.add(question)
        drawn += 1
        yield task


def question_of(task: dict[str, Any]) -> str:
    """What a task asks."""
    return str(task["responses_create_params"]["input"][-1]["content"])


def with_examples(task: dict[str, Any]) -> dict[str, Any]:
    """A task behind the worked examples."""
    system, question = task["responses_create_params"]["input"]
    shown = []
    for name, what, answer in WORKED:
        shown.append({"role": "user", "content": QUESTION.format(name=name, what=what)})
        shown.append({"role": "assistant", "content": f"```python\ndef solve({name}):\n    return {answer}\n```"})
    return task | {"responses_create_params": {"input": [system, *shown, question]}}


def tasks_of(seed: int, train: int, same: int, new: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The training tasks of a seed, and the tasks to measure with, which are the same for every seed.

    Args:
        seed: of the training tasks.
        train: how many of these.
        same: how many to measure with that have their templates.
        new: how many that have not.
    """
    taken: set[str] = set()
    held_out = [
        task | {"verifier_metadata": task["verifier_metadata"] | {"part": part}}
        for part, templates, count in (("same", TEMPLATES, same), ("new", NEW, new))
        for task in draw_tasks(templates, count, HELD_OUT, taken)
    ]
    return list(draw_tasks(TEMPLATES, train, seed, taken)), held_out


# ----------------------------------------------------------------------------------------------- rows for SFT


def zero_shot(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `messages` as one of `prompt` and `completion`, without what stands between system and question."""
    system, *_, question, answer = row["messages"]
    said = {"role": "assistant", "content": answer["content"].strip()}
    return {"prompt": [plain(system), plain(question)], "completion": [said]}


def plain(message: dict[str, Any]) -> dict[str, Any]:
    """A message with its role and content only."""
    return {name: message[name] for name in ("role", "content")}


# -------------------------------------------------------------------------------------------------- command


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write JSON Lines, and say how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    print(f"{path}: {len(rows)} rows")


def main(arguments: list[str] | None = None) -> int:
    """Write the files; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(), help="a folder (default: this one)")
    parser.add_argument("--seed", type=int, default=0, help="of the training tasks (default: 0)")
    parser.add_argument("--train", type=int, default=480, help="training tasks (default: 480)")
    parser.add_argument("--examples", type=int, default=200, help="of which behind worked examples (default: 200)")
    parser.add_argument("--same", type=int, default=168, help="held out, of the same templates (default: 168)")
    parser.add_argument("--new", type=int, default=60, help="held out, of other templates (default: 60)")
    parser.add_argument("--zero-shot", type=Path, metavar="SFT", help="instead: rows of `messages` to turn")
    options = parser.parse_args(arguments)
    try:
        if options.zero_shot:
            lines = options.zero_shot.read_text(encoding="utf-8").splitlines()
            write(options.output / "trl-sft.jsonl", [zero_shot(json.loads(line)) for line in lines])
            return 0
        train, held_out = tasks_of(options.seed, options.train, options.same, options.new)
    except (OSError, ValueError) as error:
        print(f"code_tasks: {error}", file=sys.stderr)
        return 1
    write(options.output / "train.jsonl", train)
    write(options.output / "warm.jsonl", [with_examples(task) for task in train[: options.examples]])
    write(options.output / "held-out.jsonl", held_out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
