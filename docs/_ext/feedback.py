"""Below each page: its rating, links to edit it and to report a fault, and when it last changed.

All of it is for the repository that ``REPOSITORY_URL`` names, as GitHub addresses it; unset, a build has none of it. A
rating opens an issue form of that repository, so that no server is needed and nobody is counted without knowing it.
``ANALYTICS_URL`` names where site.js may count that a page was read to its expected results; unset, it counts nothing.
"""

from __future__ import annotations

import html
import re
import subprocess
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from docutils import nodes
from sphinx.application import Sphinx

#: The issue form (.github/ISSUE_TEMPLATE), whose fields the links fill in.
FORM = "page.yml"
BRANCH = "main"
RATINGS = {
    1: "1, it misled me",
    2: "2",
    3: "3",
    4: "4",
    5: "5, it did what I came for",
}

_COMMIT = re.compile(r"^@(?P<date>\d{4}-\d\d-\d\d)$")


def rating(repository: str, pagename: str, stars: int) -> str:
    """The address of the issue form with a rating of a page."""
    fields = {
        "template": FORM,
        "title": f"{pagename}: {stars} of 5",
        "page": pagename,
        "rating": RATINGS[stars],
    }
    return f"{repository}/issues/new?{urlencode(fields)}"


def fault(repository: str, pagename: str) -> str:
    """The address of the issue form for what is wrong on a page."""
    return f"{repository}/issues/new?{urlencode({'template': FORM, 'title': f'{pagename}: ', 'page': pagename})}"


@cache
def changes(docs: Path) -> dict[str, str]:
    """The date of the last commit of each file below ``docs``; nothing where git does not know all commits."""
    try:
        shallow = _git(docs, "rev-parse", "--is-shallow-repository").strip()
        log = "" if shallow != "false" else _git(docs, "log", "--format=@%cs", "--name-only", "--relative", "--", ".")
    except (OSError, subprocess.CalledProcessError):  # no git, or no repository: a downloaded archive
        return {}
    found: dict[str, str] = {}
    date = ""
    for line in log.splitlines():
        if commit := _COMMIT.match(line):
            date = commit["date"]
        elif line:
            found.setdefault(line, date)
    return found


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def add(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: nodes.document | None) -> None:
    if doctree is None or pagename not in app.env.found_docs or "orphan" in app.env.metadata[pagename]:
        return
    if url := app.config.analytics_url:
        context["metatags"] += f'<meta name="analytics" content="{html.escape(url)}">\n'
    repository = app.config.repository_url
    if repository:
        context["ratings"] = [(stars, rating(repository, pagename, stars), RATINGS[stars]) for stars in RATINGS]
        context["fault_url"] = fault(repository, pagename)
        context["edit_url"] = f"{repository}/edit/{BRANCH}/docs/{pagename}.md"
    context["last_changed"] = changes(Path(app.srcdir)).get(f"{pagename}.md", "")


def setup(app: Sphinx) -> dict[str, object]:
    app.add_config_value("repository_url", "", "html")
    app.add_config_value("analytics_url", "", "html")
    app.connect("html-page-context", add)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
