"""Rows, before they are collected or trained on."""

import json
from pathlib import Path

import pytest
from gym_rollouts import Fault, check, prepare
from gym_rollouts.chat_template import lost, read_template
from gym_rollouts.kinds import KINDS, Unsound, decode, faults, kind_of
from mutants import mutants
from sample import answer, call, read, result, rollout, write

USER = {"role": "user", "content": "2 + 2?"}
FOUR = {"role": "assistant", "content": "four, of course"}
TOOL = {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": False}
RESPONSE = {
    "id": "r", "created_at": 0, "model": "m", "object": "response", "parallel_tool_calls": True, "tool_choice": "auto",
    "tools": [],
}  # fmt: skip


def task(request: object = "2 + 2?", **more: object) -> dict:
    return {"responses_create_params": request if isinstance(request, dict) else {"input": request}, **more}


def attempt(n: int = 0, **more: object) -> dict:
    text = {"type": "output_text", "text": "4", "annotations": []}
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [text]}
    row = rollout(n, 0, response=RESPONSE | {"output": [message]})
    return row | more


def called(**more: object) -> list[dict]:
    calls = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"id": 7}'} | more}]
    return [
        USER, {"role": "assistant", "content": None, "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c1", "content": "ok then"}, FOUR,
    ]  # fmt: skip


def wrong(kind: str, row: object) -> str | None:
    """What is wrong with a row as a line."""
    try:
        return next(faults(kind, decode(json.dumps(row).encode())), None)
    except Unsound as error:
        return str(error)


SOUND = {
    "tasks": task([USER]),
    "inputs": task("q", _ng_task_index=0, _ng_rollout_index=0),
    "rl": task("q", task_source="mcqa"),
    "rollouts": attempt(),
    "failures": {"_ng_task_index": 0, "_ng_rollout_index": 0, "_ng_failure_class": "agent_run_error"},
    "sft": {"messages": called(), "tools": [{"type": "function", "function": {"name": "f"}}], "reward": 1.0},
    "preference": {"prompt": [USER], "chosen": [FOUR], "rejected": [FOUR | {"content": "5"}]},
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sound_row_of_each_kind_is_told_and_passes(kind: str) -> None:
    assert wrong(kind, SOUND[kind]) is None
    assert kind_of(SOUND[kind]) == ("tasks" if kind == "rl" else kind)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"options": ["A"]}, "'responses_create_params' is missing"),
        (task({"input": "q", "temp": 0.7}), "responses_create_params: unknown fields: temp"),
        (task([{"role": "wizard", "content": "q"}]), "input[0].role: expected one of"),
        (task([{"role": ["user"], "content": "q"}]), 'input[0].role: expected string, found ["user"]'),
        (task([{"role": "user", "contents": "q"}]), "input[0]: the field 'content' is missing"),
        (task([{"role": "user", "content": [{"type": "input_text"}]}]), "'text' is missing"),
        (task([]), "input: empty"),
        (task("  "), "input: empty"),
        (task({"input": "q", "temperature": -1}), "temperature: -1, expected 0 to 2"),
        (task({"input": "q", "top_p": 1.5}), "top_p: 1.5, expected 0 to 1"),
        (task({"input": "q", "tools": [TOOL, TOOL]}), "a second tool of the name 'f'"),
        (task({"input": "q", "tools": [TOOL | {"parameters": {"type": "objekt"}}]}), "no JSON Schema"),
        (task({"input": "q", "tools": [None]}), "tools[0]"),
        (task(options=[{"A": "1"}, {"B": "2"}], expected_answer="Z"), "none of the options"),
        (task(options=["red", "blue"], expected_answer="green"), "none of the options"),
        (task(expected_answer="B", verifier_metadata={"expected_answer": "Z"}), "another value in verifier_metadata"),
    ],
)  # fmt: skip
def test_faults_of_tasks(row: dict, reason: str) -> None:
    assert reason in str(wrong("tasks", row))


