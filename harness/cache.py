"""Pages that passed, kept by all that their verdicts depend on, so that a run judges only what changed."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from harness.pages import Page, page_at

ROOT = Path(__file__).parent.parent


def _digest(paths: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for path in sorted(paths):
        if path.is_file():
            total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@cache
def _surroundings() -> str:
    """The digest of the harness, the pins and the machine's own part in a verdict."""
    harness = [path for path in (ROOT / "harness").rglob("*.py")]
    pins = [ROOT / "pyproject.toml", ROOT / "locks" / "tests.txt"]
    return _digest([*harness, *pins]) + platform.python_version() + platform.machine()


class Cache:
    """Verdicts and output files of pages that passed.

    Args:
        directory: where they are kept.
        docs: the site's source directory, for the pages that others start from.
    """

    def __init__(self, directory: Path, docs: Path) -> None:
        self.directory = directory
        self.docs = docs

    def key(self, page: Page) -> str:
        """What the verdicts on a page depend on: its text and downloads, what it starts from, and what judges it."""
        before = self.key(page_at(self.docs, page.starts_from)) if page.starts_from else ""
        parts = [page.name, page.digest, _digest([*page.downloads, *page.images]), before, _surroundings()]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def verdicts(self, page: Page) -> dict[int, dict[str, Any]] | None:
        """The records of a page's blocks by their lines, if the page passed just as it is now."""
        path = self.directory / f"{self.key(page)}.json"
        try:
            records = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return {record["line"]: record for record in records}

    def files(self, page: Page) -> Path | None:
        """The files that a passed page left, for a page that starts from them."""
        path = self.directory / f"{self.key(page)}.files"
        return path if path.is_dir() else None

    def keep(self, page: Page, records: list[dict[str, Any]], directory: Path | None) -> None:
        """Keep a page that passed; its files too, where ``directory`` is given."""
        self.directory.mkdir(parents=True, exist_ok=True)
        base = self.directory / self.key(page)
        if directory is not None:
            unfinished = base.with_suffix(f".{os.getpid()}")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(directory, unfinished, symlinks=True)
            shutil.rmtree(base.with_suffix(".files"), ignore_errors=True)
            unfinished.replace(base.with_suffix(".files"))
        base.with_suffix(".json").write_text(json.dumps(records), encoding="utf-8")
