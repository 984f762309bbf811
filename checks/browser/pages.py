"""Which pages the built site has: those that somebody wrote, and those that a program writes, by their template."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

#: The line of a page's source that says that a program wrote it, or all that is below the line.
GENERATED = re.compile(r"^% Generated (?P<part>below this line )?from the installed release", re.MULTILINE)
#: The pages with the tool's own source, which the site writes without a source of theirs.
MODULES = "_modules"


@dataclass(frozen=True)
class Pages:
    """The pages of a built site, each by its path from the site's root.

    ``full`` are looked at in every way: what somebody wrote, and of the pages that one template writes the largest.
    ``once`` are the others of each template.
    """

    full: tuple[str, ...]
    once: tuple[str, ...]
    redirects: dict[str, str]

    @classmethod
    def of(cls, html: Path, docs: Path) -> Pages:
        """The pages in the folder of a built site, whose sources are in ``docs``."""
        # The build writes this list beside the stubs.
        redirects = json.loads((html / "_rediraffe_redirected.json").read_text(encoding="utf-8"))
        paths = {path.relative_to(html).as_posix() for path in html.rglob("*.html") if "_static" not in path.parts}
        templates: dict[str, list[str]] = {}
        for path in sorted(paths - {f"{old}.html" for old in redirects}):
            templates.setdefault(template(path, docs), []).append(path)
        largest = {max(written, key=lambda path: (html / path).stat().st_size) for written in templates.values()}
        once = {path for written in templates.values() for path in written} - largest
        return cls(tuple(sorted(largest)), tuple(sorted(once)), redirects)


def template(path: str, docs: Path) -> str:
    """The name of what a page is written from: of a page that somebody wrote the page itself."""
    if path.startswith(f"{MODULES}/"):
        return MODULES
    source = (docs / path).with_suffix(".md")
    found = GENERATED.search(source.read_text(encoding="utf-8")) if source.is_file() else None
    return path if not found or found["part"] else Path(path).parent.as_posix()
