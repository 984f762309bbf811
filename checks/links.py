"""Follow every link and anchor of the built site, with lychee.

``python -m checks.links docs/_build/html`` follows what stays on the site, without a network. With ``--external`` it
asks the other sites instead, as ``external.toml`` says. ``SITE_URL``, where it is set, is this site.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

ROOT = Path(__file__).resolve().parents[1]
EXTERNAL = Path(__file__).with_name("external.toml")
#: lychee keeps its cache, ``.lycheecache``, where it runs.
CACHE = ROOT / "build" / "links"
#: What is checked with the pages: the documents that lead to them.
BESIDE = [str(ROOT / name) for name in ("README.md", "CONTRIBUTING.md")]

#: What is asked of lychee. Anchors are for browsers, so those of the pages' Markdown twins, of llms.txt and of the
#: sitemap are not looked up; llms-full.txt is those twins once more.
PAGES = ["--offline", "--include-fragments=full", "--extensions", "html,css", *BESIDE]
TWINS = ["--offline", "--extensions", "md,txt,xml", "--exclude-path", "/llms-full"]
OTHER_SITES = ["--scheme", "https", "--scheme", "http", "--extensions", "html", *BESIDE]

#: Not the site's own words: the theme's files, among them a template, and the sources as Sphinx copies them.
NOT_PAGES = ("/_static/", "/_sources/")
NO_SUCH_ANCHOR = "Cannot find fragment"
SEEN_BEFORE = "(cached)"  # in the place of a reason that was given for the same target already
#: lychee's exit statuses where it did its work: nothing found, something found.
DONE = (0, 2)
#: What is used of a report.
COUNTS = ("total", "excludes", "successful", "cached")
MAPS = ("error_map", "timeout_map", "excluded_map")
#: Of other sites: a server's own error, or none that answers; and how often, with which pause, they are asked again.
MAY_PASS = re.compile(r"\b5\d\d\b|Network error")
ROUNDS = 3
PAUSE_S = 60
PAGES_NAMED = 3  # of those that hold one dead link; in a list of contents that is all of them

Report = Mapping[str, Any]


def command(html: Path, site_url: str, asked: Sequence[str]) -> list[str]:
    """The lychee command that checks what is ``asked`` of a built site and prints its report as JSON."""
    lychee = Path(sys.executable).with_name("lychee")
    options = ["--no-progress", "--format", "json", "--root-dir", str(html)]
    for pattern in NOT_PAGES:
        options += ["--exclude-path", pattern]
    for pattern, target in own_addresses(html, site_url):
        options += ["--remap", f"{pattern} {target}"]
    return [str(lychee), *options, *asked, str(html)]


def own_addresses(html: Path, site_url: str) -> list[tuple[str, str]]:
    """Which addresses are this site's, as a pattern, and the folder that they lead to.

    Without an address the site's root is the folder itself. With one, the canonical links hold it, and where it has
    a path, 404.html starts its links with that.
    """
    if not site_url:
        return []
    folder, path = html.as_uri(), urlsplit(site_url).path.strip("/")
    own = [(f"^{re.escape(site_url.rstrip('/'))}/", f"{folder}/")]
    return [(f"^{re.escape(f'{folder}/{path}')}/", f"{folder}/"), *own] if path else own


def internal(html: Path, site_url: str) -> Report:
    """Follow what stays on the site."""
    return merged([run(command(html, site_url, asked)) for asked in (PAGES, TWINS)])


def external(html: Path, site_url: str) -> Report:
    """Ask other sites.

    lychee itself asks again after a timeout or a 429. For a server that fails, or cannot be reached, it is run again:
    what has answered is in its cache by then.
    """
    asking = command(html, site_url, ["--config", str(EXTERNAL), *OTHER_SITES])
    report = run(asking)
    for _ in range(ROUNDS - 1):
        if not may_pass(report):
            break
        time.sleep(PAUSE_S)
        report = run(asking)
    return report


def may_pass(report: Report) -> bool:
    """Whether a link failed for a reason that the next minute may mend."""
    return any(MAY_PASS.search(entry["status"]["text"]) for file in report["error_map"].values() for entry in file)


def run(lychee: Sequence[str]) -> Report:
    """Run lychee; raise ``SystemExit`` where it could not do its work."""
    CACHE.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(lychee, cwd=CACHE, capture_output=True, text=True)
    if done.returncode not in DONE:
        raise SystemExit(f"lychee ended with status {done.returncode}:\n{done.stderr or done.stdout}")
    report = json.loads(done.stdout)
    seconds = report["duration"]["secs"] + report["duration"]["nanos"] / 1e9
    return {name: report[name] for name in (*COUNTS, *MAPS)} | {"seconds": seconds}


def merged(reports: Sequence[Report]) -> Report:
    """One report of several that read different files."""
    counts = {name: sum(report[name] for report in reports) for name in (*COUNTS, "seconds")}
    return counts | {name: {file: found for report in reports for file, found in report[name].items()} for name in MAPS}


def faults(report: Report, html: Path) -> Iterator[str]:
    """One line for each target that does not answer, with the pages that link to it."""
    holders: dict[str, set[str]] = defaultdict(set)
    reasons: dict[str, str] = {}
    for kind in ("error_map", "timeout_map"):
        for file, entries in report[kind].items():
            for entry in entries:
                # A fragment on another site is not asked for.
                url = entry["url"] if entry["url"].startswith("file:") else urldefrag(entry["url"]).url
                holders[url].add(source_of(Path(file), html))
                why = entry["status"]["text"]
                if url not in reasons or SEEN_BEFORE in reasons[url]:
                    reasons[url] = why
    for url, pages in sorted(holders.items()):
        named = ", ".join(sorted(pages)[:PAGES_NAMED])
        more = f" and {len(pages) - PAGES_NAMED} more" if len(pages) > PAGES_NAMED else ""
        yield f"{named}{more}: the link to {target_of(url, html)} leads nowhere: {reason(url, reasons[url])}"


def source_of(file: Path, html: Path) -> str:
    """The name, from the repository's root, of what somebody wrote to make ``file``; its own where nobody did."""
    try:
        name = file.relative_to(html)
    except ValueError:
        return file.relative_to(ROOT).as_posix()
    source = Path("docs", name).with_suffix(".md")
    return (source if (ROOT / source).is_file() else Path("docs/_build/html", name)).as_posix()


