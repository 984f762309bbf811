"""Find every code block that a page renders, with the parser that renders the page.

Regular expressions over Markdown miss blocks (``py``, info strings with options, colon fences, blocks in list
tables) and find others that no reader sees (in comments, in Markdown demos). So the tokens are markdown-it's,
configured as MyST configures it, and directive options are cut by MyST's own function.

`harness.doctree` then holds what is found here against the literal blocks of Sphinx's own document tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from docutils.parsers.rst import Directive, directives
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.directives import parse_directive_text
from myst_parser.parsers.mdit import create_md_parser

from harness.excerpts import excerpt

#: The MyST syntax extensions of this site; ``docs/conf.py`` reads them from here.
MYST_EXTENSIONS = frozenset({"attrs_inline", "colon_fence", "deflist"})

#: What the body of a directive is. A directive that is not here fails, since its body could hide a snippet.
CODE, PROSE, NO_BLOCKS, EXCERPT = "code", "prose", "no blocks", "excerpt"
DIRECTIVES = {
    "code-block": CODE,
    "excerpt": EXCERPT,
    **dict.fromkeys(
        ("note", "tip", "warning", "important", "caution", "attention", "danger", "hint", "seealso", "admonition"),
        PROSE,
    ),
    **dict.fromkeys(
        ("dropdown", "tab-set", "tab-item", "grid", "grid-item", "grid-item-card", "card", "list-table", "div"),
        PROSE,
    ),
    **dict.fromkeys(("versionadded", "versionchanged", "deprecated", "figure", "rubric"), PROSE),
    **dict.fromkeys(("toctree", "mermaid", "image", "button-ref", "button-link", "glossary", "math"), NO_BLOCKS),
    "pipeline": NO_BLOCKS,
    **dict.fromkeys(("ledger-totals", "ledger-pages", "ledger-shown", "ledger-verbatim", "format-table"), NO_BLOCKS),
    **dict.fromkeys(
        ("ledger-never-run", "ledger-summary", "bench-table", "similarity-table", "filter-rows", "framework-table"),
        NO_BLOCKS,
    ),
    **{f"recipe-{name}": NO_BLOCKS for name in ("table", "overview", "differences", "unsolved", "curve")},
}

ALIASES = {
    "py": "python",
    "python3": "python",
    "yml": "yaml",
    "shell-session": "console",
    "sh": "bash",
    "shell": "bash",
    "json-lines": "jsonl",
    "ndjson": "jsonl",
}

_DIRECTIVE = re.compile(r"\{(?P<name>[^}\s]*)\}[ \t]*(?P<argument>.*)")


class BlockError(ValueError):
    """A page holds something whose blocks cannot be told.

    Attributes: ``line``, of the page, from 1.
    """

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        self.message = message


@dataclass(frozen=True)
class Tab:
    """One tab of a set of tabs, of which a reader opens one.

    ``set`` is the line of its set. Tabs with the same ``sync``, a group and a key, open together.
    """

    set: int
    line: int
    title: str
    sync: tuple[str, str] | None = None

    def opens(self, other: Tab) -> bool:
        """Whether a reader who opens this one has the other one open too."""
        return self == other or (self.sync is not None and self.sync == other.sync)


@dataclass(frozen=True)
class Block:
    """One rendered code block.

    ``line`` and ``end`` are the page's lines, from 1, of the opening and closing fence; ``source_line`` is that
    of the first line of ``source``. ``options`` are the directive's own, as text. ``tabs`` are those in which it
    stands, the outermost first.
    """

    language: str
    source: str
    line: int
    end: int
    source_line: int
    options: Mapping[str, str] = field(default_factory=dict)
    tabs: tuple[Tab, ...] = ()

    def option(self, name: str) -> str | None:
        """The stripped value of an option; None when it is not given."""
        return self.options[name].strip() if name in self.options else None


class _AnyOption(dict[str, Any]):
    """An option specification that takes every option as text: the build, not the finder, judges options."""

    def __missing__(self, name: str) -> Any:
        return directives.unchanged


class _AnyDirective(Directive):
    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec = _AnyOption(name=directives.unchanged)


@cache
def _markdown() -> MarkdownIt:
    return create_md_parser(MdParserConfig(enable_extensions=set(MYST_EXTENSIONS)), RendererHTML)


@cache
def _without_lines() -> MarkdownIt:
    """The same for who asks for blocks only: looking into lines takes half of the time."""
    parser = create_md_parser(MdParserConfig(enable_extensions=set(MYST_EXTENSIONS)), RendererHTML)
    return parser.disable(["inline", "text_join"])


def language_of(label: str) -> str:
    """The one name under which the harness knows a fence's language label."""
    return ALIASES.get(label.lower(), label.lower())


