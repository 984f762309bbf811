"""Give the copy button what is meant to be copied: of a console block, the commands that the tests run.

sphinx-copybutton leaves out what ``copybutton_exclude`` names. The lexer here tells prompts, ``.gp``, and output,
``.go``, from commands, as `harness.console` does. The formatter sees that a line of output goes with its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer, do_insertions
from pygments.lexers import BashLexer
from pygments.token import Generic, Text, _TokenType
from sphinx.application import Sphinx

from harness.blocks import ALIASES, Block
from harness.console import commands_of
from harness.verdict import Failure

Tokens = Iterator[tuple[int, _TokenType, str]]

LANGUAGE = "console"


class Console(Lexer):
    """Commands, each after its prompt, and what they print."""

    name = "Console"
    aliases = (LANGUAGE,)

    def get_tokens_unprocessed(self, text: str) -> Tokens:
        lines = re.findall(r"[^\n]*\n|[^\n]+", text)  # no other character ends a line
        try:
            commands = commands_of(Block(LANGUAGE, text, line=0, end=0, source_line=0))
        except Failure:  # shown for what it is: the harness says that it is no console block
            yield 0, Text, text
            return
        at = 0
        for number, command in enumerate(commands):
            following = commands[number + 1].line if number + 1 < len(commands) else len(lines)
            typed = lines[command.line : command.output_line]
            for _, kind, value in self._command(command.text, typed):
                yield at, kind, value
                at += len(value)
            for line in lines[command.output_line : following]:
                yield at, Generic.Output, line
                at += len(line)

    @staticmethod
    def _command(command: str, typed: list[str]) -> Tokens:
        """The tokens of one command as it stands on the page, of which ``command`` is the text without prompts."""
        prompts, offset = [], 0
        for line, words in zip(typed, command.split("\n"), strict=True):
            prompt = line.rstrip("\n")[: len(line.rstrip("\n")) - len(words)]
            if prompt:
                prompts.append((offset, [(0, Generic.Prompt, prompt)]))
            offset += len(words) + 1
        end = "\n" if typed[-1].endswith("\n") else ""
        return do_insertions(prompts, BashLexer().get_tokens_unprocessed(command + end))


class Formatter(HtmlFormatter):
    """Pygments' own, but for the line ends of output: they are part of it."""

    def wrap(self, source: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
        return super().wrap(with_ends(source))


def with_ends(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Lines of HTML, where those of output hold their end inside their ``<span>``.

    An empty line is output unless more of a command follows it, as in a here-document.
    """
    prompted = printing = False
    empty = 0
    for number, line in lines:
        if line == "\n" and prompted:
            empty += 1
            continue
        prompt, output = line.startswith('<span class="gp">$ '), line.startswith('<span class="go">')
        prompted, printing = prompted or prompt, output or (printing and not prompt)
        yield from [(number, _output("\n") if prompt or printing else "\n")] * empty
        empty = 0
        yield number, line.removesuffix("</span>\n") + "\n</span>" if output else line
    yield from [(1, _output("\n"))] * empty


def _output(text: str) -> str:
    return f'<span class="go">{text}</span>'


def use_formatter(app: Sphinx) -> None:
    for name in ("highlighter", "dark_highlighter"):
        if bridge := getattr(app.builder, name, None):
            bridge.formatter = Formatter


def setup(app: Sphinx) -> dict[str, object]:
    for label in (LANGUAGE, *(label for label, language in ALIASES.items() if language == LANGUAGE)):
        app.add_lexer(label, Console)
    app.connect("builder-inited", use_formatter)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
