"""Look up what a page names in its prose and tables: nothing runs there, so that a misspelt name stays.

Each inline code is taken apart by its shape: a command, a flag, a setting with its value, a path, a name with dots, a
variable, a word, a message. Each part must exist in the pinned release, among other programs' names, or in the snippets
of the page itself (`prose.names`). What stands around a name says more of it, and counts too: the command that the
sentence names, the word before it ("the server `x`"), the header of its column, a default that is claimed.

What a page names although it does not exist stands in ``docs/_data/prose-exceptions.toml``, with the reason.
"""

from __future__ import annotations

import ast
import difflib
import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, cached_property
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from markdown_it.token import Token
from myst_parser.parsers.directives import parse_directive_text

from harness.blocks import _DIRECTIVE, DIRECTIVES, PROSE, _AnyDirective, _markdown, as_written
from harness.pages import Page
from harness.verdict import Failure
from prose import releases
from prose.names import FLAG, GENERATED, KINDS, Known, Program, methods, model_attributes, nearest, own_names
from prose.typed import commands

DATA = Path(__file__).parent.parent / "docs" / "_data"
#: The tool, whose messages pages quote too.
TOOL = Path(__file__).parent.parent / "gym-rollouts" / "src"

#: Roles whose content is a name that Sphinx itself looks up: they say of what a sentence is.
NAMING_ROLES = ("gym", "setting", "server", "source")

#: Roles that only set their content as code: it is looked up like inline code, as the noun that the role says it is.
CODE_ROLES = {
    **dict.fromkeys(("code", "literal", "samp", "file"), ""),
    **dict.fromkeys(("command", "program"), "command"),
    "envvar": "variable",
}

#: What the word before or behind a name, or the header above it, says that it is.
NOUNS = {
    "resources server": "server",
    "resource server": "server",
    "agent server": "server",
    "model server": "server",
    "server": "server",
    "agent": "server",
    "environment variable": "variable",
    "variable": "variable",
    "flag": "flag",
    "option": "flag",
    "command": "command",
    "class": "class",
    "module": "module",
}
_NOUN = "|".join(sorted(NOUNS, key=len, reverse=True))
#: Options of directives whose text the reader sees.
TEXTS = ("caption", "quiet", "shown", "alt", "title")
_BEFORE = re.compile(rf"(?:^|[\s(])(?P<noun>{_NOUN})s?:?\s$", re.IGNORECASE)
_BEHIND = re.compile(rf"^\s(?P<noun>{_NOUN})\b(?!-)", re.IGNORECASE)
_HEADER = re.compile(rf"(?P<noun>{_NOUN})s?", re.IGNORECASE)

_SETTING = re.compile(
    r"""(?P<plus>\+{0,2})(?P<quote>["']?)(?P<key>[A-Za-z_*][\w.*@/\[\]-]*)(?P=quote)\s?[=:]\s?(?P<value>.*)""",
    re.DOTALL,
)
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_ASSIGNED = re.compile(r"\+{0,2}[A-Za-z_][\w.]*=[^=\s]\S*")
_SUBSCRIPTS = re.compile(r"""(?:\[["'][A-Za-z_]\w*["']\])+""")
_CALL = re.compile(r"(?P<name>[A-Za-z_]\w*)\((?P<arguments>[^()]*)\)?")
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.(?:[A-Za-z_]\w*|\*))+")
_SUFFIX = re.compile(r"\.(?:py|ya?ml|jsonl?|toml|txt|md|csv|svg|png|parquet|lock|ipynb|sh|cfg|callgrind|env|zip)$")
_PLACEHOLDER = re.compile(r"\b[A-Z]{1,3}\b|\b(?:NAME|TASK|ATTEMPT|VERSION|FOLDER|DIR|FILE|PATH|PAGE)\b|<[^>]*>|\.\.\.")
_SENTENCE = re.compile(r"(?<=[.?!])\s+(?=[A-Z\0\"'(*])")
_PLAIN_FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]+(?:\.[a-z][\w-]*)*")
_PLAIN_COMMAND = re.compile(r"(?<![\w.-])(?:gym (?:eval|env|dataset|dev|list|search)\b(?: [a-z][\w-]*)?|ng_[a-z_]+\b)")
#: A word with underscores is a name, with and without backticks.
_PLAIN_NAME = re.compile(r"(?<![\w./:$@{<-])[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?![\w/(-]|\.\w)")
#: What a diagram shows of its source: what stands in brackets, bars or quotation marks, and behind a colon.
_LABEL = re.compile(r"""(?:[\[({|]"?|"|:[ ])(?P<label>[^\[\](){}|"\n]+)(?="?[\])}|]|"|$)""", re.MULTILINE)
_ARTICLE = re.compile(r"\b(?:an?|the|this|that|our|your|its|each|every|any) $", re.IGNORECASE)
_GYM_WORDS = re.compile(r"gym(?: [a-z][\w-]*)*")

