"""The practice model answers as a sampled model does, from the request and the script alone."""

import importlib.util
import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import requests

from tests.live.support import PRACTICE_MODEL, free_port, practice_model

pytest.importorskip("aiohttp")
spec = importlib.util.spec_from_file_location("practice_model", PRACTICE_MODEL)
pm = importlib.util.module_from_spec(spec)
sys.modules["practice_model"] = pm
spec.loader.exec_module(pm)

QUESTIONS = [f"What is {n} + {n}? Answer inside \\boxed{{}}." for n in range(10)]
ROWS = [
    {"responses_create_params": {"input": [{"role": "user", "content": question}]}, "expected_answer": str(2 * n)}
    for n, question in enumerate(QUESTIONS)
]
CALLS = [{"name": "add", "arguments": {"a": "1"}}, {"name": "send", "arguments": '{"to": "x"}'}]
TOOLS = [
    {"type": "function", "name": "add", "parameters": {"properties": {"a": {"type": "integer"}}, "required": ["a"]}}
]


def make(rows: list[dict], directory: Path, *options: str) -> subprocess.CompletedProcess:
    (directory / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, PRACTICE_MODEL, "script", "rows.jsonl", "--output", "answers.jsonl", *options]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True)


@pytest.fixture
def script(tmp_path):
    assert make(ROWS, tmp_path).returncode == 0
    return pm.load_script([tmp_path / "answers.jsonl"])


def ask(model, question, **body):
    return model.reply([pm.Message("user", question)], body, body.pop("limit", None))


def is_right(reply, question):
    n = QUESTIONS.index(question)
    return f"\\boxed{{{2 * n}}}" in reply.text


def rate(model, draws=400, **body):
    replies = [(ask(model, question, **body), question) for question in QUESTIONS for _ in range(draws)]
    return sum(is_right(*pair) for pair in replies) / len(replies)


@pytest.mark.parametrize("skill", [0.2, 0.6, 0.8])
def test_the_mean_pass_rate_at_temperature_1_is_the_skill(skill, script):
    assert rate(pm.PracticeModel(script, skill)) == pytest.approx(skill, abs=0.03)


def test_tasks_differ_in_difficulty(script):
    model = pm.PracticeModel(script, 0.5)
    rates = [sum(is_right(ask(model, q), q) for _ in range(200)) / 200 for q in QUESTIONS]
    assert max(rates) - min(rates) > 0.2


def test_temperature_0_is_greedy_and_low_temperatures_approach_it(script):
    model = pm.PracticeModel(script)
    for question in QUESTIONS:
        greedy = {ask(model, question, temperature=0).text for _ in range(20)}
        assert len(greedy) == 1
        assert greedy == {ask(model, question, temperature=0.01).text for _ in range(20)}
        assert len({ask(model, question, temperature=1.0).text for _ in range(60)}) > 2


def test_top_p_cuts_unlikely_answers_off(script):
    model = pm.PracticeModel(script)
    question = QUESTIONS[0]
    all_texts = Counter(ask(model, question).text for _ in range(500))
    few_texts = {ask(model, question, top_p=0.3).text for _ in range(500)}
    assert len(few_texts) < len(all_texts) == 6
    assert few_texts <= {text for text, _ in all_texts.most_common(3)}


def test_a_seeded_request_does_not_depend_on_what_came_before(script):
    first, second = pm.PracticeModel(script), pm.PracticeModel(script)
    forwards = [ask(first, QUESTIONS[0], seed=seed).text for seed in range(30)]
    rate(second, draws=3)
    backwards = [ask(second, QUESTIONS[0], seed=seed).text for seed in reversed(range(30))]
    assert forwards == backwards[::-1]
    assert len(set(forwards)) > 1
    by_metadata = [
        ask(first, QUESTIONS[0], metadata={"extra_body": json.dumps({"seed": seed})}).text for seed in range(30)
    ]
    assert by_metadata == forwards


def test_the_kth_identical_request_gets_the_kth_draw_and_other_requests_do_not_count(script):
    first, second = pm.PracticeModel(script), pm.PracticeModel(script)
    alone = [ask(first, QUESTIONS[0]).text for _ in range(20)]
    among = []
    for _ in range(20):
        among.append(ask(second, QUESTIONS[0]).text)
        ask(second, QUESTIONS[1])
        ask(second, QUESTIONS[0], temperature=0.5)
    assert alone == among
    assert alone != [ask(pm.PracticeModel(script, seed=1), QUESTIONS[0]).text for _ in range(20)]


