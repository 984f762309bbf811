"""Servers of a started command, forked from the zygote instead of launched in virtual environments of their own.

``gym env start`` and the other commands that start servers run their own code: parser, configuration, head server,
polling, shutdown, and every line they print. Six of its names are replaced inside the forked command:

``setup_command.Popen``        which would build a server's environment with uv and run its ``app.py`` there,
                               asks the zygote for a fork that runs ``app.py`` in this environment;
``env.sleep``                  ends its three seconds as soon as every server listens or one has ended;
``env.initialize_ray``         starts Ray only when a configured server says that it needs it;
``server_utils._server_uses_ray``  in the server, the same;
``env.RunHelper``              lets servers that were parked be taken over, and parks them when it shuts down.
``env.setup_env_command``      what ``gym env test`` runs before a server's own tests, uses this environment too.

Servers are shared when nothing that they could see differs: the same resolved configuration (but for ports that
were assigned, not asked for), the same code of the install, the same environment. See ``sharing_key``.
"""

import contextlib
import hashlib
import json
import os
import re
import select
import shlex
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nemo_gym import PARENT_DIR, global_config, server_utils
from nemo_gym.cli import env, setup_command
from omegaconf import DictConfig, OmegaConf, open_dict

from harness.live import wire

CONFIG_PATH = global_config.NEMO_GYM_CONFIG_PATH_ENV_VAR_NAME

# What may differ between two pages whose servers are nevertheless the same.
PAGE_VARIABLES = {
    *("PWD", "OLDPWD", "SHLVL", "_", "COLUMNS", "LINES", "TERM"),
    "HARNESS_REFUSALS",  # command_line.NOTES
    "HARNESS_SEEN",  # harness_watch.VARIABLE
}
# What NeMo Gym derives from the page's directory: it may differ too, unless a server reads or writes files there.
PAGE_DIRECTORIES = {"results_dir", "cache_dir", "uv_cache_dir", "uv_venv_dir"}
PAGE_DIRECTORY_VARIABLES = {"UV_CACHE_DIR", "HF_HOME", "HF_DATASETS_CACHE"}
_NEEDS_RAY = re.compile(r"^    ray_enabled\s*=\s*True\b", re.MULTILINE)
_KEEPS_FILES = re.compile(r"results_dir|cache_dir|RESULTS_DIR|CACHE_DIR|WORKING_DIR")

# What stands where a start prints the address of the Ray cluster that is not started here.
RAY_ADDRESS = "127.0.0.1:6379"


def server_entries(config: DictConfig) -> dict[str, tuple[Path, DictConfig]]:
    """The servers that a start of ``config`` launches: their directory and their own block, by name."""
    entries = {}
    for name, instance in config.items():
        if name in global_config.NEMO_GYM_RESERVED_TOP_LEVEL_KEYS or not isinstance(instance, DictConfig):
            continue
        kind = next(iter(instance))
        if isinstance(instance[kind], DictConfig):
            implementation = next(iter(instance[kind]))
            block = instance[kind][implementation]
            if isinstance(block, DictConfig) and "entrypoint" in block:
                entries[str(name)] = (env._resolve_server_dir(Path(str(kind), str(implementation))), block)
    return entries


def source_matches(directory: Path, pattern: re.Pattern[str]) -> bool:
    """Whether a Python module that lies directly in a server's directory matches ``pattern``."""
    return any(pattern.search(path.read_text()) for path in directory.glob("*.py"))


def sharing_key(config: DictConfig, assigned: set[int], environ: Mapping[str, str]) -> str | None:
    """A digest that two starts have in common when they may share their servers; None when they may not."""
    entries = server_entries(config)
    directories = [directory for directory, _ in entries.values()]
    if any(
        not directory.is_relative_to(PARENT_DIR)  # a reader's own server may have been edited since
        or source_matches(directory, _NEEDS_RAY)
        for directory in directories
    ):
        return None
    plain = OmegaConf.to_container(config)
    keeps_files = any(source_matches(directory, _KEEPS_FILES) for directory in directories)
    dropped = PAGE_VARIABLES if keeps_files else PAGE_VARIABLES | PAGE_DIRECTORY_VARIABLES
    variables = {name: value for name, value in environ.items() if name not in dropped}
    for name in () if keeps_files else PAGE_DIRECTORIES:
        plain.pop(name, None)
    plain["disallowed_ports"] = [port for port in plain.get("disallowed_ports") or () if port not in assigned]
    for instance in plain.values():
        for block in _blocks(instance):
            if block.get("port") in assigned:
                del block["port"]
    identity = [plain, sorted(map(str, directories)), variables]
    return hashlib.sha256(json.dumps(identity, sort_keys=True, default=str).encode()).hexdigest()


def _blocks(instance: Any) -> list[dict[str, Any]]:
    kinds = instance.values() if isinstance(instance, dict) else ()
    return [block for kind in kinds if isinstance(kind, dict) for block in kind.values() if isinstance(block, dict)]


