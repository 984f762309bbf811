"""Follow a page from its top: judge its blocks in order, and keep what was found."""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import ledger
from harness.blocks import Block, BlockError
from harness.cache import Cache, Passed
from harness.consumers import CONSUMERS
from harness.environments import DEFAULT, NotInstalled
from harness.evaluators import LANGUAGES, consume, evaluate, look
from harness.pages import Page, all_pages, upstream
from harness.session import Host, PageSession, Start
from harness.tabs import Reading, readings
from harness.update import Edit, apply
from harness.uses import NO_LINES, Found, Lines
from harness.verdict import ELSEWHERE, FAILED, Failure, Printed, Verdict

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
        use_cache: whether those of earlier runs count.
        update: rewrite expected outputs and drawn pictures instead of failing on them.
        passed: the cache's keys of the pages that have passed in this run.
    """

    docs: Path
    host: Host
    cache: Cache
    use_cache: bool = True
    update: bool = False
    passed: set[str] = field(default_factory=set)

    def start(self, page: Page) -> PageRun:
        """A run of ``page``, nothing of it judged yet."""
        return PageRun(page, self, self.cache.passed(page) if self.counts(page) else None)

    def counts(self, page: Page) -> bool:
        """Whether what the cache has of a page counts: one that has passed in this run is not followed again."""
        if self.use_cache:
            return True
        try:
            return self.cache.key(page) in self.passed
        except Failure:  # it cannot be followed
            return False

    def keep(self, run: PageRun) -> None:
        """Keep a page that passed; its files too, where other pages start from it."""
        files = run.directory if run.page.name in self.starting_points else None
        self.cache.keep(run.page, Passed(run.date, run.records, asdict(run.lines)), files)
        self.passed.add(self.cache.key(run.page))

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
        kept = self.cache.files(before) if self.counts(before) else None
        if kept is not None:
            return kept
        run = PageRun(before, self, None)
        try:
            run.begin()
            run.judge_all()
        except Failure as failure:
            place = f"{before.label}:{failure.line or run.failed_at or 1}"
            raise Failure(f"{ELSEWHERE}{place}: {failure.message}", 1) from None
        finally:
            run.close()
        return run.directory


def _is_read_by_gym(block: Block) -> bool:
    """Whether a block is data that a program of NeMo Gym's environment reads."""
    consumer = CONSUMERS.get(block.option("consumer") or "")
    return LANGUAGES.get(block.language) is consume and (consumer is None or consumer.environment == DEFAULT)


@dataclass(frozen=True)
class Judged:
    """What a block came to: the ledger's record of it, and the failure, if it would mislead a reader."""

    record: dict[str, Any]
    failure: Failure | None = None

    def pass_on(self) -> None:
        """Raise the failure, if there is one."""
        if self.failure is not None:
            raise self.failure