@pytest.mark.parametrize(
    "more",
    [
        {"options": ["red", "blue"], "expected_answer": "red"}, {"options": ["red", "blue"], "expected_answer": "B"},
        {"options": [{"A": "1"}, {"B": "2"}], "expected_answer": "B"}, {"options": [], "expected_answer": "B"},
        {"options": [{"A": "1"}, {"B": "2"}], "expected_answer": "2"}, {"options": None, "expected_answer": "B"},
        {"options": [{"letter": "A", "text": "x"}], "expected_answer": "x"}, {"options": [1, 2], "expected_answer": "3"},
        {"options": "ABCD", "expected_answer": "B"}, {"options": ["red"], "expected_answer": 3},
    ],
)  # fmt: skip
def test_answers_that_are_options(more: dict) -> None:
    assert wrong("tasks", task(**more)) is None


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"reward": None}, "reward: expected number, found null"),
        ({"reward": float("nan")}, "NaN is not JSON"),
        ({"response": RESPONSE | {"output": []}}, "response.output: empty"),
        ({"_ng_task_index": None}, "_ng_task_index"),
        ({"_ng_rollout_index": -1}, "_ng_rollout_index: expected a whole number from 0, found -1"),
    ],
)
def test_faults_of_rollouts(change: dict, reason: str) -> None:
    assert reason in str(wrong("rollouts", attempt() | change))


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([USER, USER], "the last message has the role 'user'"),
        ([USER], "messages"),
        ([USER, FOUR | {"content": None}], "null, and no call"),
        ([USER, FOUR | {"content": ""}], "says and calls nothing"),
        ([*called()[:2], FOUR], "the call c1 has no result"),
        (called()[:1] + called()[2:], "follows no call of that id"),
        (called(arguments="{"), "the arguments of f are not JSON"),
        (called(arguments="[1]"), "messages[1]: the arguments of f are no JSON object"),
        (called(name="g"), "a call of \"g\", which is none of the row's tools"),
        ([USER, FOUR | {"content": " \n"}], "says and calls nothing"),
        ([USER, FOUR | {"content": [{"type": "text", "text": " "}]}], "says and calls nothing"),
        ([USER | {"content": []}, FOUR], "messages[0].content: an empty list"),
        ([USER | {"content": [{"type": "video", "x": 1}]}, FOUR], "a part of the type 'video' without what it shows"),
        ([USER | {"content": [{"type": "image_url", "image_url": {}}]}, FOUR], "content[0]: a part of the type 'image_url'"),
        ([USER | {"content": [{"type": "text", "text": None}]}, FOUR], "a part of the type 'text'"),
        ([USER | {"content2": "x"}, FOUR], "the unknown field 'content2'. Is 'content' meant?"),
        ([USER, FOUR | {"tool_call": []}], "the unknown field 'tool_call'. Is 'tool_calls' meant?"),
    ],
)  # fmt: skip
def test_faults_of_conversations(messages: list, reason: str) -> None:
    assert reason in str(
        wrong("sft", {"messages": messages, "tools": [{"type": "function", "function": {"name": "f"}}]})
    )


@pytest.mark.parametrize(
    "row",
    [
        {"messages": called(name="g")}, {"messages": called(name="g"), "tools": []}, {"messages": called(arguments="")},
        {"messages": [USER, FOUR | {"thinking": "hm", "weight": 0, "name": "Bob"}]},
        {"messages": [USER | {"content": [{"type": "image"}, {"type": "text", "text": ""}]}, FOUR], "images": ["x"]},
        {"messages": [USER | {"content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}, FOUR]},
        {"messages": [USER | {"content": [{"type": "video", "video": "v.mp4"}]}, FOUR]},
        {"messages": [USER, FOUR | {"content": [{"type": "text", "text": "a"}]}]},
    ],
)  # fmt: skip
def test_conversations_that_a_trainer_takes_pass(row: dict) -> None:
    assert wrong("sft", row) is None


def test_a_rejected_side_may_call_what_is_no_tool() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    pair = {"prompt": [USER], "chosen": called()[1:], "rejected": called(name="g")[1:], "tools": tools}
    assert wrong("preference", pair) is None
    assert "which is none" in str(wrong("preference", pair | {"chosen": pair["rejected"], "rejected": pair["chosen"]}))


@pytest.mark.parametrize("kind", ["sft", "preference"])
def test_a_training_row_that_stands_twice_is_told(here: Path, kind: str) -> None:
    path = write(here / "r.jsonl", [SOUND[kind], SOUND[kind] | {"task_index": 1}] * 2)
    report = check([path], sound=Path("s.jsonl"))
    assert report.lines[:2] == [f"{path}:3: the same row as line 1", f"{path}:4: the same row as line 2"]
    assert len(read("s.jsonl")) == 2


def test_faults_of_pairs() -> None:
    assert "the same" in str(wrong("preference", {"prompt": [USER], "chosen": [FOUR], "rejected": [FOUR]}))
    pair = SOUND["preference"] | {"chosen_reward": 0.0, "rejected_reward": 1.0}
    assert "is not above" in str(wrong("preference", pair))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1, "a": 2}', "'a' stands twice"), (b'{"x": {"a": 1, "a": 1}}', "'a' stands twice"), (b"[1]", "an object"),
        (b'{"a": 1e999}', "too large"), (b'{"a": "\\ud800"}', "surrogate"), (b'{"a": "\xff"}', "not UTF-8"), (b"", "blank"),
        (b'{"a"', "not JSON"), (b'{"a": -Infinity}', "-Infinity is not JSON"), (b'{"x": ' + b"[" * 200000, "too deeply"),
    ],
)  # fmt: skip
def test_lines_that_readers_do_not_agree_on(line: bytes, reason: str) -> None:
    with pytest.raises(Unsound, match=reason):
        decode(line)


