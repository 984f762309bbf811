"""The checks of NeMo RL: what it reads passes, and a planted fault is named with its line and the nearest name."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
from gym_rollouts.commands.export import TARGETS, with_agent

from harness.consumers import nemo_rl, problems, program_of
from harness.consumers.nemo_rl import KEYS
from harness.pages import page_at
from tests.live.support import ROOT

PAGE = page_at(ROOT / "docs", "tutorials/nemo-rl-grpo/index")

GOOD = """\
defaults: examples/nemo_gym/grpo_workplace_assistant_nemotron_nano_v2_9b.yaml
grpo:
  num_generations_per_prompt: 8
policy:
  generation:
    temperature: 1
    vllm_cfg:
      tool_parser_plugin: parser.py
    vllm_kwargs:
      compilation_config:
        backend: eager
  train_global_batch_size: ${mul:${grpo.num_prompts_per_step}, 8}
"""

#: What stands in `GOOD`, what to put there, and the line and message of the problem that it makes.
FAULTS = [
    ("num_generations_per_prompt", "num_generation_per_prompt", 3, "did you mean 'num_generations_per_prompt'?"),
    ("_prompt: 8", "_prompt: eight", 3, "expected int, found 'eight'"),
    ("_prompt: 8", "_prompt: true", 3, "expected int, found True"),
    ("vllm_cfg", "vllm_config", 7, "unknown key 'policy.generation.vllm_config'"),
    ("temperature: 1", "vllm_cfg: 1", 7, "stands twice"),
    ("temperature: 1", "temperature: warm", 6, "expected float, found 'warm'"),
    ("    temperature: 1", "    colocated: {enabled: 'no'}", 6, "expected bool, found 'no'"),
    ("    vllm_cfg:", "    vllm_cfg:\n      _override_: true", 8, "in sections of the top level only"),
    ("defaults: ", "defaults: [a]\nenv: ", 1, "expected an example of NeMo RL"),
    ("  train_global", "envs:\n  train_global", 12, "unknown key 'envs'"),
    ("nano_v2_9b", "nano_v3", 1, "NeMo RL's example is"),
]


def test_accepts_what_nemo_rl_reads() -> None:
    assert problems("NeMo RL", GOOD) == []


@pytest.mark.parametrize(("old", "new", "line", "message"), FAULTS)
def test_names_a_fault(old: str, new: str, line: int, message: str) -> None:
    found = problems("NeMo RL", GOOD.replace(old, new, 1))
    assert any(number == line and message in text for number, text in found), found


def test_takes_what_stands_for_a_whole_section() -> None:
    whole = "defaults: examples/configs/sft.yaml\ndata:\n  _override_: true\n  train:\n    data_path: a.jsonl\n"
    assert problems("NeMo RL", whole + "    use_preserving_dataset: true\n") == []
    (found,) = problems("NeMo RL", whole + "    use_preserving_datasets: true\n")
    assert found[0] == 6
    assert "did you mean 'use_preserving_dataset'?" in found[1]


def test_an_example_has_the_keys_of_its_program_only() -> None:
    (found,) = problems("NeMo RL", "defaults: examples/configs/dpo.yaml\nsft: {max_num_steps: 1}\n")
    assert found[0] == 2
    assert "unknown key 'sft'" in found[1]


# ------------------------------------------------------------------------------------------ command lines

LAUNCH = """\
HF_HOME=models uv run python examples/nemo_gym/run_grpo_nemo_gym.py \\
    --config grpo.yaml ++grpo.max_num_steps=3 cluster.gpus_per_node=1 \\
    policy.optimizer=null ++policy.generation.vllm_cfg.tool_parser_plugin=$PARSER"""

#: What stands in `LAUNCH`, what to put there, and the line and message of the problem that it makes.
MISUSES = [
    ("grpo.max_num_steps", "grpo.max_num_step", 2, "did you mean 'max_num_steps'?"),
    ("++grpo.", "++gpro.", 2, "did you mean 'grpo'?"),
    ("vllm_cfg.tool_parser_plugin", "vllm_cfg.tool_parser_plugins", 3, "did you mean 'tool_parser_plugin'?"),
    ("steps=3", "steps=three", 2, "expected int, found 'three'"),
    ("gpus_per_node=1", "gpus_per_node=1.5", 2, "expected int, found 1.5"),
    ("cluster.gpus_per_node=1", "cluster=1", 2, "'cluster' holds keys such as"),
    ("cluster.gpus_per_node=1", "gpus", 2, "expected key=value"),
    ("--config", "--confg", 2, "did you mean '--config'?"),
    ("run_grpo_nemo_gym.py", "run_grpo_nemogym.py", 1, "did you mean 'examples/nemo_gym/run_grpo_nemo_gym.py'?"),
    ("--config grpo.yaml", "--config none.yaml", 2, "no such file"),
    ("--config grpo.yaml", "--config examples/configs/sft.yaml", 2, "not the example of this program"),
    ("nemo_gym/run_grpo_nemo_gym", "run_sft", 2, "this program reads examples/configs/sft.yaml"),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A page's folder with the configuration that `LAUNCH` names."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grpo.yaml").write_text(GOOD)
    return tmp_path


def test_accepts_a_launch(folder) -> None:
    assert program_of(LAUNCH) == "NeMo RL"
    assert nemo_rl.command_line(LAUNCH) == []


@pytest.mark.parametrize(("old", "new", "line", "message"), MISUSES)
def test_names_a_fault_of_a_launch(folder, old: str, new: str, line: int, message: str) -> None:
    wrong = LAUNCH.replace(old, new, 1)
    assert program_of(wrong) == "NeMo RL"
    found = nemo_rl.command_line(wrong)
    assert any(each.line == line and message in each.message for each in found), found


def test_a_launch_names_the_faults_of_its_configuration(folder) -> None:
    (folder / "grpo.yaml").write_text(GOOD.replace("vllm_cfg", "vllm_config"))
    (found,) = nemo_rl.command_line(LAUNCH)
    assert found.line == 2
    assert found.message.startswith("grpo.yaml:7: unknown key")


# --------------------------------------------------------------------------------------------------- rows

TALK = [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]
SIDES = [{"rank": 0, "completion": TALK[1:]}, {"rank": 1, "completion": [TALK[1] | {"content": "3"}]}]
SOUND = {
    "task": {"responses_create_params": {"input": "1+1"}, "agent_ref": {"name": "mcqa_simple_agent"}},
    "sft": {"messages": TALK, "tools": []},
    "preference": {"context": TALK[:1], "completions": SIDES},
    "binary preference": {"prompt": "1+1", "chosen": "2", "rejected": "3"},
}

#: For a kind of row: what is put in place of fields of a sound one (None: the field goes), and what is said of it.
BAD_ROWS = [
    ("task", {"agent_ref": None, "task_source": "mcqa"}, "needs agent_ref; the row has task_source"),
    ("task", {"agent_ref": None}, "no agent_ref"),
    ("task", {"agent_ref": {"type": "responses_api_agents"}}, "no agent_ref.name"),
    ("task", {"responses_create_params": {"inputs": "x"}}, "unknown key 'responses_create_params.inputs'"),
    ("task", {"agent_ref": {"name": "a", "tipe": "b"}}, "unknown key 'tipe': did you mean 'type'?"),
    ("task", {"responses_create_params": None}, "no responses_create_params"),
    ("sft", {"messages": TALK[:1]}, "the last message must be the assistant's"),
    ("sft", {"messages": None, "mesages": TALK}, "no messages: did you mean 'mesages'?"),
    ("sft", {"tools": "[]"}, "tools: expected a list"),
    ("preference", {"completions": SIDES[:1]}, "expected two, found 1"),
    ("preference", {"completions": [SIDES[0], SIDES[0]]}, "both have the rank 0"),
    ("preference", {"context": "1+1"}, "context: expected a list"),
    ("binary preference", {"chosen": TALK[1:]}, "chosen: expected text"),
]


@pytest.mark.parametrize("kind", SOUND)
def test_accepts_a_row(kind: str) -> None:
    assert problems(f"NeMo RL {kind} row", json.dumps(SOUND[kind])) == []
    assert problems(f"NeMo RL {kind} row", "") == [(1, "there is no row")]


def test_accepts_each_row_that_the_tool_exports() -> None:
    task = {"responses_create_params": {"input": "1+1"}, "task_source": "mcqa"}
    pair = {"prompt": TALK[:1], "chosen": TALK[1:], "rejected": SIDES[1]["completion"]}
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    made = {
        "task": TARGETS["nemo-rl"]["tasks"](with_agent(task, {"mcqa": "mcqa_simple_agent"})),
        "sft": TARGETS["nemo-rl"]["sft"]({"messages": TALK, "tools": tools, "reward": 1.0}),
        "preference": TARGETS["nemo-rl"]["preference"](pair),
    }
    assert {kind: problems(f"NeMo RL {kind} row", json.dumps(row)) for kind, row in made.items()} == {
        "task": [],
        "sft": [],
        "preference": [],
    }


def test_a_row_may_take_several_lines_of_a_page() -> None:
    assert problems("NeMo RL task row", json.dumps(SOUND["task"], indent=2)) == []


@pytest.mark.parametrize(("kind", "change", "message"), BAD_ROWS)
def test_names_a_fault_of_a_row_and_the_line_of_the_source(kind: str, change: dict, message: str) -> None:
    wrong = {name: value for name, value in (SOUND[kind] | change).items() if value is not None}
    text = f"{json.dumps(SOUND[kind])}\n{json.dumps(wrong)}\n"
    ((line, said),) = problems(f"NeMo RL {kind} row", text)
    assert line == 2
    assert message in said
    assert re.search(r"\(nemo_rl/\S+\.py:\d+ at [0-9a-f]{8}\)$", said)


# ------------------------------------------------------------------------------------------- from a clone


@pytest.fixture
def clone(tmp_path):
    """A clone that says what NeMo RL says, as far as it is asked, with a class of each form."""
    files = {
        "nemo_rl/algorithms/grpo.py": "from nemo_rl.models.policy import Part as P\n"
        "class MasterConfig:\n    policy: P\n    env: dict[str, int]\n    n: NotRequired[int | None]\n",
        "nemo_rl/models/policy/__init__.py": "class Base:\n    of_base: bool\n"
        "class Off:\n    enabled: bool\nclass Part(Base):\n    below: Off | None\n    kind: Literal['a']\n",
        "examples/nemo_gym/run_grpo_nemo_gym.py": "",
        "example.yaml": "env: {a: {b: 1}}\npolicy: {of_base: null, c: x}\n",
        "data.py": "class Rows:\n    def __init__(self, data_path: str, repeat: int = 1, **kwargs): ...\n",
        "reader.py": "\nrow['agent']\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    def git(*arguments: str) -> None:
        author = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", "-C", str(tmp_path), *author, *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("add", ".")
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},3rdparty/Gym-workspace/Gym")
    git("commit", "-qm", "one")
    return tmp_path


def test_keys_and_lines_are_read_from_a_clone(clone, monkeypatch) -> None:
    source = nemo_rl.Source("examples/nemo_gym/run_grpo_nemo_gym.py", "nemo_rl/algorithms/grpo.py", ("data.py:Rows",))
    monkeypatch.setattr(nemo_rl, "SOURCES", {"example.yaml": source})
    monkeypatch.setattr(nemo_rl, "FURTHER", {})
    monkeypatch.setattr(nemo_rl, "ROWS", {"task": ("reader.py", "row['agent']")})
    found = nemo_rl.read_keys(clone)
    keys = found["examples"]["example.yaml"]["keys"]
    assert {name: kind for name, kind in keys.items() if not name.startswith("data.")} == {
        "env.a.b": "int",
        "n": "int|None",
        "policy.below.enabled": "bool",
        "policy.c": "str",
        "policy.kind": "any",
        "policy.of_base": "bool",
    }
    assert keys["data.train.repeat"] == "int"
    assert found["rows"]["task"] == {"file": "reader.py", "line": 2, "says": "row['agent']"}
    assert found["gym_commit"] == "1" * 40
    monkeypatch.setattr(nemo_rl, "ROWS", {"task": ("reader.py", "row['agent_ref']")})
    with pytest.raises(ValueError, match="no longer says"):
        nemo_rl.read_keys(clone)


def test_the_data_says_where_it_is_from() -> None:
    data = nemo_rl.known()
    assert data["repository"] == "https://github.com/NVIDIA-NeMo/RL"
    assert set(data["examples"]) == set(nemo_rl.SOURCES)
    assert set(data["rows"]) == set(nemo_rl.ROWS) == set(nemo_rl.CHECKS)
    assert all(name in each["files"] for name, each in data["examples"].items())


@pytest.mark.parametrize("page", ["tutorials/nemo-rl-grpo/index", "training/integration/nemo-rl"])
def test_a_page_names_the_commit_of_the_keys(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text()
    named = set(re.findall(r"NVIDIA-NeMo/RL/(?:blob|tree|commit)/([0-9a-f]{40})", text))
    assert named == {json.loads(KEYS.read_text())["commit"]}


def test_the_page_has_a_configuration_that_is_checked() -> None:
    assert "NeMo RL" in {block.option("consumer") for block in PAGE.blocks}
