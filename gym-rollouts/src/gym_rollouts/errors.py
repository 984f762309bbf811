"""What can go wrong: a `Fault` ends a command with one line, a `Reject` names one line of one input."""

from __future__ import annotations

from dataclasses import dataclass


class Fault(Exception):
    """What the user can mend. The message is one line: what was expected, what was found, what to do."""


class Unusable(Exception):
    """A line that a step cannot use. The message is the reason.

    Only the modules that decode and convert raise it; whoever calls them makes a `Reject` of it.
    """

    def __init__(self, step: str, reason: str) -> None:
        """Say which step cannot use the line, and why."""
        super().__init__(reason)
        self.step, self.reason = step, reason


@dataclass(frozen=True, slots=True)
class Reject:
    """A line that was left out: where it stands, which step left it out, and why."""

    file: str
    line: int
    step: str
    reason: str
