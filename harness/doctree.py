"""Hold the blocks that the harness judges against those that Sphinx renders, and gather what Sphinx warns of.

Sphinx reads the site with its own settings and extensions, nitpicky, and writes nothing. What it read is kept, so that
the next run reads only what changed, and every page that it judges: what Sphinx warns of, it says while it reads. Each
literal block of a
page's document tree must be one that `harness.blocks` found, or be registered as made by one of the site's own
directives (``node["generated"]``).
"""

from __future__ import annotations

import contextlib
import io
import logging
import pickle
import re
import shutil
import sys
import sysconfig
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from docutils import nodes

from harness.blocks import Block, BlockError
from harness.cache import ROOT, digest_of
from harness.imports import used_by
from harness.pages import Page
from harness.verdict import Failure


class _Warnings(logging.Handler):
    """Sphinx's warnings, by page: pairs of a line, if it is known, and a message."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[tuple[str, int | None, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        location = str(getattr(record, "location", None) or "")
        found = re.match(r"(?P<path>.*?)(?::(?P<line>\d+))?$", location)
        line = int(found["line"]) if found and found["line"] else None
        message = record.getMessage().rpartition(" WARNING: ")[2]  # Sphinx has put the place in front, MyST not
        self.found.append((found["path"] if found else "", line, message))


class Site:
    """The site as Sphinx reads it.

    Args:
        docs: its source directory.
        cache: a directory for Sphinx's own files, of this process alone.
        judged: gives the names of the pages that this run may check, when Sphinx first reads; None stands for all.
    """

    def __init__(self, docs: Path, cache: Path, judged: Callable[[], Iterable[str]] | None = None) -> None:
        self.docs = docs
        self.cache = cache
        self.judged = judged
        self._warnings = _Warnings()

    def _forget_what_other_programs_read(self) -> None:
        """Remove what is kept from an earlier run where the extensions, their data or Sphinx were others."""
        folders = [(self.docs / name).resolve() for name in ("_ext", "_data")]
        decides = {self.docs / "conf.py", *(path for folder in folders for path in folder.rglob("*"))}
        programs = used_by(path for path in decides if path.suffix == ".py")
        installed = Path(sysconfig.get_path("purelib")).stat().st_mtime_ns  # any installation changes it
        digest = f"{digest_of([*decides, *programs, ROOT / 'pyproject.toml'])} {installed}"
        stamp = self.cache / "read-by.txt"
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != digest:
            shutil.rmtree(self.cache, ignore_errors=True)
            self.cache.mkdir(parents=True)
            stamp.write_text(digest, encoding="utf-8")

    @cached_property
    def app(self):
        """The Sphinx application, with every page read: in this run, or as it is now in an earlier one."""
        from sphinx.application import ENV_PICKLE_FILENAME, Sphinx
        from sphinx.util.docutils import docutils_namespace, patch_docutils

        self._forget_what_other_programs_read()
        logger = logging.getLogger("sphinx")
        with patch_docutils(str(self.docs)), docutils_namespace(), _own_arguments():
            app = Sphinx(
                str(self.docs),
                str(self.docs),
                str(self.cache / "out"),
                str(self.cache / "doctrees"),
                "dummy",
                confoverrides={"nitpicky": True},
                status=None,
                warning=io.StringIO(),
            )
            logger.addHandler(self._warnings)
            app.connect("env-get-outdated", lambda app, env, *_: self._to_read(env.found_docs))
            app.builder.read()
            _keep(app.env, self.cache / "doctrees" / ENV_PICKLE_FILENAME)
            app.env.check_consistency()
        return app

    def _to_read(self, existing: set[str]) -> list[str]:
        """The pages that Sphinx reads also where they are as they were: it does not warn again of what it kept."""
        return sorted(existing if self.judged is None else existing & set(self.judged()))

    def check(self, page: Page) -> None:
        """Hold a page against its document tree.

        Raises:
            Failure: a block that nothing would judge, one that is not rendered, or anything that Sphinx warns of.
        """
        try:
            blocks = page.blocks
        except BlockError as error:
            raise Failure(error.message, error.line) from None
        self.app.env.get_and_resolve_doctree(page.name, self.app.builder)  # warns of what it cannot resolve
        self._refuse_warnings(page)
        account(blocks, self.app.env.get_doctree(page.name))

    def _refuse_warnings(self, page: Page) -> None:
        source = page.path.with_suffix("")
        own = [
            (line, message)
            for path, line, message in self._warnings.found
            if Path(path).with_suffix("") == source or path == page.name
        ]
        if own:
            rows = "\n".join(f"    {page.label}:{line or 1}: {message}" for line, message in own)
            raise Failure(f"Sphinx warns, so the site would not build:\n{rows}", own[0][0] or 1)


def _keep(environment: Any, path: Path) -> None:
    """Write what Sphinx knows of the site to where it looks for it when it starts, wholly or not at all."""
    unfinished = path.with_suffix(".new")
    with unfinished.open("wb") as file:
        pickle.dump(environment, file, pickle.HIGHEST_PROTOCOL)
    unfinished.replace(path)


@contextlib.contextmanager
def _own_arguments() -> Iterator[None]:
    """Keep the test runner's arguments from what reads ``sys.argv`` while Sphinx starts."""
    arguments, sys.argv = sys.argv, ["sphinx-build"]
    try:
        yield
    finally:
        sys.argv = arguments


def account(blocks: list[Block], doctree: nodes.document) -> None:
    """See that the blocks found are just those rendered.

    Raises:
        Failure: naming each block that stands on one side only.
    """
    rendered = [
        node
        for kind in (nodes.literal_block, nodes.doctest_block)
        for node in doctree.findall(kind)
        if not node.get("generated")
    ]
    found = Counter(block.source.rstrip("\n") for block in blocks)
    seen = Counter(node.astext().rstrip("\n") for node in rendered)
    faults = []
    for node in rendered:
        text = node.astext().rstrip("\n")
        if seen[text] > found[text]:
            seen[text] -= 1
            faults.append((node.line or 1, f"rendered, but not found by the harness: {_first(text)!r}"))
    seen = Counter(node.astext().rstrip("\n") for node in rendered)
    for block in blocks:
        text = block.source.rstrip("\n")
        if found[text] > seen[text]:
            found[text] -= 1
            faults.append((block.line, f"found by the harness, but not rendered: {_first(text)!r}"))
    if faults:
        rows = "\n".join(f"    line {line}: {message}" for line, message in faults)
        raise Failure(
            f"{len(blocks)} blocks are judged, {len(rendered)} are rendered. Every rendered block must be judged; "
            f"a directive that makes blocks of its own registers them with node['generated']:\n{rows}",
            faults[0][0],
        )


def _first(text: str) -> str:
    return text.split("\n")[0][:60]
