"""Take a line of a terminal apart: the commands in it, each without what stands before it.

`uv run gym eval run`, `X=1 gym eval run`, `cd x && gym eval run` and `python -m nemo_gym.cli.main eval run` all type
`gym eval run`; what is judged is that, whatever runs it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

#: Programs that run the command behind them, each with those of its options that take a word of their own.
RUNNERS = {
    "uv run": ("--with", "--extra", "--group", "--python", "-p", "--project", "--directory", "--env-file", "--index"),
    "uvx": ("--from", "--with", "--python", "-p"),
    "nohup": (),
    "time": ("-f", "-o"),
    "env": ("-u", "--unset", "-C"),
    "exec": (),
    "sudo": ("-u", "-g"),
    "nice": ("-n",),
    "timeout": ("-k", "-s"),
    "setsid": (),
    "xargs": ("-n", "-P", "-I", "-L"),
}
_OPERATOR = re.compile(r"\s(?:&&|\|\||\|)\s|;\s")
_ASSIGNMENT = re.compile(r"[A-Z_][A-Z0-9_]*=\S*")
_MODULE = re.compile(r"python3? -m nemo_gym\.cli(?:\.main)?(?: |$)")


def commands(text: str, is_program: Callable[[str], bool]) -> list[str]:
    """The commands that a text types, in order, and what stands before each; the text alone where it is none.

    Args:
        text: a piece of code.
        is_program: whether a word starts a command. Without one behind it a runner or an assignment is itself what
            the text is about, and an operator is one of an expression, or stands in a message.
    """
    pieces = [piece.strip() for piece in _OPERATOR.split(text)]
    found = [each for piece in pieces if piece for each in _behind(piece, is_program)]
    several = len(found) > 1 and any(is_program(each.split()[0]) for each in found)
    return found if several else [_MODULE.sub("gym ", text)]


def _behind(piece: str, is_program: Callable[[str], bool]) -> list[str]:
    """One command, cut where another begins in it."""
    piece = _MODULE.sub("gym ", piece).removesuffix("&").strip()
    words = piece.split()
    at = next((number for number, word in enumerate(words) if not _ASSIGNMENT.fullmatch(word)), 0)
    runner = next((name for name in RUNNERS if " ".join(words[at:]).startswith(f"{name} ")), None)
    if at and (runner or is_program(words[at])):
        return [" ".join(words[:at]), *_behind(" ".join(words[at:]), is_program)]
    if runner is None:
        return [piece] if piece else []
    at = len(runner.split())
    while at < len(words) and not is_program(words[at]):
        at += 2 if words[at] in RUNNERS[runner] else 1
    if at >= len(words):
        return [piece]
    return [" ".join(words[:at]), *_behind(" ".join(words[at:]), is_program)]
