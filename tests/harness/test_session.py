"""A page's Python process and shells: what a reader's own would do, and what ends with the page."""

from __future__ import annotations

import os
import socket

import pytest

from harness.cache import Cache
from harness.run import Runner
from harness.session import PASSED_ON, Host
from harness.shell import Shell
from tests.harness.conftest import line_of


def python(*sources: str) -> str:
    """A page with a Python block for each source."""
    return "# A page\n\n" + "\n".join(f"```python\n{source}\n```\n" for source in sources)


def console(*lines: str, options: str = "") -> str:
    """A page with one console block."""
    return "# A page\n\n```{code-block} console\n" + options + "\n" + "\n".join(lines) + "\n```\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


# ----------------------------------------------------------------------------------------------- Python

WORKS = {
    "the main guard": ('if __name__ == "__main__":\n    open("ran", "w").close()', 'assert open("ran")'),
    "a dataclass": ("from dataclasses import dataclass\n\n@dataclass\nclass Row:\n    reward: float", "Row(1.0)"),
    "pickle of the page's own class": (
        "class Row:\n    pass",
        "import pickle\n\nassert isinstance(pickle.loads(pickle.dumps(Row())), Row)",
    ),
    "the source of the page's own function": (
        "def double(x):\n    return 2 * x",
        'import inspect\n\nassert inspect.getsource(double).endswith("return 2 * x\\n")',
    ),
    "annotations that are looked up by name": (
        "from typing import get_type_hints\n\nclass Row:\n    next: 'Row'",
        "assert get_type_hints(Row)['next'] is Row",
    ),
    "a process of its own": ("import subprocess, sys\n\nsubprocess.run([sys.executable, '-c', 'pass'], check=True)",),
    "a module beside the page": (
        "from pathlib import Path\n\nPath('helper.py').write_text('x = 1')",
        "import helper\n\nassert helper.x == 1",
    ),
    "input that is not there": ("import sys\n\nassert sys.stdin.read() == ''",),
}


@pytest.mark.parametrize("sources", WORKS.values(), ids=WORKS)
def test_python_that_works_for_a_reader_works_here(judge, sources):
    assert judge(python(*sources)) is None


def test_all_that_a_block_prints_is_captured_in_order(judge):
    source = (
        "import os, subprocess, sys\n\nprint('first')\nsubprocess.run(['echo', 'second'])\nos.write(1, b'third\\n')"
    )
    page = python(source) + "\n```output\nfirst\nsecond\nthird\n```\n"
    assert judge(page) is None
    assert judge(page.replace("\nsecond", "")) is not None


def test_output_that_is_not_text_is_compared_all_the_same(judge):
    failure = judge(python(r"import os" + "\n" + r"_ = os.write(1, b'\xff\n')") + "\n```output\nx\n```\n")
    assert "the output differs" in failure.message


def test_a_long_output_is_captured_whole(judge):
    page = python("print('x' * 300_000)\nprint('end')") + "\n```output\n...\nend\n```\n"
    assert judge(page) is None


def test_a_traceback_names_the_page_and_line_of_both_blocks(judge):
    text = python("def divide(a, b):\n    return a / b", "x = 1\ndivide(x, 0)")
    failure = judge(text)
    assert failure.line == 5  # the last line of the page that it passed through
    assert 'File "docs/page.md", line 10, in <module>\n        divide(x, 0)' in failure.message
    assert 'File "docs/page.md", line 5, in divide\n        return a / b' in failure.message
    assert "python_worker" not in failure.message


def test_a_syntax_error_names_its_line(judge):
    failure = judge(python("x = 1", "y = 2\nz = ("))
    assert failure.line == 9
    assert "SyntaxError" in failure.message


RAISED = {
    "several lines": (
        'raise ValueError("the file is fine\\nexpected 3 rows")',
        "ValueError: the file is fine\nexpected 3 rows",
    ),
    "a note": ('error = ValueError("a")\nerror.add_note("see b")\nraise error', "ValueError: a\nsee b"),
    "after what is printed": ('print(1)\nraise ValueError("a")', "1\nValueError: a"),
}


