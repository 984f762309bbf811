"""The file that connects TRL to NeMo Gym: rewards and rollouts, from servers that also fail."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.environments import ENVIRONMENTS, NotInstalled
from tests.live.support import ROOT
from tests.pages.modules import imported

DOWNLOADS = ROOT / "docs" / "downloads"
TASK = json.dumps({"responses_create_params": {"input": "1+1"}, "expected_answer": "2"})
TRAINER = SimpleNamespace(args=SimpleNamespace(temperature=0.5, top_p=0.9, max_completion_length=7))


@pytest.fixture(scope="module")
def gym_trl() -> Iterator[SimpleNamespace]:
    """The module of the download."""
    with imported(DOWNLOADS, "gym_trl") as modules:
        yield modules.gym_trl


class Server(ThreadingHTTPServer):
    """A server whose answers a test gives: status and body, from path and request."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.answer: Any = None
        self.asked: list[tuple[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.asked.append((self.path, body))
        status, said = self.server.answer(self.path, body)
        data = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("VERIFIER", server.address + "/")
        monkeypatch.setenv("AGENT", server.address)
        yield server
        server.shutdown()


def turn(prompt: list[int], wrote: list[int]) -> dict[str, Any]:
    return {
        "type": "message",
        "prompt_token_ids": prompt,
        "generation_token_ids": wrote,
        "generation_log_probs": [-1.0] * len(wrote),
    }


def rollout(*turns: dict[str, Any], **verdict: Any) -> dict[str, Any]:
    tool = {"type": "function_call_output", "output": "no"}
    return {"reward": 1.0, "response": {"output": [item for each in turns for item in (each, tool)]}} | verdict


class TestOneTurn:
    def test_each_answer_has_its_reward(self, gym_trl, server: Server) -> None:
        def answer(path: str, body: Any) -> tuple[int, Any]:
            said = body["response"]["output"][0]["content"][0]["text"]
            return 200, {"reward": float(said == body["expected_answer"]), "mask_sample": said == "?"}

        server.answer = answer
        answers = [[{"role": "assistant", "content": text}] for text in ("2", "3", "?")]
        assert gym_trl.gym_reward([*answers, "2"], [TASK] * 4, prompts=["x"] * 4) == [1.0, 0.0, None, 1.0]
        assert {path for path, _ in server.asked} == {"/verify"}

    @pytest.mark.parametrize("status", [422, 500])
    def test_an_error_is_no_reward(self, gym_trl, server: Server, status: int) -> None:
        server.answer = lambda *_: (status, {"detail": "grading_mode: Field required"})
        with pytest.raises(RuntimeError, match=rf"/verify answered {status}.*grading_mode"):
            gym_trl.gym_reward(["2"], [TASK])

    def test_no_server_is_no_reward(self, gym_trl, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VERIFIER", "http://127.0.0.1:9")
        with pytest.raises(OSError, match="refused"):
            gym_trl.gym_reward(["2"], [TASK])


class TestSeveralTurns:
    def test_tokens_are_those_of_the_turns(self, gym_trl, server: Server) -> None:
        server.answer = lambda *_: (200, rollout(turn([1, 2], [3]), turn([1, 2, 3, 8, 9], [4, 5])))
        made = gym_trl.agent_rollouts([TASK, TASK], TRAINER)
        assert made == {
            "prompt_ids": [[1, 2]] * 2,
            "completion_ids": [[3, 8, 9, 4, 5]] * 2,
            "logprobs": [[-1.0, 0.0, 0.0, -1.0, -1.0]] * 2,
            "env_mask": [[1, 0, 0, 1, 1]] * 2,
            "verdict": [1.0, 1.0],
        }
        assert gym_trl.rollout_reward(["a", "b"], **{"verdict": made["verdict"]}) == [1.0, 1.0]

    def test_the_agent_gets_the_task_with_the_trainers_sampling(self, gym_trl, server: Server) -> None:
        server.answer = lambda *_: (200, rollout(turn([1], [2])))
        other = json.dumps(json.loads(TASK) | {"expected_answer": "3"})
        gym_trl.agent_rollouts([TASK, TASK, other], TRAINER)
        bodies = [body for path, body in server.asked if path == "/run"]
        assert {(body["_ng_task_index"], body["_ng_rollout_index"]) for body in bodies} == {(0, 0), (0, 1), (1, 0)}
        sampling = {"input": "1+1", "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 7}
        assert [body["responses_create_params"] for body in bodies] == [sampling] * 3

    def test_a_masked_rollout_has_no_reward(self, gym_trl, server: Server) -> None:
        server.answer = lambda *_: (200, rollout(turn([1], [2]), mask_sample=True, reward=0.0))
        assert gym_trl.agent_rollouts([TASK], TRAINER)["verdict"] == [None]

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            ((500, {"detail": "ground_truth: Field required"}), "/run answered 500.*ground_truth"),
            ((200, rollout({"type": "message"})), "no token ids"),
            ((200, rollout(turn([1, 2], [3]), turn([1, 2, 4, 9], [5]))), "turn 2 does not continue"),
        ],
    )
    def test_what_cannot_be_trained_on_stops(self, gym_trl, server: Server, answer: Any, said: str) -> None:
        server.answer = lambda *_: answer
        with pytest.raises(RuntimeError, match=said):
            gym_trl.agent_rollouts([TASK], TRAINER)


TRAIN = """
import json
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer
import gym_trl

tasks = [{"responses_create_params": {"input": f"{number}+1"}} for number in range(4)]
args = GRPOConfig(
    output_dir="trained", max_steps=2, num_generations=4, per_device_train_batch_size=8, max_completion_length=16,
    report_to="none", use_cpu=True, bf16=False, save_strategy="no", disable_tqdm=True, logging_steps=1,
)
trainer = GRPOTrainer(
    model="tiny", args=args, rollout_func=gym_trl.agent_rollouts, reward_funcs=gym_trl.rollout_reward,
    train_dataset=Dataset.from_list([{"prompt": json.dumps(task)} for task in tasks]),
)
trainer.train()
print(json.dumps([{name: step.get(name) for name in ("reward", "grad_norm")} for step in trainer.state.log_history[:2]]))
"""


def test_trl_trains_on_rollouts_of_an_agent(server: Server, tmp_path: Path) -> None:
    try:
        python = ENVIRONMENTS["trl"].require().interpreter
    except NotInstalled as reason:
        pytest.skip(str(reason))

    def answer(path: str, body: Any) -> tuple[int, Any]:
        right = body["_ng_rollout_index"] % 2
        return 200, rollout(turn([9, 10], [11 + right]), turn([9, 10, 11 + right, 12], [13]), reward=float(right))

    server.answer = answer
    row = {"messages": [{"role": "user", "content": "1+1"}, {"role": "assistant", "content": "2"}]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    variables = os.environ | {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "PYTHONPATH": str(DOWNLOADS)}
    for command in (["tiny_model.py", "rows.jsonl"], ["-c", TRAIN]):
        words = [str(DOWNLOADS / each) if each.endswith(".py") else each for each in command]
        done = subprocess.run(
            [python, *words], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr[-3000:]
    for step in json.loads(done.stdout.splitlines()[-1]):
        assert step["reward"] == 0.5
        assert step["grad_norm"] > 0
    assert len(server.asked) == 2 * 8
