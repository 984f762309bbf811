"""Only a line feed ends a line, here as in Markdown, in a shell and in JSON Lines; and what else a terminal prints."""

from __future__ import annotations

import pytest

from tests.harness.conftest import line_of

#: Characters at which Python's ``splitlines`` breaks a line, and nothing that reads a page does.
NO_ENDS = {"line separator": "\u2028", "next line": "\x85", "form feed": "\x0c", "vertical tab": "\x0b"}


@pytest.fixture(params=NO_ENDS.values(), ids=NO_ENDS.keys())
def character(request) -> str:
    return request.param


def test_printed_by_a_command(judge, character):
    failure = judge(f"# A page\n\n```console\n$ printf 'a{character}b\\n'\na{character}b\n$ echo c\nc\n```\n")
    assert failure is None, failure.message


def test_in_a_row(judge, character):
    text = f'# A page\n\n```{{code-block}} jsonl\n:consumer: json\n\n{{"a": "x{character}y"}}\n```\n'
    failure = judge(text.replace("\x0c", "\\f").replace("\x0b", "\\u000b"))  # JSON has no raw controls in a string
    assert failure is None, failure.message


def test_in_python_and_its_message(judge, character):
    text = f"# A page\n\n{character}Words.\n\n```python\nx = 1\n\n\ndef f():\n    return [][x]\n\n\nf()\n```\n"
    failure = judge(text)
    assert failure is not None
    assert failure.line == line_of(text, "return [][x]")
    assert "return [][x]" in failure.message


def test_a_link_of_a_terminal_is_its_text(judge):
    text = "# A page\n\n```console\n$ printf '\\033]8;;http://x\\033\\\\link\\033]8;;\\033\\\\\\n'\nlink\n```\n"
    failure = judge(text)
    assert failure is None, failure.message


def test_a_quote_over_several_lines(judge):
    text = "# A page\n\n```console\n$ python -c '\nprint(1)\nprint(\"$ 2\")\n'\n1\n$ 2\n```\n"
    failure = judge(text.replace("$ 2", "two"))
    assert failure is None, failure.message


def test_a_quote_that_nothing_closes_is_named(judge):
    text = "# A page\n\n```console\n$ echo 'open\nopen\n```\n"
    failure = judge(text)
    assert failure is not None
    assert failure.line == line_of(text, "$ echo")


def test_an_apostrophe_in_a_comment_opens_no_quote(judge):
    failure = judge("# A page\n\n```console\n$ echo a # it isn't one\na\n$ echo b\nb\n```\n")
    assert failure is None, failure.message