def test_the_log_probability_is_that_of_the_answer(script):
    model = pm.PracticeModel(script)
    seen = {}
    for _ in range(2000):
        reply = ask(model, QUESTIONS[0])
        seen.setdefault(reply.text, []).append(math.exp(reply.log_prob))
    for values in seen.values():
        assert values[0] == pytest.approx(len(values) / 2000, abs=0.04)
    assert sum(values[0] for values in seen.values()) == pytest.approx(1)


def test_a_token_limit_cuts_the_text_short_and_says_so(script):
    model = pm.PracticeModel(script)
    body = {"input": QUESTIONS[0], "max_output_tokens": 1, "seed": 1}
    answer = pm.answer_responses(model, body)
    assert answer["status"] == "incomplete"
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"}
    assert answer["usage"]["output_tokens"] == 1
    chat = {"messages": [{"role": "user", "content": QUESTIONS[0]}], "max_tokens": 1, "seed": 1}
    choice = pm.answer_chat(model, chat)["choices"][0]
    assert choice["finish_reason"] == "length"
    assert len(choice["message"]["content"].split()) == 1


def test_all_three_apis_give_the_same_answer(script):
    model = pm.PracticeModel(script)
    for seed in range(10):
        common = {"seed": seed, "temperature": 0.7}
        said = pm.answer_responses(model, {"input": QUESTIONS[3], **common})["output"][0]["content"][0]["text"]
        chat = pm.answer_chat(model, {"messages": [{"role": "user", "content": QUESTIONS[3]}], **common})
        raw = pm.answer_completions(model, {"prompt": QUESTIONS[3], **common})
        assert chat["choices"][0]["message"]["content"] == said == raw["choices"][0]["text"]


def test_an_unknown_conversation_gets_the_documented_answer(script):
    model = pm.PracticeModel(script)
    assert ask(model, "Who are you?").text == pm.UNKNOWN
    assert ask(model, "What is it like in Rome?", tools=TOOLS).calls == [("add", {"a": 1})]
    assert ask(model, "What is it like in Rome?", tools=TOOLS, tool_choice="none").text == pm.UNKNOWN
    after = [pm.Message("user", "Rome?"), pm.Message("assistant", "", [("add", {"a": 1})]), pm.Message("tool", "2")]
    assert model.reply(after, {"tools": TOOLS}, None).text == pm.DONE


def call_rows(together: bool) -> list[dict]:
    params = {"input": [{"role": "user", "content": "Add and send."}], "parallel_tool_calls": together}
    return [{"responses_create_params": params, "ground_truth": CALLS}]


@pytest.mark.parametrize("together", [True, False])
def test_several_turns_follow_the_answer_that_was_begun(together, tmp_path):
    make(call_rows(together), tmp_path)
    script = pm.load_script([tmp_path / "answers.jsonl"])
    model = pm.PracticeModel(script, skill=0.999)
    messages, turns = [pm.Message("user", "Add and send.")], []
    while not turns or turns[-1]:
        reply = model.reply(messages, {}, None)
        turns.append(reply.calls)
        messages.append(pm.Message("assistant", reply.text, reply.calls))
        messages += [pm.Message("tool", "ok") for _ in reply.calls]
    expected = [("add", {"a": "1"}), ("send", {"to": "x"})]
    assert turns == ([expected, []] if together else [expected[:1], expected[1:], []])


def test_a_later_prompt_continues_the_tokens_of_the_earlier_turn(tmp_path):
    make(call_rows(together=False), tmp_path)
    model = pm.PracticeModel(pm.load_script([tmp_path / "answers.jsonl"]), skill=0.999)
    messages = [{"role": "user", "content": "Add and send."}]
    first = pm.answer_chat(model, {"messages": messages, "return_token_ids": True})
    before = first["prompt_token_ids"] + first["choices"][0]["token_ids"]
    messages += [first["choices"][0]["message"], {"role": "tool", "tool_call_id": "x", "content": "ok"}]
    second = pm.answer_chat(model, {"messages": messages, "return_token_ids": True})
    assert second["prompt_token_ids"][: len(before)] == before


def test_reasoning_is_an_item_of_its_own(tmp_path):
    make(ROWS, tmp_path, "--reasoning")
    model = pm.PracticeModel(pm.load_script([tmp_path / "answers.jsonl"]))
    response = pm.answer_responses(model, {"input": QUESTIONS[0]})
    assert [item["type"] for item in response["output"]] == ["reasoning", "message"]
    assert response["usage"]["output_tokens_details"]["reasoning_tokens"] > 0
    chat = pm.answer_chat(model, {"messages": [{"role": "user", "content": QUESTIONS[0]}]})
    assert chat["choices"][0]["message"]["reasoning_content"] in pm.REASONING


