"""Follow a page from its top: judge its blocks in order, and keep what was found."""

from __future__ import annotations

import re
import shutil
import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import ledger
from harness.blocks import Block, BlockError
from harness.cache import Cache, Passed
from harness.evaluators import LANGUAGES, consume, judge, look
from harness.pages import Page, all_pages, upstream
from harness.session import Host, PageSession
from harness.update import Edit, apply
from harness.verdict import ELSEWHERE, FAILED, Failure

#: Pictures that a page's snippets draw; the site shows a committed copy, which must be the same.
DRAWN = frozenset({".svg", ".png"})

_COMMAND = re.compile(r"^\$ (?:gym|ng_\w+) ", re.MULTILINE)


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
        return PageRun(page, self, self.cache.passed(page) if self.use_cache else None)

    @cached_property
    def starting_points(self) -> frozenset[str]:
        """The names of the pages from whose files others start."""
        return frozenset(page.starts_from for page in all_pages(self.docs) if page.starts_from)

    def files_before(self, page: Page) -> Path | None:
        """The files from which a page starts: kept from an earlier run, or made by following the page before it now.

        Raises:
            Failure: there is no such page, it fails, or the pages go in a circle.
        """
        chain = upstream(page)
        if not chain:
            return None
        before = chain[0]
        kept = self.cache.files(before) if self.use_cache else None
        if kept is not None:
            return kept
        run = PageRun(before, self, None)
        try:
            run.judge_all()
        except Failure as failure:
            place = f"{before.label}:{failure.line or run.failed_at or 1}"
            raise Failure(f"{ELSEWHERE}{place}: {failure.message}", 1) from None
        finally:
            run.close()
        return run.session.directory


@dataclass
class PageRun:
    """One run of one page. ``known`` is what it came to before, if it passed just as it is."""

    page: Page
    runner: Runner
    known: Passed | None
    records: list[dict[str, Any]] = field(default_factory=list)
    failed_at: int | None = None
    edits: list[Edit] = field(default_factory=list)
    started: str = field(default_factory=ledger.now)
    _session: PageSession | None = None

    @property
    def date(self) -> str:
        """When its verdicts were reached, as the ledger writes it."""
        return self.known.date if self.known else self.started

    @property
    def needs_gym(self) -> bool:
        """Whether judging the page will use the live NeMo Gym: its commands, or its classes for a data block."""
        try:
            blocks = self.page.blocks if self.known is None else []
        except BlockError:
            return False
        return any(LANGUAGES.get(block.language) is consume or _COMMAND.search(block.source) for block in blocks)

    @property
    def session(self) -> PageSession:
        """The page's session, begun when its first block is judged."""
        if self._session is None:
            self._session = PageSession(self.page, self.runner.host, self.runner.files_before(self.page))
        return self._session

    def judge(self, block: Block) -> dict[str, Any]:
        """The ledger's record of one block.

        Raises:
            Failure: the block would mislead a reader.
        """
        if self.known is not None:
            record = next(record for record in self.known.records if record["line"] == block.line)
            self.records.append(record)
            return record
        if (known := self._record_of(block)) is not None:
            return known
        blocks = self.page.blocks
        for above in blocks[: blocks.index(block)]:  # also where a run has selected only some of them
            if self._record_of(above) is None:
                try:
                    self.judge(above)
                except Failure as failure:
                    failure.line = failure.line or above.line
                    raise
        started = time.perf_counter()
        kind, how, reason = FAILED, "the harness could not judge it", None
        self.failed_at = block.line  # until it has passed, whatever is raised
        try:
            verdict = judge(self.session, block)
            kind, how, reason = verdict.kind, verdict.how, verdict.reason
            self.failed_at = None
        except Failure as failure:
            how, reason = failure.message.split("\n")[0], failure.message
            if not (failure.edits and self.runner.update):
                raise
            self.edits += failure.edits
            self.failed_at = None
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise
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

    def _record_of(self, block: Block) -> dict[str, Any] | None:
        return next((record for record in self.records if record["line"] == block.line), None)

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
        if self.known is not None or self.failed_at is not None:
            return
        if self.page.blocks:
            self._check_pictures()
            self.session.settle()
            self.session.refuse_network()
        if len(self.records) == len(self.page.blocks) and not self.edits:
            files = self.session.directory if self.page.name in self.runner.starting_points else None
            self.runner.cache.keep(self.page, Passed(self.date, self.records), files)

    def rewrite(self) -> None:
        """Put what was printed in place of what the page says (``--update``)."""
        if self.edits:
            apply(self.page.path, self.edits)

    def _check_pictures(self) -> None:
        for shown, line in self.page.images.items():
            drawn = self.session.directory / shown.name
            if shown.suffix not in DRAWN or not drawn.is_file():
                continue
            if shown.is_file() and shown.read_bytes() == drawn.read_bytes():
                continue
            if self.runner.update:
                shown.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(drawn, shown)
                continue
            raise Failure(
                f"the picture {shown.name} on the page is not the one that the page's snippets draw: run the tests "
                "with --update and commit it",
                line,
            )

    def close(self) -> None:
        """End what the page started."""
        if self._session is not None:
            self._session.close()
