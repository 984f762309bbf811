"""Which lines are attempts at one task, and which are one attempt."""

import json
import random
from pathlib import Path

import pytest
from gym_rollouts import Fault, balance, compare, filter, metrics, prepare, split
from sample import answer, call, read, result, rollout, write


def rejects() -> list[tuple[str, int, str]]:
    return [(row["file"], row["line"], row["step"]) for row in read("rejects.jsonl")]


def steps() -> list[tuple[int, str]]:
    return [(line, step) for _, line, step in rejects()]


def test_a_task_is_a_number_and_an_environment(here: Path) -> None:
    rows = [rollout(n % 5, n // 5, float(n % 2), question="Guess the word.") for n in range(20)]
    rows += [row | {"agent_ref": {"name": "other"}} for row in rows]
    report = metrics([write(here / "r.jsonl", rows)])
    assert {name: each["tasks"] for name, each in report.figures["environments"].items()} == {
        "env_agent": 5,
        "other": 5,
    }
    assert report.figures["inferred_tasks"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"agent_ref": {"name": "env"}},
        {"agent_ref": "env"},
        {"agent_ref": {"type": "responses_api_agents", "name": "env"}},
        {"agent_ref": None, "task_source": "env"},
        {"agent_ref": None, "_ng_environment_server": "env"},
    ],
)
def test_every_release_names_its_environment(here: Path, change: dict[str, object]) -> None:
    report = metrics([write(here / "r.jsonl", [rollout() | change])])
    assert list(report.figures["environments"]) == ["env"]