@dataclass
class PageRun:
    """One run of one page, once for each of its readings.

    Attributes:
        page: the page.
        runner: how pages are run.
        known: what it came to before, if it passed just as it is; its blocks are then not judged again.
        missing: what is not installed and would have been needed, if there was such a thing: the page has not passed.
        records: the ledger's records of the blocks that have been judged.
        failed_at: the line of the block that failed, 0 where the page could not be begun; no later block is judged.
        skipped: the lines of the blocks of which no verdict is reached, since what reads them is not installed.
        edits: what ``--update`` will change in the page.
        printed: what the last block that was judged printed, if an output block may stand under it.
        session: what the blocks so far of this reading have left; None before the run has begun.
        directory: where the first reading, that of most readers, left its files.
        lines: the lines of Python that the page shows, once its end has been judged.
        started: when the run was made, as the ledger writes it.
    """

    page: Page
    runner: Runner
    known: Passed | None
    missing: NotInstalled | None = None
    records: list[dict[str, Any]] = field(default_factory=list)
    failed_at: int | None = None
    skipped: set[int] = field(default_factory=set)
    edits: list[Edit] = field(default_factory=list)
    printed: Printed | None = None
    session: PageSession | None = None
    directory: Path | None = None
    started: str = field(default_factory=ledger.now)
    lines: Lines = NO_LINES
    _judged: dict[int, Judged] = field(default_factory=dict)  # by the block's line
    _start: Start = field(default_factory=Start)
    _readings: list[Reading] = field(default_factory=list)
    _number: int = 0
    _followed: int = 0
    _found: Found = field(default_factory=Found)

    @property
    def date(self) -> str:
        """When its verdicts were reached, as the ledger writes it."""
        return self.known.date if self.known else self.started

    @property
    def versions(self) -> dict[str, str]:
        """What its verdicts are against, as the page's foot names it."""
        try:
            return self.page.environment.versions()
        except Failure:  # it names no environment, and fails for that
            return {}

    @property
    def needs_gym(self) -> bool:
        """Whether judging the page will use the live NeMo Gym: its commands, or its classes for a data block."""
        try:
            blocks = self.page.blocks if self.known is None else []
        except BlockError:
            return False
        return any(_is_read_by_gym(block) or _COMMAND.search(block.source) for block in blocks)

    def begin(self, files: Path | None = None) -> None:
        """Begin the page's session, unless it has begun or the page's verdicts are known.

        Args:
            files: those that the page starts from; None stands for what the page before it leaves, which is followed
                now where that is to be done.

        Raises:
            Failure: the page before it does not exist, or fails, or it names no environment.
            NotInstalled: its environment, or one that a page before it needs, is not installed.
        """
        if self.session is None and self.known is None:
            self.failed_at = 0  # until it has begun, whatever is raised
            try:
                self.page.environment.require()
                self._start = Start(files or self.runner.files_before(self.page))
            except NotInstalled as missing:
                self.missing = missing
                raise
            self._readings = readings(self.page.blocks, lambda block: "shown" not in block.options)
            self._open()
            self.directory = self.session.directory
            self.failed_at = None

    def _open(self) -> None:
        """Begin the reading that is to be followed now."""
        start = replace(self._start, reading=self._number)
        self.session = PageSession(self.page, self.runner.host, start, self._reading.blocks)
        self.printed, self._followed = None, 0

    def has_judged(self, block: Block) -> bool:
        """Whether it is known what the block comes to."""
        return block.line in self._judged

    def judge(self, block: Block) -> Judged:
        """What one block comes to; what its reader does before it is judged first, where that has not been.

        Raises:
            Failure: the page cannot be begun, or a block before it fails.
            NotInstalled: what the page or this block needs is not installed. The blocks below can be judged all the
                same where it is the program that reads this one's file.
        """
        if self.known is not None:
            record = next(record for record in self.known.records if record["line"] == block.line)
            self.records.append(record)
            return Judged(record)
        self.begin()
        while not self.has_judged(block):
            if block.line in self.skipped:
                raise self.missing
            if block not in self._reading.blocks:
                self._follow_to_its_end()
                self._go_on()
            elif self._next == block:
                return self._judge_next()
            else:
                self._judge_on()
        return self._judged[block.line]

    @property
    def _reading(self) -> Reading:
        return self._readings[self._number]

    @property
    def _next(self) -> Block:
        return self._reading.blocks[self._followed]

    def _follow_to_its_end(self) -> None:
        """Judge what is left of this reading, while what the page started still runs, and the page's end."""
        while self._followed < len(self._reading.blocks):
            self._judge_on()
        self._check_end()

    def _judge_on(self) -> None:
        """Judge the next block of this reading on the way to another one."""
        with contextlib.suppress(NotInstalled):
            self._judge_next().pass_on()

    def _go_on(self) -> None:
        """End this reading, and begin the next one."""
        self.session.close()
        self._number += 1
        self._open()

    def _judge_next(self) -> Judged:
        """Judge the next block of this reading; the first reading with a block says what the block comes to."""
        block = self._next
        self._followed += 1
        started = time.perf_counter()
        self.failed_at = block.line  # until it has passed, whatever is raised
        failure = None
        try:
            verdict = evaluate(self.session, block, self.printed)
        except NotInstalled as missing:
            self.failed_at, self.printed, self.missing = None, None, missing
            self.skipped.add(block.line)
            raise
        except Failure as error:
            error.line = error.line or block.line
            failure, verdict = error, Verdict(FAILED, error.message.split("\n")[0], error.message)
            if self.has_judged(block):
                tabs = ", ".join(f"`{title}`" for title in self._reading.opened)
                failure = Failure(f"for a reader who opened the tab {tabs}: {error.message}", error.line)
            elif error.edits and self.runner.update:
                failure = None
                self.edits += error.edits
        self.printed = verdict.printed
        if failure is None:
            self.failed_at = None
        record = {
            "line": block.line,
            "end": block.end,
            "language": block.language,
            "verdict": verdict.kind,
            "how": verdict.how,
            "reason": verdict.reason,
            "seconds": round(time.perf_counter() - started, 4),
        }
        judged = Judged(record, failure)
        if not self.has_judged(block):
            self.records.append(record)
            self._judged[block.line] = judged
        return judged

    def judge_all(self) -> None:
        """Judge every block of the page, and its end.

        Raises:
            Failure: the first that would mislead a reader.
            NotInstalled: what is needed for a verdict is not installed.
        """
        for block in self.page.blocks:
            look(block)
        for block in self.page.blocks:
            self.judge(block).pass_on()
        self.finish()

    def finish(self) -> None:
        """What can be said only at a page's end; keep the page if it passed.

        Raises:
            Failure: nothing used a file that the page shows, or a picture is not the one that its snippets draw.
        """
        if self.known is not None:
            self.lines = Lines(**self.known.lines)
            return
        if self.failed_at is not None:
            return
        if len(self.records) < len(self.page.blocks):  # a run has selected only some
            if self.session is not None:
                self._check_end()
            return
        if self.session is not None:
            self._follow_to_its_end()
        while self._number + 1 < len(self._readings):
            self._go_on()
            self._follow_to_its_end()
        if self.session is not None:
            self._found.refuse_unused()
        self.lines = self._found.lines(self.page.blocks)
        if not self.edits and not self.missing:
            self.runner.keep(self)

    def _check_end(self) -> None:
        self._check_pictures()
        self.session.settle()
        self.session.refuse_ended_late()
        self.session.refuse_network()
        self.session.refuse_tracebacks()
        self._found.take(self.session.uses)

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
        if self.session is not None:
            self.session.close()
