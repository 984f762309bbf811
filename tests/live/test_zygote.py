"""The commands that a page runs are the install's own, in a fork that behaves as a fresh process does."""

import os
import re
import shutil
import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from harness.live import CallError, Zygote
from tests.live.support import ROOT, Page, alive, example, wait_until

MCQA = "--resources-server mcqa --model-type openai_model"
ROLLOUT = (
    '{"responses_create_params": {"input": "q"}, "response": %s, "reward": %s, "_ng_task_index": 0,'
    ' "_ng_rollout_index": %d, "agent_ref": {"name": "a"}}\n'
)
COLLATE = """
mcqa_simple_agent:
  responses_api_agents:
    simple_agent:
      entrypoint: app.py
      resources_server: {type: resources_servers, name: mcqa}
      model_server: {type: responses_api_models, name: policy_model}
      datasets:
      - {name: rows, type: train, jsonl_fpath: rows.jsonl, license: Apache 2.0}
mcqa:
  resources_servers:
    mcqa: {entrypoint: app.py, domain: knowledge}
"""
COMMANDS = {
    "help": "gym --help",
    "valid": f"gym env validate {MCQA}",
    "collate": "gym dataset collate --config collate.yaml --mode train_preparation --output-dir out",
    "profile": "gym eval profile --inputs inputs.jsonl --rollouts rollouts.jsonl",
    "error with a traceback": "gym eval profile --inputs inputs.jsonl --rollouts not_rollouts.jsonl",
}


def files_for_commands(page: Page) -> None:
    page.write("collate.yaml", COLLATE)
    shutil.copy(example("mcqa"), page.directory / "rows.jsonl")
    response = '{"usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}}'
    page.write("inputs.jsonl", "".join(ROLLOUT % ("null", "null", i) for i in range(2)))
    page.write("rollouts.jsonl", "".join(ROLLOUT % (response, reward, i) for i, reward in enumerate((0.0, 1.0))))
    page.write("not_rollouts.jsonl", '{"reward": 1.0}\n')


def comparable(text: str, page: Page) -> str:
    """Printed text without what differs from run to run."""
    text = re.sub(r'  File "[^"]*/bin/gym", line.*\n.*\n(    [~^]+\n)?', "", text)
    return re.sub(
        r"\d{4}-\d\d-\d\d [\d:,]+|\d+:\d\d|\d+\.\d+ ?(it/s|s)|\?it/s|[\d.]+it/s|0x[0-9a-f]+", "N", text
    ).replace(str(page.directory), "PAGE")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_prints_writes_and_returns_what_the_genuine_one_does(name, gym, tmp_path):
    ours, genuine = (Page(tmp_path / side / "page", gym) for side in ("ours", "genuine"))
    genuine.variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    results = []
    for page in (ours, genuine):
        files_for_commands(page)
        page.write("env.yaml", "policy_base_url: http://127.0.0.1:9/v1\npolicy_api_key: k\npolicy_model_name: m\n")
        results.append(page.run(COMMANDS[name], check=False))
    assert results[0].returncode == results[1].returncode
    assert comparable(results[0].stdout, ours) == comparable(results[1].stdout, genuine)
    if "traceback" not in name:  # the genuine one begins with the frame of its console script
        assert comparable(results[0].stderr, ours) == comparable(results[1].stderr, genuine)
    assert written(ours) == written(genuine)


def test_a_line_reaches_the_terminal_in_one_piece(gym, tmp_path):
    """Servers print between the lines of a start: one in two pieces would take one of theirs in."""
    page = Page(tmp_path / "page", gym)
    page.variables["PYTHONUNBUFFERED"] = "1"
    reading, writing = os.pipe2(os.O_DIRECT)  # what is read at once is what was written at once
    with subprocess.Popen(["gym", "--version"], cwd=page.directory, env=page.variables, stdout=writing) as process:
        os.close(writing)
        pieces = []
        while piece := os.read(reading, 65536):
            pieces.append(piece)
    os.close(reading)
    assert process.returncode == 0
    assert pieces
    assert [piece for piece in pieces if not piece.endswith(b"\n")] == []


def written(page: Page) -> dict[str, str]:
    files = (path for path in page.directory.rglob("*") if path.is_file() and "outputs" not in path.parts)
    return {str(path.relative_to(page.directory)): comparable(path.read_text(), page) for path in files}


def test_there_is_a_shim_for_every_command_of_the_install(gym):
    shims = {path.name for path in Path(gym.env()["PATH"].split(os.pathsep)[0]).iterdir()}
    assert shims == {script.name for script in entry_points(group="console_scripts") if "nemo_gym" in script.value}
    assert {"gym", "ng_run", "ng_collect_rollouts"} <= shims