class Fleet:
    """The servers of this command, held through one connection to the zygote; they end or are parked with it."""

    def __init__(self, zygote: str) -> None:
        self.zygote = zygote
        self.sock: socket.socket | None = None
        self.servers: dict[str, ServerProcess] = {}
        self.entries: dict[str, tuple[Path, DictConfig]] = {}
        self.adopted: set[str] = set()
        self.assigned: set[int] = set()
        self.ready = False
        self.head_up = False

    def claim(self, config: DictConfig) -> None:
        """Take over the parked servers of an equal start, if any, and put their ports into ``config``."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.zygote)
        self.key = sharing_key(config, self.assigned, os.environ)
        head = config[server_utils.HEAD_SERVER_KEY_NAME]
        answer, _ = self.ask({"verb": "claim", "head": f"{head.host}:{head.port}", "key": self.key})
        self.adopted = set(answer["ports"])
        self.entries = server_entries(config)
        for name, (_, block) in self.entries.items():
            if name in self.adopted:
                with open_dict(block):
                    block.port = answer["ports"][name]

    def ask(self, message: dict[str, Any]) -> tuple[dict[str, Any], list[int]]:
        wire.send(self.sock, message)
        while True:
            answer = wire.receive(self.sock)
            if answer is None:
                raise RuntimeError("the live NeMo Gym went away")
            if "exit" not in answer[0]:
                return answer
            self.note(answer[0])

    def note(self, message: dict[str, Any]) -> None:
        self.servers[message["name"]].ended(message["exit"])

    def update(self, timeout: float = 0) -> None:
        """Read which servers have ended, waiting at most ``timeout`` seconds for the first."""
        while self.sock and select.select([self.sock], [], [], timeout)[0]:
            answer = wire.receive(self.sock)
            if answer is None:
                break
            self.note(answer[0])
            timeout = 0

    def wait(self, addresses: list[tuple[str, int]], seconds: float) -> None:
        """Wait until everything at ``addresses`` listens or a server has ended, but no longer than ``seconds``."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not all(map(_listens, addresses)):
            self.update(0.01)
            if any(server.returncode is not None for server in self.servers.values()):
                return

    def mark_ready(self) -> None:
        if self.key:
            wire.send(self.sock, {"verb": "ready"})
            self.ready = True


class ServerProcess(subprocess.Popen):
    """What ``gym`` holds instead of the process of ``uv venv ... && python app.py``: the same methods and numbers."""

    def __init__(self, fleet: Fleet, command: str, environ: dict[str, str], config: DictConfig) -> None:
        self.fleet, self.args, self.name = fleet, command, environ[CONFIG_PATH]
        self.returncode: int | None = None
        self.stdin = self.stdout = self.stderr = None
        directory, block = fleet.entries[self.name]
        self.address = (block.host, block.port)
        environ["VIRTUAL_ENV"] = sys.prefix
        environ["PATH"] = os.pathsep.join([str(Path(sys.prefix, "bin")), environ.get("PATH", "")])
        environ["PWD"] = str(directory)  # as the shell says that starts a server there
        fleet.servers[self.name] = self
        answer, pipes = fleet.ask(
            {
                "verb": "serve",
                "name": self.name,
                "port": int(block.port),
                "directory": str(directory),
                "entrypoint": block.entrypoint,
                "env": environ,
            }
        )
        self.pid = answer["pid"]
        log = self._log_file(config)
        targets = ((pipes[0], [1]), (pipes[1], [2])) if log is None else ((p, [1, log]) for p in pipes)
        self._pumps = [threading.Thread(target=_pump, args=pair, daemon=True) for pair in targets]
        for pump in self._pumps:
            pump.start()

    def _log_file(self, config: DictConfig) -> int | None:
        """Where ``tee -a`` would have written, if the configuration names a directory for logs."""
        directory = config.get(global_config.NEMO_GYM_LOG_DIR_KEY_NAME)
        if not directory:
            return None
        path = Path(directory, self.name.replace("/", "_") + ".log")
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def ended(self, status: int) -> None:
        self.returncode = status
        for pump in self._pumps:
            pump.join(1)

    def poll(self) -> int | None:
        if self.returncode is None:
            self.fleet.update()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            left = 60.0 if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise subprocess.TimeoutExpired(self.args, timeout)
            self.fleet.update(left)
        return self.returncode

    def communicate(self, input: None = None, timeout: float | None = None) -> tuple[None, None]:
        self.wait(timeout)
        return None, None

    def send_signal(self, number: int) -> None:
        if self.fleet.ready:  # a shared server outlives this command: the zygote parks it
            self.returncode = -number
        elif self.poll() is None:
            wire.send(self.fleet.sock, {"signal": int(number), "name": self.name})

    def __del__(self) -> None:
        """Nothing: there is no child of this process to reap."""


def _pump(source: int, targets: list[int]) -> None:
    """Copy whole lines, so that servers that print at the same time do not print into each other's lines."""
    with open(source, "rb") as lines:
        for line in lines:
            for target in targets:
                with contextlib.suppress(OSError):
                    os.write(target, line)


