"""The network of a run: loopback works, nothing leaves, and what tries is counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import pytest

from harness import isolation

#: How a process without the right to make a network namespace finds itself: alone, or among threads.
WITHOUT_RIGHTS = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"]


def isolated(code: str, *launcher: str) -> dict:
    """What a process prints, as JSON, that isolates itself and then runs ``code``."""
    start = "import json, os, socket, subprocess, threading\nfrom harness.isolation import attempts, isolate\n"
    environment = {name: value for name, value in os.environ.items() if name != isolation.VARIABLE}
    done = subprocess.run(
        [*launcher, sys.executable, "-c", start + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        check=False,
        env=environment | {"PYTHONPATH": str(isolation.Path(isolation.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def swallowed(attempt: str) -> str:
    """Code that counts what an attempt adds, whatever it raises."""
    return f"""\
        state = isolate()
        before = attempts()
        try:
            {attempt}
        except OSError:
            pass
        print(json.dumps([state, attempts() - before]))
        """


ATTEMPTS = {
    "IPv4": "socket.create_connection(('192.0.2.1', 80), 1)",
    "IPv6": "socket.create_connection(('2001:db8::1', 80), 1)",
    "UDP": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
    "a name": "socket.getaddrinfo('example.org', 80)",
    "another program": "subprocess.run(['bash', '-c', 'echo > /dev/tcp/192.0.2.1/80'], stderr=subprocess.DEVNULL)",
    "a program that a thread starts": (
        "thread = threading.Thread(target=os.system, args=[\"bash -c 'echo > /dev/tcp/192.0.2.1/80' 2> /dev/null\"]); "
        "thread.start(); thread.join()"
    ),
    "a name server of this machine": "socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.53', 53))",
    "one of it by IPv6": "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('::1', 53))",
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
def test_an_attempt_to_leave_is_counted(attempt):
    state, count = isolated(swallowed(attempt))
    assert state == "isolated"
    assert count > 0


LOCAL = {
    "IPv4": "server = socket.create_server(('127.0.0.1', 0)); socket.create_connection(server.getsockname(), 1)",
    "a name": "server = socket.create_server(('localhost', 0)); socket.create_connection(server.getsockname(), 1)",
    "IPv6": (
        "server = socket.create_server(('::1', 0), family=socket.AF_INET6); "
        "socket.create_connection(server.getsockname()[:2], 1)"
    ),
    "a port that nothing listens on": "socket.socket().connect_ex(('127.0.0.1', 9))",
}


@pytest.mark.parametrize("local", LOCAL.values(), ids=LOCAL)
def test_this_machine_can_be_reached(local):
    code = f"state = isolate()\n{local}\nprint(json.dumps([state, attempts()]))"
    assert isolated(code) == ["isolated", 0]


def test_two_processes_may_use_the_same_port():
    code = """\
        isolate()
        first = socket.create_server(('127.0.0.1', 8123))
        code = ("import socket; from harness.isolation import isolate; state = isolate(); "
                "socket.create_server(('127.0.0.1', 8123)); print(state)")
        print(json.dumps(subprocess.check_output([os.sys.executable, '-c', code], text=True).strip()))
        """
    assert isolated(code) == "isolated"


#: What `isolate` says and leaves behind: its answer, the variable, and whether loopback still works.
AFTER = f"""
said = isolate()
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), 1)
print(json.dumps([said, attempts(), os.environ[{isolation.VARIABLE!r}]]))
"""


def test_on_another_system_the_state_says_so():
    state = "open: this system allows no network namespace (it is not Linux)"
    assert isolated(
        "del os.unshare\nimport harness.isolation as i\ni._try_in_another_process = lambda: None" + AFTER
    ) == [
        state,
        0,
        state,
    ]


REFUSED = {
    "no namespaces": ["unshare", "-rn", "bash", "-c", 'echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"', "-"],
    "namespaces without rights in them": ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin"],
}


@pytest.mark.skipif(os.getuid() != 0, reason="only root has rights to give up")
@pytest.mark.parametrize("launcher", REFUSED.values(), ids=REFUSED)
def test_where_the_system_refuses_the_state_says_why_and_loopback_stays(launcher):
    bring_up = "import harness.isolation as i\ni._loopback_up()" if launcher[0] == "unshare" else ""
    said, count, variable = isolated(bring_up + AFTER, *launcher)
    assert said == variable
    assert said.startswith("open: this system allows no network namespace (")
    assert len(said) > len("open: this system allows no network namespace ()")
    assert count == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root has rights to give up")
class TestWithoutRights:
    """A user who is not root, as on most machines and in CI."""

    def test_a_user_namespace_gives_the_right(self):
        code = swallowed(ATTEMPTS["another program"])
        state, count = isolated(code, *WITHOUT_RIGHTS)
        assert state == "isolated"
        assert count > 0

    def test_a_process_that_was_started_isolated_makes_its_own_also_among_threads(self):
        code = """\
            isolate()
            code = '''
            import threading, time, socket
            threading.Thread(target=time.sleep, args=[1], daemon=True).start()
            from harness.isolation import isolate
            state = isolate()
            socket.create_server(("127.0.0.1", 8123))
            print(state)
            '''
            server = socket.create_server(("127.0.0.1", 8123))
            import sys, textwrap
            print(json.dumps(subprocess.check_output([sys.executable, "-c", textwrap.dedent(code)], text=True).strip()))
            """
        assert isolated(code, *WITHOUT_RIGHTS) == "isolated"

    def test_a_process_with_threads_says_why_it_is_open(self):
        code = """\
            import time
            threading.Thread(target=time.sleep, args=[1], daemon=True).start()
            print(json.dumps([isolate(), attempts()]))
            """
        state, count = isolated(code, *WITHOUT_RIGHTS)
        assert state.startswith("open: this system allows no network namespace (")
        assert "Success" not in state
        assert count == 0
