"""Hold task rows against the contract of verl's recipe for NeMo Gym, which is in no package and needs another verl.

`docs/_data/verl-recipe.json` has the lines of its sources that read a row, at one commit. To see that another commit
still has them, give the path of a clone of verl-project/verl-recipe and, unless it is HEAD, a commit:

    python -m harness.consumers.verl_recipe PATH/TO/CLONE [COMMIT]
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from harness.consumers.strict import Problem, row_problems
from harness.nearest import nearest

DATA = Path(__file__).resolve().parents[2] / "docs" / "_data" / "verl-recipe.json"


def row(text: str) -> list[Problem]:
    """What is wrong with a row, as a text of JSON, that the recipe's dataset and agent loop read."""
    return row_problems([" ".join(text.split("\n"))], _fault)


def _fault(row: dict[str, Any]) -> str | None:
    """Why the recipe stops at a row, or would ask nothing of it; None where it does neither."""
    for name, stops in (("agent_ref", "'s agent loop raises without it"), ("responses_create_params", " asks nothing")):
        if name not in row:
            near = nearest(name, row)
            hint = f"; {near}" if near.startswith("did you") else ""
            return f"the row has no {name!r}: the recipe{stops}{hint}"
    agent = row["agent_ref"]
    if not isinstance(agent, dict) or "name" not in agent:
        return "'agent_ref' has no 'name', under which the recipe counts the row"
    messages = row["responses_create_params"].get("input")
    if not isinstance(messages, list) or not all(isinstance(each, dict) for each in messages):
        return "'input' is no list of messages, and the recipe's dataset takes each item for one"
    return None


def moved(read: Callable[[str], str]) -> Iterator[str]:
    """The lines of the contract that the files of a commit, given by their names, do not have in their places."""
    for each in json.loads(DATA.read_text(encoding="utf-8"))["reads"]:
        lines = read(each["file"]).split("\n")
        found = lines[each["line"] - 1].strip() if each["line"] <= len(lines) else ""
        if found != each["text"]:
            yield f"{each['file']}:{each['line']}: expected {each['text']!r}, found {found!r}"


def main(arguments: list[str]) -> int:
    """Compare a clone with the contract; the exit status."""
    clone, commit = arguments[0], [*arguments, "HEAD"][1]

    def read(name: str) -> str:
        command = ["git", "-C", clone, "show", f"{commit}:{name}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    faults = list(moved(read))
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
