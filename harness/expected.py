"""Compare what a page says is printed with what was printed."""

from __future__ import annotations

import difflib
import re

ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\))")
ELLIPSIS = "..."

#: What takes away all that a line holds: the end of a progress bar.
_ERASES = re.compile(r"\r\x1b\[0?K|\x1b\[2K")


#: Dots that stand for a part of a number: for its digits, or those of its thousands, or of its exponent.
_CUTS_A_NUMBER = re.compile(r"\d(?:,|[eE][+-]?)?\.\.\.|\.\.\.,?\d")


def normalize(text: str) -> str:
    """Output as a reader sees it in a terminal: no color codes, no overwritten progress, no trailing blanks."""
    lines = (ANSI.sub("", _ERASES.split(line)[-1]) for line in text.split("\n"))
    lines = (line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in lines)
    return "\n".join(lines).strip("\n")


def says_nothing(want: str) -> bool:
    """Whether the expected text is ``...`` through and through, so that every output would match it."""
    return bool(want.strip()) and not re.sub(r"[\s.]", "", want)


def too_broad(want: str) -> tuple[int, str] | None:
    """The first line of the expected text, from 1, that outputs of quite another meaning would match, and why."""
    for number, line in enumerate(want.split("\n"), 1):
        if _CUTS_A_NUMBER.search(line):
            return number, f"{line.strip()!r} cuts a number short, so that it stands for any number: show all of it"
        if re.fullmatch(r"\s*\.\.\.\s*\S+\s*\.\.\.\s*", line):
            return number, f"{line.strip()!r} is one word between dots, which stands in many outputs: show more of it"
        if ELLIPSIS in line and not says_nothing(line) and _says_little(line):
            return number, f"{line.strip()!r} is one letter or a sign beside dots, as in many outputs: show more of it"
    if ELLIPSIS in want and _says_little(want):
        return 1, "beside dots it is one letter or a sign, as many outputs have: show more of it"
    return None


def _says_little(text: str) -> bool:
    """Whether a text has at most one letter or digit."""
    return len(re.sub(r"[\W_]", "", text)) < 2


def updated(want: str, got: str) -> str:
    """The expected text for what was printed now, with every ``...`` of the old one that still stands for something.

    A line of the old text that still matches stays. One that does not becomes the printed line that is most like it.
    Where that leads nowhere it is all of what was printed.
    """
    old, new = normalize(want).split("\n"), normalize(got).split("\n")
    kept: list[str] = []
    at = 0  # the first printed line that the kept ones do not yet account for
    for number, line in enumerate(old):
        if line.strip() == ELLIPSIS:
            kept.append(line)
            continue
        place = next((i for i in range(at, len(new)) if matches(line, new[i])), None)
        if place is None:
            below = [each for each in old[number + 1 :] if each.strip() != ELLIPSIS]
            later = {new[i] for i in range(at, len(new)) if any(matches(each, new[i]) for each in below)}
            others = [each for each in new[at:] if each not in later]
            near = difflib.get_close_matches(line, others, 1, 0.5)
            if not near:
                continue
            place, line = new.index(near[0], at), near[0]
        elif kept and kept[-1].strip() != ELLIPSIS:
            kept += new[at:place]
        kept.append(line)
        at = place + 1
    result = "\n".join(kept)
    if matches(result, got) and not says_nothing(result):
        return result
    return normalize(got)


def matches(want: str, got: str) -> bool:
    """Whether ``got`` is what ``want`` says.

    ``...`` alone on a line stands for any number of lines; within a line, for a part of that line.
    """
    pattern = ""
    for line in normalize(want).split("\n"):
        if line.strip() == ELLIPSIS:
            pattern += r"(?:[^\n]*\n)*?"
        else:
            pattern += r"[^\n]*?".join(map(re.escape, line.split(ELLIPSIS))) + r"\n"
    return re.fullmatch(pattern, normalize(got) + "\n") is not None


def could_still_match(want: str, got: str) -> bool:
    """Whether ``got`` already holds all that ``want`` says, whatever follows: a server has printed its ready line."""
    return matches(want.rstrip("\n") + "\n" + ELLIPSIS, got)


def difference(want: str, got: str) -> str:
    """A diff of the expected and the printed text, for a failure's message."""
    want_lines, got_lines = normalize(want).split("\n"), normalize(got).split("\n")
    rows = difflib.unified_diff(want_lines, got_lines, "the page says", "it printed", lineterm="", n=2)
    return "\n".join("    " + row for row in list(rows)[:60])
