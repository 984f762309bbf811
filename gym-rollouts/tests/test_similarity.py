"""What is alike, and what only shares its template."""

import gzip
import random
from pathlib import Path

import pytest
from gym_rollouts import Fault, filter
from sample import read, rollout, write

WORDS = [f"w{a}{b}" for a in "bcdfghjklmnpqrstvz" for b in "aeiou"]


def text(seed: object, count: int = 25) -> str:
    return " ".join(random.Random(str(seed)).choices(WORDS, k=count))


def tasks(questions: list[object], system: str | None = None) -> list[dict[str, object]]:
    rows = []
    for n, question in enumerate(questions):
        content = {"role": "user", "content": question}
        rows.append(
            rollout(n, 0, 1.0, f"a{n}", [*([{"role": "system", "content": system}] if system else []), content])
        )
    return rows


def alike(here: Path, rows: list[dict[str, object]]) -> list[int]:
    """The lines that are found to be like an earlier one."""
    report = filter(
        [write(here / "r.jsonl", rows)], purpose="sft", kept=Path("k.jsonl"), reports=Path("rep.jsonl"), quiet=True
    )
    assert report.figures["kept"] == len(rows)  # it only reports
    return sorted(row["line"] for row in read("rep.jsonl"))


IMAGE = [{"type": "input_text", "text": "What is shown here, and why does it matter to the people in the picture?"}]
DIFFERENT = {
    "a system prompt": tasks([text(n) for n in range(20)], text("system", 300)),
    "a template around each": tasks([f"{text('head', 80)} {text(n)} {text('tail', 80)}" for n in range(20)]),
    "few-shot examples": tasks([f"{text('shots', 300)} Q: {text(n, 12)}" for n in range(20)]),
    "a word problem with other numbers": tasks(
        [f"{text('train', 40)} for {n} hours {text('x', 20)}" for n in range(20)]
    ),
    "two word problems with other numbers": tasks([f"{text('train', 40)} for {n} hours" for n in (3, 4)]),
    "images": tasks([[*IMAGE, {"type": "input_image", "image_url": f"data:image/png;base64,{n}"}] for n in range(12)]),
    "Chinese": tasks(
        [
            f"请用中文回答。{''.join(random.Random(n).choices('天地玄黄宇宙洪荒日月盈昃辰宿列张', k=30))}"
            for n in range(15)
        ]
    ),
    "Thai": tasks([f"ตอบคำถาม {''.join(random.Random(n).choices('กขคงจฉชซญดตถทนบปผพ', k=30))}" for n in range(15)]),
    "short sums": tasks([f"What is {a} {sign} {b}?" for a in (2, 3) for b in (5, 7) for sign in "+-"]),
}


@pytest.mark.parametrize("rows", DIFFERENT.values(), ids=DIFFERENT)
def test_different_questions_stay(here: Path, rows: list[dict[str, object]]) -> None:
    assert alike(here, rows) == []


LONG = text("long", 60)
SAME = {
    "a word in front": tasks([LONG, f"Please answer: {LONG}", text("other")]),
    "another case": tasks([LONG, LONG.upper(), text("other")]),
    "another end": tasks([LONG, f"{LONG} Thanks!", text("other")]),
    "Chinese": tasks(["天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏闰余成岁律吕调阳" + end for end in ("", "。")]),
    "under a system prompt": tasks([LONG, f"{LONG} Thanks!"], text("system", 300)),
}


@pytest.mark.parametrize("rows", SAME.values(), ids=SAME)
def test_nearly_the_same_question_is_reported(here: Path, rows: list[dict[str, object]]) -> None:
    found = alike(here, rows)
    assert 2 in found or "case" in str(rows) or found == [2] or _equal_questions(rows)


def _equal_questions(rows: list[dict[str, object]]) -> bool:
    """Spellings of one question are one question anyway."""
    first, second = (str(row["responses_create_params"]).casefold() for row in rows[:2])  # type: ignore[index]
    return first == second


