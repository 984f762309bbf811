"""A process that has imported NeMo Gym once and forks itself for every command, call and server.

Importing NeMo Gym's command line takes seconds and a fork takes milliseconds, so this is what lets every page run
the real commands. One thread, one loop: connections are read, forks are reaped, and each connection owns what it
asked for: when it ends, its command is killed and its servers are killed or, if another page may use them, parked.

==========  ==================================================================================================
message     meaning
==========  ==================================================================================================
``run``     a console script with arguments, directory, environment and three descriptors; ends in ``exit``
``call``    a Python function with JSON arguments; answers ``result`` or ``error``, then ``exit``
``claim``   (a started command) take over the parked servers of this configuration; answers their ports
``serve``   (a started command) fork a server process; answers its pid and the pipes of what it prints
``ready``   (a started command) all its servers answer: from now on they may be parked
``signal``  send a signal to the command, or to one server of it
==========  ==================================================================================================
"""

import contextlib
import ctypes
import gc
import importlib
import importlib.util
import os
import selectors
import signal
import socket
import struct
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.live import child, wire

PRELOADED = (
    "harness.live.servers",
    "nemo_gym.cli.main",
    "nemo_gym.cli.legacy",
    "nemo_gym.cli.env",
    "nemo_gym.cli.eval",
    "nemo_gym.cli.dataset",
    "nemo_gym.cli.general",
    "nemo_gym.train_data_utils",
    "nemo_gym.rollout_collection",
    "nemo_gym.rollout_health",
    "nemo_gym.rollout_reverification",
    "nemo_gym.base_responses_api_agent",
    "nemo_gym.base_responses_api_model",
    "nemo_gym.base_resources_server",
    "nemo_gym.base_environment_server",
)
# The harness's own modules that commands and calls import again and again; they come and go with its development.
HARNESS = ("harness.consumers.command_line", "harness.consumers.gym")

# Modules of servers that take seconds to import, and what fills their caches: done here when a server that imports
# one is first asked for, so that neither it nor any process that it forks, as math_with_judge does for each
# verification, does it again.
WARM = {"math_verify": lambda module: module.verify(module.parse("$1$"), module.parse("$1$"))}
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Connection:
    """One client: the command or call that it asked for, or the servers of a started command."""

    sock: socket.socket
    command: int | None = None
    servers: dict[str, "Server"] = field(default_factory=dict)
    key: str | None = None
    head: str | None = None
    ready: bool = False


@dataclass
class Server:
    """A server process and the read ends of the pipes that it prints to."""

    pid: int
    port: int
    pipes: tuple[int, ...]


class NamespacesEnded(Exception):
    """The processes among which a fork was to be are gone."""


@dataclass(frozen=True)
class Namespaces:
    """The process and mount namespaces of a client, where they are not this process's own: its page's."""

    pid: str
    mount: str

    @classmethod
    def of(cls, sock: socket.socket) -> "Namespaces | None":
        """Those of the process at the other end, of which the kernel knows the number that it has here."""
        size = struct.calcsize("3i")
        number, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
        spaces = cls(f"/proc/{number}/ns/pid", f"/proc/{number}/ns/mnt")
        try:
            return None if os.readlink(spaces.pid) == os.readlink("/proc/self/ns/pid") else spaces
        except OSError:
            raise NamespacesEnded from None

    def fork(self) -> int:
        """Fork into them, as `os.fork`: the child is this process's own, and 0 is what it gets.

        A process in between enters them, since it may be allowed to enter but not to leave.
        """
        pids, pid = os.pipe()
        between = os.fork()
        if between == 0:
            with contextlib.suppress(OSError):  # they have ended
                for path, kind in ((self.pid, os.CLONE_NEWPID), (self.mount, os.CLONE_NEWNS)):
                    os.setns(os.open(path, os.O_RDONLY), kind)
                forked = os.fork()
                if forked == 0:
                    os.close(pid)
                    return 0
                os.write(pid, forked.to_bytes(4))
            os._exit(0)
        os.close(pid)
        os.waitpid(between, 0)  # what it forked is now this process's, which adopts orphans
        found = os.read(pids, 4)
        os.close(pids)
        if not found:
            raise NamespacesEnded
        return int.from_bytes(found)


