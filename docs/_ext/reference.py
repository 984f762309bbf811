"""``{server}``, ``{setting}`` and ``{gym}``: what the reference pages have, linked. ``{filter-rows}``: a filter.

``{server}`mcqa` ``, ``{setting}`RolloutCollectionConfig.num_repeats` `` (or a class alone, or a top-level key),
``{gym}`gym eval run --num-repeats` `` (or a command alone, or an old name). Each may have a text of its own, as
``{server}`multiple choice <mcqa>` ``.

The names that exist are read from the committed pages, which `pinned.reference` generates from the pinned release: an
index and the pages in its folder. A name that they lack is a warning, and so fails the build; so is a name that two
of them have. A field that a class takes from another one leads there.

An index has, beside a link to an entry, the anchor that the entry had when all stood on one page:
``[{server}`mcqa`]{#server-mcqa}``. An anchor there that its link does not have is a warning too.
"""

from __future__ import annotations

import difflib
import html
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import ReferenceRole, SphinxDirective
from sphinx.util.nodes import make_refnode

logger = logging.getLogger(__name__)

#: The folder of the reference.
SECTION = "reference"
#: Each role with its page, which may be an index of others, and what it names.
PAGES = {
    "server": ("reference/resources-servers", "resources server"),
    "setting": ("reference/configuration", "setting"),
    "gym": ("reference/cli", "command or flag"),
}

_HEADING = re.compile(r"\((?P<anchor>(?:server|setting|gym)(?:-[a-z0-9-]+)?)\)=\n\n#+ (?P<name>.+)\n")
_NAMED = re.compile(r"\[`(?P<name>[^`]+)`\]\{#(?P<anchor>(?:server|setting|gym)(?:-[a-z0-9-]+)?)\}")
_BASES = re.compile(r"takes the fields of (?P<bases>\{setting\}`[^`]+`(?: and \{setting\}`[^`]+`)*)")
_BASE = re.compile(r"\{setting\}`(?P<name>[^`]+)`")
_MOVED = re.compile(r"\[\{(?P<role>server|setting)\}`(?P<name>[^`]+)`\]\{#(?P<anchor>[a-z0-9-]+)\}")


@dataclass(frozen=True)
class Place:
    """Where a name is described: a page of the site, and an anchor on it."""

    page: str
    anchor: str


@dataclass
class Names:
    """What the reference has of a kind: the place of each name, and the classes that each class takes fields of.

    ``twice`` has the names that a second page has too.
    """

    places: dict[str, Place] = field(default_factory=dict)
    bases: dict[str, list[str]] = field(default_factory=dict)
    twice: dict[str, Place] = field(default_factory=dict)

    def find(self, name: str) -> Place | None:
        """The place of a name; None where there is none.

        A field may be that of a class which the named one takes fields of, a flag that of ``gym`` itself.
        """
        if " -" in name:
            return self.places.get(name) or self.places.get(f"gym {name.rpartition(' ')[2]}")
        seen: set[str] = set()
        owner, dot, own = name.rpartition(".")
        todo = [owner]
        while todo:
            each = todo.pop(0)
            found = self.places.get(f"{each}{dot}{own}")
            if found:
                return found
            if each not in seen:
                seen.add(each)
                todo += self.bases.get(each, [])
        return None

    def nearest(self, name: str) -> str | None:
        """The name that a writer most likely meant: the same last part first, then the closest spelling."""
        parts = re.split(r"[. ](?=[^. ]+$)", name)
        same = [each for each in self.places if re.split(r"[. ](?=[^. ]+$)", each)[0] == parts[0]]
        for candidates in (same, list(self.places)):
            close = difflib.get_close_matches(name, candidates, n=1)
            if close:
                return close[0]
        return None

    def add(self, name: str, place: Place) -> None:
        """Note a name; the first place counts."""
        if self.places.setdefault(name, place) != place:
            self.twice[name] = place


def read(docname: str, text: str, into: dict[str, Names] | None = None) -> dict[str, Names]:
    """The names of a page's source, by role; with those of other pages, where they are given."""
    found_names = into if into is not None else {role: Names() for role in PAGES}
    heading = ""
    for line in _lines(text):
        if found := _HEADING.fullmatch(line):
            heading = found["name"]
            found_names[_kind(found["anchor"])].add(heading, Place(docname, found["anchor"]))
        bases = [each["name"] for found in _BASES.finditer(line) for each in _BASE.finditer(found["bases"])]
        own = _NAMED.match(line.removeprefix("| "))
        if own:
            name, anchor = own["name"], own["anchor"]
            kind = _kind(anchor)
            inside = name.startswith("-") or anchor != nodes.make_id(f"{kind}-{name}")
            joined = f"{heading}.{name}" if kind == "setting" else f"{heading} {name}"
            found_names[kind].add(joined if inside else name, Place(docname, anchor))
        if bases and not own:
            found_names["setting"].bases[heading] = bases
    return found_names


def _kind(anchor: str) -> str:
    return anchor.partition("-")[0]