def test_rejecting_is_asked_for(here: Path) -> None:
    write(here / "r.jsonl", SAME["a word in front"])
    report = filter([Path("r.jsonl")], purpose="sft", kept=Path("k.jsonl"), reject=["similar task"])
    assert report.figures["steps"]["similar task"] == 1
    assert read("rejects.jsonl")[0] == {
        "file": "r.jsonl", "line": 2, "step": "similar task", "reason": "its question is like that of line 1"
    }  # fmt: skip
    for steps in (["pass rate"], ["nothing"]):
        with pytest.raises(Fault, match="expected one of"):
            filter([Path("r.jsonl")], purpose="sft", kept=Path("k.jsonl"), reject=steps)
    with pytest.raises(Fault, match="needs --evaluation"):
        filter([Path("r.jsonl")], purpose="sft", kept=Path("k.jsonl"), reject=["evaluation set"])


def seen(here: Path, questions: list[object], evaluation: list[object], system: str | None = None) -> list[int]:
    write(here / "e.jsonl", [{"responses_create_params": {"input": each}} for each in evaluation])
    write(here / "r.jsonl", tasks(questions, system))
    filter(
        [Path("r.jsonl")], purpose="sft", kept=Path("k.jsonl"), evaluation=[Path("e.jsonl")], without=["similar task"],
        reports=Path("rep.jsonl"),
    )  # fmt: skip
    return sorted(row["line"] for row in read("rep.jsonl"))


def test_contamination_is_containment_of_the_question(here: Path) -> None:
    question = text("question", 30)
    around = [question, f"{text('before', 400)} {question}", f"{question} {text('after', 400)}", question.upper()]
    assert seen(here, [*around, text("other")], [question]) == [1, 2, 3, 4]
    short = [
        "What is 69 - 94?",
        "Compute: What is 69 - 94?",
        "What is 69 - 94? Answer:",
        "What is 69 - 95?",
        "What is 9?",
    ]
    assert seen(here, short, ["What is 69 - 94?"]) == [1, 2, 3]
    chinese = "天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏"
    assert seen(here, [f"请回答。{chinese}谢谢", "另一个问题"], [chinese]) == [1]


def test_contamination_is_not_what_prompts_share(here: Path) -> None:
    system = text("system", 300)
    evaluation = [
        [{"role": "system", "content": system}, {"role": "user", "content": text(f"e{n}")}] for n in range(20)
    ]
    assert seen(here, [text(n) for n in range(20)], evaluation, system) == []
    wrapped = [f"{text('head', 100)} {text(f'e{n}')}" for n in range(20)]
    assert seen(here, [f"{text('head', 100)} {text(n)}" for n in range(20)], wrapped) == []


@pytest.mark.parametrize("what", ["cut", "empty"])
def test_an_evaluation_set_that_is_not_whole_finds_nothing_clean(here: Path, what: str) -> None:
    source = write(here / "r.jsonl", tasks([text(n) for n in range(40)]))
    packed = gzip.compress(source.read_bytes())
    (here / "e.jsonl.gz").write_bytes(packed[: len(packed) // 2] if what == "cut" else gzip.compress(b""))
    with pytest.raises(Fault, match=r"--evaluation e\.jsonl\.gz: .*(damaged|has no task)"):
        filter([source], purpose="sft", kept=Path("k.jsonl"), evaluation=[Path("e.jsonl.gz")])


def test_an_evaluation_set_with_a_bad_line_stops_and_names_it(here: Path, command) -> None:
    write(here / "r.jsonl", [rollout()])
    Path("e.jsonl").write_text('{"responses_create_params": {"input": "x"}}\n\n')
    made = command("filter", "r.jsonl", "--for", "sft", "--kept", "k.jsonl", "--evaluation", "e.jsonl")
    assert made.returncode == 2
    assert made.stderr.startswith("gym-rollouts: e.jsonl, line 2: ")
    assert not Path("k.jsonl").exists()


def test_what_is_alike_does_not_depend_on_the_order(here: Path) -> None:
    rows = tasks([f"{text(n // 3)} {'please ' * (n % 3)}" for n in range(30)])
    found = []
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        lines = alike(here, rows)
        found.append(sorted(rows[line - 1]["_ng_task_index"] for line in lines))
    assert found[0] == found[1] == found[2]