SPELLINGS = [
    "Größe  2?",
    "gro\u0308ße 2?",
    [{"role": "user", "content": "Größe 2?"}],
    [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Größe 2?\n"}]}],
]


def test_spellings_of_a_request_are_one_inferred_task(here: Path) -> None:
    rows = [rollout(None, None, n % 2, question=None, params={"input": each}) for n, each in enumerate(SPELLINGS)]
    report = metrics([write(here / "r.jsonl", rows)])
    assert report.figures["environments"]["env_agent"]["tasks"] == report.figures["inferred_tasks"] == 1


def test_no_spelling_of_a_question_is_on_both_sides(here: Path) -> None:
    rows = []
    for n in range(12):
        for number, each in enumerate(SPELLINGS):
            spelled = json.loads(json.dumps(each, ensure_ascii=False).replace("2?", f"{n}?"))
            system = [{"role": "system", "content": f"It is {number} o'clock."}]
            items = spelled if isinstance(spelled, str) else system + spelled
            rows.append(rollout(n * 100 + number, 0, 1.0, f"{n} {number}", params={"input": items}, question=None))
    source = write(here / "r.jsonl", rows)
    split([source], train=Path("a.jsonl"), held=Path("b.jsonl"), share=0.25)
    sides = [{row["_ng_task_index"] // 100 for row in read(name)} for name in ("a.jsonl", "b.jsonl")]
    assert [len(side) for side in sides] == [9, 3]
    assert not sides[0] & sides[1]
    balance([source], train=Path("c.jsonl"), validation=0.25, held=Path("d.jsonl"))
    assert {row["_ng_task_index"] // 100 for row in read("d.jsonl")} == sides[1]


def test_attempts_of_one_number_are_one_task_whatever_their_prompts(here: Path) -> None:
    rows = [
        rollout(
            0, n, float(n % 2), f"a{n}", [{"role": "system", "content": f"12:0{n}"}, {"role": "user", "content": "q"}]
        )
        for n in range(4)
    ]
    tasks = write(here / "tasks.jsonl", [{"responses_create_params": {"input": "q"}}])
    report = prepare(
        [write(here / "r.jsonl", rows)], preference=Path("p.jsonl"), pairs_per_task=4, rl=Path("rl.jsonl"), tasks=tasks
    )
    assert report.figures["tasks"] == 1
    assert len(read("p.jsonl")) == 2
    assert Path("rl.jsonl").read_bytes() == tasks.read_bytes()


def test_a_repeated_line_counts_once(here: Path) -> None:
    rows = [rollout(n // 4, n % 4, float(n % 4 == 0), f"a{n}") for n in range(16)]
    report = metrics([write(here / "r.jsonl", rows + rows)], rejects=Path("rejects.jsonl"))
    assert report.figures["environments"]["env_agent"]["attempts"] == 16
    assert report.figures["environments"]["env_agent"]["pass@1"][0] == 0.25
    assert steps() == [(n, "repeated line") for n in range(17, 33)]


def test_lines_that_contradict_each_other_are_all_named(here: Path) -> None:
    rows = [
        rollout(0, 0, 1.0, "first"),
        rollout(0, 0, 0.0, "second"),
        rollout(0, 0, 1.0, "first"),
        rollout(0, 1, 0.0, "bad"),
    ]
    kept = []
    for order in ((0, 1, 2, 3), (3, 2, 1, 0), (1, 0, 3, 2)):
        write(here / "r.jsonl", [rows[n] for n in order])
        prepare([Path("r.jsonl")], sft=Path("s.jsonl"), min_reward=0)
        kept.append(read("s.jsonl"))
        assert len(read("rejects.jsonl")) == 3
        for row in read("rejects.jsonl"):
            other = int(row["reason"].split("line ")[1].split(":")[0])
            assert read("r.jsonl")[other - 1]["reward"] != read("r.jsonl")[row["line"] - 1]["reward"]
    assert kept[0] == kept[1] == kept[2]


def test_of_two_answers_of_one_attempt_the_longer_counts(here: Path) -> None:
    rows = [rollout(0, 0, 1.0, "an ans"), rollout(0, 0, 1.0, "an answer")]
    for order in (rows, rows[::-1]):
        prepare([write(here / "r.jsonl", order)], sft=Path("s.jsonl"))
        assert read("s.jsonl")[0]["messages"][-1]["content"] == "an answer"


def test_a_file_that_is_named_twice(here: Path) -> None:
    write(here / "r.jsonl", [rollout(None, None), "x", rollout(None, None, text="5")])
    filter([Path("r.jsonl"), Path("./r.jsonl")], purpose="rl", kept=Path("k.jsonl"))
    assert rejects() == [
        ("r.jsonl", 2, "unreadable"), ("r.jsonl", 1, "repeated line"), ("r.jsonl", 2, "unreadable"), ("r.jsonl", 3, "repeated line")
    ]  # fmt: skip
    assert len(read("k.jsonl")) == 2


def test_two_collections_that_number_alike_are_two(here: Path) -> None:
    for name in "ab":
        write(
            here / f"{name}.jsonl",
            [rollout(n, m, float(m), f"{n}{m}", f"{name}{n}?") for n in range(3) for m in range(2)],
        )
    report = prepare([Path("a.jsonl"), Path("b.jsonl")], sft=Path("s.jsonl"), preference=Path("p.jsonl"))
    assert (report.figures["tasks"], report.figures["rejected"]) == (6, 0)
    assert all(row["chosen"] != row["rejected"] for row in read("p.jsonl"))
    assert len(read("p.jsonl")) == 6


def test_of_two_files_with_one_attempt_the_first_counts(here: Path) -> None:
    for name in "ab":
        write(here / f"{name}.jsonl", [rollout(0, n, float(n), f"{name}{n}") for n in range(2)])
    prepare([Path("b.jsonl"), Path("a.jsonl")], sft=Path("s.jsonl"))
    assert [row["messages"][-1]["content"] for row in read("s.jsonl")] == ["b1"]
    assert rejects() == [("a.jsonl", 1, "repeated line"), ("a.jsonl", 2, "repeated line")]


def test_failed_and_masked_attempts_do_not_count(here: Path) -> None:
    rows = [rollout(0, 0, 1.0), rollout(0, 1, 0.0, mask_sample=True), rollout(0, 2, 0.0, _ng_failure_class="timeout")]
    rows.append({"_ng_task_index": 0, "_ng_rollout_index": 3, "_ng_failure_class": "crash"})
    report = metrics([write(here / "r.jsonl", rows)])
    assert report.figures["steps"] == {"blank": 0, "unreadable": 0, "failed": 2, "masked": 1, "repeated line": 0}
    assert report.figures["environments"]["env_agent"]["pass@1"][0] == 1.0


@pytest.mark.parametrize("end", ["\n", ""])
def test_tasks_are_numbered_as_nemo_gym_numbers_them(here: Path, end: str) -> None:
    lines = [json.dumps({"responses_create_params": {"input": each}}) for each in "AABCA"]
    lines.append(json.dumps({"responses_create_params": {"input": "given"}, "_ng_task_index": 77}))
    lines.append(lines[2])
    Path("tasks.jsonl").write_text("\n".join(lines) + end)
    # To NeMo Gym the line feed belongs to a line: the last one without one is another line than line 3.
    numbers = {"A": 0, "B": 1, "C": 2, "given": 77}
    rows = [rollout(n, m, float(m), question=name) for name, n in numbers.items() for m in range(2)]
    report = prepare([write(here / "r.jsonl", rows)], rl=Path("rl.jsonl"), tasks=Path("tasks.jsonl"))
    assert [row["responses_create_params"]["input"] for row in read("rl.jsonl")] == ["A", "B", "C", "given"]
    assert report.figures["rl"]["not_attempted"] == (0 if end else 1)


def test_tasks_of_another_order_are_refused(here: Path) -> None:
    tasks = [{"responses_create_params": {"input": each}} for each in "ABCD"]
    write(here / "sorted.jsonl", tasks[::-1])
    rows = [rollout(0, m, float(m), question="A") for m in range(2)]
    write(here / "r.jsonl", rows)
    report = prepare([Path("r.jsonl")], rl=Path("rl.jsonl"), tasks=Path("sorted.jsonl"))
    assert report.figures["rl"] == {"rows": 0, "rejected": 1, "not_attempted": 3}
    with pytest.raises(Fault, match="give the very file"):
        balance([Path("r.jsonl")], train=Path("t.jsonl"), tasks=Path("sorted.jsonl"))
    assert not Path("t.jsonl").exists()


def test_rollouts_without_numbers_find_their_tasks(here: Path) -> None:
    tasks = write(here / "tasks.jsonl", [{"responses_create_params": {"input": each}} for each in ("2 + 2?", "x")])
    report = prepare(
        [write(here / "r.jsonl", [rollout(None, None, float(n), f"a{n}") for n in range(2)])],
        rl=Path("rl.jsonl"),
        tasks=tasks,
    )
    assert report.figures["inferred_tasks"] == report.figures["rl"]["rows"] == 1
    assert "inferred" in "\n".join(report.lines)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_lines_only_orders_what_comes_out(here: Path, seed: int) -> None:
    rng = random.Random(seed)
    rows: list[object] = []
    for n in range(60):
        task, attempt = rng.choice([(n // 8, n % 8), (None, None), (n // 8, None), (n // 8, rng.randrange(3))])
        output = rng.choice(
            [
                answer(f"answer {rng.randrange(6)}"),
                [call(), result(), *answer("done")],
                [call()],
                [result()],
            ]
        )
        rows.append(rollout(task, attempt, rng.choice([0.0, 0.3, 1.0]), question=f"q {n // 8}?", output=output))
    rows += ["x", "", json.dumps(rollout(reward=float("nan")))]
    found = []
    for _ in range(3):
        rng.shuffle(rows)
        source = write(here / "r.jsonl", rows)
        prepare(
            [source],
            sft=Path("s.jsonl"),
            per_task=2,
            min_reward=0.1,
            preference=Path("p.jsonl"),
            pairs_per_task=3,
            margin=0.2,
        )
        outcome = [sorted(Path(name).read_bytes().split(b"\n")) for name in ("s.jsonl", "p.jsonl")]
        lines = source.read_bytes().split(b"\n")
        outcome.append(sorted(lines[row["line"] - 1] + row["step"].encode() for row in read("rejects.jsonl")))
        measured = metrics([source]).figures["environments"]
        split([source], train=Path("t.jsonl"), held=Path("h.jsonl"), share=0.3)
        outcome += [sorted(Path(name).read_bytes().split(b"\n")) for name in ("t.jsonl", "h.jsonl")]
        balance([source], train=Path("b.jsonl"), rows=20, per_task_most=3)
        outcome.append(sorted(Path("b.jsonl").read_bytes().split(b"\n")))
        found.append([*outcome, measured])
    for name, one, *others in zip(
        ["sft", "pairs", "rejects", "train", "held", "balanced", "metrics"], *found, strict=True
    ):
        assert one == others[0] == others[1], name


def test_compare_pairs_tasks(here: Path) -> None:
    a = [rollout(n, m, float((n + m) % 3 == 0), question=f"{n}?") for n in range(30) for m in range(4)]
    b = [rollout(n, m, float((n + m) % 3 != 1), question=f"{n}?") for n in range(5, 35) for m in range(4)]
    report = compare(write(here / "a.jsonl", a), write(here / "b.jsonl", b))
    assert (report.figures["tasks"], report.figures["only_a"], report.figures["only_b"]) == (25, 5, 5)
    found = report.figures["metrics"]["mean reward"]
    assert found["verdict"] == "B is better"
    assert 0 < found["low"] < found["difference"] < found["high"]
    assert compare(Path("a.jsonl"), Path("a.jsonl")).figures["metrics"]["mean reward"]["verdict"] == "no telling"


def test_compare_does_not_pair_another_question(here: Path) -> None:
    write(here / "a.jsonl", [rollout(0, 0, 1.0, question="a?")])
    write(here / "b.jsonl", [rollout(0, 0, 1.0, question="b?")])
    report = compare(Path("a.jsonl"), Path("b.jsonl"))
    assert (report.status, report.figures["tasks"]) == (1, 0)
    assert compare(Path("a.jsonl"), Path("b.jsonl"), by="number").figures["tasks"] == 1


def test_kept_facts_are_those_of_the_very_bytes(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gym_rollouts.survey.RANGE", 700)
    rows = [rollout(n // 4, n % 4, float(n % 2), f"a{n}", f"{n // 4}?") for n in range(40)]
    write(here / "r.jsonl", [*rows, "x"])

    def all_of_it(facts: Path | None) -> list[object]:
        report = metrics([Path("r.jsonl")], facts=facts)
        prepare([Path("r.jsonl")], sft=Path("s.jsonl"), facts=facts)
        return [report.figures, Path("s.jsonl").read_bytes(), Path("rejects.jsonl").read_bytes()]

    first = all_of_it(None)
    assert all_of_it(Path("facts")) == all_of_it(Path("facts")) == first
    with monkeypatch.context() as patch:  # the second command decodes nothing
        patch.setattr("gym_rollouts.survey.facts_of", None)
        assert metrics([Path("r.jsonl")], facts=Path("facts")).figures == first[0]
    rows[7]["reward"] = 0.5
    write(here / "r.jsonl", rows)
    assert all_of_it(Path("facts")) == all_of_it(None) != first
    for path in here.glob("facts/*.npy"):
        path.write_bytes(path.read_bytes()[:50])
    assert all_of_it(Path("facts")) == all_of_it(None)