def test_templates_say_what_is_right_and_wrong(tmp_path):
    rows = [{"responses_create_params": {"input": "Q?"}, "verifier_metadata": {"city": "Rome"}, "answer": "4"}]
    result = make(rows, tmp_path, "--right", "{{{answer}}} in {verifier_metadata.city}", "--wrong", "not {answer}")
    assert result.returncode == 0, result.stderr
    (row,) = pm.read_jsonl(tmp_path / "answers.jsonl")
    texts = {answer["right"]: answer["turns"][0]["text"] for answer in row["answers"]}
    assert texts[True] == "{4} in Rome"
    assert texts[False].startswith("not ")
    assert texts[False] != "not 4"


def test_multiple_choice_is_wrong_with_another_letter(tmp_path):
    params = {"input": "Which letter? \\boxed{}"}
    make([{"responses_create_params": params, "options": [{"A": "x"}, {"B": "y"}], "expected_answer": "B"}], tmp_path)
    (row,) = pm.read_jsonl(tmp_path / "answers.jsonl")
    assert {answer["turns"][0]["text"][-3:] for answer in row["answers"] if not answer["right"]} <= {"{A}", "A}."}


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([*ROWS, {"responses_create_params": {"input": "?"}}], (), "rows.jsonl, line 11: has none of the fields"),
        ([{"expected_answer": "1"}], (), "rows.jsonl, line 1: has no `responses_create_params.input`"),
        (ROWS, ("--right", "{nope}"), "rows.jsonl, line 1: has no field `nope`, which a template uses"),
        ([ROWS[0], {**ROWS[0], "expected_answer": "7"}], (), "line 2: an earlier row asks the same"),
    ],
)
def test_a_row_that_cannot_be_scripted_is_named(rows, options, message, tmp_path):
    result = make(rows, tmp_path, *options)
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "answers.jsonl").exists()


def test_a_script_that_is_none_is_named_with_its_line(tmp_path):
    (tmp_path / "answers.jsonl").write_text('{"messages": [], "answers": []}\n{"answers": 3}\n')
    with pytest.raises(pm.RowError, match=r"answers\.jsonl, line 2: not a row of a script"):
        pm.load_script([tmp_path / "answers.jsonl"])
    (tmp_path / "answers.jsonl").write_text("{\n")
    with pytest.raises(pm.RowError, match=r"answers\.jsonl, line 1: not JSON"):
        pm.load_script([tmp_path / "answers.jsonl"])


def test_the_server_serves_all_its_paths_and_refuses_to_stream():
    with practice_model() as address:
        assert requests.get(f"{address}/models", timeout=5).json()["data"][0]["id"] == "practice"
        body = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
        assert requests.post(f"{address}/chat/completions", json=body, timeout=5).json()["model"] == "m"
        tokens = requests.post(f"{address.removesuffix('/v1')}/tokenize", json=body, timeout=5).json()
        assert tokens["count"] == len(tokens["tokens"]) == 4
        refused = requests.post(f"{address}/responses", json={"input": "?", "stream": True}, timeout=5)
        assert refused.status_code == 400
        assert "does not stream" in refused.json()["error"]["message"]


def test_a_port_that_is_taken_is_named():
    with practice_model("--port", str(free_port())) as address:
        port = address.split(":")[-1].removesuffix("/v1")
        command = [sys.executable, PRACTICE_MODEL, "serve", "--port", port]
        result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert f"port {port} cannot be opened" in result.stderr


def test_the_running_example_is_the_same_each_time(tmp_path):
    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        command = [sys.executable, PRACTICE_MODEL, "example"]
        run = subprocess.run(command, cwd=tmp_path / name, capture_output=True, text=True, check=True)
        made.append([(tmp_path / name / each).read_bytes() for each in ("tasks.jsonl", "answers.jsonl")])
    assert made[0] == made[1]
    assert run.stdout.startswith("Wrote 45 tasks to tasks.jsonl\n")
    tasks = [json.loads(line) for line in made[0][0].splitlines()]
    assert Counter(task["task_source"] for task in tasks) == {
        "mcqa_simple_agent": 40, "workplace_assistant_simple_agent": 5
    }  # fmt: skip
    for task in tasks[:40]:
        (right,) = (option for option in task["options"] if task["expected_answer"] in option)
        asked = task["responses_create_params"]["input"][0]["content"].removeprefix("What is ").partition("?")[0]
        assert eval(asked) == int(right[task["expected_answer"]])
        assert len({value for option in task["options"] for value in option.values()}) == 4