def test_a_command_sees_its_own_directory_and_environment_and_nothing_of_the_one_before(gym, tmp_path):
    for name in ("first", "second"):
        page = Page(tmp_path / name, gym)
        page.write("env.yaml", "policy_model_name: ${oc.env:NAME_OF_MODEL}\n")
        resolved = page.run(f"NAME_OF_MODEL=from-the-{name} gym env resolve").stdout
        assert f"from-the-{name}" in resolved
        assert f"results_dir: {tmp_path / name / 'results'}\n" in resolved
    result = page.run("gym env resolve", check=False)
    assert result.returncode == 1
    assert "NAME_OF_MODEL" in result.stdout + result.stderr


def test_the_exit_status_and_the_message_of_a_usage_error_arrive(gym, tmp_path):
    result = Page(tmp_path, gym).run("gym env strat", check=False)
    assert result.returncode == 2
    assert "Did you mean `start`?" in result.stderr


def test_without_a_zygote_the_shim_says_so(gym, tmp_path):
    page = Page(tmp_path, gym)
    page.variables.pop("GYM_ZYGOTE_SOCKET")
    result = page.run("gym --help", check=False)
    assert result.returncode == 1
    assert "GYM_ZYGOTE_SOCKET is not set" in result.stderr


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_command_dies_with_its_client(number, gym, tmp_path):
    page = Page(tmp_path, gym)
    client = page.launch(f"{MCQA} ++model_endpoint_readiness_timeout_seconds=600")  # no model answers: it waits
    wait_until(lambda: "Waiting for 1 model endpoint(s)" in page.printed(), "the command waits for its model")
    instances = page.get("server_instances")
    assert len(instances) == 4
    client.send_signal(number)
    assert client.wait() == -number
    wait_until(lambda: not any(alive(server["pid"]) for server in instances), "its servers have ended")
    wait_until(lambda: page.get("server_instances") is None, "the command has ended")


def test_an_interrupt_reaches_the_command(gym, tmp_path):
    page = Page(tmp_path, gym)
    client = page.launch(f"{MCQA} ++model_endpoint_readiness_timeout_seconds=600")
    wait_until(lambda: "Waiting for 1 model endpoint(s)" in page.printed(), "the command waits for its model")
    client.send_signal(signal.SIGINT)
    assert client.wait() == -signal.SIGINT  # interrupted before it was ready, it ends by the signal
    assert "NeMo Gym finished!" in page.printed()


def test_when_the_session_is_killed_every_process_ends(tmp_path):
    code = (
        "from pathlib import Path\n"
        "from harness.live import Zygote\n"
        "from tests.live.support import Page\n"
        "zygote = Zygote().start()\n"
        f"page = Page(Path({str(tmp_path)!r}), zygote)\n"
        f"client = page.launch('{MCQA} ++model_endpoint_readiness_timeout_seconds=0')\n"
        "servers = [server['pid'] for server in page.wait_ready(client)]\n"
        "print(zygote.process.pid, *servers, flush=True)\n"
        "input()\n"
    )
    command = [sys.executable, "-c", code]
    session = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    pids = [int(pid) for pid in session.stdout.readline().split()]
    assert len(pids) == 5
    assert all(map(alive, pids))
    session.kill()
    session.communicate()
    wait_until(lambda: not any(map(alive, pids)), "the zygote and the servers have ended")


def test_nothing_starts_before_it_is_needed():
    with Zygote() as zygote:
        assert zygote.env()["GYM_ZYGOTE_SOCKET"]
        assert zygote.process is None


def test_a_call_returns_its_result_and_runs_where_it_is_told(gym, tmp_path):
    assert gym.call("json:dumps", {"a": [1, None]}) == '{"a": [1, null]}'
    assert gym.call("os:getcwd", cwd=tmp_path) == str(tmp_path)


def test_a_call_that_raises_gives_the_traceback(gym):
    with pytest.raises(CallError, match="JSONDecodeError: Expecting value") as caught:
        gym.call("json:loads", "nonsense")
    assert "in raw_decode" in caught.value.traceback


def test_a_call_whose_process_dies_says_how(gym):
    with pytest.raises(CallError, match=r"os:abort did not answer: its process ended with -6"):
        gym.call("os:abort")


def test_random_numbers_differ_between_forks(gym):
    assert gym.call("random:random") != gym.call("random:random")
    assert gym.call("numpy.random:rand") != gym.call("numpy.random:rand")
