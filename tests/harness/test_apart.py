"""Pages apart from each other: what one leaves, in its home, in shared folders or running, no other one meets."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness import apart
from harness.apart import Apart
from tests.harness.test_session import console, free_port, listens, python

needs_namespaces = pytest.mark.skipif(apart.state() != apart.APART, reason=apart.state())

#: Where a page may leave a file that another one, or a later run, must not find.
SHARED = ("/tmp", "/var/tmp", "/dev/shm")
OWN = ("$HOME", "~", "${TMPDIR}", "${XDG_CACHE_HOME:-$HOME/.cache}", "${XDG_CONFIG_HOME:-$HOME/.config}/nemo")


def leave_and_look(judge, folder: str) -> None:
    name = "left-by-another-page.txt"
    assert (
        judge(console(f"$ mkdir -p {folder} && echo mine > {folder}/{name}", f"$ cat {folder}/{name}", "mine")) is None
    )
    failure = judge(console(f"$ cat {folder}/{name}", "mine"), "two")
    assert "No such file" in failure.message


@pytest.mark.parametrize("folder", OWN)
def test_the_files_of_a_home_and_of_caches_are_the_pages_own(judge, folder):
    leave_and_look(judge, folder)


@needs_namespaces
@pytest.mark.parametrize("folder", SHARED)
def test_files_in_a_shared_folder_are_the_pages_own(judge, folder):
    leave_and_look(judge, folder)


@needs_namespaces
def test_what_lies_in_the_machines_folder_is_not_there_for_a_page(judge):
    with (path := Path("/tmp", f"of-the-machine-{os.getpid()}")).open("w"):
        try:
            assert "No such file" in judge(console(f"$ cat {path}")).message
        finally:
            path.unlink()


def test_programs_that_ask_python_find_the_pages_own_folders(judge):
    source = """\
import os, pathlib, tempfile

home, temporary = pathlib.Path.home(), pathlib.Path(tempfile.gettempdir())
print(sorted(path.name for path in home.iterdir() if path.name == "seen"), list(temporary.glob("seen")))
(home / "seen").write_text("")
(temporary / "seen").write_text("")"""
    page = python(source) + "\n```output\n[] []\n```\n"
    assert judge(page, "one") is None
    assert judge(page, "two") is None
    assert judge(page, "one") is None  # nor does a page find what itself left in an earlier run


@needs_namespaces
def test_a_command_of_nemo_gym_runs_where_its_page_is(judge):
    """It is a fork of a process that all pages share."""
    page = console(
        "$ printf 'own: {resources_servers: {own: {entrypoint: app.py, domain: other}}}' > /tmp/own.yaml",
        "$ gym env resolve --config /tmp/own.yaml > resolved.yaml",
        "$ grep -c 'domain: other' resolved.yaml",
        "1",
    )
    assert judge(page) is None


DAEMONS = {
    "setsid": "setsid {} & disown",
    "a double fork": "(setsid {} &)",
    "nohup": "nohup {} > /dev/null 2>&1 & disown",
    "without variables": "setsid env -i {} & disown",
}


@needs_namespaces
@pytest.mark.parametrize("way", DAEMONS.values(), ids=DAEMONS)
def test_nothing_that_a_page_started_outlives_it(judge, way):
    port = free_port()
    serve = f"{sys.executable} -m http.server {port} --bind 127.0.0.1"
    started = way.format(serve + " > /dev/null 2>&1")
    wait = f"$ until curl -s http://127.0.0.1:{port} > page; do sleep 0.1; done"
    assert judge(console(f"$ {started}", wait)) is None
    assert not listens(port)
    failure = judge(console(f"$ curl -sS http://127.0.0.1:{port}"), "two")
    assert "exited with 7" in failure.message


@needs_namespaces
def test_nor_does_what_its_python_started(judge):
    port = free_port()
    serve = f"[sys.executable, '-m', 'http.server', '{port}', '--bind', '127.0.0.1']"
    quiet = "stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL"
    code = f"import subprocess, sys\n\nsubprocess.Popen({serve}, start_new_session=True, {quiet})"
    wait = console(f"$ until curl -s http://127.0.0.1:{port} > page; do sleep 0.1; done").removeprefix("# A page\n")
    assert judge(python(code) + wait) is None
    assert not listens(port)


@needs_namespaces
def test_a_page_sees_its_own_processes_only(judge):
    with subprocess.Popen(["sleep", "600"]) as other:
        try:
            seen = "import os; print(sorted(int(name) for name in os.listdir('/proc') if name.isdigit())[-1] < 100)"
            assert judge(console(f'$ python -c "{seen}"', "True")) is None
            assert judge(console(f"$ kill {other.pid}")) is not None
            assert other.poll() is None
        finally:
            other.kill()


@needs_namespaces
def test_what_a_page_started_ends_with_the_test_run(tmp_path):
    """Also where that is killed."""
    code = f"""\
import os, pathlib, time
from harness.apart import Apart
page = Apart(pathlib.Path({str(tmp_path)!r}))
page.launch(["setsid", "sh", "-c", "echo $PPID > started; exec sleep 600"], pathlib.Path({str(tmp_path)!r}), os.environ)
while not pathlib.Path({str(tmp_path / "started")!r}).exists():
    time.sleep(0.01)
print(page._keeper[1].parent.name, flush=True)
time.sleep(600)
"""
    run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=os.environ)
    keeper = Path("/proc", run.stdout.readline().strip())
    assert keeper.exists()
    run.kill()
    run.communicate()
    deadline = time.monotonic() + 10
    while keeper.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not keeper.exists()


def test_where_the_system_allows_no_namespaces_homes_are_apart_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(apart, "state", lambda: "together: as this test says")
    one, two = Apart(tmp_path / "one"), Apart(tmp_path / "two")
    assert not set(one.variables.values()) & set(two.variables.values())
    variables = {"PATH": os.environ["PATH"], **one.variables}
    temporary = Path(one.variables["TMPDIR"])
    assert len(str(temporary)) < 30  # Ray keeps sockets some folders below it, and their paths have 107 bytes at most
    daemon = one.launch(
        ["sh", "-c", "setsid sleep 600 > /dev/null & echo $!"], tmp_path, variables, stdout=subprocess.PIPE
    )
    number = int(daemon.communicate()[0])
    one.close()
    assert not temporary.exists()
    state = Path(f"/proc/{number}/stat")
    assert not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z"


def test_a_system_without_the_programs_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    apart.state.cache_clear()
    try:
        assert apart.state() == "together: this system allows no process and mount namespaces (there is no `unshare`)"
    finally:
        monkeypatch.undo()
        apart.state.cache_clear()
