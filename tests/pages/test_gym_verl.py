"""verl tried without a GPU, as its readers do: scripts, rows and rewards, of a server that answers, refuses or masks."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.environments import ENVIRONMENTS, NotInstalled
from tests.live.support import ROOT
from tests.pages.test_gym_openrlhf import CALL, TASK, Verifier
from tests.pages.warm import run

DOWNLOADS = ROOT / "docs" / "downloads"
PROMPT = [{"role": "user", "content": "Send it."}]
ROW = {
    "data_source": "post", "prompt": PROMPT, "reward_model": {"style": "rule", "ground_truth": "sent"},
    "extra_info": {"task": json.dumps(TASK)},
}  # fmt: skip
LONG = ROW | {"prompt": [PROMPT[0] | {"content": "word " * 90}]}
CONFIG = """\
defaults: [ppo_trainer, _self_]
data:
  train_files: rl.jsonl
  train_batch_size: 1
  max_prompt_length: 64
  filter_overlong_prompts: true
algorithm: {adv_estimator: grpo}
actor_rollout_ref:
  model: {path: tiny}
  rollout: {name: vllm, n: 8}
  actor: {use_dynamic_bsz: true}
reward:
  custom_reward_function:
    path: gym_verl.py
    reward_kwargs: {verifiers: {post: "${oc.env:VERIFIER}"}}