@pytest.mark.parametrize(("source", "shown"), RAISED.values(), ids=RAISED)
def test_all_that_an_exception_says_stands_on_the_page(judge, source, shown):
    block = f"# A page\n\n```{{code-block}} python\n:fails: ValueError\n\n{source}\n```\n"
    assert judge(f"{block}\n```output\n{shown}\n```\n") is None
    for part in (shown.split("\n")[0], shown.split("\n")[-1]):
        assert "the output differs" in judge(f"{block}\n```output\n{part}\n```\n").message


ENDS = {
    "os._exit": ("import os\n\nos._exit(3)", "exit status 3"),
    "sys.exit": ("import sys\n\nsys.exit(3)", "SystemExit: 3"),
    "a signal": ("import os, signal\n\nos.kill(os.getpid(), signal.SIGKILL)", "exit status -9"),
    "a closed answer": ("import os\n\nos.closerange(3, 64)\nos._exit(0)", "exit status 0"),
}


@pytest.mark.parametrize(("source", "said"), ENDS.values(), ids=ENDS)
def test_a_block_that_ends_the_process_is_reported(judge, source, said):
    failure = judge(python("x = 1", source))
    assert said in failure.message
    assert 7 <= failure.line <= 10


def test_a_block_that_never_ends_is_stopped(judge, monkeypatch):
    monkeypatch.setattr("harness.session.Host.timeout", 1)
    failure = judge(python("x = 1", "while True:\n    pass"))
    assert "did not end within 1 s" in failure.message
    assert failure.line == 7


def test_pages_share_nothing(judge):
    assert judge(python("import json, os\n\njson.mine = 1\nx = 1\nos.environ['MINE'] = '1'"), "one") is None
    untouched = ["import json, os\n", "assert not hasattr(json, 'mine')", "assert 'MINE' not in os.environ"]
    assert judge(python("\n".join([*untouched, "assert os.listdir() == []"])), "two") is None
    assert "NameError" in judge(python("print(x)"), "three").message


#: What a runner's environment may hold that a page must not see: secrets, settings, and what changes what is printed.
RUNNERS = {
    "HF_TOKEN": "secret",
    "OPENAI_API_KEY": "secret",
    "PYTHONPATH": "/nowhere",
    "XDG_CACHE_HOME": "/nowhere",
    "XDG_CONFIG_HOME": "/nowhere",
    "HF_HOME": "/nowhere",
    "UV_CACHE_DIR": "/nowhere",
    "MPLCONFIGDIR": "/nowhere",
    "RAY_ADDRESS": "192.0.2.1:6379",
    "BASH_ENV": "/nowhere",
    "HTTPS_PROXY": "http://192.0.2.1",
}


@pytest.fixture
def runners(monkeypatch, tmp_path):
    """Pages begun by a process with such an environment: the host of the other tests took up its own long ago."""
    for name, value in RUNNERS.items():
        monkeypatch.setenv(name, value)
    host = Host(tmp_path / "host")
    yield Runner(tmp_path / "docs", host, Cache(tmp_path / "cache"), use_cache=False)
    host.close()


#: As ``env`` prints them: the harness's own may have the same names.
SEEN = "|".join(f"{name}={value}" for name, value in RUNNERS.items())

LOOKS = {
    "Python": python(f"import os\n\nprint({{*os.environ.items()}} & {set(RUNNERS.items())})")
    + "\n```output\nset()\n```\n",
    "a shell": console(f"$ env | grep -cxE '{SEEN}' || echo none", "0", "none"),
    "a terminal": console(
        f"$ env | grep -cxE '{SEEN}'; echo looked; sleep 10",
        "0",
        "looked",
        options=":terminal: Terminal 2\n",
    ),
}


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_of_the_runners_environment_reaches_a_page(judge_with, runners, look):
    assert judge_with(runners, LOOKS[look]) is None