def find(text: str, *, first_line: int = 1) -> list[Block]:
    """Every rendered code block of the Markdown ``text``, in order.

    Args:
        text: MyST Markdown; its first line is line ``first_line`` of the page.

    Raises:
        BlockError: a directive that `DIRECTIVES` does not name.
    """
    return list(_find(text, first_line, _Place()))


@dataclass(frozen=True)
class _Place:
    """Where a piece of Markdown stands: in which tabs, and right below which set of them, by its line and group."""

    tabs: tuple[Tab, ...] = ()
    set: tuple[int, str] | None = None


def _find(text: str, first_line: int, place: _Place) -> Iterator[Block]:
    for token in _without_lines().parse(text):
        if token.map is None:
            continue
        line, end = first_line + token.map[0], first_line + token.map[1] - 1
        if token.type == "code_block":
            yield Block("", token.content, line, end, line, tabs=place.tabs)
        elif token.type in ("fence", "colon_fence"):
            directive = _DIRECTIVE.match(token.info.strip())
            if directive:
                yield from _in_directive(directive["name"], directive["argument"], token.content, line, end, place)
            elif token.type == "colon_fence":  # a plain ``:::`` is a division of prose
                yield from _find(token.content, line + 1, place)
            else:
                label = (token.info.split(maxsplit=1) or [""])[0]
                yield Block(language_of(label), token.content, line, end, line + 1, tabs=place.tabs)


def as_written(body: Sequence[str], content: str) -> str:
    """The body of a directive as it stands on the page: MyST ends its lines at more characters than Markdown does.

    Args:
        body: its lines, as MyST cuts them.
        content: all that the directive holds, options included.
    """
    lines = content.removesuffix("\n").split("\n")
    if len(lines) < len(content.splitlines()):
        for start in range(len(lines)):
            text = "\n".join(lines[start:])
            if text.splitlines() == list(body):
                return text
    return "\n".join(body)


def _in_directive(name: str, argument: str, content: str, line: int, end: int, place: _Place) -> Iterator[Block]:
    kind = DIRECTIVES.get(name)
    if kind is None:
        raise BlockError(
            line,
            f"unknown directive {{{name}}}: it may hold snippets that nothing would test. Use one that the site "
            f"knows, or say in harness/blocks.py (DIRECTIVES) whether its body is code, prose or neither",
        )
    if kind is EXCERPT:
        try:
            yield Block(EXCERPT, excerpt(argument.strip()).text, line, end, line, {"of": argument}, place.tabs)
        except LookupError as error:
            raise BlockError(line, str(error)) from None
        return
    if kind is NO_BLOCKS:
        return
    if content.startswith(":::"):  # a nested fence, not options: MyST tells them apart in the same way
        body, offset, options = content, 0, {}
    else:
        parsed = parse_directive_text(_AnyDirective, argument, content)
        body, offset, options = as_written(parsed.body, content), parsed.body_offset, parsed.options
    if kind is CODE:
        source = body + "\n" if body else ""
        yield Block(language_of(argument.strip()), source, line, end, line + 1 + offset, options, place.tabs)
        return
    if name == "tab-set":
        place = _Place(place.tabs, (line, options.get("sync-group", "tab").strip()))
    elif name == "tab-item" and place.set:
        number, group = place.set
        sync = (group, options["sync"].strip()) if "sync" in options else None
        place = _Place((*place.tabs, Tab(number, line, argument.strip(), sync)))
    else:
        place = _Place(place.tabs)
    yield from _find(body, line + 1 + offset, place)


__all__ = ["DIRECTIVES", "MYST_EXTENSIONS", "Block", "BlockError", "find", "language_of"]
