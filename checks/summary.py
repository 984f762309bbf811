"""What a run of ``.ci/run`` came to, as Markdown for a pull request: ``python3 -m checks.summary``.

It reads ``build/ledger.json`` and ``build/ci.log``, and needs no package.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: Of how many pages, those that took longest, the time is listed.
LISTED = 10

_SESSION = re.compile(r"^nox > \* (?P<name>[\w.-]+): (?P<came>\w+)(?:, took (?P<time>.+))?$", re.MULTILINE)
#: pytest's list of what failed, at the end of a session.
_FAILED = re.compile(r"^(?:FAILED|ERROR) (?P<test>.+?)(?: - (?P<why>.*))?$", re.MULTILINE)


def sessions(log: str) -> Iterator[str]:
    """What each session of the run came to, and how long it took."""
    if found := list(_SESSION.finditer(log)):
        yield "| check | came to | took |"
        yield "| --- | --- | --- |"
        for each in found:
            yield f"| {each['name']} | {each['came']} | {each['time'] or ''} |"
    else:
        yield "The run ended before its sessions did: see the log."


def failures(log: str) -> Iterator[str]:
    """Each test that failed, once."""
    found = dict.fromkeys((each["test"], each["why"] or "") for each in _FAILED.finditer(log))
    if found:
        yield f"### What failed: {len(found)}"
        yield ""
        for test, why in list(found)[:100]:
            said = why.replace("`", "'")[:200]
            yield f"- `{test}`" + (f": `{said}`" if said else "")


def pages(ledger: dict[str, Any]) -> Iterator[str]:
    """How many snippets of how many pages were judged, what fell short, and which pages took longest."""
    judged = {name: page for name, page in ledger["pages"].items() if not page.get("missing")}
    kinds = Counter(block["verdict"] for page in judged.values() for block in page["blocks"])
    verdicts = ", ".join(f"{count} {kind} ({count / kinds.total():.1%})" for kind, count in kinds.most_common())
    yield f"### {len(judged)} pages, {kinds.total()} snippets: {verdicts}"
    yield ""
    for name, page in ledger["pages"].items():
        if page.get("missing"):
            yield f"- **{name}** was not judged: the environment {page['missing']} was not installed"
        for block in page["blocks"]:
            if block["verdict"] == "failed":
                yield f"- **{name}**, line {block['line']}: {block['how']}"
    lines = [page["lines"] for page in judged.values() if page.get("lines")]
    never = sum(len(each["never_run"]) for each in lines)
    yield f"- Lines of Python on the pages: {sum(each['python'] for each in lines)}, of which {never} never ran"
    followed = {name: page for name, page in ledger.get("verbatim", {}).items() if page.get("followed")}
    yield f"- Followed as a reader does: {', '.join(followed) or 'no page'}"
    slowest = sorted(judged.items(), key=lambda each: -each[1]["seconds"])[:LISTED]
    yield ""
    yield "| pages that took longest | snippets | seconds |"
    yield "| --- | ---: | ---: |"
    for name, page in slowest:
        yield f"| {name} | {len(page['blocks'])} | {page['seconds']:.0f} |"


def summary(ledger: Path, log: Path) -> Iterator[str]:
    """The whole summary, line by line; of a file that is missing it says so."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    yield from sessions(text)
    yield ""
    yield from failures(text)
    yield ""
    if ledger.is_file():
        yield from pages(json.loads(ledger.read_text(encoding="utf-8")))
    else:
        yield "No page was judged: the run ended before it wrote its ledger."


def main(arguments: list[str] | None = None) -> int:
    """Print the summary; the exit status."""
    parser = argparse.ArgumentParser(prog="python3 -m checks.summary", description=__doc__.splitlines()[0])
    parser.add_argument("--ledger", type=Path, default=ROOT / "build" / "ledger.json")
    parser.add_argument("--log", type=Path, default=ROOT / "build" / "ci.log")
    options = parser.parse_args(arguments)
    print("\n".join(summary(options.ledger, options.log)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
