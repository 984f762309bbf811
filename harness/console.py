"""The commands of a console block: the tests run them, and the copy button takes them (`docs/_ext/copies.py`)."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from harness.blocks import Block
from harness.verdict import Failure

PROMPT = "$ "

#: What stands before a continued line: an editor takes away the space behind it where the line is empty.
CONTINUED = re.compile(r"^>(?: |$)")

#: The end of a line that the next one goes on: a backslash that no other one quotes.
_CUT = re.compile(r"(?<!\\)(?:\\\\)*\\\Z")
#: An amount of money: no command is called by a number.
_AMOUNT = re.compile(r"\$ \d[\d.,]*(?:\s|\Z)")


@dataclass(frozen=True)
class Command:
    """A command of a console block, the output shown under it, and the page's lines where they start."""

    text: str
    output: str
    line: int
    output_line: int


#: Where a here-document begins: whether its tabs are taken away, and the word that ends it, in quotes or not.
_HERE_DOCUMENT = re.compile(
    r"(?<!<)<<(?P<tabs>-?)[ \t]*(?:(?P<quote>['\"])(?P<quoted>.+?)(?P=quote)|\\?(?P<word>[\w.-]+))"
)


def commands_of(block: Block) -> list[Command]:
    """The commands of a console block: lines after ``$ ``, with their continuations and here-documents.

    Raises:
        Failure: text before the first prompt; a here-document without its end.
    """
    commands: list[Command] = []
    lines = block.source.removesuffix("\n").split("\n") if block.source else []  # no other character ends a line
    at = 0
    while at < len(lines):
        if not lines[at].startswith(PROMPT):
            raise Failure("a console block starts each command with `$ `", block.source_line + at)
        start, words = at, [lines[at].removeprefix(PROMPT)]
        at += 1
        while at < len(lines) and (_CUT.search(words[-1]) or (CONTINUED.match(lines[at]) and _goes_on(words))):
            words.append(CONTINUED.sub("", lines[at], count=1))
            at += 1
        more = _closes(words, lines, at)
        words += lines[at:more]
        at = more
        for end, tabs in _ends(words):
            if end in words:  # each of its lines has a prompt
                continue
            after = _after(lines, at, end, tabs)
            if after == at and "here-document" in (_complaint(words) or ""):
                message = f"the here-document has no end: expected a line with `{end}` and nothing else"
                raise Failure(message, block.source_line + start)
            words += lines[at:after]
            at = after
        output_start = at
        while at < len(lines) and (not lines[at].startswith(PROMPT) or _is_printed(lines[at], commands, words)):
            at += 1
        output = "\n".join(lines[output_start:at])
        commands.append(Command("\n".join(words), output, block.source_line + start, block.source_line + output_start))
    return commands


def python_in(command: str) -> Iterator[tuple[int, str]]:
    """The texts of a command that may be programs in Python, behind ``-c`` and in here-documents: line, from 0, and it.

    A text behind ``-c`` has the command's first line.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    yield from ((0, text) for before, text in pairwise(words) if before == "-c")
    lines, at = command.split("\n"), 1
    for end, tabs in _ends(lines):
        after = _after(lines, at, end, tabs)
        if after > at:
            yield at, "\n".join(lines[at : after - 1])
            at = after


def _is_printed(line: str, above: list[Command], words: list[str]) -> bool:
    """Whether a line that begins as a prompt does is output: an amount, or what a command of the block so far holds."""
    if _AMOUNT.match(line):
        return True
    typed = "\n".join([*(command.text for command in above), *words])
    return bool(line.removeprefix(PROMPT).strip()) and line.strip() in typed


def _closes(words: list[str], lines: list[str], at: int) -> int:
    """The number of the line after one that closes a quote which the command leaves open; ``at`` where none does."""
    for number in range(at, len(lines) + 1):
        try:
            shlex.split("\n".join([*words, *lines[at:number]]))
        except ValueError:  # a quote is open: perhaps only for shlex, as in a comment
            if number == at and not _goes_on(words):
                return at
        else:
            return number
    return at


def _goes_on(words: list[str]) -> bool:
    """Whether bash would ask for more of a command: ``> `` is its prompt then, and output otherwise, as of ``diff``."""
    said = _complaint(words)
    return said is None or any(each in said for each in ("unexpected end of file", "unexpected EOF", "here-document"))


def _complaint(words: list[str]) -> str | None:
    """What bash says of a command that it reads and does not run; None where there is no bash."""
    bash = shutil.which("bash")
    if bash is None:
        return None
    asked = [bash, "--norc", "-n", "-c", "\n".join(words)]
    return subprocess.run(asked, capture_output=True, text=True, check=False, env={"LC_ALL": "C"}).stderr


def _ends(words: list[str]) -> Iterator[tuple[str, bool]]:
    """For each here-document that a command opens, in order: the line that ends it, and whether tabs may precede it."""
    for here in _HERE_DOCUMENT.finditer("\n".join(words)):
        yield here["quoted"] or here["word"], bool(here["tabs"])


def _after(lines: list[str], at: int, end: str, tabs: bool) -> int:
    """The number of the line after a here-document; ``at`` where it has no end: it is a shift, such as ``1 << n``."""
    for number in range(at, len(lines)):
        if (lines[number].lstrip("\t") if tabs else lines[number]) == end:
            return number + 1
    return at
