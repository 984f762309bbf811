r"""Write math tasks for NeMo Gym's math_with_judge that a model of 135 million weights can learn: numbers are answers.

    python math_tasks.py [--output FOLDER] [--seed N] [--train N] [--same N] [--new N] [--examples N]

A task asks for a number in \boxed{}, such as "Which number is larger, 52 or 31?".

    train.jsonl        training tasks: each of 12 templates, with numbers that the seed draws
    warm.jsonl         the first of these, each behind three worked examples of its template
    held-out.jsonl     tasks to measure with, for every seed the same: of these templates, and of 5 others

    python math_tasks.py --zero-shot SFT.jsonl --output FOLDER

turns the file of `gym-rollouts prepare --sft` into rows `prompt` and `completion`, without the worked examples, and
leaves out those that do not give a plain number: math_with_judge also accepts a sum in the box, such as 29 + 7 for 36.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SYSTEM = r"Give the answer in \boxed{}."
PLAIN = re.compile(r"\\boxed\{\d+\}")
#: The seeds of the tasks to measure with, and of the worked examples.
HELD_OUT, WORKED = 999, 998
#: Worked examples of each template.
SHOWN = 3

NAMES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
)
ONES = [*NAMES.split(), "eighteen", "nineteen"]
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

Template = Callable[[random.Random], tuple[str, int]]


# ------------------------------------------------------------------------------------------------ templates


def larger(dice: random.Random) -> tuple[str, int]:
    """The larger or smaller of two numbers."""
    one, other = dice.sample(range(10, 100), 2)
    word, choose = dice.choice((("larger", max), ("smaller", min)))
    return f"Which number is {word}, {one} or {other}?", choose(one, other)


def largest(dice: random.Random) -> tuple[str, int]:
    """The largest or smallest of three numbers."""
    numbers = dice.sample(range(10, 100), 3)
    word, choose = dice.choice((("largest", max), ("smallest", min)))
    return f"Which number is the {word}: {numbers[0]}, {numbers[1]} or {numbers[2]}?", choose(numbers)


def neighbor(dice: random.Random) -> tuple[str, int]:
    """The number after or before another one."""
    number = dice.randint(11, 198)
    word, step = dice.choice((("after", 1), ("before", -1)))
    return f"What number comes right {word} {number}?", number + step


def sequence(dice: random.Random) -> tuple[str, int]:
    """The next number of a sequence with equal steps."""
    start, step = dice.randint(1, 30), dice.randint(1, 10)
    shown = ", ".join(str(start + step * at) for at in range(4))
    return f"What number comes next: {shown}?", start + 4 * step


def tens(dice: random.Random) -> tuple[str, int]:
    """The sum of two multiples of ten."""
    one, other = (10 * dice.randint(1, 15) for _ in range(2))
    return f"What is {one} plus {other}?", one + other


def add(dice: random.Random) -> tuple[str, int]:
    """The sum of a number below 30 and a digit."""
    one, other = dice.randint(2, 29), dice.randint(2, 9)
    return f"What is {one} plus {other}?", one + other


def subtract(dice: random.Random) -> tuple[str, int]:
    """A number below 30 less a digit."""
    one, other = dice.randint(10, 29), dice.randint(2, 9)
    return f"What is {one} minus {other}?", one - other


def count(dice: random.Random) -> tuple[str, int]:
    """How many numbers a list has."""
    numbers = [dice.randint(1, 9) for _ in range(dice.randint(2, 8))]
    return f"How many numbers are in this list: {', '.join(map(str, numbers))}?", len(numbers)


def in_words(number: int) -> str:
    """A number below 100 in words."""
    if number < 20:
        return ONES[number]
    ten, one = divmod(number, 10)
    return f"{TENS[ten - 2]}-{ONES[one]}" if one else TENS[ten - 2]


def words(dice: random.Random) -> tuple[str, int]:
    """A number that is written in words."""
    number = 100 * dice.randint(1, 9) + dice.randint(1, 99)
    return f"Write {ONES[number // 100]} hundred {in_words(number % 100)} in digits.", number


def double(dice: random.Random) -> tuple[str, int]:
    """Twice a number."""
    number = dice.randint(2, 99)
    return f"What is {number} times 2?", 2 * number


def ones(dice: random.Random) -> tuple[str, int]:
    """The last digit of a number."""
    number = dice.randint(100, 999)
    return f"What is the last digit of {number}?", number % 10


def even(dice: random.Random) -> tuple[str, int]:
    """The even or odd one of two numbers."""
    one, other = 2 * dice.randint(5, 49), 2 * dice.randint(5, 49) + 1
    word, answer = dice.choice((("even", one), ("odd", other)))
    shown = dice.sample((one, other), 2)
    return f"Which number is {word}, {shown[0]} or {shown[1]}?", answer


def between(dice: random.Random) -> tuple[str, int]:
    """The number between two others."""
    number = dice.randint(11, 198)
    return f"What number is between {number - 1} and {number + 1}?", number


def digits(dice: random.Random) -> tuple[str, int]:
    """How many digits a number has."""
    wanted = dice.randint(2, 7)
    return f"How many digits does {dice.randint(10 ** (wanted - 1), 10**wanted - 1)} have?", wanted


def last(dice: random.Random) -> tuple[str, int]:
    """The last number of a list."""
    numbers = dice.sample(range(10, 100), dice.randint(3, 5))
    return f"What is the last number in this list: {', '.join(map(str, numbers))}?", numbers[-1]


def parts(dice: random.Random) -> tuple[str, int]:
    """The sum of tens and ones."""
    ten, one = 10 * dice.randint(5, 19), dice.randint(1, 9)
    return f"What do {ten} and {one} add up to?", ten + one


def first(dice: random.Random) -> tuple[str, int]:
    """The first digit of a number."""
    number = dice.randint(100, 999)
    return f"What is the first digit of {number}?", number // 100


TEMPLATES: dict[str, Template] = {
    each.__name__: each
    for each in (larger, largest, neighbor, sequence, tens, add, subtract, count, words, double, ones, even)
}
#: Templates that no training task has.
NEW: dict[str, Template] = {each.__name__: each for each in (between, digits, last, parts, first)}


# ---------------------------------------------------------------------------------------------------- tasks


def task_of(family: str, question: str, answer: int) -> dict[str, Any]:
    """A row of math_with_judge; `verifier_metadata` is for those who count, and the verifier does not read it."""
    told = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
    return {
        "responses_create_params": {"input": told},
        "question": question,
        "expected_answer": f"{answer}",
        "verifier_metadata": {"family": family},
    }


def draw_tasks(templates: dict[str, Template], number: int, seed: int, taken: set[str]) -> Iterator[dict[str, Any]]:
    """Tasks of some templates in turn, none of which asks what `taken` has, nor what another of them asks.

    Raises:
        ValueError: a template has not so many.
    """
    dice = random.Random(f"{seed}")
    names = list(templates)
    for drawn in range(number):
        family = names[drawn % len(names)]
        for _ in range(1000):
            question, answer = templates[family](dice)
            if question not in taken:
                break
        else:
            raise ValueError(f"the template {family} has not {number // len(names)} tasks that differ")
        taken.add(question)
        yield task_of(family, question, answer)


def worked_examples() -> dict[str, list[dict[str, str]]]:
    """Of each training template the conversation that shows how it is answered."""
    shown: dict[str, list[dict[str, str]]] = {}
    for task in draw_tasks(TEMPLATES, SHOWN * len(TEMPLATES), WORKED, set()):
        shown.setdefault(task["verifier_metadata"]["family"], []).extend(
            (
                {"role": "user", "content": task["question"]},
                {"role": "assistant", "content": rf"\boxed{{{task['expected_answer']}}}"},
            )
        )
    return shown


def with_examples(task: dict[str, Any], shown: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    """A task behind the worked examples of its template."""
    system, question = task["responses_create_params"]["input"]
    told = [system, *shown[task["verifier_metadata"]["family"]], question]
    return task | {"responses_create_params": {"input": told}}


def tasks_of(seed: int, train: int, same: int, new: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The training tasks of a seed, and the tasks to measure with, which are the same for every seed.

    Args:
        seed: of the training tasks.
        train: how many of these.
        same: how many to measure with that have their templates.
        new: how many that have not.
    """
    taken = {each["content"] for told in worked_examples().values() for each in told if each["role"] == "user"}
    held_out = [
        task | {"verifier_metadata": task["verifier_metadata"] | {"part": part}}
        for part, templates, number in (("same", TEMPLATES, same), ("new", NEW, new))
        for task in draw_tasks(templates, number, HELD_OUT, taken)
    ]
    return list(draw_tasks(TEMPLATES, train, seed, taken)), held_out


