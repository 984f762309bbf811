"""Pages that passed, kept by all that their verdicts depend on, so that a run judges only what changed."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness import excerpts
from harness.blocks import BlockError
from harness.consumers import CONSUMERS
from harness.environments import DEFAULT, named
from harness.imports import used_by
from harness.pages import Page, upstream
from harness.verdict import Failure

ROOT = Path(__file__).parent.parent

#: What judges pages. What these use in turn decides verdicts too.
JUDGING = ("harness/plugin.py", "harness/live/zygote.py")

#: What decides verdicts beside programs and environments: data that a consumer reads.
DECIDING = ("docs/_data/nemo-rl-keys.json", "docs/_data/openrlhf-executor.json", "docs/_data/verl-recipe.json")


def digest_of(paths: Iterable[Path]) -> str:
    """SHA-256 of the names and contents of the files among ``paths``, in whatever order these come."""
    total = hashlib.sha256()
    for path in sorted(paths):
        if path.is_file():
            total.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


@cache
def _surroundings() -> str:
    """The digest of the harness and the machine's own part in a verdict."""
    judging = used_by((ROOT / name for name in JUDGING), ROOT)
    return digest_of([*judging, *(ROOT / name for name in DECIDING)]) + platform.machine()


@dataclass(frozen=True)
class Passed:
    """A page that passed: when, as the ledger writes it, the ledger's records of its blocks, and of its lines."""

    date: str
    records: list[dict[str, Any]]
    lines: dict[str, Any]


def _environments(page: Page) -> list[str]:
    """The digests of what a page is judged in: NeMo Gym's, which any may use, its own, and those of its consumers."""
    try:
        consumers = {block.option("consumer") for block in page.blocks}
    except BlockError:  # it will not pass
        consumers = set()
    names = {DEFAULT, page.environment.name} | {CONSUMERS[name].environment for name in consumers & set(CONSUMERS)}
    return [named(name).digest() for name in sorted(names)]


class Cache:
    """Verdicts and output files of pages that passed.

    Args:
        directory: where they are kept.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def key(self, page: Page) -> str:
        """What the verdicts on a page depend on: its text and downloads, what it starts from, and what judges it where.

        Raises:
            Failure: it starts from a page that does not exist, or in the end from itself, or names no environment.
        """
        parts = [_surroundings()]
        for each in [page, *upstream(page)]:
            parts += [each.name, each.digest, digest_of([*each.downloads, *each.images]), *_environments(each)]
            parts += [digest_of([*each.excerpts, excerpts.LINES])] if each.excerpts else []
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def passed(self, page: Page) -> Passed | None:
        """When the page passed just as it is now, and the records of its blocks; None if it never did."""
        try:
            path = self.directory / f"{self.key(page)}.json"
            return Passed(**json.loads(path.read_text(encoding="utf-8")))
        except (Failure, OSError, ValueError, TypeError):  # a page that cannot be followed has not passed
            return None

    def files(self, page: Page) -> Path | None:
        """The files that a passed page left, for a page that starts from them."""
        try:
            path = self.directory / f"{self.key(page)}.files"
        except Failure:  # it cannot be followed itself
            return None
        return path if path.is_dir() else None

    def keep(self, page: Page, passed: Passed, directory: Path | None) -> None:
        """Keep a page that passed; its files too, where ``directory`` is given."""
        self.directory.mkdir(parents=True, exist_ok=True)
        base = self.directory / self.key(page)
        if directory is not None:
            unfinished = base.with_suffix(f".{os.getpid()}")
            shutil.rmtree(unfinished, ignore_errors=True)
            shutil.copytree(directory, unfinished, symlinks=True)
            shutil.rmtree(base.with_suffix(".files"), ignore_errors=True)
            unfinished.replace(base.with_suffix(".files"))
        base.with_suffix(".json").write_text(json.dumps(asdict(passed)), encoding="utf-8")
