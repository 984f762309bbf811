"""Compare what a page says is printed with what was printed."""

from __future__ import annotations

import difflib
import re

ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07)")
ELLIPSIS = "..."


def normalise(text: str) -> str:
    """Output as a reader sees it in a terminal: no colour codes, no overwritten progress, no trailing blanks."""
    lines = (line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in ANSI.sub("", text).split("\n"))
    return "\n".join(lines).strip("\n")


def says_nothing(want: str) -> bool:
    """Whether the expected text is ``...`` through and through, so that every output would match it."""
    return bool(want.strip()) and not re.sub(r"[\s.]", "", want)


def matches(want: str, got: str) -> bool:
    """Whether ``got`` is what ``want`` says.

    ``...`` alone on a line stands for any number of lines; within a line, for a part of that line.
    """
    pattern = ""
    for line in normalise(want).split("\n"):
        if line.strip() == ELLIPSIS:
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += r"[^\n]*?".join(map(re.escape, line.split(ELLIPSIS))) + r"\n"
    return re.fullmatch(pattern, normalise(got) + "\n") is not None


def could_still_match(want: str, got: str) -> bool:
    """Whether ``got`` already holds all that ``want`` says, whatever follows: a server has printed its ready line."""
    return matches(want.rstrip("\n") + "\n" + ELLIPSIS, got)


def difference(want: str, got: str) -> str:
    """A diff of the expected and the printed text, for a failure's message."""
    want_lines, got_lines = normalise(want).split("\n"), normalise(got).split("\n")
    rows = difflib.unified_diff(want_lines, got_lines, "the page says", "it printed", lineterm="", n=2)
    return "\n".join("    " + row for row in list(rows)[:60])
