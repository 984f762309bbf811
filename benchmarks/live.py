"""Measure the live NeMo Gym beside the genuine ``gym env start``: ``python -m benchmarks.live``.

Both start the same environment (mcqa with ``openai_model``) against the same practice model and collect the same
rollouts. The genuine one gets virtual environments that are already there, so that it builds none; a reader's first
start, which builds them, takes longer. Run it where nothing else listens on the ports of NeMo Gym's head server.
"""

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import nemo_gym

from harness.live import QUIET_ENV, Zygote
from harness.live.control import ROOT

PRACTICE_MODEL = ROOT / "docs" / "downloads" / "practice_model.py"
SERVERS = (
    "resources_servers/mcqa",
    "responses_api_agents/simple_agent",
    "responses_api_models/openai_model",
    "environment_servers/legacy_agent",
)
ROWS = nemo_gym.PARENT_DIR / "resources_servers/mcqa/data/example.jsonl"


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


class Runner:
    """Commands in ``directory``, with ``variables`` as their environment, against the model at ``model``."""

    def __init__(self, directory: Path, variables: dict[str, str], model: str) -> None:
        directory.mkdir()
        self.directory = directory
        self.variables = variables
        self.head = free_port()
        (directory / "env.yaml").write_text(
            f"head_server: {{host: 127.0.0.1, port: {self.head}}}\n"
            f"policy_base_url: {model}\npolicy_api_key: practice\npolicy_model_name: practice\n"
        )

    def start(self, *extra: str) -> tuple[subprocess.Popen, float]:
        """``gym env start`` until the head server is healthy, and the seconds that took."""
        begun = time.perf_counter()
        flags = ["--resources-server", "mcqa", "--model-type", "openai_model", *extra]
        with (self.directory / "start.txt").open("w") as output:
            process = subprocess.Popen(
                ["gym", "env", "start", *flags],
                cwd=self.directory,
                env=self.variables,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        while not self.healthy():
            if process.poll() is not None:
                raise SystemExit((self.directory / "start.txt").read_text())
            time.sleep(0.01)
        return process, time.perf_counter() - begun

    def healthy(self) -> bool:
        """Whether all servers are up."""
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.head}/health", timeout=5).status == 200
        except OSError:
            return False

    def collect(self, repeats: int) -> dict[str, float]:
        """Collect so many rollouts of each of five tasks: the command's seconds, and milliseconds per rollout.

        The latter is the pace that the command itself prints last: starting it is not part of it.
        """
        flags = ["--agent", "mcqa_simple_agent", "--input", str(ROWS), "--output", f"rollouts{repeats}.jsonl"]
        sizes = ["--num-repeats", str(repeats), "--concurrency", "20"]
        begun = time.perf_counter()
        result = subprocess.run(
            ["gym", "eval", "run", "--no-serve", *flags, *sizes],
            cwd=self.directory,
            env=self.variables,
            check=True,
            capture_output=True,
            text=True,
        )
        pace = re.findall(r"\(([\d.]+) rollouts/min\)", result.stdout)[-1]
        return {"command": time.perf_counter() - begun, "rollout": 60_000 / float(pace)}


def stop(process: subprocess.Popen) -> None:
    """Interrupt a start, as Ctrl+C does, and wait for its end."""
    process.send_signal(signal.SIGINT)
    process.wait(60)


def measure_live(directory: Path, model: str, repeats: int) -> dict[str, float]:
    """Seconds of the zygote's own start, of starts fresh and shared, of a command, and milliseconds per rollout."""
    found = {}
    with Zygote() as gym:
        begun = time.perf_counter()
        gym.call("os:getpid")
        found["zygote"] = time.perf_counter() - begun
        runner = Runner(directory / "live", os.environ | gym.env(), model)
        process, found["start"] = runner.start()
        found |= {"command": runner.collect(1)["command"], "rollout": runner.collect(repeats)["rollout"]}
        stop(process)
        process, found["shared start"] = runner.start()
        stop(process)
        begun = time.perf_counter()
        subprocess.run(["gym", "--help"], env=runner.variables, check=True, capture_output=True)
        found["help"] = time.perf_counter() - begun
    return found


def measure_genuine(directory: Path, model: str, repeats: int) -> dict[str, float]:
    """The same of the installed commands, with servers' virtual environments that are there already."""
    found = {}
    for server in SERVERS:
        (directory / "venvs" / server).mkdir(parents=True)
        (directory / "venvs" / server / ".venv").symlink_to(sys.prefix)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    ray = {"RAY_raylet_start_wait_time_s": "120", "RAY_ADDRESS": "local"}  # its own, whichever runs here already
    variables = {**os.environ, **QUIET_ENV, "PATH": path, **ray}
    runner = Runner(directory / "genuine", variables, model)
    process, found["start"] = runner.start("+skip_venv_if_present=true", f"+uv_venv_dir={directory / 'venvs'}")
    found |= {"command": runner.collect(1)["command"], "rollout": runner.collect(repeats)["rollout"]}
    stop(process)
    begun = time.perf_counter()
    subprocess.run(["gym", "--help"], env=runner.variables, check=True, capture_output=True)
    found["help"] = time.perf_counter() - begun
    return found


def main() -> None:
    """Print what was measured, as ratios of this one run; ``--json`` prints the numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=40, help="rollouts of each of five tasks (default: 40)")
    parser.add_argument("--json", action="store_true", help="print numbers only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        script = directory / "answers.jsonl"
        command = [sys.executable, PRACTICE_MODEL, "script", ROWS, "--output", script]
        subprocess.run(command, check=True, capture_output=True)
        serve = [sys.executable, PRACTICE_MODEL, "serve", "--port", str(free_port()), "--script", script]
        with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
            try:
                model = server.stdout.readline().split()[-1]
                live = measure_live(directory, model, options.repeats)
                genuine = measure_genuine(directory, model, options.repeats)
            finally:
                server.terminate()
    if options.json:
        print(json.dumps({"live": live, "genuine": genuine}, indent=2))
        return
    print(f"{'':32}{'live':>10}{'genuine':>10}{'ratio':>8}")
    rows = {"start of an environment, s": "start", "gym --help, s": "help", "gym eval run of 5 tasks, s": "command"}
    for label, key in (rows | {f"a rollout, of {5 * options.repeats}, ms": "rollout"}).items():
        print(f"{label:32}{live[key]:10.2f}{genuine[key]:10.2f}{live[key] / genuine[key]:8.3f}")
    ratio = live["shared start"] / genuine["start"]
    print(f"{'a start that is shared, s':32}{live['shared start']:10.2f}{genuine['start']:10.2f}{ratio:8.3f}")
    print(f"{'the zygote, once a session, s':32}{live['zygote']:10.2f}")


if __name__ == "__main__":
    main()
