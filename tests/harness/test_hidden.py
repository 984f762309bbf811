"""What a page hides from its reader: a failure, the folder of a new terminal, a file that is never saved."""

from __future__ import annotations

import pytest

from harness.blocks import find
from harness.evaluators import look
from harness.verdict import Failure
from tests.harness.test_session import console

HIDES = {
    "true": "gym evaal run || true",
    "a colon": "gym evaal run || :",
    "a path": "gym evaal run || /bin/true",
    "exit 0": "(gym evaal run || exit 0)",
    "errors thrown away": "gym evaal run > /dev/null 2>&1 || true",
    "a later part": "echo a > a.txt && gym evaal run || true",
    "a group": "{ gym evaal run || true; }",
    "a pipe": "gym evaal run | tee log || true",
}


@pytest.mark.parametrize("command", HIDES.values(), ids=HIDES)
def test_a_command_whose_failure_nobody_sees_is_refused(judge, command):
    failure = judge(console("$ true", f"$ {command}"))
    assert "hides whether `" in failure.message
    assert failure.line == 6
    failure = judge(f"# A page\n\n```bash\necho a > b.txt\n{command}\n```\n")
    assert "hides whether `" in failure.message
    assert failure.line == 5


SHOWS = {
    "what is said instead": ["$ test -e nothing || echo none", "none"],
    "the end of a job": ["$ sleep 60 & kill $!; wait $! || true"],
    "in quotes": ["$ echo 'a || true' > a.txt"],
    "an exit status of its own": ["$ (true || exit 1)"],
    "a loop": ["$ while true; do break; done"],
}


@pytest.mark.parametrize("lines", SHOWS.values(), ids=SHOWS)
def test_what_a_reader_sees_is_not_hidden(judge, lines):
    assert judge(console(*lines)) is None


def terminal(command: str, *output: str) -> str:
    return console(f"$ {command}", *output, options=":terminal: Terminal 2\n").removeprefix("# A page\n")


MOVES = console("$ mkdir -p inner && cd inner && touch here.txt")


def test_a_new_terminal_after_cd_says_where_it_is(judge):
    failure = judge(MOVES + terminal("ls; sleep 60", "here.txt"))
    assert "begin the command with `cd`" in failure.message
    assert failure.line == 11
    failure = judge(MOVES + terminal("ls; sleep 60", "inner"))  # a page that says what the harness would do
    assert "begin the command with `cd`" in failure.message
    assert judge(MOVES + terminal("cd inner && ls && sleep 60", "here.txt")) is None
    assert judge(MOVES + console("$ cd ..").removeprefix("# A page\n") + terminal("ls; sleep 60", "inner")) is None


def test_what_is_exported_in_one_terminal_is_not_in_another(judge):
    exports = console("$ export WHO=me", "$ alias who='echo me'", "$ who() { echo me; }")
    assert judge(exports + terminal('echo "[$WHO]"; sleep 60', "[]")) is None
    # What is not printed is waited for until the command ends.
    assert judge(exports + terminal('echo "[$WHO]"; sleep 5', "[me]")) is not None
    assert judge(exports + terminal("who; sleep 5", "me")) is not None


def test_what_a_terminal_does_stays_in_it(judge):
    moves = console("$ true") + terminal("mkdir inner && cd inner && export WHO=me && echo ready && sleep 60", "ready")
    look = console('$ echo "[$WHO] $(basename "$PWD")"', "[] work").removeprefix("# A page\n")
    assert judge(moves + look) is None


@pytest.mark.parametrize("caption", ["train.py", "`train.py`", "configs/train.yaml", "./run.sh"])
def test_a_caption_that_names_a_file_saves_it(judge, caption):
    failure = judge(f"# A page\n\n```{{code-block}} python\n:caption: {caption}\n\nx = 1\n```\n")
    assert "which nobody saves" in failure.message
    assert failure.line == 3


@pytest.mark.parametrize("caption", ["The reward", "A loop, as in train.py", "Step 1."])
def test_another_caption_is_one(judge, caption):
    assert judge(f"# A page\n\n```{{code-block}} python\n:caption: {caption}\n\nx = 1\n```\n") is None


PRINTS = {
    "an amount": ["$ echo '$ 5'", "$ 5"],
    "two": ["$ printf '$ 5\\n$ 6\\n'", "$ 5", "$ 6"],
    "a file that a command above wrote": [
        "$ cat > a.txt <<'EOF'",
        "$ gym --help",
        "EOF",
        "$ cat a.txt",
        "$ gym --help",
    ],
    "an amount that no command of the page holds": ["$ echo JCA1IGVhY2gK | base64 -d", "$ 5 each"],
    "a backslash that another quotes": ["$ printf '%s\\n' a\\\\", "a\\"],
    "a quotation": ["$ echo '> quoted'", "> quoted", "$ echo more", "more"],
}


@pytest.mark.parametrize("lines", PRINTS.values(), ids=PRINTS)
def test_output_may_begin_as_a_prompt_does(judge, lines):
    assert judge(console(*lines)) is None
    assert judge(console(*lines[:-1], "$ 7")) is not None


def test_what_bash_says_is_as_in_the_terminal_of_a_reader(judge):
    page = "# A page\n\n```{code-block} console\n:fails: 127\n\n$ no-such-command\nbash: no-such-%s: command not found\n```\n"
    assert judge(page % "command") is None
    assert judge(page % "thing") is not None


@pytest.mark.parametrize(
    ("language", "fails", "wanted"),
    [
        ("console", "", "status"), ("console", "yes", "status"), ("console", "0", "status"), ("bash", "-1", "status"),
        ("python", "", "exception"), ("python", "1", "exception"), ("python", "an error", "exception"),
    ],
)  # fmt: skip
def test_a_block_that_fails_says_how(language, fails, wanted):
    (block,) = find(f"```{{code-block}} {language}\n:fails: {fails}\n\n$ false\n```\n")
    with pytest.raises(Failure, match=f"does not say how it fails: name the {wanted}"):
        look(block)


NEVER_FAILS = {
    "a file": "```{code-block} yaml\n:file: a.yaml\n:consumer: gym eval run\n:fails: 1\n\nnum_repeats: 4\n```\n",
    "a file of Python": "```{code-block} python\n:file: a.py\n:fails: KeyError\n\nx = 1\n```\n",
    "a terminal": "```{code-block} console\n:terminal: Terminal 2\n:fails: 3\n\n$ echo ready; sleep 60\nready\n```\n",
    "what is only parsed": "```{code-block} console\n:consumer: gym\n:fails: 3\n\n$ gym --version\n```\n",
}


@pytest.mark.parametrize("text", NEVER_FAILS.values(), ids=NEVER_FAILS)
def test_that_a_block_fails_is_refused_where_nothing_would_show_it(judge, text):
    failure = judge(f"# A page\n\n{text}")
    assert "`:fails:` is for a block that runs to its end" in failure.message
    assert failure.line == 3


@pytest.mark.parametrize("name", ["JSONDecodeError", "json.JSONDecodeError", "json.decoder.JSONDecodeError"])
def test_an_exception_may_be_named_by_a_module_that_has_it(judge, name):
    text = f"# A page\n\n```{{code-block}} python\n:fails: {name}\n:quiet: where json stopped\n\n"
    text += "import json\n\njson.loads('x')\n```\n"
    assert judge(text) is None
    failure = judge(text.replace(name, "jsonx.JSONDecodeError"))
    assert "expected jsonx.JSONDecodeError itself" in failure.message
