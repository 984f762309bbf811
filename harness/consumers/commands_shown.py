"""Hold command lines that a page shows and nobody runs here against the parsers of the programs themselves.

What runs is judged when it runs; this is for what cannot, such as a download, or is not worth its time.
"""

from __future__ import annotations

import contextlib
import io
import shlex

from harness.consumers import command_line
from harness.consumers.strict import Problem


def gym(text: str) -> list[Problem]:
    """What the pinned NeMo Gym refuses of a ``gym`` command, and what it would ignore."""
    words, problems = _words(text)
    if not words:
        return problems
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            return [Problem(1, each) for each in command_line.refusals_of(words)]
    except SystemExit:
        return [Problem(1, printed.getvalue().strip().rpartition("error: ")[2])]


def gym_rollouts(text: str) -> list[Problem]:
    """What the site's tool refuses of a command: its name, flags and values. The files need not be there."""
    import typer
    from gym_rollouts.cli import group

    refused = typer.BadParameter.__base__  # every wrong use, whichever click it is that typer brings
    words, problems = _words(text)
    if not words:
        return problems
    try:
        context = group().make_context(words[0], words[1:] or ["--help"])
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        command.make_context(name, rest, parent=context)
    except refused as error:
        return [Problem(1, error.format_message())]
    except typer.Exit:  # it asks for help
        return []
    return []


def _words(text: str) -> tuple[list[str], list[Problem]]:
    """The words of one command of a shell; none, and why, where it is no single command."""
    try:
        lexer = shlex.shlex(text.replace("\\\n", " "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError as error:
        return [], [Problem(1, f"not a shell's words: {error}")]
    if odd := next((word for word in words if set(word) <= set("();<>|&")), None):
        return [], [Problem(1, f"expected one command by itself, found {odd!r}: give each a line with `$ `")]
    return words, []
