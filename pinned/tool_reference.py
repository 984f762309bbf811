"""Write the reference of the site's tool, from its sources: each command with its arguments and options.

python -m pinned.tool_reference            write docs/reference/cli/gym-rollouts.md
python -m pinned.tool_reference --check    fail where the page is not what the sources give
"""

from __future__ import annotations

import argparse
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from gym_rollouts import __version__, cli
from gym_rollouts.commands import COMMANDS

from pinned.reference_pages import anchor, code, codes, headed, named, opening, prose, table

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "cli" / "gym-rollouts.md"
NAME = "gym-rollouts"
#: A flag, with a value that has an equals sign.
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*(?: \w+=\w+)?")
#: The most characters of a line of code on a page.
WIDE = 88

BEGINNING = f"""\
This site's tool `{NAME}` reads rollouts of NeMo Gym and writes files that a trainer loads. It runs on Python 3.11 to
3.13 and needs no NeMo Gym: install {{download}}`the wheel </downloads/gym_rollouts-{__version__}-py3-none-any.whl>`.

```console
$ uv pip install ./gym_rollouts-{__version__}-py3-none-any.whl
$ {NAME} --version
{NAME} {__version__}
```

Each command is also a function of the Python module `gym_rollouts`. It takes the same arguments, with underscores, and
gives back a report: `figures` are what `--json` prints, `lines` are the summary, and `status` is the exit status. Where
the command would end with 2, the function raises `gym_rollouts.Fault`.

| Exit status | What it says |
| --- | --- |
| 0 | Fine. |
| 1 | No line was usable, or a check found something. |
| 2 | Wrong use, and nothing was written. |
"""


def page() -> str:
    """The page's whole text."""
    commands = cli.group().commands
    parts = [
        *opening(
            f"The tool {NAME}",
            f"I need to look up a command of {NAME}, its options, and what they are without being set.",
            f"Every command of {NAME} with its arguments, options and defaults, as the tool itself declares them.",
            [NAME, "gym rollouts", "command line", "options", "flags", "exit status", *COMMANDS],
        ),
        BEGINNING,
        "## Every command",
        "",
        "```{filter-rows} commands and options\n```",
        "",
    ]
    for name in COMMANDS:
        parts += command(name, commands[name])
    return "\n".join(parts).rstrip() + "\n"


def command(name: str, made: Any) -> Iterator[str]:
    """The section of a command."""
    text, _, examples = inspect.cleandoc(made.help).partition("Examples:")
    yield from headed(f"{NAME} {name}", anchor(NAME, name))
    for paragraph in text.strip().split("\n\n"):
        yield from [told(" ".join(paragraph.split())), ""]
    commands = [" ".join(each.split()) for each in re.split(r"\n\s*\n", examples) if each.strip()]
    if commands:
        yield from [f"```{{code-block}} console\n:consumer: {NAME}\n", *map(typed, commands), "```", ""]
    hints = get_type_hints(getattr(import_module(COMMANDS[name]), name), include_extras=True)
    rows = [row(name, each, hints.get(each.name, bool)) for each in made.params if each.name != "help"]
    yield from table(["Option", "Value", "Default", "What it is"], rows)
    yield ""


def told(text: str) -> str:
    """A text of the tool as Markdown, in which flags are code."""
    pieces = re.split(r"(`[^`]+`)", text)
    return prose("".join(each if each.startswith("`") else _FLAG.sub(r"`\g<0>`", each) for each in pieces))


def typed(command: str) -> str:
    """A command as one types it, on lines that fit a page."""
    return textwrap.fill(
        command, WIDE - 2, initial_indent="$ ", subsequent_indent="    ",
        break_long_words=False, break_on_hyphens=False,
    ).replace("\n", " \\\n")  # fmt: skip


def row(command: str, parameter: Any, hint: Any) -> list[str]:
    """The cells of an argument or option."""
    long = max(parameter.opts, key=len)
    # What is on without being set is switched off by another flag.
    long = (parameter.secondary_opts or [long])[0] if parameter.default is True else long
    others = "".join(f", {code(each)}" for each in (*parameter.opts, *parameter.secondary_opts) if each != long)
    kind, several = value_of(hint)
    if several and parameter.nargs != 1:
        kind += ", one or more"
    least, most = getattr(parameter, "min", None), getattr(parameter, "max", None)
    if least is not None:
        kind += f", from {least:g} to {most:g}" if most is not None else f", at least {least:g}"
    default = parameter.default
    shown = "required" if parameter.required else ""
    if default not in (None, (), []) and not isinstance(default, bool):
        shown = code(f"{default}")
    return [named(long, NAME, command, long) + others, kind, shown, told(parameter.help or "")]


def value_of(hint: Any) -> tuple[str, bool]:
    """What an option takes, in words, and whether it takes several."""
    if get_origin(hint) is Annotated:
        return value_of(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return value_of(next(each for each in get_args(hint) if each is not type(None)))
    if get_origin(hint) is list:
        return value_of(get_args(hint)[0])[0], True
    if get_origin(hint) is Literal:
        return codes(get_args(hint)), False
    return {Path: "path", float: "number", int: "whole number", bool: "none"}.get(hint, "text"), False


def main(arguments: list[str] | None = None) -> int:
    """Write the page, or compare it with the sources; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pinned.tool_reference", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail where the page is out of date")
    options = parser.parse_args(arguments)
    text = page()
    if options.check:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        said = "is not what the sources of the tool give: run nox -s reference"
        print(f"{PAGE.relative_to(ROOT)} {said}", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    print(PAGE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
