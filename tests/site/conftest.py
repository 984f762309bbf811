"""Small sites, built by the real ``docs/conf.py`` in a folder of their own."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

ROOT = Path(__file__).resolve().parents[2]

FRONT_MATTER = """\
---
content-type: how-to
job: Do one thing.
description: One thing, done.
keywords: one, thing
---
"""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Site:
    """A built site: where it is, and what the build warned of. ``failed`` is whether ``-W`` makes it fail."""

    source: Path
    html: Path
    warnings: str
    failed: bool

    def read(self, name: str) -> str:
        return (self.html / name).read_text(encoding="utf-8")


Build = Callable[..., Site]


def page(body: str, title: str = "A page", front_matter: str = FRONT_MATTER) -> str:
    """A page's source; its body starts on line 9."""
    return f"{front_matter}\n# {title}\n{body}"


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Builds a site from its pages, as ``nox -s docs`` does, and again when called again.

    The index leads to every page. ``published`` and ``redirects`` are the two lists' lines; by default every page
    is published and nothing is redirected. There is no ledger and no address unless the test sets one. ``settings``
    are further ones of Sphinx's configuration.
    """
    for name in ("SITE_URL", "REPOSITORY_URL", "ANALYTICS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GYMDOCS_LEDGER", str(tmp_path / "ledger.json"))
    docs = tmp_path / "docs"

    def build_site(
        pages: Mapping[str, str],
        *,
        published: list[str] | None = None,
        redirects: list[str] | None = None,
        address: str | None = None,
        **settings: object,
    ) -> Site:
        others = "\n".join(pages)
        index = page(f"```{{toctree}}\n{others}\n```\n", "A site")
        for name, text in {"index": index, **pages}.items():
            path = docs / f"{name}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
        lists = tmp_path / "lists"
        lists.mkdir(exist_ok=True)
        lines = [*pages, "index"] if published is None else published
        (lists / "published.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (lists / "redirects.txt").write_text("\n".join(redirects or []) + "\n", encoding="utf-8")
        if address:
            monkeypatch.setenv("SITE_URL", address)
        warnings = io.StringIO()
        with patch_docutils(ROOT / "docs"), docutils_namespace():
            app = Sphinx(
                docs,
                ROOT / "docs",
                tmp_path / "html",
                tmp_path / "doctrees",
                "html",
                confoverrides={
                    "published_file": str(lists / "published.txt"),
                    "redirects_file": str(lists / "redirects.txt"),
                    "nitpicky": True,
                    **settings,
                },
                status=None,
                warning=warnings,
                warningiserror=True,
            )
            app.build()
        return Site(docs, tmp_path / "html", _ANSI.sub("", warnings.getvalue()), app.statuscode != 0)

    return build_site
