"""Sybil and pytest: each block of each page is a test, and what they find becomes the ledger."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Example, Region, Sybil

from harness import apart, isolation, ledger
from harness.blocks import BlockError
from harness.cache import Cache
from harness.doctree import Site
from harness.environments import NotInstalled
from harness.evaluators import look
from harness.pages import Page, all_pages, is_excluded, page_at
from harness.run import PageRun, Runner
from harness.session import Host
from harness.verdict import Failure
from prose.look import Prose

ROOT = Path(__file__).parent.parent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the documentation's tests."""
    group = parser.getgroup("documentation")
    group.addoption("--update", action="store_true", help="rewrite the pages' expected outputs and pictures")
    group.addoption("--no-cache", action="store_true", help="judge every page, also those that passed unchanged")
    group.addoption("--shuffle", metavar="SEED", help="run the pages in an order drawn from this seed")
    group.addoption("--docs", default=str(ROOT / "docs"), metavar="DIR", help="the site's source directory")
    group.addoption("--build", default=str(ROOT / "build"), metavar="DIR", help="where pages run and the ledger goes")


def pytest_configure(config: pytest.Config) -> None:
    """Judge the pages in this run."""
    config.pluginmanager.register(Documentation(config), "documentation")


class Documentation:
    """The pages of one test process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.docs = Path(config.getoption("--docs")).resolve()
        self.build = Path(config.getoption("--build")).resolve()
        self.worker = getattr(config, "workerinput", {}).get("workerid", "main")
        if config.getoption("dist", "no") == "load":
            config.option.dist = "loadfile"  # the blocks of a page belong together
        # Each process has a namespace of its own, so that the fixed ports on pages of two workers do not meet.
        self.network = isolation.isolate()
        self.pages: dict[str, Page] = {}
        self.site = Site(
            self.docs, self.build / "sphinx" / self.worker, lambda: [page.name for page in self.pages.values()]
        )
        self.prose = Prose(self.docs)
        self.runner = Runner(
            self.docs,
            Host(self.build if self.worker == "main" else self.build / self.worker),
            Cache(self.build / "cache"),
            use_cache=not (config.getoption("--no-cache") or config.getoption("--update")),
            update=config.getoption("--update"),
        )
        self.runs: dict[str, PageRun] = {}
        self.records: dict[str, dict[str, Any]] = {}
        self.passed: Counter[str] = Counter()
        self.parts: dict[str, int] = {}
        sybil = Sybil(
            parsers=[self.parse],
            pattern="*.md",
            path=str(self.docs),
            setup=lambda namespace: None,
            teardown=self.end_page,
        )
        self._collect = sybil.pytest()

    # ------------------------------------------------------------------------------------ page -> block

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Never look below what is no page: the built site holds Markdown too."""
        if collection_path.is_dir() and collection_path.is_relative_to(self.docs):
            return True if is_excluded(collection_path.relative_to(self.docs)) else None
        return None

    def pytest_collect_file(self, file_path: Path, parent: pytest.Collector) -> Any:
        if file_path.suffix != ".md" or not file_path.is_relative_to(self.docs):
            return None
        return None if is_excluded(file_path.relative_to(self.docs)) else self._collect(file_path, parent)

    def parse(self, document: Document) -> Iterable[Region]:
        """Sybil's regions of a page: the page as a whole, each of its blocks, and its end."""
        page = self.pages[document.path] = Page(self.docs, Path(document.path))
        yield Region(0, 0, page, self.check_page)
        try:
            blocks = page.blocks
        except BlockError:  # the check of the page says where and why
            return
        starts = [0]
        for row in document.text.split("\n"):
            starts.append(starts[-1] + len(row) + 1)
        for block in blocks:
            yield Region(starts[block.line - 1], starts[block.end] - 1, block, self.check_block)
        if blocks:
            yield Region(len(document.text), len(document.text), page, self.end_of_page)

    # ------------------------------------------------------------------------------- block -> verdict

    def run_of(self, example: Example) -> PageRun:
        """The run to which an example belongs."""
        if example.path not in self.runs:
            run = self.runner.start(self.pages[example.path])
            self.runs[example.path] = example.namespace["run"] = run
        return self.runs[example.path]

    def check_page(self, example: Example) -> str | None:
        """What can be said of a page before anything runs: how Sphinx reads it, and that its blocks can be judged."""
        page: Page = example.parsed
        if self.run_of(example).needs_gym:
            self.runner.host.gym.launch()  # it imports NeMo Gym while Sphinx reads the site

        def checked() -> None:
            self.site.check(page)
            example.names = self.prose.check(page)
            for block in page.blocks:
                look(block)
            if page.blocks:
                self.run_of(example).begin()

        return _message(page, example.line, checked)

    def check_block(self, example: Example) -> str | None:
        """What a block comes to; its record goes with the report of its test."""
        run, block = self.run_of(example), example.parsed
        if run.failed_at == 0:
            pytest.skip(str(run.missing or "the page cannot be begun, as its first test says"))
        if run.failed_at is not None and not run.has_judged(block):
            pytest.skip(f"the block on line {run.failed_at} failed, and this one comes after it")

        def judged() -> None:
            came = run.judge(block)
            example.record = came.record
            came.pass_on()

        return _message(run.page, block.line, judged)

    def end_of_page(self, example: Example) -> str | None:
        run = self.run_of(example)
        run.rewrite()
        message = _message(run.page, example.line, run.finish)
        if message is None and run.missing:
            pytest.skip(str(run.missing))
        return message

    def end_page(self, namespace: dict[str, Any]) -> None:
        if run := namespace.get("run"):
            run.close()

    # ------------------------------------------------------------------------------ verdict -> ledger

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Any:
        report = yield
        example = getattr(item, "example", None)
        if report.when == "call" and example is not None:
            page, run = self.pages[example.path], self.run_of(example)
            found = {
                "page": page.name,
                "digest": page.digest,
                "date": run.date,
                "parts": len(example.document.regions),
                "record": getattr(example, "record", None),
                "versions": run.versions,
                "missing": run.missing and run.missing.environment,
                "names": getattr(example, "names", 0),
                "lines": asdict(run.lines),
                "network": self.network,
            }
            report.user_properties.append(("documentation", found))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = dict(report.user_properties).get("documentation")
        if self.worker != "main" or found is None:
            return
        name = found["page"]
        of_the_page = {key: found[key] for key in ("digest", "date", "versions")}
        entry = self.records.setdefault(name, of_the_page | {"seconds": 0.0, "names": 0, "blocks": []})
        entry["names"] += found["names"]
        entry["lines"] = found["lines"]
        if found["record"]:
            entry["blocks"].append(found["record"])
            entry["seconds"] = round(entry["seconds"] + found["record"]["seconds"], 4)
        self.parts[name] = found["parts"]
        self.passed[name] += report.passed
        if found["missing"]:
            entry["missing"] = found["missing"]
        if found["network"] != isolation.ISOLATED:
            self.network = found["network"]  # a worker's own may be open where this process's is not

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.runner.host.close()
        if self.worker != "main" or not self.records:
            return
        pages = all_pages(self.docs)
        self.pack_chains(pages)
        for name, entry in self.records.items():
            if self.passed[name] < self.parts[name]:
                entry["digest"] = ""  # a page that failed, or that was not followed to its end, carries no badge
        path = Path(os.environ.get("GYMDOCS_LEDGER") or self.build / "ledger.json")
        written = ledger.write(path, self.records, {page.name for page in pages}, self.network)
        if set(self.records) == {page.name for page in pages}:
            self.too_much = ledger.too_much(written)
            if self.too_much:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pack_chains(self, pages: list[Page]) -> None:
        """Leave the files of each page from which others start as an archive, which the site offers to readers."""
        for page in {page_at(self.docs, page.starts_from) for page in pages if page.starts_from}:
            files = self.runner.cache.files(page) if page.path.is_file() else None
            archive = self.build / "chains" / f"{page.name}.zip"
            packed = archive.with_suffix(".from")
            if files is None or (packed.is_file() and packed.read_text(encoding="utf-8") == files.name):
                continue
            shutil.make_archive(str(archive.with_suffix("")), "zip", files)
            packed.write_text(files.name, encoding="utf-8")

    too_much: Sequence[str] = ()

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.network != isolation.ISOLATED:
            terminalreporter.write_line(
                f"The snippets' network is {self.network}. A snippet that reaches beyond this machine is refused in "
                "Python only.",
                yellow=True,
            )
        if self.records and (processes := apart.state()) != apart.APART:
            terminalreporter.write_line(
                f"The pages run {processes}. What one leaves in /tmp another may find, and a process that changes its "
                "variables may outlive its page.",
                yellow=True,
            )
        for message in self.too_much:
            terminalreporter.write_line(message, red=True)

    # ------------------------------------------------------------------------------------------ order

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        seed = self.config.getoption("--shuffle")
        if seed is not None:
            order: dict[Any, float] = {}
            draw = random.Random(seed)
            for item in items:
                order.setdefault(item.parent, draw.random())
            items.sort(key=lambda item: order[item.parent])


def _message(page: Page, line: int, check: Callable[[], None]) -> str | None:
    """Run a check; what it fails with, headed by the page and line at fault.

    The test is skipped where the check needs what is not installed.
    """
    try:
        check()
    except NotInstalled as missing:
        pytest.skip(str(missing))
    except Failure as failure:
        return f"{page.label}:{failure.line or line}: {failure.message}"
    return None
