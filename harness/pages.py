"""A page: its text, its front matter, its blocks and what a reader downloads from it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from harness.blocks import Block, find

#: Pages that are built but hold no reader's work: Sphinx's own, and what only search engines read.
EXCLUDED_DIRECTORIES = frozenset({"_build", "_ext", "_data", "_static", "_templates", "downloads"})

_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_DOWNLOAD = re.compile(r"\{download\}`(?:[^`<]*<)?(?P<path>[^`>]+)>?`")
_IMAGE = re.compile(r"!\[[^\]]*\]\((?P<path>[^)\s]+)\)|^(?:`{3,}|:{3,})\{(?:figure|image)\}\s*(?P<figure>\S+)", re.MULTILINE)


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
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def digest(self) -> str:
        """SHA-256 of the page's source: a ledger's record counts for just this text."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    @cached_property
    def front_matter(self) -> dict[str, Any]:
        found = _FRONT_MATTER.match(self.text)
        return (yaml.safe_load(found[1]) or {}) if found else {}

    @property
    def starts_from(self) -> str | None:
        """The name of the page whose files this page starts from, if it declares one."""
        return self.front_matter.get("starts-from")

    @cached_property
    def blocks(self) -> list[Block]:
        return find(self.text)

    def _linked(self, pattern: re.Pattern[str]) -> list[Path]:
        names = (next(filter(None, found.groups())) for found in pattern.finditer(self.text))
        paths = (
            self.docs / name.lstrip("/") if name.startswith("/") else self.path.parent / name
            for name in names
            if "://" not in name
        )
        return list(dict.fromkeys(Path(os.path.normpath(path)) for path in paths))

    @property
    def downloads(self) -> list[Path]:
        """The site's files that a reader saves from this page, by its ``{download}`` links."""
        return self._linked(_DOWNLOAD)

    @property
    def images(self) -> list[Path]:
        """The site's pictures on this page."""
        return self._linked(_IMAGE)


def page_at(docs: Path, name: str) -> Page:
    """The page of that name."""
    return Page(docs, docs / f"{name}.md")


def all_pages(docs: Path) -> list[Page]:
    """Every page of the site, in order of its path."""
    paths = sorted(docs.rglob("*.md"))
    return [Page(docs, path) for path in paths if not EXCLUDED_DIRECTORIES & set(path.relative_to(docs).parts)]