@pytest.mark.parametrize("look", LOOKS)
def test_that_would_be_noticed(judge_with, runners, monkeypatch, look):
    monkeypatch.setattr("harness.session.PASSED_ON", (*PASSED_ON, "HF_TOKEN"))
    assert judge_with(runners, LOOKS[look]) is not None


# ------------------------------------------------------------------------------------------------ shell


def test_a_shell_keeps_its_state(judge):
    lines = ["$ mkdir inner && cd inner", "$ export GREETING=hello", '$ shout() { echo "$1!"; }']
    page = console(*lines, '$ shout "$GREETING" && basename "$PWD"', "hello!", "inner")
    assert judge(page) is None
    assert judge(page + "\n" + console("$ basename $PWD", "inner").removeprefix("# A page\n")) is None


def test_a_command_may_take_more_than_one_line(judge):
    lines = ["$ cat > rows.txt <<'EOF'", "$ one", "two", "EOF", "$ wc -l \\", "    rows.txt", "2 rows.txt"]
    assert judge(console(*lines)) is None
    assert judge(console("$ for x in a b; do", "> echo $x", "> done", "a", "b")) is None
    redirected = ["$ echo hello \\", "    > said.txt", "$ for x in a; do", "> echo $x > said-$x.txt", "> done"]
    assert judge(console(*redirected, "$ cat said.txt said-a.txt", "hello", "a")) is None
    empty = ["$ python - <<'END'", "> print(1)", ">", "> if True:", ">     print(2)", "> END", "1", "2"]
    assert judge(console(*empty)) is None


def test_a_here_document_without_its_end_is_seen(judge):
    failure = judge(console("$ true", "$ cat <<'END'", "> one", "> ENDE", "one"))
    assert (failure.line, "a line with `END` and nothing else" in failure.message) == (6, True)


HERE = {
    "a here-string": ("$ cat <<< hello", "hello", "$ echo next", "next"),
    "a shift": ('$ python -c "n = 2; print(1 << n)"', "4", "$ echo next", "next"),
}


@pytest.mark.parametrize("lines", HERE.values(), ids=HERE)
def test_what_is_no_here_document_swallows_nothing(judge, lines):
    assert judge(console(*lines)) is None
    assert judge(console(*lines[:-1], "other")).line == 8


THREAD = """\
import threading
import time


def late():
    time.sleep(0.4)
    print("lost 20 rows")


thread = threading.Thread(target=late)
thread.start()"""
CHILD = "import subprocess\n\nchild = subprocess.Popen(['sh', '-c', 'sleep 0.4; echo lost 20 rows'])"
LATE = {
    "a thread, at the end": python(THREAD),
    "a thread, between blocks": python(THREAD) + "\n```console\n$ sleep 0.6\n```\n\n```python\nx = 1\n```\n",
    "a process, at the end": python(CHILD),
    "a process, between blocks": python(CHILD) + "\n```console\n$ sleep 0.6\n```\n\n```python\nchild.wait()\n```\n",
    "when Python ends": python("import atexit\n\n_ = atexit.register(print, 'lost 20 rows')"),
}


@pytest.mark.parametrize("text", LATE.values(), ids=LATE)
def test_what_python_prints_while_no_block_runs_is_seen(judge, text):
    failure = judge(text)
    assert "    lost 20 rows" in failure.message
    assert judge(text.replace("echo lost", "true lost").replace("print", "len")) is None
    quiet = text.replace("```python", "```{code-block} python\n:quiet: the rows that the thread counts\n", 1)
    assert judge(quiet) is None


def test_what_a_block_waits_for_is_its_own_output(judge):
    for ends in ("thread.join()", "child.wait()"):
        text = python((THREAD if "thread" in ends else CHILD) + f"\n_ = {ends}") + "\n```output\nlost 20 rows\n```\n"
        assert judge(text) is None


def test_a_thread_that_never_ends_holds_no_page_up(judge, monkeypatch):
    monkeypatch.setattr("harness.session.SETTLE_SECONDS", 0.3)
    assert judge(python(THREAD.replace("sleep(0.4)", "sleep(30)"))) is None


