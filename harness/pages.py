"""A page: its text, its front matter, its blocks and what a reader downloads from it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import yaml

from harness.blocks import Block, BlockError, find
from harness.environments import DEFAULT, Environment, named
from harness.excerpts import excerpt
from harness.verdict import Failure

#: Pages that are built but hold no reader's work: Sphinx's own, and what only search engines read.
EXCLUDED_DIRECTORIES = frozenset({"_build", "_ext", "_data", "_static", "_templates", "downloads"})

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_DOWNLOAD = re.compile(r"\{download\}`(?:[^`<]*<)?(?P<path>[^`>]+)>?`")
_IMAGE = re.compile(
    r"!\[[^\]]*\]\((?P<path>[^)\s]+)\)|^(?:`{3,}|:{3,})\{(?:figure|image)\}\s*(?P<figure>\S+)", re.MULTILINE
)


@dataclass(frozen=True)
class Page:
    """One page of the site.

    ``docs`` is the site's source directory and ``path`` the page's file under it.
    """

    docs: Path
    path: Path

    @property
    def name(self) -> str:
        """Sphinx's name of the page, such as ``get-started/index``."""
        return self.path.relative_to(self.docs).with_suffix("").as_posix()

    @property
    def label(self) -> str:
        """The page as messages name it: relative to the repository, such as ``docs/get-started/index.md``."""
        return os.path.relpath(self.path, self.docs.parent)

    @cached_property
    def source(self) -> bytes:
        """The page's file, read once: what is judged is what a verdict is on, whatever is saved meanwhile."""
        return self.path.read_bytes()

    @cached_property
    def text(self) -> str:
        return self.source.decode().replace("\r\n", "\n")

    @property
    def digest(self) -> str:
        """SHA-256 of the page's source: a ledger's record counts for just this text."""
        return hashlib.sha256(self.source).hexdigest()

    @property
    def snippets_digest(self) -> str:
        """SHA-256 of the blocks that are followed, wherever they stand on the page."""
        followed = [block for block in self.blocks if "shown" not in block.options]
        rows = [[block.language, block.source, sorted(block.options.items())] for block in followed]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    @cached_property
    def front_matter(self) -> dict[str, Any]:
        """What the page says of itself before its title; nothing where that is broken, of which Sphinx warns."""
        found = _FRONT_MATTER.match(self.text)
        try:
            values = yaml.safe_load(found[1]) if found else None
        except yaml.YAMLError:
            values = None
        return values if isinstance(values, dict) else {}

    @property
    def starts_from(self) -> str | None:
        """The name of the page whose files this page starts from, if it declares one."""
        return self.front_matter.get("starts-from")

    @property
    def environment(self) -> Environment:
        """What its blocks run in.

        Raises:
            Failure: there is no environment of the name that the page gives.
        """
        try:
            return named(self.front_matter.get("environment", DEFAULT))
        except LookupError as error:
            before = re.match(r"(?s).*?^(?=environment:)", self.text, re.MULTILINE)
            raise Failure(str(error), before[0].count("\n") + 1 if before else 1) from None

    @cached_property
    def blocks(self) -> list[Block]:
        return list(_found(self.text))

    def _linked(self, pattern: re.Pattern[str]) -> dict[Path, int]:
        lines: dict[Path, int] = {}
        for found in pattern.finditer(self.text):
            name = next(filter(None, found.groups()))
            if "://" not in name:
                path = self.docs / name.lstrip("/") if name.startswith("/") else self.path.parent / name
                lines.setdefault(Path(os.path.normpath(path)), self.text.count("\n", 0, found.start()) + 1)
        return lines

    @property
    def downloads(self) -> dict[Path, int]:
        """The site's files that a reader saves from this page, by its ``{download}`` links, with their lines."""
        return self._linked(_DOWNLOAD)

    @property
    def excerpts(self) -> set[Path]:
        """The files of the project's own package of which this page shows parts."""
        try:
            return {excerpt(block.options["of"].strip()).path for block in self.blocks if "of" in block.options}
        except BlockError:
            return set()

    @property
    def images(self) -> dict[Path, int]:
        """The site's pictures on this page, with the lines on which they first stand."""
        return self._linked(_IMAGE)


@lru_cache(maxsize=256)
def _found(text: str) -> tuple[Block, ...]:
    """The blocks of a page: for its own judgment, and for that of the pages that build on it or link to it."""
    return tuple(find(text))


def page_at(docs: Path, name: str) -> Page:
    """The page of that name."""
    return Page(docs, docs / f"{name}.md")


def upstream(page: Page) -> list[Page]:
    """The pages on whose files a page builds, the nearest first.

    Raises:
        Failure: one of them does not exist, or they go in a circle.
    """
    chain = [page]
    while (name := chain[-1].starts_from) is not None:
        before = page_at(page.docs, name)
        if not before.path.is_file():
            raise Failure(f"`starts-from: {name}` in {chain[-1].label}: there is no such page", 1)
        if before in chain:
            way = " -> ".join(each.name for each in [*chain, before])
            raise Failure(f"`starts-from` goes in a circle, so that no page can be the first: {way}", 1)
        chain.append(before)
    return chain[1:]


def all_pages(docs: Path) -> list[Page]:
    """Every page of the site, in order of its path."""
    paths = sorted(docs.rglob("*.md"))
    return [Page(docs, path) for path in paths if not is_excluded(path.relative_to(docs))]


def is_excluded(path: Path) -> bool:
    """Say whether a path, from the site's source directory, is or lies in a directory that holds no pages."""
    return bool(EXCLUDED_DIRECTORIES & set(path.parts))
