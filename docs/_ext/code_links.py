"""Names in snippets, linked to the reference: commands and their flags, servers, and settings in YAML.

Only the HTML has the links. What is looked for is in `in_console` and `in_yaml`, each of which gives the place of a
name by where it stands in the text of a snippet; a name that the reference lacks stays as it is, since other checks
judge the snippet.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import yaml
from docutils import nodes
from reference import PAGES, Names, Place, names
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

from harness.blocks import Block, language_of
from harness.console import commands_of
from harness.verdict import Failure

#: A row of the index of settings: a class, and the agent, model or server whose settings it has.
_OWNED = re.compile(r"\| \[\{setting\}`(?P<owned>\w+)`\]\{#[\w-]+\} \| (?:\{server\})?`(?P<owner>\w+)` \|")


@dataclass(frozen=True)
class Known:
    """What the reference has: names by role, and the classes of settings of each agent, model and server."""

    names: dict[str, Names]
    classes: dict[str, list[str]]

    @classmethod
    def of(cls, confdir: Path) -> Known:
        """Read the pages of the reference."""
        classes: dict[str, list[str]] = {}
        index = confdir / f"{PAGES['setting'][0]}.md"
        for row in _OWNED.finditer(index.read_text(encoding="utf-8") if index.is_file() else ""):
            classes.setdefault(row["owner"], []).append(row["owned"])
        return cls({role: names(confdir, role) for role in PAGES}, classes)

    def find(self, role: str, name: str) -> Place | None:
        """The place of a name."""
        return self.names[role].find(name)

    def setting(self, owner: str, name: str) -> Place | None:
        """The place of a setting of an agent, a model or a server; None where two of its classes have one."""
        found = {self.find("setting", f"{each}.{name}") for each in self.classes.get(owner, ())} - {None}
        return found.pop() if len(found) == 1 else None


class Link(NamedTuple):
    """A name in a text, by its first character and the one after its last, and its place in the reference."""

    start: int
    end: int
    place: Place


# ------------------------------------------------------------------------------------------------ where names are

#: The keys below which a name is that of an agent, a model or a server, and what is below it its settings.
KINDS = ("resources_servers", "responses_api_agents", "responses_api_models")
#: The words of a command of ``gym`` or of this site's tool, a flag, a setting of a server that is set by its path, or
#: the end of a command.
_NAMED = re.compile(
    r"(?<![\w./=-])(?P<command>gym(?:-rollouts)?(?: [a-z][a-z-]*)*)(?![\w./-])"
    r"|(?<=\s)(?P<flag>--?[a-z][a-z-]*)(?:[= ](?P<value>\w+))?"
    rf"|(?:{'|'.join(KINDS)})\.(?P<server>\w+)\.(?P<setting>\w+)="
    r"|(?P<end>[|;&()`]|(?<!\\)\n)"
)
#: The flags whose value is a server.
_SERVER_FLAGS = ("--resources-server",)


def in_console(text: str, known: Known) -> Iterator[Link]:
    """The names in the commands of a console block."""
    try:
        commands = commands_of(Block("console", text, line=0, end=0, source_line=0))
    except Failure:  # the harness says what is wrong with it
        return
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    for command in commands:
        moved = []  # where a line's words begin: in the command, and on the page
        at = 0
        for number, words in enumerate(command.text.split("\n"), start=command.line):
            moved.append((at, starts[number] + len(lines[number].rstrip("\n")) - len(words)))
            at += len(words) + 1
        for start, end, place in in_command(command.text, known):
            before, there = next(each for each in reversed(moved) if each[0] <= start)
            yield Link(start - before + there, end - before + there, place)


def in_command(text: str, known: Known) -> Iterator[Link]:
    """The names in what is typed after a prompt."""
    current = ""
    for found in _NAMED.finditer(text):
        if found["command"]:
            words = found["command"].split(" ")
            names_of = [" ".join(words[:number]) for number in range(len(words), 0, -1)]
            current = next((each for each in names_of if known.find("gym", each)), "")
            if place := known.find("gym", current):
                yield Link(found.start(), found.start() + len(current), place)
        elif found["flag"] and current:
            if place := known.find("gym", f"{current} {found['flag']}"):
                yield Link(*found.span("flag"), place)
            if found["flag"] in _SERVER_FLAGS and (place := known.find("server", found["value"] or "")):
                yield Link(*found.span("value"), place)
        elif found["setting"]:
            if place := known.setting(found["server"], found["setting"]):
                yield Link(*found.span("setting"), place)
        elif found["end"]:
            current = ""


def in_yaml(text: str, consumer: str, known: Known) -> Iterator[Link]:
    """The servers in YAML and their settings, and the settings of what ``gym`` reads."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:  # the harness says what is wrong with it
        return
    waiting: list[tuple[yaml.Node | None, tuple[str, ...]]] = [(root, ())]
    while waiting:
        node, path = waiting.pop()
        if not isinstance(node, yaml.MappingNode):
            continue
        for key, value in node.value:
            name = str(key.value)
            waiting.append((value, (*path, name)))
            match (*path, name):
                case [only] if consumer.startswith("gym"):
                    place = known.find("setting", only)
                case [*_, "resources_servers", server]:
                    place = known.find("server", server)
                case [*_, kind, owner, setting] if kind in KINDS:
                    place = known.setting(owner, setting)
                case _:
                    place = None
            if place:
                yield Link(key.start_mark.index, key.end_mark.index, place)


