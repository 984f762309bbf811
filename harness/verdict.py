"""What the harness says of a block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.update import Edit

if TYPE_CHECKING:  # this module needs no package
    from harness.blocks import Block

#: How the message of a failure begins that is one of a page before this one.
ELSEWHERE = "this page starts from a page that fails: "
EXECUTED, VALIDATED, SHOWN, FAILED = "executed", "validated", "shown", "failed"


@dataclass(frozen=True)
class Printed:
    """What a block printed, as an output block under it would show it."""

    text: str
    by: Block


@dataclass(frozen=True)
class Verdict:
    """A block's verdict.

    ``kind`` is executed (it ran), validated (its consumer's own class, parser or configuration system took it) or
    shown (neither, for the ``reason`` that the reader sees). ``how`` says in a few words what was done. ``printed`` is
    what the block printed, if it is one under which an output block may stand.
    """

    kind: str
    how: str
    reason: str | None = None
    printed: Printed | None = None


class Failure(Exception):
    """A block that would mislead a reader.

    Args:
        message: what was expected, what was found and how to mend it.
        line: the page's line at fault, from 1; None stands for the block's first line.
        edits: what ``--update`` would change in the page to mend it.
    """

    def __init__(self, message: str, line: int | None = None, edits: Iterable[Edit] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.edits = list(edits)
