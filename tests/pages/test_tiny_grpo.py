"""The training loop that readers download, against a NeMo Gym that fails in every way that a real one does."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.live.support import ROOT
from tests.pages.modules import imported

LETTERS = "ABCD"


@pytest.fixture(scope="module")
def grpo() -> Iterator[SimpleNamespace]:
    """The module of the download."""
    with imported(ROOT / "docs/downloads", "tiny_grpo") as modules:
        yield modules.tiny_grpo


class FakeGym(ThreadingHTTPServer):
    """A head server and a resources server `mcqa` in one. `faults` are answered before anything else, in order."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FakeHandler)
        self.head = f"http://127.0.0.1:{self.server_port}"
        self.faults: list[tuple[int, Any]] = []  # status and body
        self.always: tuple[int, Any] | None = None  # the fault of every verification
        self.paths: list[str] = []
        self.lock = threading.Lock()

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        """Status and body of an answer."""
        with self.lock:
            self.paths.append(path)
            if path.startswith("/server"):
                return 200, [{"process_name": "mcqa", "url": self.head}]
            if path == "/seed_session":
                return 200, {}
            if self.faults:
                return self.faults.pop(0)
        if self.always:
            return self.always
        said = body["response"]["output"][0]["content"][0]["text"]
        return 200, {"reward": float(said == rf"\boxed{{{body['expected_answer']}}}"), "mask_sample": False}


