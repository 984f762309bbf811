"""Anybody's data as task rows."""

import csv
import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gym_rollouts import Fault, check, tasks
from gym_rollouts.commands import COMMANDS
from gym_rollouts.errors import Unusable
from gym_rollouts.schema import servers
from gym_rollouts.taskrows import Recipe, task_of
from mutants import mutants
from sample import read, write

OUT = Path("tasks.jsonl")
ROWS = [
    {"question": "2 + 2?", "answer": "4", "topic": "sums"},
    {"question": "wie groß?", "answer": 'é, "x"\nz', "topic": "de"},
]
MADE = [
    {"responses_create_params": {"input": [{"role": "user", "content": row["question"]}]}, "expected_answer": row["answer"]}
    for row in ROWS
]  # fmt: skip


def make(*data: str, **options):
    return tasks([Path(name) for name in data], output=OUT, nemo_gym=False, **options)


def as_csv(path: Path, mark: str = ",", encoding: str = "utf-8") -> None:
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, ROWS[0], delimiter=mark)
        writer.writeheader()
        writer.writerows(ROWS)


def as_arrow(path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


WRITERS = {
    "d.csv": as_csv,
    "d.tsv": lambda path: as_csv(path, "\t"),
    "semicolons.csv": lambda path: as_csv(path, ";"),
    "bom.csv": lambda path: as_csv(path, encoding="utf-8-sig"),
    "utf16.csv": lambda path: as_csv(path, encoding="utf-16"),
    "d.json": lambda path: path.write_text(json.dumps(ROWS)),
    "wrapped.json": lambda path: path.write_text(json.dumps({"version": 1, "data": ROWS})),
    "lines.json": lambda path: write(path, ROWS),
    "d.jsonl": lambda path: write(path, ROWS),
    "d.jsonl.gz": lambda path: path.write_bytes(gzip.compress(b"".join(json.dumps(r).encode() + b"\n" for r in ROWS))),
    "d.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
    "d.arrow": as_arrow,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_tasks(here: Path, name: str) -> None:
    WRITERS[name](Path(name))
    report = make(name, mapped=["expected_answer=answer"])
    assert read(OUT) == MADE
    assert (report.figures["rows"], report.figures["tasks"], report.figures["columns_left_out"]) == (2, 2, ["topic"])
    assert check([OUT], nemo_gym=False).status == 0


def test_the_function_is_no_module(here: Path) -> None:
    import gym_rollouts

    assert all(callable(getattr(gym_rollouts, name)) for name in COMMANDS)


@pytest.mark.parametrize("layout", ["hub", "saved", "saved splits"])
def test_the_folder_of_a_dataset(here: Path, layout: str) -> None:
    folder = here / "data set [1]"
    names = {
        "hub": ["data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"],
        "saved": ["data-00000-of-00001.arrow"],
        "saved splits": ["train/data-00000-of-00001.arrow", "test/data-00000-of-00001.arrow"],
    }[layout]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        WRITERS["d.arrow" if name.endswith("arrow") else "d.parquet"](folder / name)
        (folder / name).with_name("state.json").write_text("{}")
    (folder / "dataset_dict.json").write_text("{}")
    split = None if layout == "saved" else "test"
    make(str(folder), split=split, mapped=["expected_answer=answer"])
    assert read(OUT) == MADE
    if split:
        with pytest.raises(Fault, match="several splits: test, train"):
            make(str(folder))
        with pytest.raises(Fault, match="It has: test, train"):
            make(str(folder), split="dev")


def task(row: dict, **options) -> dict:
    return task_of(row, Recipe(**options))


def prompt(row: dict, **options) -> list:
    return task(row, **options)["responses_create_params"]["input"]


def test_messages_lose_their_answer_and_keep_the_rest() -> None:
    chat = [
        {"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "q"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]},
        {"role": "tool", "tool_call_id": "c", "content": "r"}, {"role": "assistant", "content": "the answer"},
    ]  # fmt: skip
    made = task({"messages": chat}, fields=(("expected_answer", "_answer"),))
    assert made["expected_answer"] == "the answer"
    assert made["responses_create_params"]["input"] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": [{"type": "input_text", "text": "q"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call_output", "call_id": "c", "output": "r"},
    ]
    shared = [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]
    assert prompt({"conversations": shared}, system="be brief") == [
        {"role": "system", "content": "be brief"}, {"role": "user", "content": "q"}
    ]  # fmt: skip


def test_a_template_leaves_braces_that_are_no_column() -> None:
    made = prompt({"question": "2?", "unit": "kg"}, template=r"{question} in {unit}: \boxed{} or \frac{a}{b}, not {x}")
    assert made == [{"role": "user", "content": r"2? in kg: \boxed{} or \frac{a}{b}, not {x}"}]
    assert prompt({"question": "{unit}", "unit": "kg"}, template="{question}") == [
        {"role": "user", "content": "{unit}"}
    ]


@pytest.mark.parametrize("answer", [1, "1", "blue", "B", "b"])
def test_letters(answer: object) -> None:
    row = {"question": "sky?", "choices": ["red", "blue"], "answer": answer}
    made = task(
        row, letters=True, fields=(("options", "choices"), ("expected_answer", "answer")), template="{question}\n{options}"
    )  # fmt: skip
    assert (made["options"], made["expected_answer"]) == ([{"A": "red"}, {"B": "blue"}], "B")
    assert made["responses_create_params"]["input"][0]["content"] == "sky?\nA: red\nB: blue"


def lettered(answers: list, options: list | None = None) -> list:
    """What --letters makes of a column of answers: a letter each, or the reason of the reject."""
    rows = [
        each if isinstance(each, dict) else {"options": options or ["q", "w", "e", "r"], "answer": each}
        for each in answers
    ]
    write(Path("l.jsonl"), [{"question": f"q{number}?"} | row for number, row in enumerate(rows)])
    make("l.jsonl", letters=True, mapped=["expected_answer=answer", "options=options"])
    lines = {row["line"]: row["reason"] for row in read("rejects.jsonl")}
    made = iter(row["expected_answer"] for row in read(OUT))
    return [lines.get(number) or next(made) for number in range(1, len(rows) + 1)]


def test_an_answer_that_can_be_read_in_two_ways_is_refused(here: Path) -> None:
    blood, digits = ["O", "A", "B", "AB"], ["1", "2", "3", "4"]
    found = lettered([{"options": blood, "answer": "A"}, {"options": digits, "answer": 3}, "q", "D", "²", True, 1.0])
    assert "more than one way: as a letter A, as a text B" in found[0]
    assert "more than one way: as a text C, as a number D" in found[1]
    assert found[2:4] == ["A", "D"]
    assert all("none of the options" in each for each in found[4:])


def test_the_whole_column_says_what_an_answer_is(here: Path) -> None:
    """MMLU has numbers for answers, also where the options are numbers; others have letters."""
    digits = {"options": ["1", "2", "3", "4"], "answer": 1}
    assert lettered([digits, 0, 2]) == ["B", "A", "C"]
    assert lettered([{"options": ["O", "A", "B", "AB"], "answer": "A"}, "B", "c"]) == ["A", "B", "C"]


def test_numbers_of_answers_count_from_where_the_column_shows(here: Path) -> None:
    assert lettered([1, 2, "4"]) == ["A", "B", "D"]
    assert "count from 1" in "".join(make("l.jsonl", letters=True, mapped=["expected_answer=answer"]).lines)
    found = lettered([0, 1, 4])  # what has a 0 counts from 0
    assert found[:2] == ["A", "B"]
    assert "none of the options" in found[2]
    report = make("l.jsonl", letters=True, mapped=["expected_answer=answer"])
    assert not any(line.startswith("--letters") for line in report.lines)
    assert lettered([1, 2]) == ["B", "C"]
    report = make("l.jsonl", letters=True, mapped=["expected_answer=answer"])
    assert any("no answer shows whether its numbers count from 0" in line for line in report.lines)


def test_the_answer_is_what_is_taken_off(here: Path) -> None:
    user, four = {"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "four"}
    called = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": {"name": "f"}}]}
    parts = {"role": "assistant", "content": [{"type": "text", "text": "grö"}, {"type": "text", "text": "ße"}]}
    rows = [
        [user, four, user, called],
        [user, four, user, {"role": "assistant", "content": ""}],
        [user, parts],
        [user, four],
    ]
    write(Path("d.jsonl"), [{"messages": messages} for messages in rows])
    make("d.jsonl", mapped=["expected_answer=_answer"])
    assert [row["expected_answer"] for row in read(OUT)] == ["größe", "four"]
    assert [row["reason"][:27] for row in read("rejects.jsonl")] == ["no value in the column '_an"] * 2
    with pytest.raises(Unusable, match="parts of text, of the assistant"):
        task({"messages": [user, {"role": "assistant", "content": [{"type": "image_url"}]}]})


def test_a_history_is_kept_or_refused() -> None:
    user, end = {"role": "user", "content": "q"}, {"role": "user", "content": "and?"}
    kept = prompt(
        {
            "messages": [
                user, {"role": "assistant", "reasoning_content": "hm", "content": "a", "name": None, "function_call": None},
                end, {"role": "assistant", "content": ""}, end, {"role": "assistant", "content": "taken off", "name": "x"},
            ]
        }
    )  # fmt: skip
    assert kept == [
        user,
        {"type": "reasoning", "id": "rs_2", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"role": "assistant", "content": "a"},
        end, {"role": "assistant", "content": ""}, end,
    ]  # fmt: skip
    for lost, reason in (
        (user | {"name": "Bob"}, "message 1: name, which"),
        ({"role": "assistant", "content": "x", "function_call": {"name": "f", "arguments": "{}"}}, "function_call, which tool_calls"),
        (user | {"reasoning_content": "x"}, "a message of the role user does not have"),
        ({"role": "assistant", "reasoning": "a", "reasoning_content": "b"}, "expected one text as reasoning"),
        ({"role": "function", "name": "f", "content": "x"}, "none of a conversation"),
    ):  # fmt: skip
        with pytest.raises(Unusable, match=reason):
            prompt({"messages": [lost, user]})
    both = [{"from": "human", "value": "q", "role": None, "content": None}]
    assert prompt({"messages": both}) == [user]


def test_a_template_with_a_misspelled_column_is_refused(here: Path) -> None:
    write(Path("d.jsonl"), [{"problem": "2 + 2?", "answer": "4"}])
    for template, near in (
        ("Solve: {problm}", "'problem'"), ("{problem} {anser}", "'answer'"), (r"\boxed{x}", "'"), ("{options}", "'"),
    ):  # fmt: skip
        with pytest.raises(Fault, match=f"--template: no column is called .*did you mean {near}"):
            make("d.jsonl", template=template)
    assert not OUT.exists()
    assert make("d.jsonl", template=r"{problem} \boxed{answers} {x} {question}").figures["tasks"] == 1


def test_an_option_that_does_nothing_is_said_or_refused(here: Path) -> None:
    pictures = [{"type": "image_url", "image_url": {"url": "data:x"}}]
    request = {"responses_create_params": {"input": "q", "tools": [], "instructions": "i"}}
    for row in (request, {"messages": [{"role": "user", "content": pictures}]}):
        write(Path("d.jsonl"), [row | {"question": "q"}])
        with pytest.raises(Fault, match="--template changes nothing"):
            make("d.jsonl", template="{question}!")
    with pytest.raises(Fault, match="--parse questio: no row has this column; did you mean question"):
        make("d.jsonl", parse=["questio"])
    tool = {"type": "function", "name": "own", "parameters": {}, "strict": False}
    Path("t.json").write_text(json.dumps([tool | {"name": "f"}]))
    own = {"responses_create_params": {"input": [{"role": "system", "content": "s"}], "tools": [tool]}}
    write(Path("d.jsonl"), [own, request])
    said = make("d.jsonl", system="x", tools=Path("t.json")).lines
    assert "--system: 1 of 2 rows have a system message of their own, and keep it" in said
    assert "--tools: 1 of 2 rows have tools of their own, and keep them" in said
    assert [row["responses_create_params"]["tools"][0]["name"] for row in read(OUT)] == ["own", "f"]


def test_two_sources_of_one_field_and_a_split_of_a_file_are_refused(here: Path) -> None:
    write(Path("d.jsonl"), ROWS)
    for options in (
        {"mapped": ["a=answer", "a=topic"]}, {"mapped": ["a.b=answer", "a=topic"]}, {"mapped": ["a=answer"], "keep": ["a"]},
    ):  # fmt: skip
        with pytest.raises(Fault, match="a field has one value"):
            make("d.jsonl", **options)
    make("d.jsonl", mapped=["a=answer", "b=answer"], keep=["topic"])
    with pytest.raises(Fault, match=r"--split test: d\.jsonl is a file"):
        make("d.jsonl", split="test")
    write(Path("test-0.jsonl"), ROWS)
    assert make("test-0.jsonl", split="test").figures["tasks"] == 2


def test_prompts_in_files(here: Path) -> None:
    write(Path("d.jsonl"), ROWS[:1])
    Path("s.txt").write_text("be\nbrief\n")
    Path("t.txt").write_text("{question}\n\\neq \\boxed{}\n")
    make("d.jsonl", system="@s.txt", template="@t.txt")
    assert [each["content"] for each in read(OUT)[0]["responses_create_params"]["input"]] == [
        "be\nbrief", "2 + 2?\n\\neq \\boxed{}"
    ]  # fmt: skip
    with pytest.raises(Fault, match=r"--system @no\.txt"):
        make("d.jsonl", system="@no.txt")


def test_letters_as_some_datasets_have_them() -> None:
    row = {"question": "?", "options": {"text": ["x", "y"], "label": ["1", "2"]}, "expected_answer": "2"}
    made = task(row, letters=True, fields=(("options", "options"), ("expected_answer", "expected_answer")))
    assert (made["options"], made["expected_answer"]) == ([{"A": "x"}, {"B": "y"}], "B")


def test_the_fields_of_a_server(here: Path) -> None:
    assert servers()["math_with_judge"] == ["question", "expected_answer"]
    write(Path("d.jsonl"), ROWS)
    make("d.jsonl", server="math_with_judge", mapped=["expected_answer=answer"])
    assert read(OUT) == [
        row | {"question": given["question"], "task_source": "math_with_judge"}
        for row, given in zip(MADE, ROWS, strict=True)
    ]
    report = make("d.jsonl", server="math_with_judge", agent="a")
    assert report.status == 1
    assert "expected_answer: missing, and /verify of math_with_judge needs it" in read("rejects.jsonl")[0]["reason"]
    make("d.jsonl", mapped=["verifier_metadata.unit_tests.x=answer"], keep=["topic"], agent="a", server="code_gen")
    assert read(OUT)[0]["verifier_metadata"] == {"unit_tests": {"x": "4"}}
    assert (read(OUT)[0]["topic"], read(OUT)[0]["agent_ref"]["name"]) == ("sums", "a")


def test_every_row_is_kept_or_named(here: Path) -> None:
    rows = [
        ROWS[0],
        "",
        "x",
        {"question": " "},
        {"topic": "no question"},
        ROWS[0],
        {"question": 3},
        "[1]",
        '{"question": "\\ud800"}',
        ROWS[1],
    ]
    write(Path("d.jsonl"), rows)
    report = make("d.jsonl", tools=None)
    named = read("rejects.jsonl")
    assert [row["line"] for row in named] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert named[4]["reason"] == "the same task as row 1"
    assert report.figures["tasks"] + report.figures["rejected"] == report.figures["rows"] == 10


def test_faults_of_csv(here: Path) -> None:
    Path("d.csv").write_bytes(b'question,answer\n1?,1\n"two\nlines?",2\n\n3?\nx\xff?,4\n5?,5\n')
    make("d.csv", mapped=["expected_answer=answer"])
    assert [(row["line"], row["reason"][:16]) for row in read("rejects.jsonl")] == [
        (5, "a blank line"), (6, "1 cells, where t"), (7, "not UTF-8. If th")
    ]  # fmt: skip
    assert [row["expected_answer"] for row in read(OUT)] == ["1", "2", "5"]
    Path("open.csv").write_text('question\n1?\n"2?\n3?\n4?\n')
    assert make("open.csv").figures["tasks"] == 1
    assert [(row["line"], row["reason"]) for row in read("rejects.jsonl")] == [
        (3, "not CSV: a quote opens and is never closed (lines 3 to 5)"),
        (4, "not CSV: inside of what a quote on line 3 opens"),
        (5, "not CSV: inside of what a quote on line 3 opens"),
    ]
    Path("d.tsv").write_text("question (a, b, c)\tanswer\nwhat, is, 1\t2\n")
    assert make("d.tsv", question="question (a, b, c)").figures["tasks"] == 1
    for head in ("", "a,a\n"):
        Path("head.csv").write_text(head)
        with pytest.raises(Fault, match=r"empty|two columns"):
            make("head.csv")


def test_a_table_in_another_encoding(here: Path) -> None:
    """Excel saves a CSV file in the code page of its country."""
    for encoding, text in (("cp1252", "Größe"), ("cp1251", "Сколько"), ("shift_jis", "いくつ")):
        Path("d.csv").write_bytes(f"Frage;{text}\n{text}?;{text}\n".encode(encoding))
        with pytest.raises(Fault, match=r"first line is not UTF-8.*--encoding"):
            make("d.csv")
        make("d.csv", encoding=encoding, question="Frage", mapped=[f"expected_answer={text}"])
        assert read(OUT)[0]["expected_answer"] == text
    Path("d.csv").write_bytes("question,a\n1?,x\né?,y\n".encode("cp1252"))
    assert make("d.csv").figures["steps"] == {"unreadable": 1}
    as_csv(Path("bom.csv"), encoding="utf-8-sig")
    assert make("bom.csv", encoding="utf-8").figures["tasks"] == 2
    write(Path("d.jsonl"), ROWS)
    for name, encoding, reason in (
        ("d.csv", "cp9999", "not known"), ("d.csv", "base64", "not known"), ("d.jsonl", "cp1252", "for .csv"),
    ):  # fmt: skip
        with pytest.raises(Fault, match=reason):
            make(name, encoding=encoding)


def test_a_column_that_is_not_there_is_named_with_those_that_are(here: Path) -> None:
    write(Path("d.jsonl"), ROWS)
    for options in ({"mapped": ["expected_answer=anser"]}, {"question": "anser"}):
        assert make("d.jsonl", **options).status == 1
        reason = read("rejects.jsonl")[0]["reason"]
        assert "no column 'anser'" in reason
        assert "There are: question, answer, topic" in reason
    said = make("d.jsonl", keep=["topic", "tpoic"]).lines
    assert "--keep tpoic: no row has this column" in said
    assert not any("--keep topic" in line for line in said)


def test_a_template_needs_no_question_beside_its_own_columns(here: Path) -> None:
    rows = [{"Frage": "1 + 1?", "Stufe": "1"}, {"Frage": "", "Stufe": ""}, {"Stufe": "2"}, {"n": 1}]
    write(Path("d.jsonl"), rows)
    make("d.jsonl", template=r"{Frage} \boxed{}")
    assert [row["responses_create_params"]["input"][0]["content"] for row in read(OUT)] == [r"1 + 1? \boxed{}"]
    assert [row["line"] for row in read("rejects.jsonl")] == [2, 3, 4]
    assert make("d.jsonl", template="{question} {Frage}").status == 1
    assert "--question" in read("rejects.jsonl")[0]["reason"]


def test_values_of_tables(here: Path) -> None:
    import datetime
    import decimal

    row = {
        "question": "q",
        "when": datetime.date(2026, 1, 2),
        "n": decimal.Decimal("3"),
        "raw": b"x",
        "nan": float("nan"),
    }
    pq.write_table(pa.Table.from_pylist([row]), "d.parquet")
    make("d.parquet", keep=["when", "n", "nan"])
    assert {key: value for key, value in read(OUT)[0].items() if key != "responses_create_params"} == {
        "when": "2026-01-02", "n": 3
    }  # fmt: skip
    assert make("d.parquet", keep=["raw"]).status == 1
    Path("bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(Fault, match=r"cannot be read as Parquet"):
        make("bad.parquet")


def test_values_that_python_cannot_hold_reject_their_row_if_used(here: Path) -> None:
    from decimal import Decimal

    when = pa.array([1_700_000_000_123_456_789, 1_700_000_000_000_000_000], pa.timestamp("ns"))
    far = pa.array([253_402_300_800_000_000, 0], pa.timestamp("us"))
    exact = pa.array([Decimal("0.10"), Decimal("12345678901234567890.123456789012345678")], pa.decimal128(38, 18))
    pq.write_table(pa.table({"question": ["a", "b"], "when": when, "far": far, "exact": exact}), "d.parquet")
    make("d.parquet", keep=["exact"])
    assert [row["exact"] for row in read(OUT)] == [0.1, "12345678901234567890.123456789012345678"]
    make("d.parquet", keep=["far"])
    assert [row["far"] for row in read(OUT)] == ["1970-01-01T00:00:00"]
    assert "a value of the type timestamp[us] that cannot be read" in read("rejects.jsonl")[0]["reason"]
    assert make("d.parquet", keep=["when"]).figures["tasks"] + len(read("rejects.jsonl")) == 2


def test_a_name_that_stands_twice_is_refused(here: Path) -> None:
    table = pa.Table.from_arrays([pa.array(["a"])] * 3, names=["question", "answer", "answer"])
    pq.write_table(table, "d.parquet")
    with pa.OSFile("d.arrow", "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    for name in ("d.parquet", "d.arrow"):
        with pytest.raises(Fault, match="two columns are called 'answer'"):
            make(name)
    lines = ['{"question": "a", "question": "b"}', '{"question": "c", "x": {"y": 1, "y": 2}}', '{"question": "d"}']
    write(Path("d.jsonl"), lines)
    Path("d.json").write_text(f"[{', '.join(lines)}]")
    for name in ("d.jsonl", "d.json"):
        assert make(name).figures["tasks"] == 1
        assert [(row["line"], row["reason"]) for row in read("rejects.jsonl")] == [
            (1, "the key 'question' stands twice in one object"), (2, "the key 'y' stands twice in one object")
        ]  # fmt: skip


def test_one_faulty_value_of_a_json_file_rejects_its_row(here: Path) -> None:
    rows = (
        b'[{"question": "a", "answer": NaN}, {"question": "\\ud83d", "answer": 1}, {"question": "\xff", "answer": 1},'
    )
    Path("d.json").write_bytes(rows + b' {"question": "\xc3\xa9", "answer": 1}]')
    make("d.json", mapped=["expected_answer=answer"])
    assert [row["line"] for row in read("rejects.jsonl")] == [1, 2, 3]
    assert read(OUT)[0]["responses_create_params"]["input"][0]["content"] == "é"


@pytest.mark.parametrize(
    ("value", "tasks"),
    [
        ({"question": "which?", "options": ["a", "b"]}, 1), ({"question": "which?", "options": ["a"], "tags": [{}]}, 1),
        ({"messages": [{"role": "user", "content": "q"}], "tools": [{}]}, 1), ({"version": "1", "data": ROWS}, 2),
        ({"conversations": [{"id": 1, "messages": [{"role": "user", "content": "q"}]}]}, 1),
    ],
)  # fmt: skip
def test_a_json_object_is_a_row_or_has_rows(here: Path, value: dict, tasks: int) -> None:
    Path("d.json").write_text(json.dumps(value))
    assert make("d.json").figures["tasks"] == tasks


def test_folders_with_several_datasets_or_names_that_end_with_the_split(here: Path) -> None:
    for name in ("gsm/main/train.jsonl", "gsm/main/test.jsonl", "gsm/socratic/train.jsonl", "q/quiz_train.jsonl",
                 "q/quiz_test.jsonl", "hub/data/x-train-00000-of-00002.jsonl", "hub/data/x-train-00001-of-00002.jsonl"):  # fmt: skip
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        write(Path(name), [{"question": name}])
    with pytest.raises(Fault, match="several datasets with the split train: main, socratic"):
        make("gsm", split="train")
    with pytest.raises(Fault, match="several splits: test, train"):
        make("q")
    for name, split, count in (("gsm", "test", 1), ("gsm/main", "train", 1), ("q", "test", 1), ("hub", "train", 2)):
        assert make(name, split=split).figures["tasks"] == count


def test_a_second_run_in_the_same_folder_reads_the_data_and_no_more(here: Path) -> None:
    write(here / "d.jsonl", [*ROWS, "x"])
    for _ in range(2):
        assert make(".").figures["rows"] == 3
    write(OUT, ROWS)  # the user's own, which the output would destroy
    with pytest.raises(Fault, match="is an input too"):
        make(".")


def test_tools_of_either_shape(here: Path) -> None:
    write(Path("d.jsonl"), ROWS[:1])
    function = {"name": "f", "description": "d", "parameters": {"type": "object"}}
    for shape in ({"type": "function", "function": function}, {"type": "function", **function}):
        Path("t.json").write_text(json.dumps([shape]))
        make("d.jsonl", tools=Path("t.json"))
        assert read(OUT)[0]["responses_create_params"]["tools"] == [{"type": "function", **function, "strict": False}]
    Path("t.json").write_text("{}")
    with pytest.raises(Fault, match="list of functions"):
        make("d.jsonl", tools=Path("t.json"))


def test_options_are_checked_and_inputs_kept(here: Path) -> None:
    write(Path("d.jsonl"), ROWS)
    for options, reason in (
        ({"mapped": ["x"]}, "FIELD=COLUMN"), ({"mapped": ["task_source=x"]}, "--task-source"), ({"server": "nowhere"}, "--server"),
        ({"question": "a", "messages": "b"}, "one column"), ({"template": "x"}, "in braces"),
    ):  # fmt: skip
        with pytest.raises(Fault, match=reason):
            make("d.jsonl", **options)
    with pytest.raises(Fault, match="is an input too"):
        tasks([Path("d.jsonl")], output=Path("d.jsonl"))
    with pytest.raises(Fault, match="the end of the name"):
        make("d.txt")
    assert read("d.jsonl") == ROWS


def test_rows_that_are_tasks_already_stay(here: Path) -> None:
    row = {"responses_create_params": {"input": "q", "temperature": 0.5}, "expected_answer": "4"}
    write(Path("d.jsonl"), [row])
    make("d.jsonl", keep=["expected_answer"], system="s")
    params = {"input": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}], "temperature": 0.5}
    assert read(OUT) == [{"responses_create_params": params, "expected_answer": "4"}]


def test_no_mutant_stops_it(here: Path) -> None:
    chat = {
        "messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}],
        "options": ["a", "b"],
        "expected_answer": "a",
    }
    path = write(here / "m.jsonl", mutants([*ROWS, chat], 1500, seed=7))
    for options in (
        {},
        {"letters": True},
        {"server": "mcqa"},
        {"template": "{question}{options}", "parse": ["question"]},
    ):
        report = make("m.jsonl", **options)
        assert report.figures["tasks"] + report.figures["rejected"] == path.read_bytes().count(b"\n")
        assert not report.figures["tasks"] or check([OUT], nemo_gym=False).status == 0


def test_the_command(here: Path, command) -> None:
    as_csv(Path("d.csv"))
    made = command("tasks", "d.csv", "--map", "expected_answer=answer", "--output", "tasks.jsonl")
    assert made.returncode == 0, made.stderr
    assert "columns left out: topic" in made.stdout
    assert read(OUT) == MADE
