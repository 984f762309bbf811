"""The recipe on reasoning: its tasks, its two rewards, and a tokenizer that sees letters."""

from __future__ import annotations

import json
import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.request import Request, urlopen

import pytest

from recipes import live, reasoning
from recipes.__main__ import parse
from tests.pages.modules import imported


@pytest.fixture(scope="module")
def reasoning_tasks() -> Iterator[ModuleType]:
    with imported(live.DOWNLOADS, "reasoning_tasks") as modules:
        yield modules.reasoning_tasks


def test_what_is_measured_on_is_the_same_for_every_seed_and_in_no_training_task(reasoning_tasks: ModuleType) -> None:
    (train, held_out), (other, again) = (reasoning_tasks.tasks_of(seed, 120, 30) for seed in (0, 1))
    assert held_out == again
    asked = [{task["question"] for task in tasks} for tasks in (train, other, held_out)]
    assert [len(each) for each in asked] == [120, 120, 30], "no question is asked twice"
    assert not asked[0] & asked[2]
    assert not asked[1] & asked[2]
    assert asked[0] != asked[1]
    kinds = [task["verifier_metadata"]["family"] for task in train]
    assert kinds == list(reasoning_tasks.KINDS) * 40, "a third of each, in turn"


def test_the_download_is_what_the_program_writes_first(reasoning_tasks: ModuleType) -> None:
    rows = [json.loads(line) for line in (live.DOWNLOADS / "reasoning_train.jsonl").read_text().splitlines()]
    one = reasoning.SETTINGS
    assert len(rows) == 150
    assert rows == json.loads(json.dumps(reasoning_tasks.tasks_of(0, one.train, one.same)[0][:150]))


def test_the_page_counts_the_kinds_as_the_library_does() -> None:
    import reasoning_gym.factory
    from reasoning_gym.dataset import ProceduralDataset

    kinds = {name: each for name, (each, _) in reasoning_gym.factory.DATASETS.items() if name != "composite"}
    counted = Counter(each.__module__.split(".")[1] for each in kinds.values())
    text = (live.DOWNLOADS.parent / "training-tutorials" / "reasoning-training.md").read_text(encoding="utf-8")
    table = re.findall(r"(?m)^\| (\w+) \| (\d+) \| (`.*) \|$", text)
    assert {category: int(count) for category, count, _ in table} == counted
    assert {name for *_, names in table for name in re.findall(r"`(\w+)`", names)} <= kinds.keys()
    own = [each for each in kinds.values() if each.score_answer is not ProceduralDataset.score_answer]
    assert f"{len(kinds)} kinds" in text
    assert f"{len(own)} kinds have a scoring function" in text