def test_the_command_names_every_faulty_line_and_keeps_the_rest(here: Path, command) -> None:
    path = write(here / "t.jsonl", [task(), task("3?"), task(), "", task([]), task("4?") | {"x": "é"}])
    before = path.read_bytes().split(b"\n")
    made = command("check", "t.jsonl", "--sound", "s.jsonl", "--rejects", "r.jsonl")
    assert made.returncode == 1
    assert "t.jsonl:3: the same task as line 1\n" in made.stdout
    assert [(row["line"], row["step"]) for row in read("r.jsonl")] == [(3, "repeated"), (4, "blank"), (5, "schema")]
    assert Path("s.jsonl").read_bytes().split(b"\n") == [before[0], before[1], before[5], b""]
    assert command("check", "s.jsonl").returncode == 0


@pytest.mark.parametrize("target", [".", "t.jsonl", "./t.jsonl", "link.jsonl", "folder"])
def test_sound_rows_never_land_on_an_input(here: Path, target: str) -> None:
    path = write(here / "t.jsonl", [task()])
    (here / "link.jsonl").symlink_to(path)
    (here / "folder").mkdir()
    with pytest.raises(Fault, match=r"is a folder|is an input too"):
        check([path], sound=Path(target))
    assert read(path) == [task()]


def test_tasks_with_one_prompt_and_other_fields_are_not_repeated(here: Path) -> None:
    assert check([write(here / "t.jsonl", [task(word="a"), task(word="b")])]).status == 0


@pytest.mark.parametrize("options", [{}, {"arguments": "object", "developer": "system", "reasoning_field": "thinking"}])
def test_what_prepare_writes_passes(here: Path, options: dict) -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    turns = [thought, call(arguments='{"id": 7}'), result("ok"), *answer("nine")]
    rows = [
        rollout(0, 0, 1.0, output=turns, params={"tools": [TOOL]}),
        rollout(0, 1, 0.0, "5", params={"tools": [TOOL]}),
    ]
    prepare([write(here / "r.jsonl", rows)], sft=Path("s.jsonl"), preference=Path("p.jsonl"), **options)
    report = check([Path("s.jsonl"), Path("p.jsonl")])
    assert report.lines[:1] == ["s.jsonl: sft rows"]
    assert report.figures["sound"] == 2


def test_an_empty_file_is_not_called_sound(here: Path) -> None:
    assert check([write(here / "t.jsonl", [])]).status == 1


def test_a_server_is_asked_for_its_fields(here: Path) -> None:
    path = write(here / "t.jsonl", [task()])
    report = check([path], server="code_gen", nemo_gym=False)
    assert "verifier_metadata.unit_tests" in report.lines[0]
    with pytest.raises(Fault, match="did you mean"):
        check([path], server="code_generation", nemo_gym=False)
    with pytest.raises(Fault, match="--own is for --server"):
        check([path], own=["x"])


def test_no_mutant_stops_it(here: Path) -> None:
    for number, (kind, row) in enumerate(SOUND.items()):
        path = write(here / "m.jsonl", [row, *mutants([row], 250, seed=number)])
        report = check([path], kind=kind, sound=Path("s.jsonl"), show=0, nemo_gym=False)
        assert (
            report.figures["lines"]
            == report.figures["sound"] + report.figures["faulty"]
            == len(path.read_bytes().split(b"\n")) - 1
        )
        assert check([Path("s.jsonl")], kind=kind, nemo_gym=False).status == 0


# ------------------------------------------------------------------------------------------------- chat templates

