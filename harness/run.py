"""Follow a page from its top: judge its blocks in order, and keep what was found."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.blocks import Block
from harness.cache import Cache
from harness.evaluators import judge, look
from harness.pages import Page, all_pages, page_at
from harness.session import Host, PageSession
from harness.update import Edit, apply
from harness.verdict import FAILED, Failure

#: Pictures that a page's snippets draw; the site shows a committed copy, which must be the same.
DRAWN = frozenset({".svg", ".png"})


@dataclass
class Runner:
    """How pages are run.

    Attributes:
        docs: the site's source directory.
        host: what the pages share.
        cache: pages that passed before.
        use_cache: whether they count.
        update: rewrite expected outputs and drawn pictures instead of failing on them.
    """

    docs: Path
    host: Host
    cache: Cache
    use_cache: bool = True
    update: bool = False

    def start(self, page: Page) -> PageRun:
        """A run of ``page``, nothing of it judged yet."""
        known = self.cache.verdicts(page) if self.use_cache else None
        return PageRun(page, self, known)

    def wanted_files(self, page: Page) -> bool:
        """Whether another page starts from this one's files."""
        return any(other.starts_from == page.name for other in all_pages(self.docs))

    def files_of(self, name: str) -> Path:
        """The files that the page ``name`` leaves: kept from an earlier run, or made by running it now.

        Raises:
            Failure: there is no such page, or it fails.
        """
        page = page_at(self.docs, name)
        if not page.path.is_file():
            raise Failure(f"`starts-from: {name}`: there is no such page", 1)
        kept = self.cache.files(page) if self.use_cache else None
        if kept is None:
            run = PageRun(page, self, None)
            try:
                run.judge_all()
            except Failure as failure:
                raise Failure(f"this page starts from {page.label}, which fails: {failure.message}", 1) from None
            finally:
                run.close()
            kept = self.cache.files(page)
        return kept


@dataclass
class PageRun:
    """One run of one page. ``known`` are its verdicts, if it passed before just as it is."""

    page: Page
    runner: Runner
    known: dict[int, dict[str, Any]] | None
    records: list[dict[str, Any]] = field(default_factory=list)
    failed_at: int | None = None
    edits: list[Edit] = field(default_factory=list)
    _session: PageSession | None = None

    @property
    def session(self) -> PageSession:
        """The page's session, begun when its first block is judged."""
        if self._session is None:
            before = self.page.starts_from
            files = self.runner.files_of(before) if before else None
            self._session = PageSession(self.page, self.runner.host, files)
        return self._session

    def judge(self, block: Block) -> dict[str, Any]:
        """The ledger's record of one block.

        Raises:
            Failure: the block would mislead a reader.
        """
        if self.known is not None and block.line in self.known:
            record = self.known[block.line]
            self.records.append(record)
            return record
        started = time.perf_counter()
        try:
            verdict = judge(self.session, block)
            kind, how, reason = verdict.kind, verdict.how, verdict.reason
        except Failure as failure:
            kind, how, reason = FAILED, failure.message.splitlines()[0], None
            if failure.edit is None or not self.runner.update:
                self.failed_at = block.line
                raise
            self.edits.append(failure.edit)
        finally:
            record = {
                "line": block.line,
                "end": block.end,
                "language": block.language,
                "verdict": kind,
                "how": how,
                "reason": reason,
                "seconds": round(time.perf_counter() - started, 4),
            }
            self.records.append(record)
        return record

    def judge_all(self) -> None:
        """Judge every block of the page, and its end."""
        for block in self.page.blocks:
            look(block)
        for block in self.page.blocks:
            self.judge(block)
        self.finish()

    def finish(self) -> None:
        """What can be said only at a page's end; keep the page if it passed.

        Raises:
            Failure: a picture on the page is not the one that its snippets draw.
        """
        apply(self.page.path, self.edits)
        if self.known is not None or self.failed_at is not None or self.edits:
            return
        if self.page.blocks:
            self._check_pictures()
            self.session.refuse_network()
        if len(self.records) == len(self.page.blocks):
            files = self.session.directory if self.page.blocks and self.runner.wanted_files(self.page) else None
            self.runner.cache.keep(self.page, self.records, files)

    def _check_pictures(self) -> None:
        for shown in self.page.images:
            drawn = self.session.directory / shown.name
            if shown.suffix not in DRAWN or not drawn.is_file():
                continue
            if shown.is_file() and shown.read_bytes() == drawn.read_bytes():
                continue
            if self.runner.update:
                shutil.copy2(drawn, shown)
                continue
            line = self.page.text[: self.page.text.index(shown.name)].count("\n") + 1
            raise Failure(
                f"the picture {shown.name} on the page is not the one that the page's snippets draw: run the tests "
                "with --update and commit it",
                line,
            )

    def close(self) -> None:
        """End what the page started."""
        if self._session is not None:
            self._session.close()
