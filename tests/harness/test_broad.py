"""Expectations that outputs of another meaning would meet, and what `--update` keeps of the dots."""

from __future__ import annotations

import pytest

from harness.expected import matches, updated
from tests.harness.conftest import line_of


def console(*lines: str, options: str = "") -> str:
    return "# A page\n\n```{code-block} console\n" + options + "\n" + "\n".join(lines) + "\n```\n"


#: The page, the text on the line at fault, and what the message says.
BROAD = {
    "dots inside a number": (console("$ echo mean reward 0.03", "mean reward 0..."), "0...", "stands for any number"),
    "dots before a digit": (console("$ echo 12345 rows", "...5 rows"), "...5", "stands for any number"),
    "dots after thousands": (console("$ echo 1,999,999 rows", "1,... rows"), "1,...", "stands for any number"),
    "dots before thousands": (console("$ echo 12,000 rows", "...,000 rows"), "...,000", "stands for any number"),
    "dots for an exponent": (console("$ echo loss 1e-300", "loss 1e-..."), "1e-...", "stands for any number"),
    "a letter": (console("$ echo Wrote 0 of 20 rows", "W..."), "W...", "one letter or a sign"),
    "a sign": (console('$ echo "ERROR lost (20)"', "...)"), "...)", "one letter or a sign"),
    "a sign on a line": (console(r'$ printf "a\nb\n}\n"', "...", "}"), "...", "one letter or a sign"),
    "one word between dots": (console("$ echo 19 rows dropped", "...rows...", "..."), "...rows", "one word between"),
    "of a terminal": (
        console("$ echo port 8012; sleep 60", "port 80...", options=":terminal: Terminal 2\n"),
        "80...",
        "stands for any number",
    ),
    "any exception": (
        "# A page\n\n```{code-block} python\n:fails: Exception\n\n[][1]\n```\n\n```output\nIndexError: ...\n```\n",
        "[][1]",
        "expected Exception itself, found IndexError",
    ),
    "a class above that of the exception": (
        "# A page\n\n```{code-block} python\n:fails: OSError\n\nopen('/nowhere')\n```\n\n```output\nFile...\n```\n",
        "open(",
        "expected OSError itself, found FileNotFoundError",
    ),
}


@pytest.mark.parametrize(("text", "at", "said"), BROAD.values(), ids=BROAD.keys())
def test_a_broad_expectation_is_refused(judge, text, at, said):
    failure = judge(text)
    assert failure is not None, "the page passed"
    assert said in failure.message
    assert failure.line == line_of(text, at)


PRINTED_DOTS = (
    ("$ echo Step 1... done", "Step 1... done"),
    ("$ echo 3...2...1", "3...2...1"),
    ("$ echo ...", "..."),
    ("$ echo W...", "W..."),
    ("$ echo loss 1e-300 after 2,000 rows", "loss ... after 2,000 ..."),
)


@pytest.mark.parametrize(("command", "shown"), PRINTED_DOTS)
def test_dots_that_are_printed_are_no_dots_that_stand_for_something(judge, command, shown):
    assert judge(console(command, shown)) is None


#: What the page said, what was printed, what it says then.
UPDATES = {
    "a time that varies": ("started at ...\n20 rows", "started at 10:31\n21 rows", "started at ...\n21 rows"),
    "lines that vary": ("...\ntotal 5\n...", "a\nb\ntotal 6\nc", "...\ntotal 6\n..."),
    "a line that is new": ("a\nc ...", "a\nb\nc 7", "a\nb\nc ..."),
    "a line that went": ("a\nb 1\nc ...", "a\nc 7", "a\nc ..."),
    "a line within": ("one\ntwo ... of 3\nthree", "one!\ntwo 2 of 3\nthree", "one!\ntwo ... of 3\nthree"),
    "nothing of it is left": ("...\ntotal 5", "quite\nother", "quite\nother"),
    "nothing else was said": ("a ...", "b", "b"),
}


@pytest.mark.parametrize(("want", "got", "then"), UPDATES.values(), ids=UPDATES.keys())
def test_update_keeps_the_dots_that_still_match(want, got, then):
    assert updated(want, got) == then
    assert matches(then, got)
