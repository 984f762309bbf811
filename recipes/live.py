"""The live NeMo Gym and the model server, started for as long as a stage needs them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.environments import ENVIRONMENTS
from harness.live import Zygote

DOWNLOADS = Path(__file__).resolve().parent.parent / "docs" / "downloads"
#: Seconds until servers that do not answer have failed: a machine may be busy.
DEADLINE = 600


@dataclass(frozen=True)
class Environment:
    """A resources server of NeMo Gym and the agent that collects with it.

    Attributes:
        server: the name of the resources server.
        agent: the name of the agent.
        alone: YAML of the server by itself, which needs no model.
        overrides: what `gym env start` gets beside the name of the server.
    """

    server: str
    agent: str
    alone: str
    overrides: tuple[str, ...] = ()


class NotReady(Exception):
    """Servers that did not start, with the end of what they printed."""


def trl_python() -> str:
    """The Python of the environment in which torch is.

    Raises:
        harness.environments.NotInstalled: that environment is not there.
    """
    return str(ENVIRONMENTS["trl"].require().interpreter)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def trainer_variables() -> dict[str, str]:
    """The environment of what trains or serves: no network, no progress bars, and the downloads to import."""
    quiet = {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
    quiet |= {"PYTHONWARNINGS": "ignore", "TRL_EXPERIMENTAL_SILENCE": "1", "TOKENIZERS_PARALLELISM": "false"}
    return os.environ | quiet | {"PYTHONPATH": str(DOWNLOADS)}


@contextlib.contextmanager
def model_server(folder: Path, seed: int, log: Path) -> Iterator[str]:
    """Serve a model's folder; yield the address.

    Raises:
        NotReady: the server ended before it listened.
    """
    program = [
        trl_python(),
        str(DOWNLOADS / "small_model.py"),
        "serve",
        str(folder),
        "--port",
        "0",
        "--seed",
        f"{seed}",
    ]
    with serving("the model server", program, log, trainer_variables()) as address:
        yield address


@contextlib.contextmanager
def serving(name: str, command: list[str], log: Path, variables: dict[str, str] | None = None) -> Iterator[str]:
    """Run a program that serves, and prints a line that ends in its address; yield that.

    Raises:
        NotReady: it ended before it listened.
    """
    with log.open("w") as output:
        process = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=output, text=True)
    try:
        said = process.stdout.readline() if process.stdout else ""
        if not said:
            raise NotReady(f"{name} ended: {log.read_text()[-2000:]}")
        yield said.split()[-1]
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


class Gym:
    """A running NeMo Gym: a folder in which its commands run, and the port of its head server."""

    def __init__(self, environment: Environment, folder: Path, zygote: Zygote, model: str | None) -> None:
        self.environment, self.folder = environment, folder
        self.variables = os.environ | zygote.env() | {"COLUMNS": "80"}
        # Ray would end the verifier's processes where a trainer beside it uses most of the memory.
        self.variables["RAY_memory_monitor_refresh_ms"] = "0"
        self.head = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        address = model or "http://127.0.0.1:9/v1"
        settings = [f"head_server: {{host: 127.0.0.1, port: {self.head}}}"]
        settings += [f"policy_base_url: {address}", "policy_api_key: none", "policy_model_name: policy"]
        # A model that the configuration names and nobody asks is not waited for: after ten minutes a start would end.
        settings.append("model_endpoint_readiness_timeout_seconds: 0")
        (folder / "env.yaml").write_text("\n".join(settings) + "\n", encoding="utf-8")

    def run(self, *command: str) -> str:
        """Run a command of NeMo Gym to its end; what it printed.

        Raises:
            RuntimeError: it failed, with the end of what it printed.
        """
        done = subprocess.run(command, cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done.stdout

    def address(self) -> str:
        """The address of the resources server."""
        servers = json.loads(self.run("gym", "env", "status", "--json").splitlines()[-1])
        return str(next(each["url"] for each in servers if each["name"] == self.environment.server))

    def collect(self, tasks: Path, output: Path, repeats: int, temperature: float, limit: int) -> None:
        """Collect rollouts of each task, each with a seed of its own.

        Args:
            tasks: rows of the resources server.
            output: where the rollouts go; NeMo Gym's files beside it go with it.
            repeats: rollouts of each task.
            temperature: 0 takes the likeliest token.
            limit: tokens of an answer at most.
        """
        self.run(
            "gym", "eval", "run", "--no-serve", "--agent", self.environment.agent,
            "--input", str(tasks.resolve()), "--output", str(output.resolve()),
            "--num-repeats", f"{repeats}", "--concurrency", "64",
            "--temperature", f"{temperature}", "--max-output-tokens", f"{limit}",
            "--disable-aggregation", "--no-health-check", "+num_repeats_add_seed=true",
        )  # fmt: skip


@contextlib.contextmanager
def gym(environment: Environment, folder: Path, model: str | None = None) -> Iterator[Gym]:
    """Start a resources server, with an agent and a model where there is an address of one; until it is ready.

    Raises:
        NotReady: it ended, or did not answer in time, three times: on a machine that is busy Ray may not start.
    """
    with contextlib.ExitStack() as started:
        for last in (False, False, True):
            try:
                running = started.enter_context(started_once(environment, folder, model))
                break
            except NotReady:
                if last:
                    raise
        yield running


@contextlib.contextmanager
def started_once(environment: Environment, folder: Path, model: str | None) -> Iterator[Gym]:
    """Start it, until it is ready.

    Raises:
        NotReady: it ended, or did not answer in time.
    """
    with Zygote() as zygote:
        running = Gym(environment, folder, zygote, model)
        if model is None:
            (folder / "verifier.yaml").write_text(environment.alone, encoding="utf-8")
            flags = ["--config", "verifier.yaml"]
        else:
            flags = ["--resources-server", environment.server, "--model-type", "vllm_model", *environment.overrides]
        with (folder / "gym.log").open("w") as output:
            process = subprocess.Popen(
                ["gym", "env", "start", *flags],
                cwd=folder,
                env=running.variables,
                stdout=output,
                stderr=subprocess.STDOUT,
                # What a shell's background job ignores is handed on, and it could not be interrupted.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        try:
            wait_ready(process, folder / "gym.log")
            yield running
        finally:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)


def wait_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until all servers answer.

    Raises:
        NotReady: the process ended, or the time is over.
    """
    end = time.monotonic() + DEADLINE
    while "servers ready!" not in log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > end:
            raise NotReady(f"NeMo Gym did not start: {log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.2)