def test_more_tasks_than_there_are_is_refused(reasoning_tasks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(reasoning_tasks.KINDS, "coin_flip", {"min_trials": 2, "max_trials": 2})
    with pytest.raises(ValueError, match=r"coin_flip: found \d of 100 tasks"):
        list(reasoning_tasks.draw("coin_flip", 0, 100, set()))


def test_rewards_in_training_are_the_verifiers(
    reasoning_tasks: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right, half right and wrong answers of each kind; what is half right is worth a part, and is not exact."""
    rows = reasoning_tasks.tasks_of(0, 9, 3)[0]
    spell = [row for row in rows if row["metadata"]["source_dataset"] == "spell_backward"]
    answers = [(row, row["answer"]) for row in rows]
    answers += [(row, "<answer>" + row["answer"] + "</answer>") for row in rows]
    answers += [(row, row["answer"][:-1] + "#") for row in spell]
    answers += [(row, "?") for row in rows]
    with (
        imported(live.DOWNLOADS, "partial_credit", "gym_trl") as modules,
        live.gym(reasoning.ENVIRONMENT, tmp_path) as gym,
    ):
        monkeypatch.setenv("VERIFIER", gym.address())
        texts, tasks = [text for _, text in answers], [json.dumps(row) for row, _ in answers]
        score = modules.partial_credit.score(texts, tasks)
        exact = modules.partial_credit.exact(texts, tasks)
        assert modules.partial_credit.exact(texts[:2], tasks[:2]) == [1.0, 1.0], "another batch is asked for"
    parts = [1 - 1 / len(row["answer"]) for row in spell]
    assert score == pytest.approx([1.0] * 18 + parts + [0.0] * 9)
    assert exact == [1.0] * 18 + [0.0] * 12


def test_the_solver_slips_as_often_as_it_is_told(tmp_path: Path) -> None:
    """What it says depends on the request's seed; what is spoilt is never right."""
    tasks = tmp_path / "tasks.jsonl"
    rows = [{"question": f"spell {word}\n", "answer": word[::-1]} for word in ("klam", "sun", "[]")]
    tasks.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with imported(live.DOWNLOADS, "reasoning_solver") as modules:
        one = modules.reasoning_solver
        assert all(
            one.slip(answer, random.Random(at)) != answer for answer in ("malk", "[]", "1 1") for at in range(50)
        )
        with reasoning.solver(tasks, tmp_path, 0) as address:
            said = [ask(address, "spell klam", seed) for seed in range(200)]
            assert said == [ask(address, "spell klam", seed) for seed in range(200)]
            assert any(ask(address, "spell nothing", seed) == "I do not know." for seed in range(20))
        assert 100 < said.count("malk") < 180
    tasks.write_text('{"question": "no answer"}\n', encoding="utf-8")
    refused = pytest.raises(live.NotReady, match=r"tasks.jsonl:1: expected `question` and `answer`")
    with refused, reasoning.solver(tasks, tmp_path, 0):
        pass


def ask(address: str, question: str, seed: int) -> str:
    body = json.dumps({"messages": [{"role": "user", "content": question}], "seed": seed}).encode()
    with urlopen(Request(f"{address}/chat/completions", body), timeout=60) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]


def test_a_verdict_that_measured_nothing_is_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    with imported(live.DOWNLOADS, "partial_credit", "gym_trl") as modules:
        monkeypatch.setattr(modules.partial_credit, "gym_reward", lambda *_: [None, 0.5, 1.0])
        assert modules.partial_credit.exact(["a", "b", "c"], ["", "", ""]) == [None, 0.0, 1.0]


def test_both_rewards_are_read_from_what_trl_prints() -> None:
    line = "{{'loss': '0.1', 'rewards/score/mean': '{}', 'rewards/score/std': '0.2', 'rewards/exact/mean': {}}}\n"
    log = "warning\n" + line.format(0.5, 0.25) + line.format("1e-05", 1)
    assert reasoning.both_rewards(log) == {"score": [0.5, 0.0], "exact": [0.25, 1.0]}


def test_arms_count_right_answers_and_scores_keep_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = reasoning.Recipe(reasoning.KIND, tmp_path, {}, 0, reasoning.TRIAL)
    measured: dict[str, Any] = {"greedy": [[0.75], [1.0]], "sampled": [[0.5, 1.0], [0.0, 0.0]]}
    monkeypatch.setattr(reasoning.arms.Recipe, "run", lambda *_: {"arms": {"sft": dict(measured)}})
    found = recipe.run(["sft"])
    assert found["scores"] == {"sft": measured}
    assert found["arms"] == {"sft": {"greedy": [[0.0], [1.0]], "sampled": [[0.0, 1.0], [0.0, 0.0]]}}


def test_an_arm_of_another_recipe_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse(["reasoning", "--arm", "dense"]).arm == ["dense"]
    with pytest.raises(SystemExit):
        parse(["code", "--arm", "dense"])
    assert "no arm dense in code" in capsys.readouterr().err


def test_letters_are_tokens_and_so_are_pieces_that_many_rows_have(torch_python: str, tmp_path: Path) -> None:
    words = [a + b + c for a in "abcde" for b in "vwxyz" for c in "klmno"]
    rows = [{"messages": [{"role": "user", "content": f"Spell this word: {word}\n"}]} for word in words]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    program = str(live.DOWNLOADS / "tiny_model.py")
    make = [torch_python, program, "rows.jsonl", "--letters", "--layers", "1"]
    told = subprocess.run(make, cwd=tmp_path, env=live.trainer_variables(), capture_output=True, text=True, check=True)
    assert told.stdout.startswith("tiny: ")
    show = (
        "from transformers import AutoTokenizer as A; t = A.from_pretrained('tiny'); "
        "ids = t('Spell this word: thisbc\\n?Spell')['input_ids']; print(t.convert_ids_to_tokens(ids)); print(t.decode(ids))"
    )
    command = [torch_python, "-c", show]
    said = subprocess.run(
        command, cwd=tmp_path, env=live.trainer_variables(), capture_output=True, text=True, check=True
    )
    tokens = ["Spell this word: ", *"thisbc\n?Spell"]
    assert said.stdout == f"{tokens}\nSpell this word: thisbc\n?Spell\n"