def warm_of(train: list[dict[str, Any]], examples: int) -> list[dict[str, Any]]:
    """The first training tasks behind worked examples, template by template: a server reads what they share once."""
    shown = worked_examples()
    chosen = sorted(train[:examples], key=lambda task: list(TEMPLATES).index(task["verifier_metadata"]["family"]))
    return [with_examples(task, shown) for task in chosen]


# ----------------------------------------------------------------------------------------------- rows for SFT


def is_plain(row: dict[str, Any]) -> bool:
    """Whether the answer of a row of `messages` has a plain number in its box."""
    return PLAIN.search(row["messages"][-1]["content"]) is not None


def zero_shot(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `messages` as one of `prompt` and `completion`, without what stands between system and question."""
    system, *_, question, answer = row["messages"]
    prompt = [{name: each[name] for name in ("role", "content")} for each in (system, question)]
    return {"prompt": prompt, "completion": [{"role": "assistant", "content": answer["content"].strip()}]}


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
    parser.add_argument("--examples", type=int, default=320, help="of which behind worked examples (default: 320)")
    parser.add_argument("--same", type=int, default=168, help="held out, of the same templates (default: 168)")
    parser.add_argument("--new", type=int, default=60, help="held out, of other templates (default: 60)")
    parser.add_argument("--zero-shot", type=Path, metavar="SFT", help="instead: rows of `messages` to turn")
    options = parser.parse_args(arguments)
    try:
        if options.zero_shot:
            lines = options.zero_shot.read_text(encoding="utf-8").splitlines()
            rows = [row for row in map(json.loads, lines) if is_plain(row)]
            write(options.output / "trl-sft.jsonl", [zero_shot(row) for row in rows])
            return 0
        train, held_out = tasks_of(options.seed, options.train, options.same, options.new)
    except (OSError, ValueError) as error:
        print(f"math_tasks: {error}", file=sys.stderr)
        return 1
    write(options.output / "train.jsonl", train)
    write(options.output / "warm.jsonl", warm_of(train, options.examples))
    write(options.output / "held-out.jsonl", held_out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