def test_what_the_shell_prints_when_it_is_left_is_seen(judge):
    text = console("$ trap 'echo lost 20 rows' EXIT")
    assert "    lost 20 rows" in judge(text).message
    assert judge(text.replace("echo", "true")) is None


@pytest.mark.parametrize("command", ["exit 3", "(exit 3)", "sh -c 'exit 3'", "python -c 'raise SystemExit(3)'"])
def test_an_exit_status_is_reported(judge, command):
    failure = judge(console("$ true", f"$ {command}"))
    assert "exited with 3" in failure.message
    assert failure.line == 6
    assert judge(console("$ true", f"$ {command}", options=":fails: 3\n")) is None


def test_a_shell_that_has_ended_says_so(judge):
    failure = judge(console("$ exit 3", options=":fails: 3\n") + "\n```console\n$ echo more\n```\n")
    assert "`exit`" in failure.message


def test_an_exit_is_seen_while_a_background_process_stays(tmp_path):
    shell = Shell(tmp_path, os.environ, tmp_path / "log")
    try:
        assert shell.run("sleep 60 & exit 3", 10).status == 3
    finally:
        shell.close()


ASKS = (
    "cat > notes.txt",
    "touch a.txt && rm -i a.txt",
    "read -p 'Name? ' name",
    "read -r answer || echo none",
    "python -i -c 'print(1)'",
    "python -c 'input()'",
    "head -1 | cat",
    "(cat)",
    "sh -c 'cat'",
)


@pytest.mark.parametrize("command", ASKS)
def test_a_command_that_waits_for_what_the_reader_types_is_refused(judge, command):
    failure = judge(console("$ true", f"$ {command}"))
    assert "waits for something that is typed" in failure.message
    assert failure.line == 6
    assert "waits for something" in judge(f"# A page\n\n```bash\n{command}\n```\n").message


NEVER_ASKS = ("echo yes | cat > notes.txt", "cat < /dev/null", "cat <<< yes > notes.txt", "rm -f a.txt", "sleep 0.1 &")


@pytest.mark.parametrize("command", NEVER_ASKS)
def test_a_command_that_has_its_input_asks_nothing(judge, command):
    assert judge(console(f"$ {command}")) is None


def test_after_a_question_the_next_command_is_asked_anew(tmp_path):
    shell = Shell(tmp_path, os.environ, tmp_path / "log")
    try:
        assert [shell.run(command, 10).asked for command in ("cat", "true", "cat")] == [True, False, True]
    finally:
        shell.close()


def test_a_command_that_never_ends_is_stopped(judge, monkeypatch):
    monkeypatch.setattr("harness.session.Host.timeout", 1)
    failure = judge(console("$ echo started; sleep 600"))
    assert "did not end within 1 s" in failure.message
    assert "started" in failure.message
    assert failure.line == 5


SERVERS = {
    "in a terminal": lambda port: console(
        f"$ python -m http.server {port} --bind 127.0.0.1",
        f"Serving HTTP on 127.0.0.1 port {port} ...",
        options=":terminal: Terminal 2\n",
    ),
    "in the background": lambda port: console(
        f"$ python -m http.server {port} --bind 127.0.0.1 > log 2>&1 & disown",
        f"$ until curl -s http://127.0.0.1:{port} > page; do sleep 0.1; done",
    ),
    "from Python": lambda port: python(
        f"""\
import subprocess, sys, time, urllib.request

server = subprocess.Popen([sys.executable, "-m", "http.server", "{port}"], stdout=-3, stderr=-3)
while True:
    try:
        urllib.request.urlopen("http://127.0.0.1:{port}")
        break
    except OSError:
        time.sleep(0.1)"""
    ),
}


@pytest.mark.parametrize("page", SERVERS.values(), ids=SERVERS)
def test_a_server_ends_with_its_page(judge, runner, page):
    port = free_port()
    text = page(port) + "\n" + python(f"import socket\n\nsocket.create_connection(('127.0.0.1', {port}), 5).close()")
    assert judge(text) is None  # it listened while the page was followed
    assert not listens(port)