"""
RL = "python -m verl.trainer.main_ppo --config-dir . --config-name train "
AGENT = RL + (
    "actor_rollout_ref.rollout.agent.default_agent_loop=nemo_gym "
    "actor_rollout_ref.rollout.agent.agent_loop_config_path=agents.yaml"
)
SFT = "torchrun -m verl.trainer.sft_trainer model.path=tiny data.train_files=sft.parquet data.max_length="


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Verifier]]:
    Verifier.asked, Verifier.broken, Verifier.verdict = [], {}, {"reward": 1.0, "mask_sample": False}
    with ThreadingHTTPServer(("127.0.0.1", 0), Verifier) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        monkeypatch.setenv("VERIFIER", f"http://127.0.0.1:{made.server_port}")
        yield Verifier
        made.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, rows, and a configuration."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = tmp_path_factory.mktemp("verl")
    answer = {"role": "assistant", "content": "Sent."}
    sft = [{"messages": [*PROMPT, answer]}, {"messages": [*LONG["prompt"], answer]}, {"messages": PROMPT}]
    pq.write_table(pa.Table.from_pylist(sft), folder / "sft.parquet")
    files = {"sft.jsonl": sft, "rl.jsonl": [ROW], "long.jsonl": [ROW, LONG], "bare.jsonl": [{"prompt": PROMPT}]}
    for name, rows in files.items():
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (folder / "train.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "agents.yaml").write_text("- {name: nemo_gym, _target_: gym_verl.GymAgentLoop}\n", encoding="utf-8")
    for name in ("gym_verl.py", "verl_dry_run.py"):
        (folder / name).write_text((DOWNLOADS / name).read_text(encoding="utf-8"), encoding="utf-8")
    try:
        made = run(folder, DOWNLOADS / "tiny_model.py", "sft.jsonl", environment="verl")
    except NotInstalled as reason:
        pytest.skip(str(reason))
    assert made.returncode == 0, made.stderr
    return folder


def tried(folder: Path, script: str, *said: str) -> subprocess.CompletedProcess[str]:
    (folder / "script.sh").write_text(script, encoding="utf-8")
    words = [word for text in said for word in ("--say", text)]
    return run(folder, folder / "verl_dry_run.py", "script.sh", *words, environment="verl")


def test_the_reward_manager_asks_the_verifier_about_the_task(server, folder: Path) -> None:
    made = tried(folder, RL, "Sent.")
    assert made.returncode == 0, made.stderr
    assert made.stdout.splitlines() == [
        "main_ppo: composed, 0 keys set on the command line, all known",
        "RLHFDataset: 1 of 1 rows loaded, 1 batches of 1",
        'row 1: "Sent.": reward 1.0',
    ]
    (seeded, _, task), (verified, session, body) = server.asked
    assert (seeded, verified, task, session) == ("seed_session", "verify", TASK, "session=s1")
    assert {name: body[name] for name in TASK} == TASK
    (item,) = body["response"]["output"]
    assert item["content"][0]["text"] == "Sent."


@pytest.mark.parametrize(("path", "status"), [("verify", 500), ("seed_session", 503)])
def test_an_http_error_is_no_reward(server, folder: Path, path: str, status: int) -> None:
    server.broken[path] = status
    made = tried(folder, RL, "Sent.")
    assert made.returncode == 1
    assert f"/{path} answered {status}" in made.stderr
    assert "reward" not in made.stdout


def test_a_masked_answer_is_no_reward(server, folder: Path) -> None:
    server.verdict = {"reward": 0.0, "mask_sample": True}
    made = tried(folder, RL, "Sent.")
    assert made.returncode == 1
    assert "could not judge this attempt" in made.stderr
    assert "reward" not in made.stdout


def test_a_source_without_a_verifier_is_named(server, folder: Path) -> None:
    made = tried(folder, RL + "reward.custom_reward_function.reward_kwargs.verifiers={other: x}", "Sent.")
    assert made.returncode == 1


def test_an_episode_runs_tools_and_learns_what_the_model_wrote(server, folder: Path) -> None:
    made = tried(folder, AGENT, f"First.\n{CALL}", "Sent.")
    assert made.returncode == 0, made.stderr
    assert "row 1: 2 turns, reward 1.0" in made.stdout
    assert [path for path, _, _ in server.asked] == ["seed_session", "send", "verify"]
    assert {session for _, session, _ in server.asked[1:]} == {"session=s1"}
    items = server.asked[-1][2]["response"]["output"]
    assert [item["type"] for item in items] == ["message", "function_call", "function_call_output", "message"]
    assert items[1]["call_id"] == items[2]["call_id"]
    count, learned = (int(word) for word in made.stdout.splitlines()[-1].split() if word.isdigit())
    assert 0 < learned < count


def test_the_model_reads_what_a_tool_refuses(server, folder: Path) -> None:
    server.broken["send"] = 422
    made = tried(folder, AGENT, CALL, "Sent.")
    assert made.returncode == 0, made.stderr
    assert server.asked[-1][2]["response"]["output"][1]["output"] == json.dumps({"output": "Sent."})


def test_an_unknown_agent_loop_is_named(server, folder: Path) -> None:
    made = tried(folder, AGENT.replace("=nemo_gym", "=nemo_gim"), "Sent.")
    assert "no agent loop 'nemo_gim': did you mean 'nemo_gym'?" in made.stderr


def test_rows_that_are_filtered_or_lack_a_field_are_counted(server, folder: Path) -> None:
    made = tried(folder, RL + "data.train_files=long.jsonl")
    assert made.stdout.splitlines()[-1] == "RLHFDataset: 1 of 2 rows loaded, 1 batches of 1", made.stderr
    assert made.returncode == 1
    made = tried(folder, RL + "data.train_files=bare.jsonl")
    assert "row 1 has no data_source, which the reward manager reads" in made.stdout
    assert made.returncode == 1
    made = tried(folder, RL + "data.train_batch_size=64 trainer.n_gpus_per_node=8")
    assert "0 batches of 64" in made.stdout
    assert made.returncode == 1


def test_each_sft_row_is_read(server, folder: Path) -> None:
    made = tried(folder, SFT + "64")
    assert made.stdout.splitlines()[1:3] == [
        "MultiTurnSFTDataset: 2 of 3 rows can be read",
        "row 2: " + made.stdout.splitlines()[2].partition(": ")[2],
    ], made.stderr
    assert "is larger than" in made.stdout
    assert "1 rows have nothing to learn" in made.stdout
    assert made.returncode == 1


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (RL + "custom_reward_function.path=x.py", "write reward.custom_reward_function.path"),
        (RL + "reward_model.reward_manager=dapo", "write reward.reward_manager.name"),
        (RL + "data.filter_overlong_prompts=off", "data.filter_overlong_prompts is 'off': expected bool"),
        (RL + "model_engine=megatron data.train_batch_siz=1", "did you mean data.train_batch_size?"),
        (RL + "actor_rollout_ref.actor.use_dynamic_bsz=false", "Please set at least one of"),
        (RL + "algorithm.adv_estimator=grpx", "no estimator 'grpx': did you mean grpo?"),
        ("python -m verl.trainer.main_pop", "did you mean main_ppo?"),
        ("echo 1", "starts no verl.trainer command"),
    ],
)
def test_what_is_refused_is_said(server, folder: Path, script: str, said: str) -> None:
    made = tried(folder, script)
    assert made.returncode == 1
    assert said in made.stderr


def test_a_variable_that_is_not_set_is_named(server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = RL + "data.train_files=${oc.env:NOT_SET}"
    made = tried(folder, script.replace("${oc.env:NOT_SET}", "'${oc.env:NOT_SET}'"))
    assert "NOT_SET" in made.stderr
    assert made.returncode == 1


def test_what_the_site_writes_of_verl_is_in_its_sources() -> None:
    """The pages cite these lines: when this fails, they have to change."""
    (package,) = ENVIRONMENTS["verl"].require().prefix.glob("lib/python*/site-packages/verl")
    calls = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "migrate_legacy_reward_impl(config)" in path.read_text(encoding="utf-8")
    ]
    assert sorted(calls) == [
        "experimental/fully_async_policy/fully_async_main.py",
        "experimental/reward_loop/reward_loop.py",
    ]
    buffer = (package / "trainer" / "ppo" / "v1" / "replay_buffer.py").read_text(encoding="utf-8")
    assert "By default, failed groups remain sampleable" in " ".join(buffer.split())