def _listens(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, 1).close()
        return True
    except OSError:
        return False


def install(zygote: str) -> None:
    """Replace, in this process, what a start of servers must do differently here."""
    fleet = Fleet(zygote)
    _record_assigned_ports(fleet)
    _replace_ray(fleet)
    _test_in_this_environment()
    genuine_popen, genuine_check = setup_command.Popen, env.RunHelper.check_http_server_statuses
    genuine_start, genuine_poll = env.RunHelper.start, server_utils.ServerClient.poll_for_status

    def popen(command: str, **options: Any) -> subprocess.Popen:
        if CONFIG_PATH not in (options.get("env") or {}):
            return genuine_popen(command, **options)
        return ServerProcess(fleet, command, options["env"], global_config.get_global_config_dict())

    def sleep(seconds: float) -> None:
        if fleet.head_up:
            return fleet.wait([server.address for server in fleet.servers.values()], seconds)
        head = global_config.get_global_config_dict()[server_utils.HEAD_SERVER_KEY_NAME]
        fleet.wait([(head.host, head.port)], seconds)
        fleet.head_up = True

    def check(self: env.RunHelper, successful: list[str], **options: Any) -> list[tuple[str, str]]:
        """Report servers that were taken over as starting, once: a start prints that it waits for them."""
        starting, fleet.adopted = fleet.adopted, set()
        statuses = genuine_check(self, successful, **options)
        return [(name, "connection_error" if name in starting else status) for name, status in statuses]

    def poll(self: server_utils.ServerClient, name: str, **options: Any) -> str:
        """Report the head server as starting, once: launching takes longer here, and it would be up already."""
        if name == server_utils.HEAD_SERVER_KEY_NAME and not fleet.head_up:
            return "connection_error"
        return genuine_poll(self, name, **options)

    def start(self: env.RunHelper, *arguments: Any) -> None:
        genuine_start(self, *arguments)
        fleet.mark_ready()

    setup_command.Popen = popen
    env.sleep = sleep
    env.RunHelper.check_http_server_statuses = check
    env.RunHelper.start = start
    env.ServerClient.poll_for_status = poll


def _test_in_this_environment() -> None:
    """Let ``gym env test`` activate this environment instead of building one for the server.

    What its pytest finds above the page's directory, this project's own settings among it, is not the reader's.
    """
    genuine = env.setup_env_command

    def setup_env_command(directory: Path, *arguments: Any) -> str:
        genuine(directory, *arguments)  # it refuses a server that does not say what it needs
        alone = shlex.quote(f"-c {os.devnull} --rootdir=. --confcutdir=.")
        activate = shlex.quote(str(Path(sys.prefix, "bin", "activate")))
        return f"cd {shlex.quote(str(directory))} && . {activate} && export PYTEST_ADDOPTS={alone}"

    env.setup_env_command = setup_env_command


def _record_assigned_ports(fleet: Fleet) -> None:
    genuine: Callable[..., int] = global_config._find_open_port_using_range

    def find(*arguments: Any, **options: Any) -> int:
        port = genuine(*arguments, **options)
        fleet.assigned.add(port)
        return port

    global_config._find_open_port_using_range = find


def _replace_ray(fleet: Fleet) -> None:
    """Start Ray for the servers whose class asks for it, not for every start as the genuine command does.

    Where it is not started its two lines are printed all the same: a reader's start prints them.
    """
    genuine = env.initialize_ray

    def initialize_ray() -> None:
        config = global_config.get_global_config_dict()
        directories = [directory for directory, _ in server_entries(config).values()]
        if config.get("ray_head_node_address") or any(source_matches(d, _NEEDS_RAY) for d in directories):
            with own_ray():
                genuine()
        else:
            print("NeMo Gym is starting a new Ray cluster...")
            print(f"Started Ray cluster at {RAY_ADDRESS}")
        fleet.claim(config)

    env.initialize_ray = initialize_ray


@contextlib.contextmanager
def own_ray() -> Iterator[None]:
    """Have Ray start where no address is given, whatever cluster a `ray start` on this machine has noted down."""
    before = os.environ.get("RAY_ADDRESS")
    os.environ["RAY_ADDRESS"] = "local"
    try:
        yield
    finally:
        del os.environ["RAY_ADDRESS"]
        if before is not None:
            os.environ["RAY_ADDRESS"] = before


def install_in_server() -> None:
    """Replace, in a forked server, what connects it to Ray: only a class that asks for Ray in so many words gets it."""
    if not hasattr(server_utils, "_server_uses_ray"):  # up to 0.4 every server joins a cluster, which is not there
        server_utils.initialize_ray = lambda: None
        return
    genuine = server_utils._server_uses_ray

    def uses_ray(server: type) -> bool:
        if genuine(server) and server.ray_enabled is not True:
            print(f"Connecting to Ray cluster at specified address: {RAY_ADDRESS}")
            return False
        return genuine(server)

    server_utils._server_uses_ray = uses_ray
