"""How often the steps on similar questions and people agree, on pairs of tasks that ship in NeMo Gym's wheel.

`data/labeled.jsonl` has the pairs: two lines of example files, or a line and an edit of it, and whether a person calls
them the same question. Each pair is judged alone: nothing shows what the prompts of its environment share.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from gym_rollouts import filter
from sample import answer, read, write

DATA = Path(__file__).parent / "data" / "labeled.jsonl"
FIGURES = Path(__file__).parents[2] / "docs" / "_data" / "similarity.json"
EDITS = {
    "before": lambda text: f"Please answer the following question.\n\n{text}",
    "after": lambda text: f"{text}\n\nThank you!",
    "spaces": lambda text: f"  {text.upper()}".replace(" ", "  "),
}


def task_at(root: Path, place: str) -> dict[str, Any]:
    """A task of an example file: `server/data/example.jsonl:line`."""
    name, _, line = place.rpartition(":")
    row: dict[str, Any] = json.loads((root / "resources_servers" / name).read_text().splitlines()[int(line) - 1])
    return row


def edited(row: dict[str, Any], edit: str) -> dict[str, Any]:
    """A task whose last message of a user is edited."""
    made: dict[str, Any] = json.loads(json.dumps(row))
    params = made["responses_create_params"]
    if isinstance(params["input"], str):
        params["input"] = EDITS[edit](params["input"])
        return made
    message = [each for each in params["input"] if each.get("role") == "user"][-1]
    if isinstance(message["content"], str):
        message["content"] = EDITS[edit](message["content"])
    else:
        part = next(part for part in message["content"] if "text" in part)
        part["text"] = EDITS[edit](part["text"])
    return made


def attempt(task: dict[str, Any], number: int) -> dict[str, Any]:
    """A solved attempt at a task."""
    made = {"responses_create_params": task["responses_create_params"], "response": {"output": answer("yes")}}
    return made | {"reward": 1.0, "agent_ref": {"name": "a"}, "_ng_task_index": number, "_ng_rollout_index": 0}


def reported(path: Path, **more: Any) -> bool:
    """Say whether the filter reports a line of a file, or finds that two of them ask one question."""
    filter([path], purpose="rl", kept=Path("k.jsonl"), reports=Path("rep.jsonl"), quiet=True, **more)
    return bool(read("rep.jsonl"))


def one_question(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Say whether the tool takes two tasks for spellings of one question, of which it reports neither."""
    from gym_rollouts.taskfile import row_of

    first, second = (row_of(0, json.dumps(each).encode()) for each in (one, other))
    return first.question == second.question


def rates(found: list[tuple[bool, bool]]) -> dict[str, float]:
    """Precision and recall of what was found, beside what people say."""
    hits = sum(said and label for said, label in found)
    return {
        "precision": round(hits / sum(said for said, _ in found), 3),
        "recall": round(hits / sum(label for _, label in found), 3),
    }


@pytest.mark.beside("nemo_gym")
def test_the_steps_find_what_people_call_the_same(here: Path) -> None:
    import nemo_gym

    root = Path(nemo_gym.__file__).parents[1]
    pairs = read(DATA)
    found: dict[str, list[tuple[bool, bool]]] = {"similar task": [], "evaluation set": []}
    for pair in pairs:
        one = task_at(root, pair["one"])
        other = task_at(root, pair["other"]) if "other" in pair else edited(one, pair["edit"])
        if "edit" in pair:
            one, other = other, one  # what training has may stand in a frame, what is evaluated does not
        write(Path("e.jsonl"), [{"responses_create_params": other["responses_create_params"]}])
        write(Path("one.jsonl"), [attempt(one, 0)])
        write(Path("two.jsonl"), [attempt(one, 0), attempt(other, 1)])
        similar = one_question(one, other) or reported(Path("two.jsonl"))
        leaked = reported(Path("one.jsonl"), evaluation=[Path("e.jsonl")], without=["similar task"])
        for step, said in (("similar task", similar), ("evaluation set", leaked)):
            found[step].append((said, pair["same"]))
            if said != pair["same"]:
                print(step, "reports" if said else "misses", pair)
    figures = {
        "pairs": len(pairs),
        "same": sum(pair["same"] for pair in pairs),
        "environments": len({pair[side].split("/")[0] for pair in pairs for side in ("one", "other") if side in pair}),
        "steps": {step: rates(each) for step, each in found.items()},
    }
    print(json.dumps(figures, indent=2))
    if os.environ.get("RECORD"):
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
    assert figures == json.loads(FIGURES.read_text()), "write them anew: RECORD=1, and read the difference"
    assert figures["pairs"] >= 100
    for each in figures["steps"].values():
        assert min(each.values()) >= 0.75


def test_an_edit_changes_the_last_message_of_a_user() -> None:
    row = {"responses_create_params": {"input": [{"role": "user", "content": "q"}]}}
    assert edited(row, "after")["responses_create_params"]["input"][0]["content"] == "q\n\nThank you!"
    assert row["responses_create_params"]["input"][0]["content"] == "q"


def test_rates() -> None:
    assert rates([(True, True), (True, False), (False, True), (False, False)]) == {"precision": 0.5, "recall": 0.5}