# -------------------------------------------------------------------------------------------------- into the HTML

_PRE = re.compile(r"(?s)(?<=<pre>).*(?=</pre>)")
_PIECE = re.compile(r"(?s)<[^>]*>|&[^;]*;|[^<&]")


def woven(highlighted: str, text: str, links: list[tuple[int, int, str]]) -> str:
    """A highlighted snippet with links around some of its text, each from a character to another, with an address.

    A link that would begin inside of an element and end outside of it is left out, and all of them are where the
    highlighter has changed the text.
    """
    found = _PRE.search(highlighted)
    pieces = _PIECE.findall(found[0]) if found else []
    places = [number for number, piece in enumerate(pieces) if not piece.startswith("<")]
    if "".join(html.unescape(pieces[number]) for number in places).rstrip("\n") != text.rstrip("\n"):
        return highlighted
    for start, end, address in links:
        first, last = places[start], places[end - 1]
        # An element that holds just the first word, or the last one, goes into the link with it.
        widths = [(first, last), (first - 1, last), (first, last + 1)]
        chosen = next((each for each in widths if balanced("".join(pieces[max(0, each[0]) : each[1] + 1]))), None)
        if chosen:
            first, last = chosen
            pieces[first] = f'<a class="code-link" href="{html.escape(address)}">{pieces[first]}'
            pieces[last] += "</a>"
    return highlighted[: found.start()] + "".join(pieces) + highlighted[found.end() :]


def balanced(text: str) -> bool:
    """Whether each element that begins in a text ends there, and the other way around."""
    depth = 0
    for closing in re.findall(r"<(/?)span", text):
        depth += -1 if closing else 1
        if depth < 0:
            return False
    return depth == 0


@cache
def _known(confdir: Path) -> Known:
    return Known.of(confdir)


def visit_html(self: HTML5Translator, node: nodes.literal_block) -> None:
    """Write a snippet as Sphinx does, and link its names."""
    try:
        HTML5Translator.visit_literal_block(self, node)
    finally:  # it ends with SkipNode, since it has written all of the snippet
        known = _known(Path(self.builder.app.confdir))
        text, language = node.rawsource, language_of(node.get("language", ""))
        links: Iterator[Link] = iter(())
        match language:
            case "console":
                links = in_console(text, known)
            case "bash":
                links = in_command(text, known)
            case "yaml":
                links = in_yaml(text, node.get("consumer", ""), known)
        here = self.builder.current_docname
        addresses = [
            (start, end, f"{self.builder.get_relative_uri(here, place.page)}#{place.anchor}")
            for start, end, place in links
            if place.page != here
        ]
        if addresses:
            self.body[-1] = woven(self.body[-1], text, addresses)


def setup(app: Sphinx) -> dict[str, object]:
    app.add_node(nodes.literal_block, override=True, html=(visit_html, None))
    app.connect("builder-inited", lambda app: _known.cache_clear())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
