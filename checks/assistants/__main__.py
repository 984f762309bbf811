"""Serve the built site and print what afdocs makes of it; fail for each of its checks that fails."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from checks.browser.server import served

PROGRAMS = Path(__file__).with_name("node_modules")
#: afdocs needs Node.js 22, which a package beside it brings.
COMMAND = (str(PROGRAMS / "node" / "bin" / "node"), str(PROGRAMS / "afdocs" / "bin" / "afdocs.mjs"), "check")
#: What is not asked, and why.
SKIPPED = {"content-negotiation": "a static host has one file for an address, whatever the reader accepts"}
#: As many pages as afdocs looks at: more than the site has, so that it looks at each.
PAGES = 1000
OPTIONS = (
    *("--format", "json", "--score", "--quiet"),
    *("--sampling", "deterministic", "--max-links", str(PAGES)),
    *("--url-path-pattern", "html"),
    *("--request-delay", "0", "--max-concurrency", "10"),  # it asks this machine
    *("--skip-checks", ",".join(SKIPPED)),
)


def asked(address: str) -> dict[str, Any]:
    """What afdocs says of a site.

    Raises:
        SystemExit: it did not get that far.
    """
    done = subprocess.run([*COMMAND, address, *OPTIONS], capture_output=True, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        raise SystemExit(f"afdocs gave no report:\n{done.stderr or done.stdout}") from None


def lines(report: dict[str, Any]) -> Iterator[str]:
    """What is printed: the score, and a line for each check that is not passed."""
    scoring = report["scoring"]
    yield f"afdocs: {scoring['overall']} of 100 ({scoring['grade']}), {report['testedPages']} pages"
    for result in report["results"]:
        if result["status"] in ("fail", "warn"):
            yield f"{result['status'].upper()} {result['id']}: {result['message']}"
            yield from (f"    {each}" for each in pages_of(result))
    yield from (f"not asked: {name}, since {reason}" for name, reason in SKIPPED.items())


def pages_of(result: dict[str, Any], most: int = 3) -> Iterator[str]:
    """Some of the pages for which a check is not passed, with what is missing there."""
    pages = [
        each for each in result.get("details", {}).get("pageResults", ()) if each.get("status") == result["status"]
    ]
    for each in pages[:most]:
        yield each["url"] + "".join(f"\n        {missing}" for missing in each.get("sampleDiffs", ()))


def failed(report: dict[str, Any]) -> list[str]:
    """The checks that a site fails."""
    return [each["id"] for each in report["results"] if each["status"] == "fail" and each["id"] not in SKIPPED]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report; return 1 where a check fails."""
    parser = argparse.ArgumentParser(prog="checks.assistants", description=__doc__)
    parser.add_argument("html", type=Path)
    parser.add_argument("address", help="for which the site was built, on this machine")
    options = parser.parse_args(arguments)
    with served(options.html, urlsplit(options.address).port or 0) as address:
        report = asked(address)
    print("\n".join(lines(report)))
    return 1 if failed(report) else 0


if __name__ == "__main__":
    sys.exit(main())
