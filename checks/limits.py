"""How long and how wide pages are, and how much a reader reads before the first result.

    python -m checks.limits [PAGE ...]    a table of the pages; the exit status is 1 where one is over a limit

Which limits a page has depends on its content type: see `LIMITS`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from harness.blocks import Block
from harness.console import commands_of
from harness.pages import Page, all_pages, page_at
from pinned.reference_pages import is_generated

DOCS = Path(__file__).resolve().parents[1] / "docs"


@dataclass(frozen=True)
class Measured:
    """What a page comes to. A field is 0 where the page has no such thing.

    Attributes:
        lines: of its source.
        block: the lines of its longest block.
        code: the columns of its widest line of code, or of a command.
        output: the columns of its widest line of output.
        before: the lines of source, without front matter, above the first line that a command or Python prints.
    """

    lines: int
    block: int
    code: int
    output: int
    before: int


@dataclass(frozen=True)
class Limits:
    """The most that a page may have; None is no limit. Output is as wide as it is printed: the site wraps it."""

    lines: int | None = None
    block: int | None = 40
    code: int | None = 88
    before: int | None = None


#: By content type; a page of another type has those of "".
LIMITS = {
    "": Limits(),
    "how-to": Limits(lines=450, before=60),
    "tutorial": Limits(lines=450),
}

#: How a message names what is over a limit.
MESSAGES = {
    "lines": "{found} lines of source",
    "block": "a block of {found} lines",
    "code": "a line of code of {found} columns",
    "before": "{found} lines before the first result",
}

COLUMNS = ("page", "content type", "lines", "block", "code", "output", "before")
ROW = "{:56} {:12} {:>6} {:>6} {:>5} {:>7} {:>7}"


def measure(page: Page) -> Measured:
    """Measure a page.

    Raises:
        Failure: a console block has text before its first prompt.
    """
    block = code = output = first = 0
    for each in page.blocks:
        lines = each.source.rstrip("\n").split("\n")
        printed = _printed(each)
        block = max(block, len(lines))
        code = max([code, *(len(line) for at, line in enumerate(lines) if at not in printed)])
        output = max([output, *(len(lines[at]) for at in printed)])
        if printed and not first:
            first = each.source_line + min(printed)
    return Measured(page.text.count("\n"), block, code, output, max(first - _opens(page), 0))


def _opens(page: Page) -> int:
    """The line after the page's front matter, from 1."""
    if not page.text.startswith("---\n"):
        return 1
    return page.text.split("\n---\n", 1)[0].count("\n") + 3


def _printed(block: Block) -> set[int]:
    """Which lines of a block are output, from 0."""
    if block.language == "output":
        return set(range(block.source.rstrip("\n").count("\n") + 1))
    if block.language != "console":
        return set()
    return {
        command.output_line - block.source_line + at
        for command in commands_of(block)
        if command.output.strip()
        for at in range(command.output.rstrip("\n").count("\n") + 1)
    }


def faults(page: Page) -> Iterator[str]:
    """Each limit that a page is over, as a message.

    None for a page that a program writes from the pinned release: its lines are as wide as what is in it.
    """
    if is_generated(page.text):
        return
    measured = measure(page)
    limits = LIMITS.get(page.front_matter.get("content-type", ""), LIMITS[""])
    for name, message in MESSAGES.items():
        found, most = getattr(measured, name), getattr(limits, name)
        if most is not None and found > most:
            yield f"{page.label}: {message.format(found=found)}; at most {most}"


def main(names: Sequence[str]) -> int:
    """Print the table of the named pages, by default of all, and what is over the limits."""
    pages = [page_at(DOCS, name) for name in names] or all_pages(DOCS)
    print(ROW.format(*COLUMNS))
    for page in pages:
        print(ROW.format(page.name, page.front_matter.get("content-type", ""), *astuple(measure(page))))
    over = [fault for page in pages for fault in faults(page)]
    print(*over, f"{len(over)} over the limits", sep="\n")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
