"""A practice model and a live NeMo Gym on ports of their own, for tests, the benchmark and nothing else."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.live import Zygote

ROOT = Path(__file__).resolve().parents[2]
PRACTICE_MODEL = ROOT / "docs" / "downloads" / "practice_model.py"
DEADLINE = 90


def example(server: str) -> Path:
    """The example rows that ship with a resources server."""
    import nemo_gym

    return nemo_gym.PARENT_DIR / "resources_servers" / server / "data" / "example.jsonl"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def write_script(path: Path, rows: Path, *options: str) -> Path:
    command = [sys.executable, PRACTICE_MODEL, "script", rows, "--output", path, *options]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return path


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition: Any, what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"after {DEADLINE} s still not: {what}"
        time.sleep(0.01)


@contextlib.contextmanager
def practice_model(*options: str | Path) -> Iterator[str]:
    """Serve the practice model; yield its address."""
    command = [sys.executable, PRACTICE_MODEL, "serve", "--port", str(free_port()), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


class Page:
    """A directory with an ``env.yaml``, as a page has it, in which ``gym`` commands run in a zygote."""

    def __init__(self, directory: Path, gym: Zygote, model: str = "http://127.0.0.1:9/v1", head: int = 0) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.variables = os.environ | gym.env() | {"COLUMNS": "80"}
        self.head = head or free_port()
        self.write(
            "env.yaml",
            f"head_server: {{host: 127.0.0.1, port: {self.head}}}\n"
            f"policy_base_url: {model}\npolicy_api_key: practice\npolicy_model_name: practice\n",
        )

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def run(self, command: str, check: bool = True) -> subprocess.CompletedProcess:
        result = subprocess.run(
            ["bash", "-c", command],
            cwd=self.directory,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        assert not check or result.returncode == 0, f"{command}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
        return result

    def launch(self, flags: str) -> subprocess.Popen:
        """Begin ``gym env start`` without waiting for it; its output goes to ``start.txt``."""
        with (self.directory / "start.txt").open("w") as output:
            return subprocess.Popen(
                ["bash", "-c", f"exec gym env start {flags}"],
                cwd=self.directory,
                env=self.variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Tests that run in the background of a shell ignore this signal, and would hand that on.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def printed(self) -> str:
        return (self.directory / "start.txt").read_text()

    def wait_ready(self, process: subprocess.Popen) -> list[dict[str, Any]]:
        """Wait until the head server says that everything is ready; return its server instances."""
        wait_until(lambda: process.poll() is not None or self.get("health") is not None, "the start is ready")
        assert process.poll() is None, self.printed()
        return self.get("server_instances")

    @contextlib.contextmanager
    def started(self, flags: str) -> Iterator[list[dict[str, Any]]]:
        """``gym env start`` until it is ready; interrupted at the end. Yields the server instances."""
        process = self.launch(flags)
        try:
            yield self.wait_ready(process)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(DEADLINE) == 0, self.printed()

    def get(self, path: str) -> Any:
        import requests

        try:
            response = requests.get(f"http://127.0.0.1:{self.head}/{path}", timeout=5)
        except requests.ConnectionError:
            return None
        return response.json() if response.ok else None

    def collect(self, rows: Path, agent: str, name: str, flags: str = "") -> list[dict[str, Any]]:
        """Collect rollouts of ``rows``; return them by task and rollout index."""
        self.run(f"gym eval run --no-serve --agent {agent} --input {rows} --output {name}.jsonl {flags}")
        rollouts = read_jsonl(self.directory / f"{name}.jsonl")
        return sorted(rollouts, key=lambda row: (row["_ng_task_index"], row["_ng_rollout_index"]))
