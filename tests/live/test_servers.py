"""Servers that a page starts are the installed ones, shared where nothing differs, and report how they fail."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.live.support import DEADLINE, ROOT, Page, example, practice_model, write_script

MCQA = "--resources-server mcqa --model-type openai_model"


def pids(instances: list[dict]) -> list[int]:
    return [server["pid"] for server in instances]


def text_of(row: dict) -> str:
    return row["response"]["output"][-1]["content"][0]["text"]


@pytest.mark.parametrize("model", ["openai_model", "vllm_model"])
def test_rewards_of_both_kinds_and_the_same_per_seed_at_any_concurrency(model, gym, mcqa_model, tmp_path):
    page = Page(tmp_path, gym, mcqa_model)
    with page.started(f"--resources-server mcqa --model-type {model}"):
        seeded = "--num-repeats 4 +num_repeats_add_seed=true --concurrency"
        one, twenty = (page.collect(example("mcqa"), "mcqa_simple_agent", f"c{n}", f"{seeded} {n}") for n in (1, 20))
    rewards = [row["reward"] for row in one]
    assert len(rewards) == 20
    assert set(rewards) == {0.0, 1.0}
    assert rewards == [row["reward"] for row in twenty]
    assert [text_of(row) for row in one] == [text_of(row) for row in twenty]


def test_the_model_for_training_gives_token_ids_and_log_probabilities(gym, mcqa_model, tmp_path):
    page = Page(tmp_path, gym, mcqa_model)
    training = "responses_api_models/vllm_model/configs/vllm_model_for_training.yaml"
    with page.started(f"--resources-server mcqa --config {training}"):
        (first, *_) = page.collect(example("mcqa"), "mcqa_simple_agent", "rollouts")
    message = first["response"]["output"][-1]
    assert len(message["generation_token_ids"]) == len(message["generation_log_probs"]) > 0
    assert len(message["prompt_token_ids"]) == first["response"]["usage"]["input_tokens"]
    assert -20 < sum(message["generation_log_probs"]) < 0


def only(right: bool) -> Callable[[dict], dict]:
    return lambda row: {**row, "answers": [answer for answer in row["answers"] if answer["right"] is right]}


@pytest.mark.parametrize(
    ("server", "agent"),
    [
        ("workplace_assistant", "workplace_assistant_simple_agent"),  # several turns of tool calls
        ("example_tool_call_multireward", "example_tool_call_multireward_simple_agent"),
        ("math_with_judge", "math_with_judge_simple_agent"),
    ],
)
def test_scripted_right_and_wrong_answers_are_judged_so(server, agent, gym, tmp_path):
    if server == "math_with_judge":
        pytest.importorskip("math_verify")
    script = write_script(tmp_path / "answers.jsonl", example(server))
    rows = [json.loads(line) for line in script.read_text().splitlines()]
    best = {}
    for right in (True, False):
        script.write_text("".join(json.dumps(only(right)(row)) + "\n" for row in rows))
        with practice_model("--script", script) as address:
            page = Page(tmp_path / str(right), gym, address)
            with page.started(f"--resources-server {server} --model-type openai_model"):
                best[right] = {row["reward"] for row in page.collect(example(server), agent, "rollouts")}
    if server == "example_tool_call_multireward":  # each part of the answer has a reward of its own
        assert min(best[True]) > max(best[False])
    else:
        assert best == {True: {1.0}, False: {0.0}}


def test_without_a_script_a_tool_is_called_once(gym, tmp_path):
    with practice_model() as address:
        page = Page(tmp_path, gym, address)
        with page.started("--resources-server example_single_tool_call --model-type openai_model"):
            rollouts = page.collect(
                example("example_single_tool_call"), "example_single_tool_call_simple_agent", "rollouts"
            )
    kinds = [item["type"] for item in rollouts[0]["response"]["output"]]
    assert kinds == ["function_call", "function_call_output", "message"]


def test_an_equal_start_takes_over_the_servers_of_the_page_before(gym, mcqa_model, tmp_path):
    first, second = Page(tmp_path / "first", gym, mcqa_model), Page(tmp_path / "second", gym, mcqa_model)
    second.head = first.head
    second.write("env.yaml", (first.directory / "env.yaml").read_text())
    with first.started(MCQA) as before:
        pass
    with second.started(MCQA) as after:
        rollouts = second.collect(example("mcqa"), "mcqa_simple_agent", "rollouts")
    assert pids(before) == pids(after)
    assert len(rollouts) == 5
    printed = [line for line in second.printed().splitlines() if "servers ready" in line]
    assert [line.split(" servers")[0] for line in printed] == ["0 / 4", "All 4 / 4"]


@pytest.mark.parametrize(
    "other",
    [
        MCQA + " ++policy_model.responses_api_models.openai_model.max_concurrent_requests=3",
        "--resources-server mcqa --model-type vllm_model",
    ],
)
def test_a_start_that_differs_gets_servers_of_its_own(other, gym, mcqa_model, tmp_path):
    page = Page(tmp_path, gym, mcqa_model)
    with page.started(MCQA) as before:
        pass
    with page.started(other) as after:
        pass
    assert not set(pids(before)) & set(pids(after))


def test_a_start_in_another_environment_gets_servers_of_its_own(gym, mcqa_model, tmp_path):
    page = Page(tmp_path, gym, mcqa_model)
    with page.started(MCQA) as before:
        pass
    page.variables["NEMO_GYM_REASONING_FIELD"] = "reasoning"
    with page.started(MCQA) as after:
        pass
    assert not set(pids(before)) & set(pids(after))


SERVER = """
from nemo_gym.base_resources_server import SimpleResourcesServer