class ForkServer:
    """The zygote's loop. ``listener`` is the bound socket, ``lifeline`` a descriptor whose end ends everything."""

    def __init__(self, listener: socket.socket, lifeline: int, root: str, search_path: list[str]) -> None:
        self.listener = listener
        self.address = listener.getsockname()
        self.lifeline = lifeline
        self.root = root
        self.search_path = search_path
        self.selector = selectors.DefaultSelector()
        self.owners: dict[int, Connection] = {}
        self.parked: dict[str, Connection] = {}  # by the address of their head server

    def loop(self) -> None:
        """Serve until the lifeline ends, then kill every process that descends from this one."""
        wakeup, self.wakeup = socket.socketpair()
        wakeup.setblocking(False)
        self.wakeup.setblocking(False)
        signal.set_wakeup_fd(self.wakeup.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)
        self.selector.register(wakeup, selectors.EVENT_READ, lambda: self.reap(wakeup))
        self.selector.register(self.lifeline, selectors.EVENT_READ, self.end)
        with contextlib.suppress(SystemExit):
            while True:
                for key, _ in self.selector.select():
                    if key.fileobj in self.selector.get_map():  # an earlier event of this round may have closed it
                        key.data()
        kill_descendants()

    def end(self) -> None:
        raise SystemExit

    def accept(self) -> None:
        connection = Connection(self.listener.accept()[0])
        self.selector.register(connection.sock, selectors.EVENT_READ, lambda: self.read(connection))

    def read(self, connection: Connection) -> None:
        received = wire.receive(connection.sock)
        if received is None:
            return self.close(connection)
        message, fds = received
        # Its end, or that of the processes among which it was, is read next, and closes it.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, NamespacesEnded):
            getattr(self, f"on_{message.pop('verb', 'signal')}")(connection, fds, **message)
        for fd in fds:
            os.close(fd)

    def close(self, connection: Connection) -> None:
        """The client is gone: so is its command, and so are its servers unless they can serve another page."""
        self.selector.unregister(connection.sock)
        connection.sock.close()
        if connection.command:
            kill_group(connection.command)
        if connection.ready and connection.key and connection.servers:
            self.park(connection)
        else:
            self.stop(connection)

    # ------------------------------------------------------------------------------------------------ requests

    def on_run(
        self,
        connection: Connection,
        fds: list[int],
        argv: list[bytes | str],
        cwd: bytes,
        env: dict[bytes, bytes],
        ignore_sigint: bool,
    ) -> None:
        arguments = [os.fsdecode(argument) for argument in argv]
        script = str(child.BIN / arguments[0])
        environment = {os.fsdecode(name): os.fsdecode(value) for name, value in env.items()}

        def body() -> None:
            path = [str(child.BIN), *python_path(environment), *self.search_path]
            child.become([script, *arguments[1:]], os.fsdecode(cwd), environment, fds, path)
            if ignore_sigint:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            child.leave(child.finish(lambda: child.run_command(self.address)))

        connection.command = self.fork(body, connection)

    def on_call(
        self, connection: Connection, fds: list[int], target: str, arguments: str, cwd: str, env: dict[str, str]
    ) -> None:
        def body() -> None:
            streams = [os.open(os.devnull, os.O_RDONLY), 2, 2]
            reply = os.dup(connection.sock.fileno())
            child.become([target], cwd, env, streams, [self.root, *self.search_path], keep=[reply])
            child.reply(reply, child.call(target, arguments))
            child.leave(child.finish(lambda: None))

        connection.command = self.fork(body, connection)

    def on_claim(self, connection: Connection, fds: list[int], head: str, key: str | None) -> None:
        connection.head, connection.key = head, key
        parked = self.parked.pop(head, None)
        if parked and (parked.key != key or not all(map(self.alive, parked.servers.values()))):
            self.stop(parked)
            parked = None
        if parked:
            for server in parked.servers.values():
                self.owners[server.pid] = connection
                self.unwatch(server)
            connection.servers = parked.servers
        wire.send(connection.sock, {"ports": {name: server.port for name, server in connection.servers.items()}})

    def on_serve(
        self,
        connection: Connection,
        fds: list[int],
        name: str,
        port: int,
        directory: str,
        entrypoint: str,
        env: dict[str, str],
    ) -> None:
        if name not in connection.servers:
            warm_up(Path(directory, entrypoint))
            out, err = os.pipe(), os.pipe()

            def body() -> None:
                streams = [os.open(os.devnull, os.O_RDONLY), out[1], err[1]]
                path = [directory, *python_path(env), *self.search_path]
                child.become([entrypoint], directory, env, streams, path)
                child.leave(child.finish(lambda: child.serve(entrypoint)))

            pid = self.fork(body, connection)
            os.close(out[1])
            os.close(err[1])
            connection.servers[name] = Server(pid, port, (out[0], err[0]))
        server = connection.servers[name]
        wire.send(connection.sock, {"pid": number_inside(server.pid)}, server.pipes)

    def on_ready(self, connection: Connection, fds: list[int]) -> None:
        connection.ready = True

    def on_signal(self, connection: Connection, fds: list[int], signal: int, name: str | None = None) -> None:
        pid = connection.servers[name].pid if name else connection.command
        if pid in self.owners:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal)

    # ----------------------------------------------------------------------------------------------- processes

    def fork(self, body: Any, connection: Connection) -> int:
        """Fork a process that runs ``body`` in the namespaces of the one that asked for it.

        Raises:
            OSError: these have just ended.
        """
        spaces = Namespaces.of(connection.sock)
        pid = spaces.fork() if spaces else os.fork()
        if pid == 0:
            try:
                if spaces is None:  # in others, it ends with their first process
                    child.end_with_the_parent()
                body()
            except BaseException:
                importlib.import_module("traceback").print_exc()
                sys.stderr.flush()
            os._exit(70)
        self.owners[pid] = connection
        return pid

    def reap(self, wakeup: socket.socket) -> None:
        """Collect every process that ended and tell its owner; orphans of commands end up here too."""
        with contextlib.suppress(BlockingIOError):
            wakeup.recv(4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                self.ended(ended[0], os.waitstatus_to_exitcode(ended[1]))

    def ended(self, pid: int, status: int) -> None:
        connection = self.owners.pop(pid, None)
        if connection is None or connection.sock.fileno() < 0:  # an orphan, or a parked server
            return
        if connection.command == pid:
            connection.command = None
        name = next((name for name, server in connection.servers.items() if server.pid == pid), None)
        with contextlib.suppress(OSError):
            wire.send(connection.sock, {"exit": status} if name is None else {"exit": status, "name": name})

    # ------------------------------------------------------------------------------------------------- parking

    def park(self, connection: Connection) -> None:
        """Keep the servers of a command that is gone for the next one that starts the same."""
        if earlier := self.parked.pop(connection.head, None):
            self.stop(earlier)
        self.parked[connection.head] = connection
        for server in connection.servers.values():
            for pipe in server.pipes:  # nobody reads what they print now, and a full pipe would stop them
                self.selector.register(pipe, selectors.EVENT_READ, lambda pipe=pipe: self.discard(pipe))

    def discard(self, pipe: int) -> None:
        if not os.read(pipe, 65536):
            self.selector.unregister(pipe)

    def alive(self, server: Server) -> bool:
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return server.pid in self.owners and os.waitid(os.P_PID, server.pid, flags) is None

    def unwatch(self, server: Server) -> None:
        for pipe in server.pipes:
            with contextlib.suppress(KeyError):
                self.selector.unregister(pipe)

    def stop(self, connection: Connection) -> None:
        for server in connection.servers.values():
            self.unwatch(server)
            for pipe in server.pipes:
                os.close(pipe)
            if self.owners.pop(server.pid, None):
                kill_group(server.pid)
                os.waitpid(server.pid, 0)
        connection.servers = {}


def number_inside(pid: int) -> int:
    """The number by which a process is known in its own namespace."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(row for row in status.splitlines() if row.startswith("NSpid:")).split()[-1])


def warm_up(entrypoint: Path) -> None:
    """Import here what is slow in a server's ``app.py`` and known to be safe to fork."""
    source = entrypoint.read_text() if entrypoint.is_file() else ""
    for name, fill in WARM.items():
        if name in source and name not in sys.modules and importlib.util.find_spec(name):
            fill(importlib.import_module(name))
            gc.freeze()


def python_path(env: dict[str, str]) -> list[str]:
    """The entries that an environment adds to the search path."""
    return [entry for entry in env.get("PYTHONPATH", "").split(os.pathsep) if entry]


def kill_group(pid: int) -> None:
    """Kill a fork and the processes that it started, unless they made groups of their own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):  # a fork that has not yet become a group of its own
        os.kill(pid, signal.SIGKILL)


def kill_descendants() -> None:
    """Kill until no child is left: orphans are handed to this process, so each round reaches one level deeper."""
    me = str(os.getpid())
    while True:
        children = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                with contextlib.suppress(OSError):
                    fields = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
                    if fields[1] == me:
                        children.append(int(entry))
        if not children:
            return
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            for pid in children:
                os.waitpid(pid, 0)


def main() -> None:
    """``python -m harness.live.zygote LISTENER ROOT``, run in a directory of its own.

    LISTENER is the descriptor of the listening socket, ROOT the directory that holds the package ``harness``.
    Standard input is the lifeline: whoever started this holds its other end open for as long as it needs it.
    """
    listener = socket.socket(fileno=int(sys.argv[1]))
    listener.set_inheritable(False)
    root = sys.argv[2]
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    for module in filter(importlib.util.find_spec, (*PRELOADED, *HARNESS)):  # another release lacks some of them
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    search_path = [entry for entry in sys.path if entry not in ("", os.getcwd(), root)]
    ForkServer(listener, 0, root, search_path).loop()


if __name__ == "__main__":
    main()
