"""What a `gym` command and its configuration would ignore is refused: each fault in milliseconds, without a server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.consumers import command_line, problems
from harness.consumers.command_line import EXIT_CODE, NOTES

SERVER = """
judge:
  resources_servers:
    mcqa:
      entrypoint: app.py
      domain: knowledge
"""

#: A configuration that `gym eval run` reads, with what is found in it: line and message.
CONFIGS = [
    ("num_repeat: 4", 1, "unknown key 'num_repeat' for `gym eval run`: did you mean 'num_repeats'?"),
    (
        "responses_create_params:\n  temperature: ${oc.env:T}\n  reasoning:\n    efort: low",
        4,
        "unknown key 'responses_create_params.reasoning.efort' for Reasoning: did you mean 'effort'?",
    ),
    (
        "responses_create_params:\n  tools:\n  - type: function\n    name: add\n    strict: true\n    paramters: {}",
        6,
        "unknown key 'responses_create_params.tools.0.paramters' for FunctionToolParam: did you mean 'parameters'?",
    ),
    (
        "responses_create_params:\n  text: {format: {type: json_schema, name: a, schema: {}, stric: true}}",
        2,
        "unknown key 'responses_create_params.text.format.stric' for ResponseFormatTextJSONSchemaConfigParam: "
        "did you mean 'strict'?",
    ),
    (
        "responses_create_params:\n  input:\n  - {role: user, contnt: hello}",
        3,
        "unknown key 'responses_create_params.input.0.contnt' for NeMoGymEasyInputMessage: did you mean 'content'?",
    ),
    (
        "responses_create_params:\n  model: ${m}\n  temperature: warm\nm: x",
        3,
        "'responses_create_params.temperature': Input should be a valid number",
    ),
    (
        "responses_create_params:\n  model: ${m}\n  reasoning: {effort: sky-high}\nm: x",
        3,
        "'responses_create_params.reasoning.effort': Input should be 'none', ",
    ),
    (
        SERVER.replace("domain:", "domian:"),
        6,
        "unknown key 'judge.resources_servers.mcqa.domian' for MCQAResourcesServerConfig: did you mean 'domain'?",
    ),
    (
        SERVER.replace("resources_servers:", "resources_server:"),
        3,
        "unknown key 'judge.resources_server' for a server: did you mean 'resources_servers'?",
    ),
    (SERVER.replace("    mcqa:", "    mcqaa:"), 4, "no server 'mcqaa' in resources_servers: did you mean 'mcqa'?"),
    (
        SERVER + "      datasets:\n      - {name: a, type: train, jsonl_fpth: a.jsonl, license: MIT}",
        8,
        "unknown key 'judge.resources_servers.mcqa.datasets.0.jsonl_fpth' for ",
    ),
    (
        "agent:\n  responses_api_agents:\n    simple_agent:\n      entrypoint: app.py\n      resources_server:\n"
        "        type: resources_servers\n        nme: ${judge}\n",
        7,
        "unknown key 'agent.responses_api_agents.simple_agent.resources_server.nme' for ResourcesServerRef: "
        "did you mean 'name'?",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "said"), CONFIGS, ids=[said for _, _, said in CONFIGS])
def test_what_a_configuration_would_lose_is_named(text: str, line: int, said: str) -> None:
    (found,) = problems("gym eval run", text)
    assert found[0] == line
    assert found[1].startswith(said)


#: What stands after `gym`, with what is found.
COMMANDS = [
    ("eval run +num_repeat=4", "unknown key 'num_repeat'"),
    ("eval run num_repeat=4", "unknown key 'num_repeat'"),
    ("eval run ++responses_create_params.reasoning.efort=low", "unknown key 'responses_create_params.reasoning.efort'"),
    ("eval run +responses_create_params={reasoning:{efort:low}}", "'responses_create_params.reasoning.efort'"),
    ("eval run +responses_create_params.tools=[{type:function,nam:x}]", "'responses_create_params.tools.0.nam'"),
    ("eval run +responses_create_params.temprature=${oc.env:T}", "'responses_create_params.temprature'"),
    ("eval run --config own.yaml", "own.yaml:2: unknown key 'responses_create_params.temprature'"),
    ("eval run --config right.yaml --config own.yaml", "own.yaml:2: "),
    ("eval run +config_paths=[right.yaml,own.yaml]", "own.yaml:2: "),
    ("eval run --config outer.yaml", "own.yaml:2: unknown key 'responses_create_params.temprature'"),
    ("env start --config own.yaml", "own.yaml:1: unknown key 'responses_create_params' for `gym env start`"),
    ("env start --config right.yaml +judge.resources_servers.mcqa.domian=a", "'judge.resources_servers.mcqa.domian'"),
    ("dataset collate +modee=train_preparation", "unknown key 'modee' for `gym dataset collate`"),
    ("dataset migrate +delete_from_gitlab=true", "unknown key 'delete_from_gitlab' for `gym dataset migrate`"),
    ("eval aggregate +input_gob=a", "unknown key 'input_gob' for `gym eval aggregate`"),
]

ACCEPTED = [
    "eval run +num_repeats=4 --config right.yaml",
    "eval run +responses_create_params={reasoning:{effort:low}}",
    "eval run '+responses_create_params.tools=[{type:function,name:x,parameters:{},strict:true}]'",
    "eval run ~num_repeats",
    "eval run +responses_create_params.metadata={anything:at_all}",
    "dataset upload +delete_from_gitlab=true",
    "--help",
    "eval run --help +num_repeat=4",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "own.yaml").write_text("responses_create_params:\n  temprature: 1\n", encoding="utf-8")
    (tmp_path / "outer.yaml").write_text("config_paths: [inner.yaml]\n", encoding="utf-8")
    # Each names the other: a circle has an end, too.
    (tmp_path / "inner.yaml").write_text("config_paths: [own.yaml, outer.yaml]\n", encoding="utf-8")
    (tmp_path / "right.yaml").write_text(SERVER, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(("command", "said"), COMMANDS, ids=[command for command, _ in COMMANDS])
@pytest.mark.usefixtures("folder")
def test_what_a_command_would_ignore_is_named(command: str, said: str) -> None:
    found = command_line.problems_of(["gym", *command.split()])
    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize("command", ACCEPTED)
@pytest.mark.usefixtures("folder")
def test_what_a_command_reads_passes(command: str) -> None:
    assert command_line.problems_of(["gym", *command.replace("'", "").split()]) == []


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ("- right.yaml\n- resources_servers/mcqa/configs/mcqa.yaml\n- ${oc.env:HOME}/a.yaml", None),
        (
            "- right.yaml\n- resources_servers/mcqa/configs/mcqb.yaml",
            "did you mean 'resources_servers/mcqa/configs/mcqa.",
        ),
        (
            "- right.yaml\n- nowhere.yaml",
            "config_paths: there is no file 'nowhere.yaml', neither in the reader's folder",
        ),
    ],
)
def test_a_configuration_names_files_that_are_there(paths: str, said: str | None) -> None:
    found = problems("gym env start", f"config_paths:\n{paths}")
    assert found == [] if said is None else (found[0][0] == 3 and said in found[0][1])


@pytest.mark.usefixtures("folder")
def test_the_old_names_of_commands_are_looked_at_too() -> None:
    (found,) = command_line.problems_of(["ng_collect_rollouts", "+num_repeat=4"])
    assert "unknown key 'num_repeat' for `gym eval run`" in found


def test_a_refusal_is_noted_where_the_page_looks_for_it(folder, monkeypatch, capsys) -> None:
    monkeypatch.setenv(NOTES, str(folder / "notes.jsonl"))
    assert command_line._check(["/bin/gym", "eval", "run", "+num_repeat=4"]) == EXIT_CODE
    (row,) = (folder / "notes.jsonl").read_text(encoding="utf-8").splitlines()
    assert json.loads(row)["command"] == "gym eval run +num_repeat=4"
    assert "NeMo Gym would have ignored this in silence" in capsys.readouterr().err
