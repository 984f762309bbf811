"""The Python that pages show: find it, and import it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from harness.pages import Page


@contextmanager
def imported(folder: Path, *names: str) -> Iterator[SimpleNamespace]:
    """The modules of those names in a folder; afterwards nobody finds them any more."""
    sys.path.insert(0, str(folder))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(folder))
        for name in names:
            sys.modules.pop(name, None)


def sources(page: Page) -> Iterator[tuple[str, int, str]]:
    """The Python that a page has its reader run: a name, the line of the page, and the source.

    A resources server's tests are left out: `gym env test` runs them in the server's own environment.
    """
    for block in page.blocks:
        of_a_server = "tests" in Path(block.option("file") or "").parts
        if block.language == "python" and "shown" not in block.options and not of_a_server:
            yield page.label, block.source_line, block.source
    for path, line in page.downloads.items():
        if path.suffix == ".py":
            yield f"{page.label}, {path.name}", line, path.read_text(encoding="utf-8")