FULL = """{%- for m in messages -%}
<|{{ m.role }}|>{{ m.content or '' }}{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif -%}
{% for c in m.tool_calls or [] %}<call>{{ c.function.name }} {{ ARGUMENTS }}</call>{% endfor %}
{%- endfor %}{% for t in tools or [] %}{{ t | tojson }}{% endfor %}"""
AS_TEXT, AS_JSON = (
    FULL.replace("ARGUMENTS", "c.function.arguments"),
    FULL.replace("ARGUMENTS", "c.function.arguments|tojson"),
)
TEMPLATES = {
    "text": (AS_TEXT, None),
    "twice": (AS_JSON, "message 2 (assistant): the call of f has its arguments encoded twice"),
    "items": (
        FULL.replace("ARGUMENTS", "{%for k, v in c.function.arguments.items()%}{{k}}{{v}}{%endfor%}").replace("{{ {%", "{%").replace("%} }}", "%}"),
        "the template fails: UndefinedError",
    ),
    "concatenated": ("{% for m in messages %}{{ '<' + m.role + '>' + m.content }}{% endfor %}", "the template fails: TypeError"),
    "known roles": (AS_TEXT.replace("<|{{ m.role }}|>{{ m.content or '' }}", "{% if m.role != 'tool' %}{{ m.content or '' }}{% endif %}"), "message 3 (tool): its content is not in the text"),
    "refused": ("{{ raise_exception('roles must alternate') }}", "the template fails: TemplateError: roles must alternate"),
    "cut": (AS_TEXT.replace("m.content or ''", "(m.content or '')[:5]"), "message 1 (user): its content"),
    "no tools": (AS_TEXT.partition("{% for t in")[0] , "the tool f is not in the text"),
    "trimmed": (AS_TEXT.replace("m.content or ''", "(m.content or '') | trim"), None),
    "no calls": ("{% for m in messages %}{{ m.content or '' }}{% endfor %}", "the call of f is not in the text"),
    "no arguments": (AS_TEXT.replace("{{ c.function.arguments }}", ""), "the call of f is in the text without its arguments"),
    "generation": ("{% generation %}" + AS_TEXT + "{% endgeneration %}", None),
    "date": ("{{ strftime_now('%Y') }}" + AS_TEXT, None),
    "break": (AS_TEXT + "{% for m in messages %}{% break %}{% endfor %}", None),
    "sandbox": ("{{ messages.append(1) }}" + AS_TEXT, "the template fails: SecurityError"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), TEMPLATES.values(), ids=TEMPLATES)
def test_templates(here: Path, source: str, expected: str | None) -> None:
    Path("t.jinja").write_text(source)
    tools = [{"type": "function", "function": {"name": "f"}}, {"type": "function", "function": {"name": "other_tool"}}]
    found = lost(read_template(Path("t.jinja")), called(), tools, False, True)
    assert found is None if expected is None else expected in str(found)


def test_a_text_that_another_message_holds_too_is_still_missed(here: Path) -> None:
    Path("t.jinja").write_text("{% for m in messages if m.role != 'developer' %}{{ m.content }}{% endfor %}")
    messages = [{"role": "developer", "content": "ok"}, {"role": "user", "content": "is it ok?"}]
    assert "message 1 (developer)" in str(lost(read_template(Path("t.jinja")), messages, None, True, True))


def test_reasoning_may_be_left_out_if_the_user_says_so(here: Path) -> None:
    Path("t.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    messages = [USER, FOUR | {"reasoning_content": "two and two"}]
    template = read_template(Path("t.jinja"))
    assert "its reasoning_content" in str(lost(template, messages, None, False, True))
    assert lost(template, messages, None, False, False) is None


def test_a_json_filter_without_escapes(here: Path) -> None:
    Path("t.jinja").write_text("{{ messages | tojson }}")
    assert lost(read_template(Path("t.jinja")), [{"role": "user", "content": "é <b> '\"\n"}], None, True, True) is None


def test_a_model_folder(here: Path) -> None:
    folder = here / "model"
    folder.mkdir()
    with pytest.raises(Fault, match=r"chat_template\.jinja"):
        read_template(folder)
    config = {
        "chat_template": [{"name": "default", "template": "{{ bos_token }}a"}, {"name": "tool_use", "template": "b"}]
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config | {"bos_token": {"content": "<s>"}}))
    template = read_template(folder)
    assert (template.source(False), template.source(True), dict(template.tokens)) == (
        "{{ bos_token }}a", "b", {"bos_token": "<s>"}
    )  # fmt: skip
    (folder / "chat_template.jinja").write_text("c{% broken")
    with pytest.raises(Fault, match="is not Jinja"):
        read_template(folder)
    with pytest.raises(Fault, match="no such file or folder"):
        read_template(Path("nowhere"))


@pytest.mark.parametrize("kind", ["sft", "preference", "tasks", "rollouts"])
def test_every_kind_is_rendered(here: Path, kind: str) -> None:
    Path("t.jinja").write_text("{{ raise_exception('no') }}")
    path = write(here / "r.jsonl", [SOUND[kind]])
    report = check([path], template=Path("t.jinja"), nemo_gym=False)
    assert "the template fails: TemplateError: no" in report.lines[0]
    Path("t.jinja").write_text(AS_TEXT)
    assert check([path], template=Path("t.jinja"), nemo_gym=False).status == 0