_NUMBERS = {"zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "eight": "8", "ten": "10"}
_VALUE = (
    r"(?P<value>\0|[\"'][^\"']*[\"']|-?\d[\d,_]*(?:\.\d+)?|true|false|None|null|"
    rf"(?:{'|'.join(_NUMBERS)})\b)"
)
_DEFAULTS = (
    re.compile(rf"(?P<name>\0)[^.\0]{{0,40}}?\b(?:defaults?|falls? back) to {_VALUE}", re.IGNORECASE),
    re.compile(
        rf"(?P<name>\0)[^.\0]{{0,30}}?\bis (?:set to )?(?:by default )?{_VALUE},? "
        r"(?:by default|unless|if you (?:do not|don't)|where you do not|when (?:it is )?(?:un|not )set)",
        re.IGNORECASE,
    ),
    re.compile(rf"(?P<name>\0)[^.\0]{{0,20}}?\bis by default (?:set to )?{_VALUE}", re.IGNORECASE),
    re.compile(rf"(?P<name>\0) ?[=:] ?{_VALUE},? by default", re.IGNORECASE),
    re.compile(rf"\bby default,? (?P<name>\0) is {_VALUE}", re.IGNORECASE),
    re.compile(rf"\bdefault(?: value)? (?:of|for) (?:the \w+ )?(?P<name>\0) is {_VALUE}", re.IGNORECASE),
    re.compile(rf"(?P<name>\0)[^.\0]{{0,30}}?\b(?:has|with) (?:a|the) default(?: value)? of {_VALUE}", re.IGNORECASE),
    re.compile(rf"(?P<name>\0)[,:;]? ?\((?:(?:the |its )?default(?: is|:)?|by default:?) {_VALUE}", re.IGNORECASE),
    re.compile(rf"(?P<name>\0)[,:;]? ?\({_VALUE} by default", re.IGNORECASE),
    re.compile(rf"(?P<name>\0)[^.\0]{{0,20}}?\bhas {_VALUE} as (?:its|the) default", re.IGNORECASE),
    re.compile(rf"\bdefault\b[^.\0]{{0,40}}(?P<name>\0),? is {_VALUE}", re.IGNORECASE),
    re.compile(
        r"\b(?:without it|without a value|if (?:it is )?(?:un|not )set|unless (?:it is )?set|when (?:it is )?left out)"
        rf",? (?P<name>\0) is {_VALUE}",
        re.IGNORECASE,
    ),
    re.compile(rf"(?P<name>\0)[^.\0]{{0,30}}?, (?:the )?default(?: is|:)? {_VALUE}", re.IGNORECASE),
)
_DEFAULTS += (
    re.compile(
        r"\b(?:if|when|where) you (?:leave out|omit|(?:do not|don't) (?:set|give|pass)|leave) (?:the \w+ )?"
        rf"(?P<name>\0)(?: out| away| unset)?, it is {_VALUE}",
        re.IGNORECASE,
    ),
)
#: A sentence that says a default of what is told before it.
_ITS_DEFAULT = re.compile(rf"\W*(?:(?:its|the) default(?: value)? is|defaults?(?: value)?:|defaults to) {_VALUE}", re.I)
_FIELD = r"(?:field|setting|key|option|attribute|method)"
#: How a sentence says that a class has a field.
_BELONGS = (
    re.compile(
        rf"(?P<field>\0)(?:,? (?:a|the|one) {_FIELD})? (?:of|in) (?:the (?:class |configuration )?)?(?P<owner>\0)"
    ),
    re.compile(
        r"(?P<owner>\0) (?:server |agent )?(?:has|takes|reads|needs|wants|defines|holds) "
        rf"(?:(?:a|the|an) )?(?:{_FIELD} )?(?P<field>\0)"
    ),
    re.compile(rf"(?P<owner>\0)'s (?:{_FIELD} )?(?P<field>\0)"),
    re.compile(rf"(?P<owner>\0) \({_FIELD}s? (?P<field>\0)"),
)
#: How a sentence says that several commands have the same flags: each has each.
_ALIKE = re.compile(
    r"\0(?:, \0)*,? and \0(?: both| each| all)? (?:take|accept|have|share|know|read|understand)s? (?:the )?"
    r"(?:(?:same )?(?:flag|option)s? )?(?P<flags>\0(?:(?:,? and |, )\0)*)"
)
_DEFAULT_HEADER = re.compile(
    r"(?:its |the )?default(?: value)?s?|by default|unless set|(?:if|when) (?:unset|omitted|left out|not set)",
    re.IGNORECASE,
)
_SETTINGS = re.compile(r"(?:the )?(?:setting|key|flag|option|field|name|parameter)s?", re.IGNORECASE)
_NO_VALUE = frozenset({"-", "\u2013", "\u2014", "none", "null", "unset", "not set", "no default", "no limit"})


@dataclass(frozen=True)
class Code:
    """A piece of inline code, or what a role names, with the page's line, and the noun that its role says it is."""

    text: str
    line: int
    role: str = ""
    noun: str = ""


Part = str | Code


@dataclass
class Passage:
    """A paragraph, heading, cell or term: its text and codes in order.

    ``column`` is the header above a cell, ``first`` says whether the cell begins its row, ``row`` are the parts of all
    its row; ``before`` the parts of the paragraph and heading above a table or a list.
    """

    parts: list[Part]
    line: int
    kind: str = "paragraph"
    column: str = ""
    row: list[list[Part]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    before: list[Part] = field(default_factory=list)
    term: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Fault:
    """A name that does not exist, or a claim that is wrong: the page's line, and what to tell the writer."""

    line: int
    name: str
    message: str


@dataclass(frozen=True)
class Judged:
    """What the prose of a page came to: how many codes were looked up, the faults, and the exceptions that it used."""

    looked_up: int
    faults: tuple[Fault, ...]
    used: frozenset[str]


# -- Reading a page -----------------------------------------------------------------------------------------------


def passages(text: str) -> list[Passage]:
    """Every passage of a page that a reader sees, but its code blocks."""
    text = text.partition(f"\n{GENERATED}")[0]
    return list(_passages(text, 1))


def _passages(text: str, first_line: int) -> Iterator[Passage]:
    tokens = _markdown().parse(text)
    kinds: list[str] = []
    header: list[str] = []
    row: list[Passage] = []
    above: list[Part] = []
    heading: list[Part] = []
    term: list[Part] = []
    row_line = first_line
    for token in tokens:
        if token.type == "front_matter":
            yield from _front_matter(token, first_line)
        elif token.type in ("fence", "colon_fence"):
            yield from _in_fence(token, first_line)
        elif token.nesting == 1:
            kinds.append(token.type.removesuffix("_open"))
            if token.type == "tr_open":
                row, row_line = [], first_line + token.map[0] if token.map else row_line
                if kinds[-2:-1] == ["thead"]:
                    header = []
        elif token.nesting == -1:
            kinds.pop()
            if token.type == "tr_close" and header:
                for passage in row:
                    passage.row = [each.parts for each in row]
                yield from row
        elif token.type == "inline":
            line = first_line + token.map[0] if token.map else row_line
            parts = list(_parts(token, line))
            if kinds[-1] == "th":
                header.append(" ".join(part.text if isinstance(part, Code) else part for part in parts).strip())
                yield Passage(parts, line, "header")
            elif kinds[-1] == "td":
                column = header[len(row)] if len(row) < len(header) else ""
                row.append(Passage(parts, line, "cell", column, columns=header, before=[*heading, ". ", *above]))
            elif kinds[-1] == "heading":
                heading, above = parts, []
                yield Passage(parts, line, "heading")
            else:
                listed = "list_item" in kinds or "dd" in kinds
                term = parts if kinds[-1] == "dt" else term if "dd" in kinds else []
                yield Passage(parts, line, kinds[-1], before=above if listed else [], term=term)
                if not listed:
                    above = parts


def _front_matter(token: Token, first_line: int) -> Iterator[Passage]:
    for number, line in enumerate(token.content.split("\n"), start=first_line + 1):
        if line.startswith(("job:", "description:")):
            yield Passage([line.partition(":")[2]], number, "front matter")


def _in_fence(token: Token, first_line: int) -> Iterator[Passage]:
    line = first_line + token.map[0]
    directive = _DIRECTIVE.match(token.info.strip())
    if not directive:
        if token.type == "colon_fence":
            yield from _passages(token.content, line + 1)
        return
    name, argument = directive["name"], directive["argument"]
    if name == "mermaid":
        yield Passage([token.content], line + 1, "diagram")
        return
    if name in releases.DIRECTIVES:
        yield Passage([name], line, "directive")
    yield from _in_options(token, argument, line)
    if name in ("glossary", "button-link", "button-ref"):
        parsed = parse_directive_text(_AnyDirective, argument, token.content)
        text = as_written(parsed.body, token.content)
        # The definition below a term is indented, without the colon of a definition list.
        text = re.sub(r"^(\S.*\n)  (?=\S)", r"\1: ", text, flags=re.MULTILINE) if name == "glossary" else text
        yield from _passages(text, line + 1 + parsed.body_offset)
    if DIRECTIVES.get(name) != PROSE:
        return
    if argument and name != "figure":
        yield from _passages(argument, line)
    if token.content.startswith(":::"):
        yield from _passages(token.content, line + 1)
        return
    parsed = parse_directive_text(_AnyDirective, argument, token.content)
    if name == "list-table":
        headed = parsed.options.get("header-rows", "0").strip() not in ("", "0")
        yield from _list_table(as_written(parsed.body, token.content), line + 1 + parsed.body_offset, headed)
        return
    yield from _passages(as_written(parsed.body, token.content), line + 1 + parsed.body_offset)


def _in_options(token: Token, argument: str, line: int) -> Iterator[Passage]:
    """What the options of a directive say, such as a block's caption, and why it is not run."""
    if token.content.startswith(":::"):
        return
    options = parse_directive_text(_AnyDirective, argument, token.content).options
    for name in TEXTS:
        if options.get(name):
            at = re.search(rf"^\s*:?{name}:", token.content, re.MULTILINE)
            yield from _passages(options[name], line + 1 + (token.content.count("\n", 0, at.start()) if at else 0))


def _list_table(text: str, first_line: int, headed: bool) -> Iterator[Passage]:
    """The cells of a table that is written as a list of lists, with the headers above them."""
    header: list[str] = []
    row: list[Passage] = []
    lists = 0
    for token in _markdown().parse(text):
        if token.type in ("fence", "colon_fence"):
            yield from _in_fence(token, first_line)
        lists += token.nesting if token.type.startswith("bullet_list") else 0
        if token.type == "inline":
            line = first_line + token.map[0]
            column = header[len(row)] if len(row) < len(header) else ""
            row.append(Passage(list(_parts(token, line)), line, "cell", column, columns=header))
        elif token.type == "list_item_close" and lists == 1:
            for passage in row:
                passage.row = [each.parts for each in row]
            yield from row
            if headed and not header:
                header = [flat(each.parts)[0].strip() for each in row]
            row = []


def _parts(token: Token, line: int) -> Iterator[Part]:
    """The parts of an inline token; markdown-it says no lines in it, so that they are counted in the source."""
    source, at = token.content, 0

    def seek(opening: str, length: int) -> int:
        nonlocal at, line
        found = source.find(opening, at)
        if found < 0:
            return line
        line += source.count("\n", at, found)
        here, end = line, found + length
        line += source.count("\n", found, end)
        at = end
        return here

    for child in token.children or ():
        if child.type == "code_inline":
            opening = source.find(child.markup, at)
            closing = source.find(child.markup, opening + len(child.markup)) if opening >= 0 else -1
            here = seek(child.markup, closing + len(child.markup) - opening if closing >= 0 else 0)
            yield Code(child.content, here)
        elif child.type == "myst_role":
            name = child.meta["name"]
            opening = f"{{{name}}}`"
            here = seek(opening, len(opening) + len(child.content) + 1)
            found = re.fullmatch(r"(?P<text>.*?)\s*<(?P<target>[^<>]+)>", child.content, re.S)
            if name == releases.ROLE:
                yield Code(child.content, here, name)
            elif name in NAMING_ROLES:
                yield Code(" ".join((found["target"] if found else child.content).split()), here, name)
            elif name in CODE_ROLES:
                # What stands in braces is for the reader to choose.
                text = re.sub(r"\{\w+\}", "NAME", child.content) if name in ("samp", "file") else child.content
                yield Code(text, here, noun=CODE_ROLES[name])
            else:
                yield found["text"] if found else child.content
        elif child.type in ("softbreak", "hardbreak"):
            yield " "
        elif child.type == "text" or child.type == "image":
            yield child.content
    return


def sentences(parts: Sequence[Part]) -> list[list[Part]]:
    """The sentences of a passage."""
    found: list[list[Part]] = [[]]
    for part in parts:
        if isinstance(part, Code):
            found[-1].append(part)
            continue
        text = part
        pieces = _SENTENCE.split(f"{text}\0" if text.endswith((". ", "? ", "! ")) else text)
        for number, piece in enumerate(pieces):
            if number:
                found.append([])
            found[-1].append(piece.removesuffix("\0"))
    return [sentence for sentence in found if sentence]


def flat(parts: Iterable[Part]) -> tuple[str, list[Code]]:
    """The text of some parts with a NUL for each code, and the codes."""
    codes = [part for part in parts if isinstance(part, Code)]
    return "".join("\0" if isinstance(part, Code) else part for part in parts), codes


# -- Judging it ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scope:
    """What a sentence is about, for the flags and settings in it: commands with their flags, and their names."""

    flags: dict[str, dict[str, str]]
    classes: tuple[str, ...] = ()
    weak: dict[str, dict[str, str]] = field(default_factory=dict)
    owners: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.flags)


class Prose:
    """Looks up the prose of pages.

    Args:
        docs: the site's source directory, with its ``_data``.
    """

    def __init__(self, docs: Path) -> None:
        data = docs / "_data"
        # A site that tests have made has no data of its own: the names are those of the release all the same.
        data = data if (data / "names.json").is_file() else DATA
        self.known = known(data)
        self.releases = releases.load(data)
        self.exceptions_file = docs / "_data" / "prose-exceptions.toml"

    @cached_property
    def exceptions(self) -> list[dict[str, str | list[str]]]:
        """What may stand although it does not exist: the page (or "*" for all), the names, and the reason."""
        path = self.exceptions_file
        return tomllib.loads(path.read_text(encoding="utf-8")).get("exception", []) if path.is_file() else []

    def check(self, page: Page) -> int:
        """Look up a page's names.

        Returns:
            How many inline codes were looked up.

        Raises:
            Failure: names that do not exist, or claims that are wrong, each with its line.
        """
        judged = self.judge(page)
        if judged.faults:
            rows = "\n".join(f"    {page.label}:{fault.line}: {fault.message}" for fault in judged.faults)
            raise Failure(
                f"the prose names what does not exist, or says of it what is not so:\n{rows}\n"
                "A name that is meant to be wrong gets an entry, with the reason, in docs/_data/prose-exceptions.toml",
                judged.faults[0].line,
            )
        return judged.looked_up

    def judge(self, page: Page) -> Judged:
        """What a page's prose comes to."""
        excused = {name for each in self.exceptions if each["page"] in (page.name, "*") for name in each["names"]}
        look = _Look(self, page, frozenset(excused))
        found: list[Fault] = []
        for passage in passages(page.text):
            found += look.passage(passage)
        faults = [fault for fault in dict.fromkeys(found) if fault.name not in excused]
        return Judged(look.count, tuple(faults), frozenset(({fault.name for fault in found} & excused) | look.used))


@cache
def known(data: Path) -> Known:
    """What exists, read once from a site's data."""
    return Known(data)


class _Look:
    """The look-ups of one page."""

    def __init__(self, prose: Prose, page: Page, excused: frozenset[str]) -> None:
        self.excused = excused
        self.used: set[str] = set()
        self.known = prose.known
        self.gym = f"NeMo Gym {self.known.version}"
        self.releases = prose.releases
        self.page = page
        self.own, self.chain = own_names(page)
        self.count = 0

    # ------------------------------------------------------------------------------------- a passage

    def passage(self, passage: Passage) -> Iterator[Fault]:
        if passage.kind == "diagram":
            yield from self._diagram(passage.parts[0], passage.line)
            return
        if passage.kind == "directive":
            name = str(passage.parts[0])
            yield Fault(passage.line, name, releases.refused_directive(name))
            return
        scope = Scope({})
        yield from self._term(passage)
        subject: list[Part] = passage.term
        for sentence in sentences(passage.parts):
            yield from self._its_default(sentence, subject, passage.line, scope)
            subject = sentence if any(isinstance(part, Code) for part in sentence) else subject
            own = self.scope_of(sentence)
            scope = own if own else Scope(scope.flags, own.classes or scope.classes, own.weak, own.owners)
            yield from self._sentence(sentence, passage, scope)
        if passage.kind == "cell":
            yield from self._default_cell(passage)

    def _sentence(self, sentence: list[Part], passage: Passage, scope: Scope) -> Iterator[Fault]:
        if not scope and passage.kind == "cell":
            scope = self.scope_of([part for cell in passage.row for part in cell])
        if not scope and passage.before:
            for each in reversed(sentences(passage.before)):
                above = self.scope_of(each)
                weak = scope.weak | above.weak
                scope = scope if scope else Scope(above.flags, above.classes, weak, scope.owners or above.owners)
        line = next((part.line for part in sentence if isinstance(part, Code)), passage.line)
        for number, part in enumerate(sentence):
            if isinstance(part, str):
                # What a generated page is about is told in words of the release's own.
                generated = passage.kind == "front matter" and GENERATED in self.page.text
                yield from self._plain(part, line, names=not generated)
                continue
            line = part.line
            self.count += 1
            if part.role == releases.ROLE:
                fault = releases.fault_of(part.text, self.releases, self.known.version)
                if fault:
                    yield Fault(part.line, part.text, fault)
            elif not part.role:
                before = sentence[number - 1] if number and isinstance(sentence[number - 1], str) else ""
                behind = sentence[number + 1] if number + 1 < len(sentence) else ""
                noun = part.noun or self._noun(before, behind if isinstance(behind, str) else "", passage)
                for message in self.code(part.text, scope, noun):
                    yield Fault(part.line, part.text, message)
        text, codes = flat(sentence)
        yield from self._claims(text, codes, passage.line, scope)

    def _noun(self, before: str, behind: str, passage: Passage) -> str:
        found = _BEFORE.search(before) or _BEHIND.search(behind)
        if found is None and passage.kind == "cell":
            found = _HEADER.fullmatch(passage.column)
        return NOUNS[found["noun"].lower()] if found else ""

    def scope_of(self, parts: Sequence[Part]) -> Scope:
        """The commands that some parts name, with their flags; of a program that prose only mentions, as weak ones."""
        flags: dict[str, dict[str, str]] = {}
        weak: dict[str, dict[str, str]] = {}
        owners: list[str] = []
        classes: list[str] = []
        for part in parts:
            if isinstance(part, str):
                for title in self.known.titles.finditer(part):
                    of = flags if title["own"] else weak
                    of |= {name: dict.fromkeys(own, "") for name, own in self.known.by_title[title["title"]].items()}
                continue
            if part.role in ("setting", "source"):
                classes += self.known.classes.get(part.text.split(".")[-2 if "." in part.text else -1], [])
                classes += self.known.classes.get(part.text.rpartition(".")[2], [])
            owners += self.known.of_component(part.text)
            typed = self._typed(part.text)
            if len(typed) > 1:
                inner = self.scope_of([Code(each, part.line) for each in typed])
                flags |= inner.flags
                classes += inner.classes
                continue
            words = typed[0].split()
            name = self._command_name(typed[0])
            if name is not None:
                command = self.known.commands[name]
                group = [each for each in self.known.commands.values() if each.name.startswith(f"{name} ")]
                for each in [command, *([] if command.classes or name.startswith("ng_") else group)]:
                    flags[each.name] = dict(each.flags)
                    classes += each.classes
            elif words and words[0] in self.known.programs:
                program = self.known.programs[words[0]]
                length = program.length(words)
                chosen = " ".join(words[:length]) if length else words[0]
                for each, own in program.commands.items():
                    if each == chosen or (length <= 1 and len(words) == 1):
                        flags[each] = dict.fromkeys(own, "")
            else:
                for word in words:
                    script = word.rpartition("/")[2]
                    if script.endswith(".py") and script in self.chain.scripts:
                        flags[script] = self.chain.scripts[script]
        return Scope(flags, tuple(classes), weak, tuple(owners))

    def _typed(self, text: str) -> list[str]:
        """The commands that a code types, each without what runs it."""
        return commands(text, self._is_program)

    def _is_program(self, word: str) -> bool:
        """Whether a word starts a command whose words are known."""
        old = word in self.known.commands or self._is_old_command(word)
        return old or word in self.known.programs or word in ("python", "python3")

    def _is_old_command(self, word: str) -> bool:
        return bool(re.fullmatch(r"ng_\w+", word)) and word not in self.known.words and word not in self.chain.words

    def _command_name(self, text: str) -> str | None:
        """The longest ``gym`` command, or old name, that a text begins with."""
        words = text.split()
        for length in range(min(len(words), 3), 0, -1):
            if " ".join(words[:length]) in self.known.commands:
                return " ".join(words[:length])
        return None

    @cached_property
    def page_scope(self) -> Scope:
        """The commands of the page's snippets, for a flag beside which no command is named."""
        parts: list[Part] = [Code(command, 0) for command in self.chain.commands]
        parts += [Code(found, 0) for found in re.findall(r"\{gym\}`([^`]+)`", self.page.text)]
        parts += [Code(name, 0) for name in self.chain.scripts if name]
        parts += [self.page.text]
        found = self.scope_of(parts)
        loose = self.chain.scripts.get("", {})
        return Scope(found.flags | found.weak | ({"": loose} if loose else {}), found.classes)

    # --------------------------------------------------------------------------------------- a code

    def code(self, text: str, scope: Scope, noun: str = "") -> Iterator[str]:
        """What is wrong with a piece of code: a message for each name in it that does not exist."""
        text = text.strip()
        if not re.search(r"[A-Za-z]", text):
            return
        if text in self.excused:
            self.used.add(text)
            return
        if wrong := releases.wrong_pin(text, self.known.version):
            yield wrong
        text = re.sub(r"^[$>] (?=\w)", "", text)
        typed = self._typed(text)
        if len(typed) > 1:
            for each in typed:
                known = self._is_program(each.split()[0]) or all(_ASSIGNED.fullmatch(word) for word in each.split())
                yield from self.code(each, scope, noun) if known else self._inside(each)
            return
        text = typed[0].strip()
        words = text.split()
        if text.startswith("-") and FLAG.match(text):
            yield from self._flags(text, scope)
        elif noun == "flag" and re.fullmatch(r"[\w-]+", text):
            yield from self._flags(f"--{text}", scope)
        elif words[0] == "gym" or words[0] in self.known.commands or self._is_old_command(words[0]):
            yield from self._gym(text)
        elif words[0] in self.known.programs and (len(words) > 1 or noun == "command"):
            yield from self._program(words)
        elif words[0] in ("python", "python3") and len(words) > 1:
            yield from self._script(words)
        elif noun == "command" and re.fullmatch(r"[a-z][\w-]*", words[0]) and not self._is_own(text):
            yield from self._subcommand(words)
        elif len(words) > 1 and all(_ASSIGNED.fullmatch(word) for word in words):
            for word in words:
                yield from self.code(word, scope)
        elif request := re.fullmatch(r"(?:GET|POST|PUT|DELETE|PATCH) (?P<path>/\S*)", text):
            yield from self._path(request["path"])
        elif words[0] == "export" and len(words) > 1:
            yield from self._variable(words[1].partition("=")[0], strict=True)
        elif (found := _SETTING.fullmatch(text)) and "://" not in text and not text.endswith(":"):
            yield from self._setting(found, text, scope)
        elif len(words) > 1:
            yield from self._phrase(text)
        else:
            yield from self._name(text, noun)

    def _flags(self, text: str, scope: Scope) -> Iterator[str]:
        if not self._looks_like_flags(text):
            yield from self._phrase(text)
            return
        flags = FLAG.findall(text)
        where = scope or self.page_scope or self._all_commands()
        for flag in flags:
            if any(flag in own for own in [*where.flags.values(), *scope.weak.values()]):
                continue
            having = sorted(name for name, own in self._everything().items() if flag in own)
            names = " or ".join(f"`{name}`" for name in sorted(where.flags)[:3] if name) or "any program of this page"
            if having and scope:
                yield (
                    f"`{flag}` is no flag of {names}, which the sentence names; it is one of `{having[0]}`. "
                    f"Name that command beside it, or write {{gym}}`{having[0]} {flag}`"
                )
            elif having:
                yield f"`{flag}` is no flag of a command that this page names or runs; it is one of `{having[0]}`"
            else:
                near = nearest(flag, (each for own in where.flags.values() for each in own)) or nearest(
                    flag, (each for own in self._everything().values() for each in own)
                )
                yield f"no flag `{flag}`{_hint(near)}"
        chosen = list(self._choices(text.split(), {name: self._choices_of(name) for name in where.flags}))
        yield from chosen
        for value in FLAG.sub(" ", text).split() if not chosen else ():
            yield from self._value(value)

    def _choices_of(self, name: str) -> dict[str, tuple[str, ...]]:
        return dict(self.known.commands[name].choices) if name in self.known.commands else {}

    def _choices(self, words: list[str], where: dict[str, dict[str, tuple[str, ...]]]) -> Iterator[str]:
        """Each value of a flag that is none of its choices, in any of some commands that have the flag."""
        for word, after in pairwise([*words, ""]):
            flag, _, value = word.partition("=")
            value = value or after
            if not FLAG.fullmatch(flag) or not re.fullmatch(r"[a-z][\w-]*", value):
                continue
            commands_of = self.known.commands
            having = [name for name in where if name not in commands_of or flag in commands_of[name].flags]
            known = [where[name].get(flag, ()) for name in having]
            if known and all(known) and not any(value in each for each in known):
                choices = sorted({choice for each in known for choice in each})
                names, hint = ", ".join(f"`{choice}`" for choice in choices), _hint(nearest(value, choices))
                yield f"`{flag}` of `{having[0]}` takes {names}; the page says `{value}`{hint}"

    @staticmethod
    def _looks_like_flags(text: str) -> bool:
        """Whether a text is flags with values, not a message that begins with one."""
        loose = 0
        for word in text.split():
            loose = 0 if word.startswith("-") else loose + 1
            if loose > 2:
                return False
        return True

    def _all_commands(self) -> Scope:
        return Scope({name: dict(each.flags) for name, each in self.known.commands.items()})

    def _everything(self) -> dict[str, dict[str, str]]:
        found = self._all_commands().flags
        for program in self.known.programs.values():
            found |= {name: dict.fromkeys(flags, "") for name, flags in program.commands.items()}
        return found | self.chain.scripts

    def _gym(self, text: str) -> Iterator[str]:
        if ":" in text and not FLAG.search(text.partition(":")[0]) and len(text.split()) > 6:
            yield from self._phrase(text.partition(": ")[2])  # an error message that begins with the command
            return
        try:
            words = shlex.split(text)
        except ValueError:
            words = text.split()
        name = self._command_name(" ".join(words)) or ""
        rest = words[len(name.split()) :]
        if not name:
            near = nearest(words[0], self.known.commands)
            yield f"no command `{words[0]}` in {self.gym}{_hint(near)}"
            return
        command = self.known.commands[name]
        if command.inner and rest and re.fullmatch(r"[a-z][\w-]*", rest[0]) and rest[0] not in command.inner:
            near = nearest(rest[0], command.inner)
            hint = _hint(f"{name} {near}" if near else None)
            yield f"no command `{name} {rest[0]}` in {self.gym}{hint}"
            return
        chosen = list(self._choices(rest, {name: dict(command.choices)}))
        yield from chosen
        flags = [word.partition("=")[0] for word in rest if FLAG.match(word)]
        if flags:
            yield from self._flags(" ".join(flags), Scope({name: dict(command.flags)}, command.classes))
        scope = Scope({name: dict(command.flags)}, command.classes)
        for word in rest if not chosen else ():
            if not FLAG.match(word) and not re.fullmatch(r"[\d.,]+", word) and word not in command.inner:
                found = _SETTING.fullmatch(word)
                yield from self._setting(found, word, scope) if found and "=" in word else self._value(word)

    def _program(self, words: list[str]) -> Iterator[str]:
        program = self.known.programs[words[0]]
        length = program.length(words)
        version = f"{program.title} {program.versions[0]}"
        name = " ".join(words[:length]) or words[0]
        below = [each.split() for each in program.commands if each.startswith(f"{name} ")]
        inner = {each[length] for each in below if len(each) > length}
        rest = words[max(length, 1) :]
        if inner and rest and not rest[0].startswith("-"):
            near = nearest(rest[0], inner)
            yield f"no command `{name} {rest[0]}` in {version}{_hint(f'{name} {near}' if near else None)}"
            return
        own = set(program.commands.get(name, ())) | set(program.commands.get(words[0], ()))
        for word in (each.strip("()\"'") for each in rest):
            if word == "--":
                break
            if FLAG.match(word) and word.partition("=")[0] not in own:
                yield f"no flag `{word}` of `{name}` in {version}{_hint(nearest(word, own))}"

    def _script(self, words: list[str]) -> Iterator[str]:
        if words[1] == "-m" and len(words) > 2:
            if not self.known.dotted(words[2]) and words[2] not in self.known.words and not self._is_own(words[2]):
                yield f"no module `{words[2]}`{_hint(nearest(words[2], self.known.symbols))}"
            return
        script = words[1].rpartition("/")[2]
        if script.endswith(".py"):
            yield from self._path(words[1])
            own = self.chain.scripts.get(script, {})
            for word in words[2:]:
                if FLAG.match(word) and own and word.partition("=")[0] not in own:
                    yield f"`{script}` has no flag `{word}`{_hint(nearest(word, own))}"

    def _subcommand(self, words: list[str]) -> Iterator[str]:
        last = {name.split()[-1] for name in self.known.commands}
        if words[0] not in last and words[0] not in self.known.programs:
            yield (
                f"`{words[0]}` is no command of {self.gym}, and no program that docs/_data/programs.toml knows"
                f"{_hint(nearest(words[0], [*last, *self.known.commands, *self.known.programs]))}"
            )

    def _setting(self, found: re.Match[str], text: str, scope: Scope) -> Iterator[str]:
        key, value = found["key"], found["value"]
        if self._is_own(text) or _PLACEHOLDER.fullmatch(key) or key in ("key", "x", "name"):
            return
        if _VARIABLE.fullmatch(key):
            yield from self._variable(key, strict=" " not in text)
        elif "." in key or "*" in key:
            yield from self._dots(key)
        elif " " in text and text.count(" ") > 3:
            yield from self._phrase(text)
            return
        elif key not in self.known.keys and key not in self.chain.words and key not in self.known.words:
            yield f"no key or field `{key}` in {self.gym}, nor in this page's snippets{self._near_key(key)}"
        elif found["plus"] and scope.classes and "." not in key:
            yield from self._override(key, scope)
        yield from self._value(value)

    def _override(self, key: str, scope: Scope) -> Iterator[str]:
        fields = {name for path in scope.classes for name in self.known.fields(path)}
        if not fields or key in fields or key in self.known.found["settings"] or key in self.chain.words:
            return
        if any(key in self.known.fields(path) for path in self.known.found["classes"]) or key not in self.known.words:
            commands = " or ".join(f"`{name}`" for name in list(scope.flags)[:3])
            yield f"`{key}` is no setting that {commands} reads{_hint(nearest(key, fields))}"

    def _value(self, value: str) -> Iterator[str]:
        """A value: only what has the shape of a name is looked up."""
        value = value.strip("\"'")
        if re.fullmatch(r"[A-Za-z_][\w.-]*", value) and ("_" in value or "-" not in value):
            yield from self._name(value, "")
        elif "/" in value and "://" not in value and "$" not in value and re.fullmatch(r"[\w./*-]+", value):
            yield from self._path(value)

    def _name(self, text: str, noun: str) -> Iterator[str]:
        bare = text.rstrip("()").strip("\"'").rstrip(":,;")
        if not bare or _PLACEHOLDER.fullmatch(bare) or self._is_program_word(bare):
            return
        if noun == "server" and re.fullmatch(r"[a-z]\w*", bare):
            yield from self._server(bare)
        elif noun == "variable" and re.fullmatch(r"[A-Z][A-Z0-9_]*", bare):
            yield from self._variable(bare, strict=True)
        elif _VARIABLE.fullmatch(bare):
            yield from self._variable(bare)
        elif "://" in bare or re.fullmatch(r"[\d.:]+", bare) or bare.startswith(("<", "[", "{", "$")):
            yield from self._inside(bare)
        elif "/" in bare or _SUFFIX.search(bare) or bare.startswith("~"):
            yield from self._path(bare)
        elif _DOTTED.fullmatch(bare) or "*" in bare:
            yield from self._dots(bare)
        elif re.fullmatch(r"[A-Za-z_]\w*", bare):
            yield from self._word(bare, noun)
        elif re.fullmatch(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+", bare):
            if self.known.words.isdisjoint((bare, bare.replace("-", "_"))) and not self._is_own(bare):
                yield f"`{bare}` is no name of {self.gym}, nor in this page's snippets{self._near_key(bare)}"
        else:
            yield from self._inside(bare)

    def _inside(self, text: str) -> Iterator[str]:
        """A piece of code that is more than a name: each name in it."""
        if self._is_own(text):
            return
        for found in re.finditer(r"\$\{oc\.env:(\w+)|\$\{?([A-Za-z_]\w*)", text):
            name = found[1] or found[2]
            if found[1] or _VARIABLE.fullmatch(name):
                yield from self._variable(name, strict=True)
            elif name not in ("oc", "now"):
                yield from self._word(name, "")
        if address := re.fullmatch(r"https?://(?:127\.0\.0\.1|localhost)[^/]*(?P<path>/\S+)", text):
            yield from self._path(address["path"])
        for found in _SUBSCRIPTS.finditer(text):
            names = re.findall(r"\w+", found[0])
            yield from self._dots(".".join(names)) if len(names) > 1 else self._word(names[0], "")
        for found in re.finditer(r"""["']([A-Za-z_]\w*)["']\s*:""", text):
            yield from self._word(found[1], "")
        for found in _CALL.finditer(text):
            yield from self._arguments(found["name"], re.findall(r"(\w+)\s*=[^=]", found["arguments"]))
        rest = re.sub(r"\$\{[^}]*\}?|\w+://\S*|<[^>]*>|[\"'][^\"']*[\"']", " ", text)
        for found in re.finditer(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", rest):
            name = found[0]
            if _PLACEHOLDER.fullmatch(name) or len(name) < 3:
                continue
            if "." in name:
                yield from self._dots(name)
            elif "_" in name or re.search(r"[a-z][A-Z]", name):
                yield from self._word(name, "")

    def _arguments(self, name: str, given: list[str]) -> Iterator[str]:
        """The arguments of a call by name: of a class, its fields; of anything else, words that exist."""
        paths = [path for path in self.known.classes.get(name, []) if path in self.known.symbols]
        for each in given:
            if paths and name not in self.chain.words:
                if not any(self.known.has_attribute(path, each) for path in paths):
                    yield f"`{name}` has no field `{each}` in {self.gym}{self._near_field(each, paths)}"
            else:
                yield from self._word(each, "")

    def _near_field(self, name: str, paths: Iterable[str]) -> str:
        heads = tuple(f"{base}." for path in paths for base in self.known.bases(path))
        own = {path.rpartition(".")[2] for path in self.known.symbols if path.startswith(heads)}
        return _hint(nearest(name, own | {field for path in paths for field in self.known.fields(path)}))

    def _word(self, word: str, noun: str) -> Iterator[str]:
        if noun == "class" and word[0].isupper():
            if word not in self.known.classes and word not in self.chain.words and not hasattr(__builtins__, word):
                yield f"no class `{word}` in {self.gym}{_hint(nearest(word, self.known.classes))}"
            return
        if word in self.known.words or word in self.chain.words or word in methods() or len(word) < 2:
            return
        if word.isdigit() or word in ("NaN", "nan", "inf", "true", "false", "null", "TBD"):
            return
        if word.endswith("_") and any(each.startswith(word) for each in self.known.keys | set(self.known.commands)):
            return
        if word.startswith("_") and any(each.endswith(word) for each in self.known.keys):
            return
        yield f"`{word}` is no name of {self.gym}, nor in this page's snippets{self._near_key(word)}"

    def _server(self, word: str) -> Iterator[str]:
        instance = not self.known.pairs.get(word, frozenset()).isdisjoint(KINDS)
        if word in self.known.components or instance or word in self.chain.words or word == "gym":
            return
        yield f"no server `{word}` comes with {self.gym}{_hint(nearest(word, self.known.components))}"

    def _variable(self, name: str, strict: bool = False) -> Iterator[str]:
        if name in self.known.environment or name in self.chain.words:
            return
        if not strict and name in self.known.words:
            return
        near = nearest(name, self.known.environment)
        yield f"nothing of {self.gym}, of this page or of a program that it names reads `{name}`{_hint(near)}"

    def _dots(self, name: str) -> Iterator[str]:
        if self._is_own(name) or self.known.dotted(name):
            return
        parts = name.split(".")
        if len(parts) == 2 and parts[0] in self.chain.words and parts[1] in model_attributes() | methods():
            return
        if parts[0] not in ("nemo_gym", *KINDS) and not parts[0][:1].isupper() and self._own_pairs(parts):
            return
        last = parts[-1]
        same = [path for path in self.known.symbols if path.rpartition(".")[2] == last]
        if parts[0] in self.known.classes:
            fields = [f"{parts[0]}.{each}" for path in self.known.classes[parts[0]] for each in self.known.fields(path)]
            near = nearest(name, fields)
        elif parts[0] in ("nemo_gym", *KINDS):
            near = nearest(name, same)
            near = near or nearest(name, (path for path in self.known.symbols if path.startswith(parts[0])))
        else:
            near = nearest(name, self.known.other_paths) or nearest(
                name, (f"{parts[0]}.{inner}" for inner in self.known.pairs.get(parts[0], ()))
            )
        yield f"no `{name}` in {self.gym}, nor in this page's snippets{_hint(near)}"

    def _own_pairs(self, parts: list[str]) -> bool:
        """Whether each part of a dotted name is known below the one before it, or stands so in the snippets."""
        return all(
            inner in self.known.pairs.get(outer, ())
            or (outer in self.known.components and inner in self.known.keys)
            or (outer in self.chain.words and outer not in self.known.pairs and inner in self.chain.words)
            or f"{outer}.{inner}" in self.chain.text
            or re.search(rf"""["']?{outer}["']?\s*[:\]]\s*\{{?\[?\s*["']?{inner}\b""", self.chain.text)
            or re.search(rf"""\["{outer}"\]\["{inner}"\]""", self.chain.text)
            for outer, inner in pairwise(parts)
        )

    def _path(self, path: str) -> Iterator[str]:
        bare = path.removeprefix("./").rstrip("/").partition("?")[0]
        name = bare.rpartition("/")[2]
        if self._is_own(bare) or not bare:
            return
        if path.startswith("/") and not _SUFFIX.search(path):  # an address of a server, or a folder of the system
            if path.count("/") > 1 and path.startswith(("/tmp", "/dev", "/etc", "/proc")):
                return
            routes = {*self.known.found["routes"], "/", "/v1", "/health", "/docs"}
            bare_path = "/" + bare.strip("/")
            known_route = any(re.fullmatch(re.sub(r"\{[^}]*\}", "[^/]+", route), bare_path) for route in routes)
            if not known_route and f'"{bare_path}' not in self.chain.text and bare_path not in self.chain.text:
                yield f"no address `{path}` of a server in {self.gym}{_hint(nearest(bare_path, routes))}"
            return
        if (self.page.docs.parent / bare).exists() or bare.startswith("~"):
            return
        top = bare.split("/")[0]
        pattern = re.sub(r"\b[A-Z_]{2,}\b|<[^>]*>|\.\.\.", "*", bare)
        if top in ("nemo_gym", *self.known.found["components"]):
            files = self.known.files
            if bare not in files and not ("*" in pattern and any(fnmatchcase(each, pattern) for each in files)):
                yield f"no file or folder `{bare}` in the wheel of {self.gym}{_hint(nearest(bare, files))}"
            return
        known_file = name in self.known.file_names or name in self.chain.files
        if "/" not in bare and known_file:
            return
        folders = re.findall(r"[\w*-]+", bare.rpartition("/")[0])
        if folders and name in self.chain.files and self.chain.words.issuperset(folders):
            return
        stem = _PLACEHOLDER.sub("*", name).rpartition("*")[2]
        if stem != name and _SUFFIX.fullmatch(stem):  # any file of that kind, such as X.jsonl
            return
        if name.startswith(".") and name.count(".") == 1 and name in self.chain.text + messages():
            return
        stem = re.sub(r"^(?:[a-z]+|X)(?=_)", "", stem)  # a run's own name, such as that of rollouts_failures.jsonl
        if _SUFFIX.search(name) and len(stem) > 6 and (stem in self.chain.text or stem in messages()):
            return
        words = {*self.known.words, *self.chain.words, "*"}
        if not _SUFFIX.search(name) and words.issuperset(re.findall(r"[\w*-]+", bare)):
            return
        near = nearest(name, [*self.chain.files, *self.known.file_names])
        yield f"no file `{bare}`: no snippet of this page saves it, and {self.gym} has none of the name{_hint(near)}"

    def _phrase(self, text: str) -> Iterator[str]:
        """A message, or an expression: it stands in a snippet or in the release, or each name in it exists."""
        if self._is_own(text) or self._is_said(text):
            return
        for found in FLAG.findall(text):
            if found.startswith("--"):
                yield from self._flags(found, Scope({}))
        yield from self._inside(text)
        if not re.search(r"[=(){}\[\]$|<>+*/]", text):
            yield (f"no program that this page runs, and no source of {self.gym}, says `{text}`")

    def _is_said(self, text: str) -> bool:
        """Whether the release, or another program, prints a text; what varies in it stands as `...`, or in quotes."""
        fragments = [
            " ".join(each.split()) for each in re.split(r"\.\.\.|\[\.\.\.\]|'[^']*'|\"[^\"]*\"|\d[\d.]*|[:;,] ", text)
        ]
        fragments = [each.strip(" ()[].'\"") for each in fragments]
        wanted = [each for each in fragments if len(each) > 5] or [text]
        others = "\n".join(line for program in self.known.programs.values() for line in program.says)
        sources = f"{self.chain.text}\n{others}\n{messages()}"
        return all(each in sources for each in wanted)

    def _is_own(self, text: str) -> bool:
        """Whether a text stands just so in the snippets of the page, or of those that it builds on or links to."""
        pattern = re.escape(text).replace(r"\.\.\.", ".*?").replace(r"\ ", r"\s+")
        edge = r"(?<![\w-])" if text[:1].isalnum() or text[:1] in "-_" else ""
        end = r"(?![\w-])" if text[-1:].isalnum() or text[-1:] == "_" else ""
        return bool(re.search(f"{edge}{pattern}{end}", self.chain.text))

    def _is_program_word(self, word: str) -> bool:
        return any(
            word in (program.name, program.title)
            or word in program.commands
            or (word in program.names and self._is_about(program))
            for program in self.known.programs.values()
        )

    def _is_about(self, program: Program) -> bool:
        """Whether the names of a program count on this page: those of a framework do where the page is about it."""
        if not program.runs_in:
            return True
        return program.runs_in == self.page.front_matter.get("environment") or bool(
            re.search(rf"(?<![\w-]){re.escape(program.title)}(?![\w-])", self.page.text)
        )

    def _near_key(self, word: str) -> str:
        others = {*self.chain.words, *self.known.keys, *self.known.found["words"]}
        for program in self.known.programs.values():
            others |= program.names if self._is_about(program) else set()
        return _hint(nearest(word, self.known.components) or nearest(word, others))

    # ------------------------------------------------------------------------------------- plain text

    def _plain(self, text: str, line: int, names: bool = True) -> Iterator[Fault]:
        """Flags, commands and names outside code: in a heading of a page, where backticks were forgotten."""
        for found in _PLAIN_COMMAND.finditer(text):
            # "the gym search for better rewards" is English, "the gym eval rum" is nearly a command.
            english = _ARTICLE.search(text[: found.start()])
            for message in self._gym(found[0]):
                if not english or "nearest" in message:
                    yield Fault(line + text.count("\n", 0, found.start()), found[0], message)
        for found in _PLAIN_FLAG.finditer(text):
            for message in self._flags(found[0], Scope({})):
                yield Fault(line + text.count("\n", 0, found.start()), found[0], message)
        if names:
            yield from self._plain_names(text, line)

    def _plain_names(self, text: str, line: int) -> Iterator[Fault]:
        for found in _PLAIN_NAME.finditer(text):
            if not found[0].startswith("ng_"):  # a command, as which it was judged
                for message in self.code(found[0], Scope({})):
                    yield Fault(line + text.count("\n", 0, found.start()), found[0], message)

    def _diagram(self, text: str, line: int) -> Iterator[Fault]:
        """What a diagram shows. The names of its nodes are nobody's, and a label may begin with the word gym."""
        yield from self._plain(text, line, names=False)
        for found in _LABEL.finditer(text):
            at, label = line + text.count("\n", 0, found.start("label")), found["label"].strip()
            if _GYM_WORDS.fullmatch(label) and not _PLAIN_COMMAND.match(label):
                yield from (Fault(at, label, message) for message in self._gym(label))
            yield from self._plain_names(label, at)

    # ----------------------------------------------------------------------------------------- claims

    def _claims(self, text: str, codes: list[Code], line: int, scope: Scope) -> Iterator[Fault]:
        titles = {program.title: program.versions for program in self.known.programs.values()}
        shown = [code.text for code in codes if code.role != releases.ROLE]
        for found, message in releases.bare_claims(text, self.releases, self.known.version, titles, shown):
            yield Fault(line, found, message)
        for found, message in releases.wrong_versions(
            text, self.known.version, self.known.found["requires_python"], titles, self.chain.text
        ):
            yield Fault(line, found, message)
        for found in re.finditer(r"(?P<a>\0) is the default\b|\bthe default is (?P<b>\0)", text, re.IGNORECASE):
            code = codes[text.count("\0", 0, found.start("a" if found["a"] else "b"))]
            setting = re.fullmatch(r"\+{0,2}(?P<key>[\w.]+)\s?[:=]\s?(?P<value>\S+)", code.text)
            if setting and (message := self._default_fault(Code(setting["key"], code.line), setting["value"], scope)):
                yield Fault(code.line, code.text, message)
        yield from self._belongings(text, codes)
        yield from self._alike(text, codes)
        for pattern in _DEFAULTS:
            for found in pattern.finditer(text):
                name = codes[text.count("\0", 0, found.start("name"))]
                value = found["value"]
                if value == "\0":
                    value = codes[text.count("\0", 0, found.start("value"))].text
                message = self._default_fault(name, value, scope)
                if message:
                    yield Fault(name.line, f"{name.text} = {value}", message)

    def _alike(self, text: str, codes: list[Code]) -> Iterator[Fault]:
        """Each flag that a sentence says several commands have, where one of them has not."""
        for found in _ALIKE.finditer(text):
            first, middle = text.count("\0", 0, found.start()), text.count("\0", 0, found.start("flags"))
            names = [self._command_name(typed) for code in codes[first:middle] for typed in self._typed(code.text)[-1:]]
            for flag in codes[middle : text.count("\0", 0, found.end())]:
                bare = flag.text.split()[0].partition("=")[0]
                for name in names if FLAG.fullmatch(bare) and all(names) else ():
                    command = self.known.commands[name or ""]
                    if name in self.known.found["commands"] and bare not in command.flags:
                        hint = _hint(nearest(bare, command.flags))
                        message = f"the sentence says that `{name}` has a flag `{bare}`; {self.gym} has none{hint}"
                        yield Fault(flag.line, flag.text, message)

    def _belongings(self, text: str, codes: list[Code]) -> Iterator[Fault]:
        """Each field that a sentence says a class has, and the class has not."""
        for pattern in _BELONGS:
            for found in pattern.finditer(text):
                owner, own = (codes[text.count("\0", 0, found.start(name))] for name in ("owner", "field"))
                name = own.text.rpartition(".")[2]
                if own.role not in ("", "setting") or not re.fullmatch(r"[a-z_]\w*", name):
                    continue
                paths = self.known.classes.get(owner.text.rpartition(".")[2], [])
                paths = [path for path in paths if path in self.known.symbols]
                if owner.text in self.known.components and name in self.known.keys:
                    if not self.known.component_has(owner.text, name):
                        yield Fault(own.line, own.text, f"nothing of `{owner.text}` in {self.gym} has a `{name}`")
                elif paths and not any(self.known.has_attribute(path, name) for path in paths):
                    message = f"`{owner.text}` has no `{name}` in {self.gym}{self._near_field(name, paths)}"
                    yield Fault(own.line, own.text, message)

    def _term(self, passage: Passage) -> Iterator[Fault]:
        """A term that is nearly a server's name and is defined as a server: it may stand there without backticks."""
        term, codes = flat(passage.term)
        if codes or not re.fullmatch(r"[a-z]\w*", term) or term in self.known.words or term in self.chain.words:
            return
        defined = re.match(r"\s*(?:an?|the) (?:\w+ )?(?:server|agent)\b", flat(passage.parts)[0], re.IGNORECASE)
        near = difflib.get_close_matches(term, self.known.components, n=1, cutoff=0.75)
        if defined and near:
            yield Fault(passage.line, term, f"no server `{term}` comes with {self.gym}{_hint(near[0])}")

    def _its_default(self, sentence: list[Part], subject: list[Part], line: int, scope: Scope) -> Iterator[Fault]:
        """A default of the one name that the sentence before, or the term that is defined, begins with."""
        text, codes = flat(sentence)
        found = _ITS_DEFAULT.match(text)
        before, names = flat(subject)
        begins = re.match(r"\W*(?:(?:the|set|use|give|with) )?(?:\w+ )?\0", before, re.IGNORECASE)
        if found is None or len(names) != 1 or not begins:
            return
        value = codes[0].text if found["value"] == "\0" else found["value"]
        if message := self._default_fault(names[0], value, scope):
            yield Fault(codes[0].line if codes else line, f"{names[0].text} = {value}", message)

    def _default_cell(self, passage: Passage) -> Iterator[Fault]:
        """A cell below the header "Default": it is held against the default of what its row names first."""
        if not _DEFAULT_HEADER.fullmatch(passage.column.strip()):
            return
        names = [part for cell in passage.row for part in cell if isinstance(part, Code)]
        own = [part for part in passage.parts if isinstance(part, Code)]
        names = [name for name in names if name not in own]
        if not names:
            return
        headed = zip(passage.row, passage.columns, strict=False)
        settings = [cell for cell, header in headed if _SETTINGS.fullmatch(header)]
        names = [part for cell in settings for part in cell if isinstance(part, Code)] or names
        texts = [part if isinstance(part, str) else part.text for part in passage.parts]
        value = own[0].text if len(own) == 1 else "".join(texts)
        scope = self.scope_of([part for cell in passage.row for part in cell])
        for each in reversed(sentences(passage.before)):
            scope = scope if scope.flags or scope.classes or scope.owners else self.scope_of(each)
        message = self._default_fault(names[0], value.strip(), scope)
        if message:
            yield Fault(passage.line, f"{names[0].text} = {value.strip()}", message)

    def _default_fault(self, name: Code, value: str, scope: Scope) -> str:
        """What is wrong with a default that is claimed; nothing where it is right, or nobody knows."""
        defaults = self._defaults(name, scope)
        said = _plain_value(value)
        if not defaults or any(_plain_value(each) == said for each in defaults):
            return ""
        literal = said in ("None", "True", "False") or re.fullmatch(r"[-\d.]+|'.*'", said)
        if not literal and any(_plain_value(each) in ("None", "") or "(" in str(each) for each in defaults):
            return ""
        shown = " or ".join(f"`{_plain_value(each) or 'none'}`" for each in dict.fromkeys(defaults))
        return f"the default of `{name.text}` in {self.gym} is {shown}; the page says {value}"

    def _defaults(self, name: Code, scope: Scope) -> list[str | None]:
        text = name.text
        flag = text.split()[-1] if FLAG.match(text.split()[-1]) else ""
        if flag:
            commands = scope.flags or self.page_scope.flags or self._all_commands().flags
            command = self._command_name(text)
            if command:
                commands = {command: dict(self.known.commands[command].flags)}
            found = [own[flag] for own in commands.values() if own.get(flag)]
            if found:
                return list(found)
            keys = {
                token.partition("=")[0]: self.known.commands[each].classes
                for each in commands
                if each in self.known.commands
                for token in self.known.commands[each].sets.get(flag, ())
            }
            return [value for key, classes in keys.items() for value in self._fields_named(key, classes)]
        owner, _, key = text.rpartition(".")
        if held := self.known.found.get("held_defaults", {}).get(text):
            return [held]
        if owner:
            paths = self.known.classes.get(owner.rpartition(".")[2], [])
            return self._fields_named(key, paths)
        key = key.partition("=")[0].lstrip("+")
        if not re.fullmatch(r"\w+", key):
            return []
        shared = [path for path in self.known.found["classes"] if path.startswith("nemo_gym.")]
        for paths in (scope.owners, scope.classes, shared, self.known.found["classes"]):
            if found := self._fields_named(key, paths):
                return found
        top = self.known.found["settings"].get(key)
        return [top] if top else []

    def _fields_named(self, key: str, paths: Iterable[str]) -> list[str | None]:
        found = [self.known.fields(path) for path in paths]
        return [fields[key] for fields in found if key in fields]


def _plain_value(value: str | None) -> str:
    """A default as it compares: as Python writes it, whichever way the page does."""
    if value is None:
        return "required"
    text = value.strip().strip("`").strip()
    text = _NUMBERS.get(text.lower(), text)
    if text.lower() in _NO_VALUE:
        return "None"
    if text.lower() in ("true", "yes", "on"):
        return "True"
    if text.lower() in ("false", "no", "off"):
        return "False"
    try:
        found = ast.literal_eval(text.replace(",", "") if re.fullmatch(r"[\d,]+", text) else text)
    except (ValueError, SyntaxError):
        return text if "(" in text else repr(text) if re.fullmatch(r"[\w./-]+", text) and text != "required" else text
    return repr(int(found) if isinstance(found, float) and found.is_integer() else found)


def _hint(near: str | None) -> str:
    return f"; the nearest is `{near}`" if near else ""


@cache
def messages() -> str:
    """The sources of NeMo Gym's package and of the tool, with texts that go on over lines joined."""
    folders = [TOOL]
    spec = find_spec("nemo_gym")
    if spec is not None and spec.origin is not None:
        folders.append(Path(spec.origin).parent)
    text = "\n".join(path.read_text(encoding="utf-8") for folder in folders for path in sorted(folder.rglob("*.py")))
    return " ".join(re.sub(r"""(?<=[^"'])["']\s*\n\s*[rbf]{0,2}["']""", "", text).split())


__all__ = ["Code", "Fault", "Judged", "Passage", "Prose", "passages", "sentences"]
