"""Judge pages of the built site with Lighthouse, beside pages of the documentation of its theme.

Both sites are served by this machine, one page after the other is opened as on a phone, and one table comes out. It
fails where a page of this site has less than 100 for accessibility, best practices or search engines, or weighs more
than the budget. Performance is printed only: it is this machine's too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from checks.browser import chromium
from checks.browser.server import served

ROOT = Path(__file__).parent.parent
SITE = ROOT / "docs" / "_build" / "html"
#: Where `nox -s theme` builds the documentation of the theme.
THEME = ROOT / "build" / "theme" / "html"
LIGHTHOUSE = ROOT / "checks" / "lighthouse" / "node_modules" / "lighthouse" / "cli" / "index.js"

#: One page of each template of this site.
PAGES = (
    "index.html",
    "about/concepts/configuration-system.html",
    "training/datasets/prepare-for-training.html",
    "training-tutorials/code-training.html",
    "reference/configuration.html",
    "reference/resources-servers/math_with_judge.html",
    "reference/glossary.html",
    "search.html",
)
#: The theme's home page, and two that show all that it can do.
THEME_PAGES = ("index.html", "user_guide/layout.html", "examples/kitchen-sink/blocks.html")

#: What a page of this site must have in full, and what is printed only.
FULL = ("accessibility", "best-practices", "seo")
PRINTED = "performance"
#: The most that a page may ask for and weigh, packed as a host sends it. The page of the search loads its index.
REQUESTS, KILOBYTES = 30, 450
KILOBYTES_OF = {"search.html": 750}


@dataclass(frozen=True)
class Judged:
    """What Lighthouse says of a page.

    Attributes:
        page: its path from the root of its site.
        scores: of each category, of 100.
        faults: what keeps a category from 100.
        requests, kilobytes: what the page asked for, and what that weighed.
    """

    page: str
    scores: dict[str, int]
    faults: list[str]
    requests: int
    kilobytes: int

    def short_of(self) -> Iterator[str]:
        """What this page must have and has not."""
        yield from (f"{name} is {self.scores[name]}, not 100" for name in FULL if self.scores[name] < 100)
        if self.requests > REQUESTS:
            yield f"{self.requests} requests are more than {REQUESTS}"
        budget = KILOBYTES_OF.get(self.page, KILOBYTES)
        if self.kilobytes > budget:
            yield f"{self.kilobytes} KB are more than {budget}"


def judged(page: str, report: dict[str, Any]) -> Judged:
    """Read a report of Lighthouse."""
    scores, faults = {}, []
    for name, category in report["categories"].items():
        scores[name] = round(100 * category["score"])
        if name in FULL:
            audits = [report["audits"][each["id"]] for each in category["auditRefs"] if each["weight"]]
            short = [each for each in audits if applies(each) and (each["score"] or 0) < 1]
            faults += [f"{each['id']}: {each['title']}" for each in short]
    audits = report["audits"]
    requests = len(audits["network-requests"]["details"]["items"])
    return Judged(page, scores, faults, requests, round(audits["total-byte-weight"]["numericValue"] / 1000))


def applies(audit: dict[str, Any]) -> bool:
    """Whether an audit has a result for a page."""
    return audit["scoreDisplayMode"] not in ("notApplicable", "manual", "informative")


def opened(address: str, page: str) -> Judged:
    """Have Lighthouse open a page.

    Raises:
        SystemExit: it did not get that far.
    """
    command = ["node", str(LIGHTHOUSE), f"{address}{page}", "--quiet", "--output=json"]
    command += [f"--only-categories={','.join((*FULL, PRINTED))}", "--chrome-flags=--headless=new --no-sandbox"]
    variables = os.environ | {"CHROME_PATH": chromium.find(whole=True) or ""}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"Lighthouse gave no report of {page}:\n{done.stderr or done.stdout}") from None
    if said := report.get("runtimeError"):
        raise SystemExit(f"Lighthouse could not open {page}: {said['message']}")
    return judged(page, report)


def look_at(html: Path, pages: Sequence[str]) -> list[Judged]:
    """Have Lighthouse open pages of a built site.

    Raises:
        SystemExit: there is no such page.
    """
    if missing := [page for page in pages if not (html / page).is_file()]:
        raise SystemExit(f"{html} has no {', '.join(missing)}: name the page that took its place in {__file__}")
    with served(html) as address:
        return [opened(f"{address.rstrip('/')}/", page) for page in pages]


def lines(ours: list[Judged], theirs: list[Judged]) -> Iterator[str]:
    """The table that is printed."""
    yield f"{'':<50} access  best   seo  perf  requests    KB"
    for name, pages in (("this site", ours), ("the theme's documentation", theirs)):
        yield name
        for each in pages:
            scores = "".join(f"{each.scores[one]:>6}" for one in (*FULL, PRINTED))
            yield f"  {each.page:<48}{scores}{each.requests:>10}{each.kilobytes:>6}"
            yield from (f"      {fault}" for fault in each.faults)
    for name, value in (("performance", lambda each: each.scores[PRINTED]), ("weight", lambda each: each.kilobytes)):
        here, there = median(map(value, ours)), median(map(value, theirs))
        yield f"{name}, the medians: {here:g} here, {there:g} there, {here / there:.2f} times"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; return 1 where a page of this site falls short."""
    parser = argparse.ArgumentParser(prog="nox -s bench -- site", description=__doc__.splitlines()[0])
    parser.parse_args(arguments)
    ours, theirs = look_at(SITE, PAGES), look_at(THEME, THEME_PAGES)
    print("\n".join(lines(ours, theirs)))
    short = [f"{each.page}: {what}" for each in ours for what in each.short_of()]
    print("\n".join(short), file=sys.stderr)
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
