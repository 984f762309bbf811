"""The rewards that readers give OpenRLHF: asked of a server that answers, refuses, masks or is not there."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.environments import ENVIRONMENTS, NotInstalled
from tests.pages.test_openrlhf_dry_run import DOWNLOADS, PPO
from tests.pages.warm import run

TASK = {"responses_create_params": {"input": "Send it."}, "expected": "sent"}
CALL = '<tool_call>\n{"name": "send", "arguments": {"to": "me"}}\n</tool_call>'


class Verifier(BaseHTTPRequestHandler):
    """Stands for a resources server: what it was asked is noted, with the session in which it was asked."""

    asked: ClassVar[list[tuple[str, str, Any]]] = []
    broken: ClassVar[dict[str, int]] = {}
    verdict: ClassVar[dict[str, Any]] = {}

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path, session = self.path[1:], self.headers.get("Cookie", "")
        self.asked.append((path, session, body))
        self.send_response(self.broken.get(path, 200))
        if path == "seed_session":
            self.send_header("Set-Cookie", f"session=s{len(self.asked)}")
        self.end_headers()
        answers = {"seed_session": {}, "send": {"output": "Sent."}, "verify": self.verdict}
        self.wfile.write(json.dumps(answers.get(path, {"detail": "no"})).encode())

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Verifier]]:
    Verifier.asked, Verifier.broken, Verifier.verdict = [], {}, {"reward": 1.0, "mask_sample": False}
    with ThreadingHTTPServer(("127.0.0.1", 0), Verifier) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        monkeypatch.setenv("VERIFIER", f"http://127.0.0.1:{made.server_port}")
        monkeypatch.setenv("END_OF_TURN", "<|end|>")
        yield Verifier
        made.shutdown()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, and the row of a task."""
    folder = tmp_path_factory.mktemp("gym")
    row = {"prompt": [{"role": "user", "content": "Send it."}], "label": json.dumps(TASK)}
    (folder / "rl.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    said = {"messages": [*row["prompt"], {"role": "assistant", "content": "Sent."}]}
    (folder / "sft.jsonl").write_text(json.dumps(said) + "\n", encoding="utf-8")
    program = (DOWNLOADS / "gym_openrlhf.py").read_text(encoding="utf-8")
    (folder / "gym_openrlhf.py").write_text(program, encoding="utf-8")
    try:
        made = run(folder, DOWNLOADS / "tiny_model.py", "sft.jsonl")
    except NotInstalled as reason:
        pytest.skip(str(reason))
    assert made.returncode == 0, made.stderr
    return folder


def reward(folder: Path, *said: str, agent: bool = False) -> subprocess.CompletedProcess[str]:
    flag = "--train.agent_func_path" if agent else "--reward.remote_url"
    (folder / "rl.sh").write_text(f"{PPO} {flag} gym_openrlhf.py", encoding="utf-8")
    return run(folder, DOWNLOADS / "openrlhf_dry_run.py", "rl.sh", *(word for text in said for word in ("--say", text)))


def test_the_verifier_gets_the_task_and_the_answer_in_one_session(server, folder: Path) -> None:
    made = reward(folder, "Sent.")
    assert made.stdout.splitlines()[-1] == 'row 1: "Sent.": reward 1.0', made.stderr
    (seeded, _, task), (verified, session, body) = server.asked
    assert (seeded, verified, task, session) == ("seed_session", "verify", TASK, "session=s1")
    assert {name: body[name] for name in TASK} == TASK
    (item,) = body["response"]["output"]
    assert item["content"][0]["text"] == "Sent."


@pytest.mark.parametrize(("path", "status"), [("verify", 500), ("verify", 422), ("seed_session", 503)])
def test_an_http_error_is_no_reward(server, folder: Path, path: str, status: int) -> None:
    server.broken[path] = status
    made = reward(folder, "Sent.")
    assert made.returncode == 1
    assert f"/{path} answered {status}" in made.stdout
    assert made.stdout.splitlines()[-1] == 'row 1: "Sent.": reward None'


def test_a_server_that_is_not_there_is_no_reward(server, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VERIFIER", "http://127.0.0.1:9")
    assert reward(folder, "Sent.").stdout.splitlines()[-1] == 'row 1: "Sent.": reward None'


def test_a_masked_answer_is_not_a_number(server, folder: Path) -> None:
    server.verdict = {"reward": 0.0, "mask_sample": True}
    assert reward(folder, "Sent.").stdout.splitlines()[-1] == 'row 1: "Sent.": reward nan'


def test_an_episode_runs_tools_and_is_verified_once(server, folder: Path) -> None:
    made = reward(folder, f"First.\n{CALL}\n{CALL}", "Sent.", agent=True)
    assert made.stdout.splitlines()[-1] == 'row 1: "Sent.": 2 turns, reward 1.0', made.stderr
    assert [path for path, _, _ in server.asked] == ["seed_session", "send", "send", "verify"]
    assert {session for _, session, _ in server.asked[1:]} == {"session=s1"}
    items = server.asked[-1][2]["response"]["output"]
    pair = ["function_call", "function_call_output"]
    assert [item["type"] for item in items] == ["message", *pair, *pair, "message"]
    assert [json.loads(items[1]["arguments"]), json.loads(items[2]["output"])] == [{"to": "me"}, {"output": "Sent."}]
    assert items[1]["call_id"] == items[2]["call_id"] != items[3]["call_id"]


@pytest.mark.parametrize("path", ["send", "verify"])
def test_an_http_error_ends_the_episode(server, folder: Path, path: str) -> None:
    server.broken[path] = 500
    made = reward(folder, CALL, "Sent.", agent=True)
    assert made.returncode == 1
    assert f"/{path} answered 500" in made.stderr
    assert "reward" not in made.stdout


#: Runs OpenRLHF's own collection of samples without Ray and vLLM: two groups, one with a masked attempt.
GROUPS = """
import sys, types
from types import SimpleNamespace as S
import torch
for name in ("ray", "vllm", "openrlhf.trainer.ray", "openrlhf.trainer.ray.vllm_engine"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["vllm"].SamplingParams = sys.modules["openrlhf.trainer.ray.vllm_engine"].batch_vllm_engine_call = None
sys.modules["ray"].wait = lambda refs, **_: (refs[:1], refs[1:])
sys.modules["ray"].get = lambda ref: ref
from openrlhf.trainer.ppo_utils.samples_generator import SamplesGenerator
groups = iter([[0.0, 1.0], [float("nan"), 1.0], [1.0, 0.0]])
class Generator(SamplesGenerator):
    def _dispatch_prompts_to_vllm(self, prompts, labels, **_):
        return [next(groups) for _ in prompts]
    def _process_response_into_experience(self, score, **_):
        return S(scores=torch.tensor([score]))
args = S(algo=S(dynamic_filtering_range=(0, 1)))
rows = iter([([None], ["p"], ["l"], [None])] * 3)
made, asked, _ = Generator(S(args=args), None, None, None, [])._generate_vllm(rows, 2, True)
print([each.scores.item() for each in made], asked)
"""


def test_openrlhf_replaces_a_group_with_a_masked_attempt_where_it_filters(folder: Path) -> None:
    python = ENVIRONMENTS["openrlhf"].interpreter
    made = subprocess.run([python, "-c", GROUPS], cwd=folder, capture_output=True, text=True, check=False)
    assert made.stdout.splitlines()[-1:] == ["[0.0, 1.0, 1.0, 0.0] 3"], made.stderr