def test_a_terminal_that_has_ended_is_named_with_its_own_line(judge):
    ends = "$ python -c 'import time; print(\"ready\", flush=True); time.sleep(0.5); raise SystemExit(3)'"
    text = console(ends, "ready", options=":terminal: Terminal 2\n") + "\n```console\n$ sleep 1\n```\n"
    failure = judge(text)
    assert failure is not None, "the page passed"
    assert "has ended with exit status 3" in failure.message
    assert failure.line == line_of(text, ends)


STAYS = "import time; print('ready', flush=True); time.sleep({}); raise SystemExit({})"


def stays(seconds: float, status: int, options: str = "") -> str:
    """A page with a command in a terminal that ends after so long."""
    command = STAYS.format(seconds, status)
    return console(f'$ python -c "{command}"', "ready", options=f":terminal: Terminal 2\n{options}")


def test_a_terminal_whose_command_ends_is_a_fault_with_success_too(judge):
    for seconds in (0, 0.5):
        text = stays(seconds, 0) + "\n```console\n$ sleep 1\n```\n"
        assert "has ended with exit status 0, and no command" in judge(text).message
        assert judge(text.replace("Terminal 2\n", "Terminal 2\n:ends:\n")) is None
    again = text + "\n" + text.partition("\n\n")[2]
    assert judge(again).line == 6  # it is not over, so that the terminal is free


def test_a_terminal_that_the_page_stops_may_end(judge):
    text = stays(60, 0) + "\n```console\n$ pkill -f 'time.sleep\\(60\\)'; sleep 0.5\n```\n"
    assert judge(text) is None
    failure = judge(text.replace("sleep(60); raise SystemExit(0)", "sleep(0.2); raise SystemExit(3)"))
    assert "exit status 3" in failure.message


@pytest.mark.parametrize("below", ["", "\n```console\n$ true\n```\n"])
def test_a_terminal_that_fails_after_the_last_block_is_seen(judge, below):
    failure = judge(stays(1, 3) + below)
    assert "exit status 3" in failure.message
    assert failure.line == 6
    assert judge(stays(60, 3) + below) is None


def test_what_ends_by_itself_does(judge, monkeypatch):
    monkeypatch.setattr("harness.session.SETTLE_SECONDS", 0.2)
    assert "still runs at the page's end" in judge(stays(60, 0, ":ends:\n")).message
    failure = judge("# A page\n\n```{code-block} console\n:ends:\n\n$ true\n```\n")
    assert "`:ends:` is for" in failure.message


INNER = {
    "in parentheses": ["$ true", "$ (python missing.py 2> err.txt; echo done)", "done"],
    "in a function": ["$ f() { python missing.py 2> err.txt; echo done; }", "$ f", "done"],
    "in a substitution": ["$ true", '$ echo "done $(python missing.py 2> err.txt)"', "done"],
}


@pytest.mark.parametrize("lines", INNER.values(), ids=INNER)
def test_what_fails_within_a_command_is_named(judge, lines):
    failure = judge(console(*lines))
    assert "exited with 2, and what follows it hid that" in failure.message
    assert failure.line == 6
    assert judge(console(*[line.replace("missing.py", "--version").replace("2>", ">") for line in lines])) is None


LOOKS_AT_IT = {
    "an if": ["$ if ! (false; false); then echo no; fi", "no"],
    "or": ["$ (false) || echo no", "no"],
    "or, after a substitution": ["$ x=$(false) || x=no; echo $x", "no"],
    "a test of a substitution": ['$ [ -n "$(false)" ] || echo no', "no"],
    "a function that is asked": ["$ f() { false; }", "$ if f; then echo yes; else echo no; fi", "no"],
    "a loop": ["$ until (test -e a); do touch a; done"],
}
FAILS_AS_SAID = ("(false)", "((false))", "f() { false; }; f", "cat nothing 2>err | false", "echo $(echo a; exit 1) | false",
                 "(cd / && false)", "x=$(false)", "f() { g; }; g() { (false); }; f")  # fmt: skip