class FakeHandler(BaseHTTPRequestHandler):
    """Answers what its server says."""

    server: FakeGym

    def do_POST(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        status, body = self.server.answer(self.path, json.loads(self.rfile.read(size) or "null"))
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST

    def log_message(self, *arguments: Any) -> None:
        """Log nothing."""


@pytest.fixture
def gym() -> Iterator[FakeGym]:
    """A NeMo Gym that runs while the test does."""
    with FakeGym() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """Six multiple-choice tasks."""
    path = tmp_path / "tasks.jsonl"
    options = [{letter: letter.lower()} for letter in LETTERS]
    rows = [{"options": options, "expected_answer": LETTERS[index % 4]} for index in range(6)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def run(grpo: SimpleNamespace, gym: FakeGym, tasks: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the program without waits between tries; what it logged."""
    monkeypatch.setattr(grpo.Gym.__init__, "__defaults__", ("", (0.0, 0.0), 10))

    def train(*arguments: str) -> list[dict[str, Any]]:
        log = tasks.with_name("steps.jsonl")
        command = ["tiny_grpo.py", str(tasks), "--head", gym.head, "--log", str(log), *arguments]
        monkeypatch.setattr(sys, "argv", command)
        grpo.main()
        return [json.loads(line) for line in log.read_text().splitlines()]

    return train


def test_mean_reward_goes_up_and_the_same_seed_gives_the_same_run(run: Any) -> None:
    once, again, other = run(), run(), run("--seed", "1")
    assert once == again != other
    assert once[0]["reward"] < 0.5 < 0.85 < once[-1]["reward"]
    assert all(not step["masked"] for step in once)


def test_each_attempt_has_a_session_of_its_own(run: Any, gym: FakeGym) -> None:
    run("--steps", "1", "--concurrency", "1")
    assert gym.paths[1:5] == ["/seed_session", "/verify"] * 2


def test_advantages_are_distances_from_the_mean_of_the_group(grpo: SimpleNamespace) -> None:
    found = grpo.advantages(np.array([[1.0, 0, 0, 0], [1, 1, 1, 1], [10, 0, 0, 0]]))
    assert found.tolist() == [[0.75, -0.25, -0.25, -0.25], [0, 0, 0, 0], [7.5, -2.5, -2.5, -2.5]]


def test_an_attempt_that_was_not_measured_has_no_say(grpo: SimpleNamespace) -> None:
    nan = float("nan")
    found = grpo.advantages(np.array([[1.0, 0, nan, nan], [nan, 1, nan, nan], [nan, nan, nan, nan]]))
    assert found.tolist() == [[0.5, -0.5, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_the_update_follows_the_gradient(grpo: SimpleNamespace) -> None:
    random = np.random.default_rng(3)
    policy = grpo.Policy(2, 4)
    policy.logits = random.normal(size=(2, 4))
    letters, advantage = policy.sample(random, 8), random.normal(size=(2, 8))

    def objective(logits: Any) -> float:
        at = grpo.Policy(2, 4)
        at.logits = logits
        chosen = np.take_along_axis(np.log(at.probabilities()), letters, axis=1)
        return float((advantage * chosen).mean(axis=1).sum())

    before, step = policy.logits.copy(), 1e-6
    policy.update(letters, advantage, 1.0)
    for place in np.ndindex(2, 4):
        moved = before.copy()
        moved[place] += step
        slope = (objective(moved) - objective(before)) / step
        assert policy.logits[place] - before[place] == pytest.approx(slope, abs=1e-4)


def test_letters_are_drawn_as_often_as_the_policy_says(grpo: SimpleNamespace) -> None:
    policy = grpo.Policy(1, 4)
    policy.logits = np.log(np.array([[0.1, 0.2, 0.3, 0.4]]))
    drawn = policy.sample(np.random.default_rng(0), 20_000)
    assert np.bincount(drawn[0]) / 20_000 == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.02)


def test_a_refused_request_stops_the_run_at_once(run: Any, gym: FakeGym) -> None:
    gym.always = 422, {"detail": [{"loc": ["body", "grading_mode"], "msg": "Field required"}]}
    for policy in ("stop", "mask"):
        gym.paths.clear()
        with pytest.raises(
            SystemExit, match=r"task 0: mcqa/verify answered 422: grading_mode: Field required"
        ) as stopped:
            run("--steps", "1", "--group", "1", "--limit", "1", "--on-failure", policy)
        assert stopped.value.code != 0
        assert gym.paths.count("/verify") == 1, "it would be refused again"


def test_a_failed_server_stops_the_run(run: Any, gym: FakeGym) -> None:
    gym.faults = [(500, "RuntimeError('no sandbox')")]
    with pytest.raises(SystemExit, match=r"mcqa/verify answered 500: .*no sandbox"):
        run("--concurrency", "1")


def test_a_failed_attempt_is_left_out_and_is_no_zero(run: Any, gym: FakeGym) -> None:
    whole = run("--steps", "1")
    gym.faults = [(500, "RuntimeError('no sandbox')")] * 5
    [step] = run("--steps", "1", "--on-failure", "mask", "--concurrency", "1")
    assert step["masked"] == 5
    right = round(whole[0]["reward"] * 48)
    assert any(step["reward"] == pytest.approx((right - lost) / 43) for lost in range(6)), "a mean of 43 attempts"


def test_a_masked_verdict_is_no_reward(run: Any, gym: FakeGym, grpo: SimpleNamespace) -> None:
    assert np.isnan(grpo.reward_of({"reward": 0.0, "mask_sample": True, "failure_kind": "judge_failed"}))
    assert grpo.reward_of({"reward": 0.5, "mask_sample": False, "failure_kind": "judge_failed"}) == 0.5
    gym.faults = [(200, {"reward": 0.0, "mask_sample": True})]
    assert run("--steps", "1")[0]["masked"] == 1


def test_a_run_of_masked_attempts_stops(run: Any, gym: FakeGym) -> None:
    gym.always = 200, {"reward": 0.0, "mask_sample": True}
    with pytest.raises(SystemExit, match="step 0: 48 of 48 attempts were not measured"):
        run("--on-failure", "mask")


def test_a_busy_server_is_asked_again_in_a_new_session(run: Any, gym: FakeGym) -> None:
    gym.faults = [(503, "busy"), (429, "busy")]
    assert run("--steps", "1", "--limit", "1", "--group", "1")[0]["masked"] == 0
    assert gym.paths[1:] == ["/seed_session", "/verify"] * 3


def test_a_server_that_stays_busy_fails_the_attempt(run: Any, gym: FakeGym) -> None:
    gym.always = 503, "busy"
    with pytest.raises(SystemExit, match="mcqa gave no answer in 3 tries"):
        run("--limit", "1", "--group", "1")


def test_a_server_that_does_not_run_is_named_with_those_that_do(run: Any) -> None:
    with pytest.raises(SystemExit, match=r"mcqq is not running; these are: mcqa"):
        run("--server", "mcqq")


def test_without_a_head_server_it_says_so(run: Any, gym: FakeGym) -> None:
    with pytest.raises(SystemExit, match=r"no head server at http://127\.0\.0\.1:1: ConnectionError"):
        run("--head", "http://127.0.0.1:1")


def test_a_task_without_options_is_named(run: Any, tasks: Path) -> None:
    with tasks.open("a") as file:
        file.write('{"question": "How are you?"}\n')
    with pytest.raises(SystemExit, match=r"tasks.jsonl, line 7: every task needs `options`"):
        run()
