"""Turn NeMo Gym rollouts into files that a trainer loads.

The data flows in one direction, and each step is one module:

=================  =====================================================================================================
`files`            open inputs (plain, compressed, any UTF; standard input) and write outputs whole or not at all
`lines`            the lines of a byte range, each with its number, or a `Reject`
`rollouts`         the one decoder: a line is a `Rollout` or a `Reject`
`messages`         Responses items as chat messages, for a chat template
`facts`            what is known of each line, in columns; which task and which attempt it is
`survey`           all lines of all inputs to facts, with an `engine`: processes on this machine, or Ray
`decisions`        a registry of steps; each rejects lines, and says why
`writing`          a registry of formats; chosen lines become rows of an output
`commands`         a registry of commands; each is a function of this package, too
=================  =====================================================================================================

To add a step, write a function and an entry in `decisions.STEPS`. To add a command, write a module in `commands` and an
entry in `commands.COMMANDS`. To add a format, write a class and an entry in `writing.FORMATS`.
"""

from importlib import import_module
from typing import Any

from gym_rollouts.commands import COMMANDS
from gym_rollouts.errors import Fault, Reject

__version__ = "0.7.0.post1"
__all__ = ["Fault", "Reject", "__version__"]


def __getattr__(name: str) -> Any:
    """Return the function of a command, such as `gym_rollouts.prepare`."""
    if name in COMMANDS:
        return getattr(import_module(COMMANDS[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