@pytest.mark.parametrize("lines", LOOKS_AT_IT.values(), ids=LOOKS_AT_IT)
def test_a_failure_that_the_command_looks_at_is_none(judge, lines):
    failure = judge(console(*lines))
    assert failure is None, failure.message


@pytest.mark.parametrize("command", FAILS_AS_SAID)
def test_what_fails_within_may_be_how_the_command_fails(judge, command):
    failure = judge(console(f"$ {command}", options=":fails: 1\n"))
    assert failure is None, failure.message


JOBS = {
    "at once": (["$ python serve.py > serve.log 2>&1 &"], 5, 2),
    "above another command": (["$ true", "$ (exit 3) > log.txt 2>&1 &", "$ echo started", "started"], 6, 3),
    "later": (["$ (sleep 0.3; exit 4) &", "$ sleep 0.6", "$ echo It runs", "It runs"], 5, 4),
    "after the last command": (["$ (sleep 0.3; exit 5) &"], 5, 5),
    "nohup": (["$ nohup python serve.py > log.txt 2>&1 &", "$ sleep 0.5", "$ true"], 5, 2),
    "not there": (["$ servve > log.txt 2>&1 &"], 5, 127),
    "within one command": (["$ (exit 6) & sleep 0.3; true"], None, 6),
    "of two": (["$ sleep 0.1 &", "$ (exit 7) &", "$ wait"], 6, 7),
    "by a signal of its own": (["$ python -c 'import os; os.abort()' > log.txt 2>&1 &"], 5, 134),
}


@pytest.mark.parametrize(("lines", "line", "status"), JOBS.values(), ids=JOBS)
def test_a_job_in_the_background_that_fails_is_seen(judge, lines, line, status):
    failure = judge(console(*lines))
    assert f"in the background with exit status {status}" in failure.message
    assert line is None or failure.line == line


ENDS_WELL = {
    "success": ["$ (sleep 0.2; echo done > done.txt) &", "$ wait", "$ cat done.txt", "done"],
    "killed": ["$ sleep 60 &", "$ kill %1"],
    "killed at once": ["$ sleep 60 & kill $!"],
    "killed later": ["$ sleep 60 &", "$ true", "$ kill $!", "$ sleep 0.2", "$ true"],
    "its status is asked for": ["$ (exit 3) &", "$ true", "$ wait $! || echo failed", "failed"],
    "it goes on": ["$ sleep 60 &"],
    "a pipeline that is cut short": ["$ yes | head -n 1 > one.txt &", "$ sleep 0.2"],
    "disowned": ["$ (sleep 0.1; exit 3) & disown", "$ sleep 0.3", "$ true"],
}


@pytest.mark.parametrize("lines", ENDS_WELL.values(), ids=ENDS_WELL)
def test_a_job_that_ends_well_or_is_stopped_is_no_fault(judge, monkeypatch, lines):
    monkeypatch.setattr("harness.session.SETTLE_SECONDS", 1)
    failure = judge(console(*lines))
    assert failure is None, failure.message


def test_the_status_of_a_job_can_be_what_fails(judge):
    text = console("$ (exit 3) &", "$ sleep 0.2", "$ wait $!", options=":fails: 3\n")
    assert judge(text) is None
    assert "exited with 3" in judge(text.replace(":fails: 3", ":fails: 4")).message


def test_a_terminal_that_is_busy_takes_no_other_command(judge):
    stays = "$ echo {}; sleep 60"
    first = console(stays.format("one"), "one", options=":terminal: Terminal 2\n")
    again = console(stays.format("two"), "two", options=":terminal: Terminal 2\n").partition("\n\n")[2]
    failure = judge(first + "\n" + again)
    assert failure is not None, "the page passed"
    assert "Terminal 2 is busy with the command of line 6" in failure.message
    assert failure.line == line_of(first + "\n" + again, "$ echo two")
    assert judge(first + "\n" + again.replace("Terminal 2", "Terminal 3")) is None
