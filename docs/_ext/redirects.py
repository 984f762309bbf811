"""Old addresses keep working: checks the two lists of addresses and writes every kind of redirect from one of them.

``docs/_data/redirects.txt`` holds ``"old" "new"``, a line each: two page names, without suffix. From it come

* an HTML stub for each old address (sphinxext-rediraffe writes it from ``_templates/redirect.html``),
* ``_redirects``, which Netlify and Cloudflare Pages read,
* ``redirects.nginx.conf``, a map for an nginx that can send a real 301.

``docs/_data/published.txt`` holds every page name that was ever published, a line each. One that is neither a page
nor a redirect any more is a warning, and so fails the build; so does a page or a redirect that is not in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinxext.rediraffe import REDIRECT_JSON_NAME

logger = logging.getLogger(__name__)

_LINE = re.compile(r'"(?P<old>[^"]+)"\s+"(?P<new>[^"]+)"')

#: A page of the site that was never anyone's to link to.
NOT_PUBLISHED = frozenset({"404"})


@dataclass(frozen=True)
class Redirect:
    """One line of the list: two page names without suffix."""

    old: str
    new: str
    line: int


def entries(path: Path) -> list[tuple[int, str]]:
    """The lines of a list that say something, with their numbers from 1; ``#`` starts a comment line."""
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    return [(number, line.strip()) for number, line in lines if line.strip() and not line.lstrip().startswith("#")]


def read_redirects(path: Path) -> tuple[list[Redirect], list[tuple[int, str]]]:
    """The list's redirects, and the line and description of each fault that the list alone shows."""
    redirects: dict[str, Redirect] = {}
    faults = []
    for number, text in entries(path):
        found = _LINE.fullmatch(text)
        if not found:
            faults.append((number, f'expected "old" "new", two page names in quotes, found {text}'))
        elif any(_is_no_page_name(name) for name in found.groups()):
            faults.append((number, f"a page name has no suffix, anchor or leading slash: found {text}"))
        elif found["old"] in redirects:
            faults.append((number, f"{found['old']} is redirected in line {redirects[found['old']].line} already"))
        else:
            redirects[found["old"]] = Redirect(found["old"], found["new"], number)
    return list(redirects.values()), faults


def _is_no_page_name(name: str) -> bool:
    return name.startswith("/") or "#" in name or name.endswith((".md", ".html", "/"))


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Hold both lists against the site's pages, and hand the sound redirects to rediraffe."""
    path = Path(app.confdir) / app.config.redirects_file
    pages = set(env.found_docs)
    redirects, faults = read_redirects(path)
    sound = []
    for redirect in redirects:
        if redirect.old in pages:
            faults.append((redirect.line, f"{redirect.old} is a page: remove the page or the redirect"))
        elif redirect.new not in pages:
            faults.append((redirect.line, f"{redirect.new} is no page: redirect {redirect.old} to one that exists"))
        else:
            sound.append(redirect)
    for number, message in sorted(faults):
        _warn(path, number, message)
    app.config.rediraffe_redirects = {redirect.old: redirect.new for redirect in sound}
    _check_published(app, env, {redirect.old for redirect in redirects})


def _check_published(app: Sphinx, env: BuildEnvironment, redirected: set[str]) -> None:
    path = Path(app.confdir) / app.config.published_file
    pages = set(env.found_docs) - NOT_PUBLISHED
    listed = {name: number for number, name in entries(path)}
    next_line = 1 + max(listed.values(), default=0)
    for name in sorted(set(listed) - pages - redirected):
        _warn(
            path,
            listed[name],
            f"{name} was published and is neither a page nor a redirect: its readers' links would break. "
            f'Add the line "{name}" "NEW-PAGE" to {app.config.redirects_file}',
        )
    for name in sorted((pages | redirected) - set(listed)):
        _warn(path, next_line, f"{name} is not listed: add the line {name}, so that its address is kept for ever")


def _warn(path: Path, line: int, message: str) -> None:
    logger.warning(message, location=f"{path}:{line}", type="redirects")


def forget_stubs(app: Sphinx) -> None:
    """Remove what an earlier build wrote where a redirect starts.

    Rediraffe refuses to write over the page that a redirect replaces, and keeps a stub whose template changed.
    """
    (Path(app.outdir) / REDIRECT_JSON_NAME).unlink(missing_ok=True)
    redirects, _ = read_redirects(Path(app.confdir) / app.config.redirects_file)
    for redirect in redirects:
        (Path(app.outdir) / f"{redirect.old}.html").unlink(missing_ok=True)


def write_template(app: Sphinx) -> None:
    """Give rediraffe the stub's template with the site's address in it: it passes nothing of the kind itself."""
    source = Path(app.confdir) / "_templates" / "redirect.html"
    target = Path(app.doctreedir) / "redirect.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    head = f"{{% set site_url = {app.config.html_baseurl or ''!r} %}}"
    target.write_text(head + source.read_text(encoding="utf-8"), encoding="utf-8")
    app.config.rediraffe_template = str(target)


def _addresses(name: str) -> list[str]:
    """Every address, from the site's root, under which servers hand out a page."""
    addresses = [f"/{name}.html", f"/{name}"]
    if name.endswith("/index"):
        addresses.append(f"/{name.removesuffix('index')}")
    return addresses


def write_server_rules(app: Sphinx, exception: Exception | None) -> None:
    if exception or app.builder.name != "html":
        return
    root = urlsplit(app.config.html_baseurl or "").path.rstrip("/")
    pairs = [
        (root + address, f"{root}/{new}.html")
        for old, new in app.config.rediraffe_redirects.items()
        for address in _addresses(old)
    ]
    netlify = "".join(f"{old} {new} 301!\n" for old, new in pairs)
    nginx = "".join(f'    "{old}" "{new}";\n' for old, new in pairs)
    header = f"# Written by the build from {app.config.redirects_file}.\n"
    usage = (
        "# Include this file in the http block, and in the server block write\n"
        "#   if ($moved_to) { return 301 $moved_to$is_args$args; }\n"
    )
    outdir = Path(app.outdir)
    (outdir / "_redirects").write_text(header + netlify, encoding="utf-8")
    (outdir / "redirects.nginx.conf").write_text(
        f'{header}{usage}map $uri $moved_to {{\n    default "";\n{nginx}}}\n', encoding="utf-8"
    )


def setup(app: Sphinx) -> dict[str, object]:
    app.add_config_value("redirects_file", "_data/redirects.txt", "")
    app.add_config_value("published_file", "_data/published.txt", "")
    app.connect("builder-inited", forget_stubs)
    app.connect("builder-inited", write_template)
    app.connect("env-updated", check)
    app.connect("build-finished", write_server_rules)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
