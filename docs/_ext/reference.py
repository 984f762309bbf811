"""``{server}``, ``{setting}`` and ``{gym}``: what the reference pages have, linked. ``{filter-rows}``: a filter.

``{server}`mcqa` ``, ``{setting}`RolloutCollectionConfig.num_repeats` `` (or a class alone, or a top-level key),
``{gym}`gym eval run --num-repeats` `` (or a command alone, or an old name). Each may have a text of its own, as
``{server}`multiple choice <mcqa>` ``.

The names that exist are read from the committed pages, which `pinned.reference` generates from the pinned release.
A name that they lack is a warning, and so fails the build. A field that a class takes from another one leads there.
"""

from __future__ import annotations

import difflib
import html
import posixpath
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import ReferenceRole, SphinxDirective
from sphinx.util.nodes import make_refnode

logger = logging.getLogger(__name__)

#: Each role with its page, and what it names.
PAGES = {
    "server": ("reference/resources-servers", "resources server"),
    "setting": ("reference/configuration", "setting"),
    "gym": ("reference/cli", "command or flag"),
}

_HEADING = re.compile(r"\((?P<anchor>(?:server|setting|gym)(?:-[a-z0-9-]+)?)\)=\n\n#+ (?P<name>.+)\n")
_NAMED = re.compile(r"\[`(?P<name>[^`]+)`\]\{#(?P<anchor>(?:server|setting|gym)(?:-[a-z0-9-]+)?)\}")
_BASES = re.compile(r"takes the fields of (?P<bases>\{setting\}`[^`]+`(?: and \{setting\}`[^`]+`)*)")
_BASE = re.compile(r"\{setting\}`(?P<name>[^`]+)`")


@dataclass
class Names:
    """What a reference page has: the anchor of each name, and the classes that each class takes fields of."""

    anchors: dict[str, str] = field(default_factory=dict)
    bases: dict[str, list[str]] = field(default_factory=dict)

    def find(self, name: str) -> str | None:
        """The anchor of a name; None where there is none.

        A field may be that of a class which the named one takes fields of, a flag that of ``gym`` itself.
        """
        if " -" in name:
            return self.anchors.get(name) or self.anchors.get(f"gym {name.rpartition(' ')[2]}")
        seen: set[str] = set()
        owner, dot, own = name.rpartition(".")
        todo = [owner]
        while todo:
            each = todo.pop(0)
            found = self.anchors.get(f"{each}{dot}{own}")
            if found:
                return found
            if each not in seen:
                seen.add(each)
                todo += self.bases.get(each, [])
        return None

    def nearest(self, name: str) -> str | None:
        """The name that a writer most likely meant: the same last part first, then the closest spelling."""
        parts = re.split(r"[. ](?=[^. ]+$)", name)
        same = [each for each in self.anchors if re.split(r"[. ](?=[^. ]+$)", each)[0] == parts[0]]
        for candidates in (same, list(self.anchors)):
            close = difflib.get_close_matches(name, candidates, n=1)
            if close:
                return close[0]
        return None


def read(text: str) -> Names:
    """The names of a page's source."""
    names = Names()
    heading = ""
    for line in _lines(text):
        if found := _HEADING.fullmatch(line):
            heading = found["name"]
            names.anchors[heading] = found["anchor"]
        bases = [each["name"] for found in _BASES.finditer(line) for each in _BASE.finditer(found["bases"])]
        own = _NAMED.match(line.removeprefix("- ").removeprefix("| "))
        if own:
            name, anchor = own["name"], own["anchor"]
            kind = anchor.partition("-")[0]
            inside = name.startswith("-") or anchor != nodes.make_id(f"{kind}-{name}")
            joined = f"{heading}.{name}" if kind == "setting" else f"{heading} {name}"
            names.anchors[joined if inside else name] = anchor
        if bases and own:
            names.bases[own["name"]] = bases
        elif bases:
            names.bases[heading] = bases
    return names


def _lines(text: str) -> list[str]:
    """A page's lines; an anchor and the heading below it as one."""
    parts: list[str] = []
    end = 0
    for found in _HEADING.finditer(text):
        parts += [*text[end : found.start()].splitlines(), found[0]]
        end = found.end()
    return [*parts, *text[end:].splitlines()]


@cache
def _read(path: Path, changed: float) -> Names:
    return read(path.read_text(encoding="utf-8"))


def names(confdir: str | Path, role: str) -> Names:
    """What the page of a role has."""
    path = page(confdir, role)
    return _read(path, path.stat().st_mtime)


def page(confdir: str | Path, role: str) -> Path:
    """The source of a role's page."""
    return Path(confdir) / f"{PAGES[role][0]}.md"


def shown(role: str, target: str) -> str:
    """The text of a link that has none of its own: of a field and of a flag, that alone."""
    if role == "setting":
        return target.rpartition(".")[2]
    return target.rpartition(" ")[2] if role == "gym" and " -" in target else target


def as_markdown(confdir: str | Path, docname: str, role: str, target: str, text: str | None) -> str:
    """What stands for a role in the Markdown twin of a page."""
    label = text or f"`{shown(role, target)}`"
    anchor = names(confdir, role).find(target)
    place = posixpath.relpath(PAGES[role][0], posixpath.dirname(docname) or ".")
    return f"[{label}]({place}.md#{anchor})" if anchor else label


class Reference(ReferenceRole):
    """One of the three roles: a name of its page, alone or as ``text <name>``."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        self.env.note_dependency(str(page(self.env.app.confdir, self.name)))
        text = self.title if self.has_explicit_title else shown(self.name, self.target)
        content = nodes.inline(text, text) if self.has_explicit_title else nodes.literal(text, text)
        node = addnodes.pending_xref(
            self.rawtext, content, refdomain="", reftype=f"gym-{self.name}", reftarget=self.target,
            refdoc=self.env.docname, refexplicit=self.has_explicit_title, refwarn=False,
        )  # fmt: skip
        return [node], []


def resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.Element | None:
    """The link that stands for a role; a warning for a name that its page lacks."""
    role = node["reftype"].removeprefix("gym-")
    if node["refdomain"] or role not in PAGES:
        return None
    docname, what = PAGES[role]
    known = names(app.confdir, role)
    anchor = known.find(node["reftarget"])
    if anchor is None:
        guess = known.nearest(node["reftarget"])
        hint = f"; the nearest is {guess}" if guess else ""
        message = "no %s %s in NeMo Gym %s%s"
        logger.warning(message, what, node["reftarget"], app.config.release, hint, location=node, type="reference")
        return content
    return make_refnode(app.builder, node["refdoc"], docname, anchor, content)


class FilterRows(SphinxDirective):
    """``{filter-rows} servers``: where site.js puts a field that filters the tables and sections around it."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        what = html.escape(self.arguments[0])
        return [nodes.raw("", f'<div class="filter-rows" data-what="{what}"></div>', format="html")]


def setup(app: Sphinx) -> dict[str, object]:
    for role in PAGES:
        app.add_role(role, Reference())
    app.add_directive("filter-rows", FilterRows)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