def _lines(text: str) -> list[str]:
    """A page's lines; an anchor and the heading below it as one."""
    parts: list[str] = []
    end = 0
    for found in _HEADING.finditer(text):
        parts += [*text[end : found.start()].splitlines(), found[0]]
        end = found.end()
    return [*parts, *text[end:].splitlines()]


def pages(confdir: str | Path, role: str) -> list[str]:
    """The pages of a role: its index and those in the index's folder."""
    index = PAGES[role][0]
    return [index, *sorted(f"{index}/{path.stem}" for path in (Path(confdir) / index).glob("*.md"))]


def generated(confdir: str | Path) -> list[str]:
    """All pages of the reference that a program writes."""
    return [page for role in PAGES for page in pages(confdir, role)]


def names(confdir: str | Path, role: str) -> Names:
    """What the pages of a role have."""
    return _all(Path(confdir))[role]


@cache
def _all(confdir: Path) -> dict[str, Names]:
    """The names of all pages. A build reads them once: there are too many to look at for each link."""
    found: dict[str, Names] = {role: Names() for role in PAGES}
    for docname in generated(confdir):
        path = confdir / f"{docname}.md"
        if path.is_file():  # a small site has not all of them
            read(docname, path.read_text(encoding="utf-8"), found)
    return found


def faults(confdir: str | Path) -> Iterator[tuple[str, str]]:
    """A page and what is wrong there, for each name that two pages have, and each anchor that leads elsewhere."""
    for role, (index, what) in PAGES.items():
        known = names(confdir, role)
        for name, place in known.twice.items():
            yield place.page, f"the {what} {name} is on {known.places[name].page} too: it can have one place only"
        path = Path(confdir) / f"{index}.md"
        for found in _MOVED.finditer(path.read_text(encoding="utf-8") if path.is_file() else ""):
            place = names(confdir, found["role"]).places.get(found["name"])
            if place is None or place.anchor != found["anchor"]:
                where = f"its anchor is {place.anchor}" if place else "no page has it"
                yield index, f"#{found['anchor']} leads to {found['name']}, and {where}"


def shown(role: str, target: str) -> str:
    """The text of a link that has none of its own: of a field and of a flag, that alone."""
    if role == "setting":
        return target.rpartition(".")[2]
    return target.rpartition(" ")[2] if role == "gym" and " -" in target else target


def as_markdown(confdir: str | Path, docname: str, role: str, target: str, text: str | None) -> str:
    """What stands for a role in the Markdown twin of a page."""
    label = text or f"`{shown(role, target)}`"
    place = names(confdir, role).find(target)
    if place is None:
        return label
    return f"[{label}]({posixpath.relpath(place.page, posixpath.dirname(docname) or '.')}.md#{place.anchor})"


class Reference(ReferenceRole):
    """One of the three roles: a name of its page, alone or as ``text <name>``."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        confdir = Path(self.env.app.confdir)
        place = names(confdir, self.name).find(self.target)
        self.env.note_dependency(str(confdir / f"{place.page if place else PAGES[self.name][0]}.md"))
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
    what = PAGES[role][1]
    known = names(app.confdir, role)
    place = known.find(node["reftarget"])
    if place is None:
        guess = known.nearest(node["reftarget"])
        hint = f"; the nearest is {guess}" if guess else ""
        message = "no %s %s in NeMo Gym %s%s"
        logger.warning(message, what, node["reftarget"], app.config.release, hint, location=node, type="reference")
        return content
    return make_refnode(app.builder, node["refdoc"], place.page, place.anchor, content)


class FilterRows(SphinxDirective):
    """``{filter-rows} servers``: where site.js puts a field that filters the tables and sections around it."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        what = html.escape(self.arguments[0])
        return [nodes.raw("", f'<div class="filter-rows" data-what="{what}"></div>', format="html")]


def forget(app: Sphinx) -> None:
    """Read the pages again: a process may build more than once."""
    _all.cache_clear()


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of what is wrong with the pages, where the site has them."""
    for docname, message in faults(app.confdir):
        if docname in env.found_docs:
            logger.warning(message, location=docname, type="reference")


def add_sidebar(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    """Give the template of the reference's sidebar its pages: those of the servers are too many for it."""
    if pagename.startswith(f"{SECTION}/"):
        context["reference_pages"] = _below(app.env, f"{SECTION}/index", pagename)


def _below(env: BuildEnvironment, docname: str, here: str) -> list[dict[str, Any]]:
    servers = PAGES["server"][0]
    return [
        {
            "name": name,
            "title": env.titles[name].astext(),
            "below": _below(env, name, here) if here.startswith(name) and name != servers else [],
        }
        for name in env.toctree_includes.get(docname, ())
        if name in env.titles
    ]


def setup(app: Sphinx) -> dict[str, object]:
    for role in PAGES:
        app.add_role(role, Reference())
    app.add_directive("filter-rows", FilterRows)
    app.connect("builder-inited", forget)
    app.connect("env-check-consistency", check)
    app.connect("html-page-context", add_sidebar)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