class Server(SimpleResourcesServer):
    ray_enabled = False

    async def verify(self, body):
        raise NotImplementedError

if __name__ == "__main__":
    {last}
"""
CONFIG = """
own:
  resources_servers:
    own: {entrypoint: app.py, domain: other}
"""


def own_server(page: Page, last: str) -> None:
    page.write("resources_servers/own/app.py", SERVER.format(last=last))
    page.write("resources_servers/own/requirements.txt", "-e nemo-gym[dev] @ ../../\n")
    page.write("own.yaml", CONFIG)


def test_a_readers_own_server_is_never_shared(gym, tmp_path):
    page = Page(tmp_path, gym)
    own_server(page, "Server.run_webserver()")
    with page.started("--config own.yaml") as before:
        pass
    with page.started("--config own.yaml") as after:
        pass
    assert pids(before) != pids(after)
    assert before[0]["dir_path"] == str(tmp_path / "resources_servers/own")


def test_what_a_file_takes_from_the_shell_is_that_of_each_servers_own_folder(gym, tmp_path):
    page = Page(tmp_path, gym)
    own_server(
        page,
        "import nemo_gym.global_config as all; raise ValueError(all.get_global_config_dict().model_call_capture_dir)",
    )
    page.write("own.yaml", CONFIG + "model_call_capture_dir: ${oc.env:PWD}\n")
    assert page.launch("--config own.yaml").wait(DEADLINE) == 1
    assert f"ValueError: {tmp_path / 'resources_servers/own'}\n" in page.printed()


def test_a_server_that_fails_to_start_is_reported_with_what_it_printed(gym, tmp_path):
    page = Page(tmp_path, gym)
    own_server(page, 'raise ValueError("the file of options is missing")')
    client = page.launch("--config own.yaml")
    assert client.wait(DEADLINE) == 1
    assert "ValueError: the file of options is missing" in page.printed()
    assert "Process `own` finished unexpectedly!" in page.printed()
    assert 'File "app.py", line' in page.printed()


def test_nothing_tries_to_leave_the_machine(tmp_path):
    """In a namespace with loopback only, the kernel counts no packet that had nowhere to go."""
    code = (
        "from harness import isolation\n"
        "print(isolation.isolate())\n"
        "from pathlib import Path\n"
        "from harness.live import Zygote\n"
        "from tests.live.support import *\n"
        f"page_directory = Path({str(tmp_path)!r})\n"
        "script = write_script(page_directory / 'answers.jsonl', example('mcqa'))\n"
        "with Zygote() as gym, practice_model('--port', '8000', '--script', script) as address:\n"
        "    page = Page(page_directory, gym, address, head=11000)\n"
        f"    with page.started({MCQA!r}):\n"
        "        print(len(page.collect(example('mcqa'), 'mcqa_simple_agent', 'rollouts')))\n"
        "print(address, isolation.attempts())\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=3 * DEADLINE
    )
    state, *rest = result.stdout.splitlines() or [""]
    if state.startswith("open"):
        pytest.skip(state)
    assert rest == ["5", "http://127.0.0.1:8000/v1 0"], result.stderr


def test_every_listener_is_on_loopback(gym, mcqa_model, tmp_path):
    page = Page(tmp_path, gym, mcqa_model)
    with page.started(MCQA) as instances:
        listening = listeners(pids(instances))
    assert len(listening) >= 4
    assert set(listening.values()) == {"0100007F"}, listening


def listeners(processes: list[int]) -> dict[str, str]:
    """The address, as the kernel writes it, of every socket that one of the processes listens on, by inode."""
    tables = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    tables += [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    sockets = {row[9]: row[1].split(":")[0] for row in tables if row[3] == "0A"}
    held = set()
    for pid in processes:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            name = str(fd.readlink())
            if name.startswith("socket:["):
                held.add(name[8:-1])
    return {inode: address for inode, address in sockets.items() if inode in held}