def target_of(url: str, html: Path) -> str:
    """A link's target as a reader would write it: from the site's root where it is on the site."""
    return unquote(url).removeprefix(f"{html.as_uri()}/").removeprefix(f"{ROOT.as_uri()}/")


def reason(url: str, why: str) -> str:
    """Why a link is dead, and for an anchor the nearest one that its page has."""
    if not url.startswith("file:"):
        why = why.removeprefix("Rejected status code: ")
        return why.partition(" (error sending request")[0]  # what follows is the address again
    if why != NO_SUCH_ANCHOR:
        return "there is no such file"
    parts = urlsplit(url)
    page = Path(unquote(parts.path)).read_text(encoding="utf-8")
    nearest = difflib.get_close_matches(unquote(parts.fragment), re.findall(r'\bid="([^"]+)"', page), n=1)
    return "its page has no such anchor" + (f"; the nearest is #{nearest[0]}" if nearest else "")


def useless_ignores(report: Report) -> Iterator[str]:
    """One line for each entry of the ignore list that no link of the site matches any more."""
    urls = [entry["url"] for entries in report["excluded_map"].values() for entry in entries]
    for pattern in tomllib.loads(EXTERNAL.read_text(encoding="utf-8")).get("exclude", []):
        if not any(re.search(pattern, url) for url in urls):
            yield f"checks/{EXTERNAL.name}: no link of the site matches {pattern!r} any more: remove the entry"


def summary(report: Report, html: Path) -> str:
    """What was checked, in one line."""
    pages = sum(not any(part in f"/{path.relative_to(html)}" for part in NOT_PAGES) for path in html.rglob("*.html"))
    followed = report["total"] - report["excludes"]
    rest = f"{report['excludes']} not followed, {report['cached']} known from before"
    return (
        f"{report['successful']} of {followed} links on {pages} pages lead somewhere; {rest}; {report['seconds']:.1f} s"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the faults and the summary; return 1 where there is a fault."""
    parser = argparse.ArgumentParser(prog="nox -s links --", description="Check the links of the built site.")
    parser.add_argument("html", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--external", action="store_true", help="ask the other sites that the pages link to")
    options = parser.parse_args(arguments)
    html = options.html.resolve()
    report = (external if options.external else internal)(html, os.environ.get("SITE_URL", "").strip())
    found = list(faults(report, html))
    if options.external:
        found += useless_ignores(report)
    elif not report["successful"]:
        found.append(f"{options.html}: no link was found on the site")
    for line in [*found, summary(report, html)]:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
