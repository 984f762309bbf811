"""What a reader sees on the screen stands on the page, or the block says what it leaves out."""

from __future__ import annotations

import pytest

from harness.pages import page_at
from harness.run import Runner
from tests.harness.conftest import line_of

WARNS = "import warnings\n\nwarnings.warn('rows will be lost')"
LOGS = "import logging\n\nlogging.error('wrote 0 of 20 rows')"
BARS = "import sys\n\nfor n in range(3):\n    print(f'\\r{n + 1}/3', end='', file=sys.stderr)"


def python(source: str, output: str | None = None, options: str = "") -> str:
    """A page with one Python block, on line 3, and the output under it."""
    block = f"```{{code-block}} python\n{options}\n{source}\n```\n"
    return "# A page\n\n" + block + (f"\n```output\n{output}\n```\n" if output is not None else "")


def console(lines: str, options: str = "", language: str = "console") -> str:
    return f"# A page\n\n```{{code-block}} {language}\n{options}\n{lines}\n```\n"


HIDDEN = {
    "a warning": (python(WARNS), "UserWarning: rows will be lost", "```{code"),
    "a warning above the output": (python(WARNS + "\nprint('ok')", "ok"), "UserWarning", "ok\n```\n"),
    "a logged error": (python(LOGS), "ERROR:root:wrote 0 of 20 rows", "```{code"),
    "an error that a process of its own prints": (
        python("import subprocess\n\n_ = subprocess.run('echo lost >&2', shell=True)"),
        "lost",
        "```{code",
    ),
    "what is left of a progress bar": (python(BARS), "3/3", "```{code"),
    "a warning of an import": (
        "# A page\n\n```{code-block} python\n:file: old.py\n\n" + WARNS + "\n```\n\n```python\nimport old\n```\n",
        "UserWarning: rows will be lost",
        "```python",
    ),
    "a command that fails without an exit status": (
        console("""$ python -c "print('ERROR: wrote 0 of 20 rows')\""""),
        "ERROR: wrote 0 of 20 rows",
        "$ python",
    ),
    "a command's standard error": (console("$ echo lost >&2"), "lost", "$ echo"),
    "the first of two commands": (console("$ echo lost\n$ echo kept\nkept"), "lost", "$ echo lost"),
    "the last of two commands": (console("$ echo kept\nkept\n$ echo lost"), "lost", "$ echo lost"),
    "a warning before a command's output": (console("$ echo lost >&2; echo kept\nkept"), "+lost", "kept\n```"),
    "a warning before `|| true`": (console("$ python nowhere.py || true"), "nowhere.py", "$ python"),
    "bash": (console("echo lost >&2", language="bash"), "lost", "```{code"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said", "where"), HIDDEN.values(), ids=HIDDEN)
def test_what_is_printed_and_not_shown_fails_on_its_line(judge, text, said, where):
    failure = judge(text)
    assert failure is not None
    assert said in failure.message
    assert failure.line == line_of(text, where)


@pytest.mark.parametrize("text", [python(LOGS), console("$ echo lost"), console("echo lost", language="bash")])
def test_the_message_names_both_ways_out(judge, text):
    message = judge(text).message
    assert "--update" in message
    assert "`:quiet: <reason>`" in message


SHOWN = {
    "a warning, with dots for the place": python(WARNS + "\nprint('ok')", "...: UserWarning: rows...\n...\nok"),
    "a logged error": python(LOGS, "ERROR:root:wrote 0 of 20 rows"),
    "standard error between lines of standard output": python(
        "import sys\n\nprint(1)\nprint(2, file=sys.stderr)\nprint(3)", "1\n2\n3"
    ),
    "a progress bar's end": python(BARS, "3/3"),
    "a bar that takes itself away": python(
        "import sys\n\nprint('1/3', end='', file=sys.stderr)\nprint('\\r\\x1b[K', end='', file=sys.stderr)"
    ),
    "blank lines": console("$ echo"),
    "output in a file": console("$ echo lost > lost.txt 2>&1"),
    "a command's standard error": console("$ echo lost >&2\nlost"),
    "Python, with a reason": python(LOGS, options=":quiet: the progress of each worker\n"),
    "a command, with a reason": console("$ echo lost\n$ echo kept\nkept", ":quiet: the path of its cache\n"),
    "bash, with a reason": console("echo lost", ":quiet: the path of its cache\n", "bash"),
}


@pytest.mark.parametrize("text", SHOWN.values(), ids=SHOWN)
def test_what_is_shown_or_left_out_with_a_reason_passes(judge, text):
    failure = judge(text)
    assert failure is None, failure.message


def test_a_reason_to_be_quiet_does_not_cover_what_is_shown(judge):
    text = console("$ echo lost\nfound", ":quiet: the path of its cache\n")
    assert "the output differs" in judge(text).message
    assert "the output differs" in judge(python(LOGS, "ok", ":quiet: the progress of each worker\n")).message


def test_a_reason_to_be_quiet_covers_no_failure(judge):
    assert "exited with 3" in judge(console("$ (exit 3)", ":quiet: the path of its cache\n")).message


def test_what_an_install_prints_is_the_installer_s(judge):
    assert judge(console('$ pip install "polars>=1"')) is None


@pytest.mark.parametrize(
    "reason", ["", " ", "see the docs", "as an example", "not shown", "only for illustration", "-"]
)
@pytest.mark.parametrize("option", ["quiet", "shown"])
def test_a_reason_says_something(judge, option, reason):
    failure = judge(python("x = 1", options=f":{option}: {reason}\n"))
    assert f"`:{option}:`" in failure.message
    assert "reason" in failure.message
    assert failure.line == 3


@pytest.mark.parametrize("reason", ["it needs GPUs", "it takes two machines", "the progress of Ray"])
def test_a_short_reason_is_enough(judge, reason):
    assert judge(python("x = 1", options=f":shown: {reason}\n")) is None


def test_quiet_is_for_what_prints(judge):
    text = "# A page\n\n```{code-block} json\n:consumer: json\n:quiet: the progress of each worker\n\n{}\n```\n"
    assert "is for a block that prints" in judge(text).message


SERVER = """\
# A page

```{code-block} python
:file: serve.py

from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(204)
        self.end_headers()
        if self.path == "/fault":
            raise RuntimeError("lost")


print("Ready")
HTTPServer(("127.0.0.1", 8126), Handler).serve_forever()
```

```{code-block} console
:terminal: Terminal 2

$ python serve.py
Ready
```

```python
import time
from urllib.request import urlopen

assert urlopen("http://127.0.0.1:8126/fault").status == 204
time.sleep(0.5)
```
"""


def test_a_traceback_in_the_log_of_a_terminal_fails_on_its_command(judge):
    failure = judge(SERVER)
    assert "RuntimeError: lost" in failure.message
    assert failure.line == line_of(SERVER, "$ python serve.py")
    for right in (
        SERVER.replace("8126/fault", "8126/"),
        SERVER.replace("Terminal 2\n", "Terminal 2\n:quiet: the traceback of the fault that you plant\n"),
    ):
        failure = judge(right)
        assert failure is None, failure.message


def test_a_server_that_still_runs_at_the_page_s_end_needs_a_terminal(judge, monkeypatch):
    monkeypatch.setattr("harness.session.SETTLE_SECONDS", 0.2)
    serve = "$ python -m http.server 8127 --bind 127.0.0.1 > log.txt 2>&1 &"
    wait = "$ until curl -s http://127.0.0.1:8127 > page; do sleep 0.1; done"
    for started in (serve, serve.replace("$ python", "$ (sleep 0; python").replace(" &", ") &")):
        failure = judge(console(f"$ echo 1\n1\n{started}\n{wait}"))
        assert "http.server" in failure.message
        assert "`:terminal:`" in failure.message
        assert failure.line == 7
    assert judge(console(f"{serve}\n{wait}\n$ kill %1")) is None


def test_a_quiet_job_may_go_on(judge, monkeypatch):
    monkeypatch.setattr("harness.session.SETTLE_SECONDS", 0.2)
    assert judge(console("$ sleep 60 &\n$ echo 2\n2")) is None


def test_what_a_job_prints_after_its_command_is_printed_too(judge):
    failure = judge(
        console("$ (sleep 0.3; echo lost) &\n$ true") + "\n```python\nimport time\n\ntime.sleep(0.6)\n```\n"
    )
    assert "    lost" in failure.message
    assert failure.line == 5
    assert judge(console("$ (sleep 0.3; echo kept) > log.txt 2>&1 &\n$ true")) is None


def test_update_shows_what_was_printed(runner):
    text = console("$ echo 1; echo 2\n$ true\n$ echo 3") + "\n```python\nimport sys\n\nprint(4, file=sys.stderr)\n```\n"
    page = page_at(runner.docs, "page")
    page.path.write_text(text, encoding="utf-8")
    run = Runner(runner.docs, runner.host, runner.cache, use_cache=False, update=True).start(page)
    for block in page.blocks:
        run.judge(block)
    run.rewrite()
    run.close()
    assert page_at(runner.docs, "page").text == (
        text.replace("echo 2\n", "echo 2\n1\n2\n").replace("echo 3\n", "echo 3\n3\n") + "\n```output\n4\n```\n"
    )
