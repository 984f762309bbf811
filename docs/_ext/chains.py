"""Say on a page that starts from another page's files (``starts-from``) where those files come from.

Under the title stands a link to that page and, where the tests have left its files, a download of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)


def archive(app: Sphinx, docname: str) -> Path:
    """Where the tests leave the files of a page that others start from (`harness.plugin`)."""
    return Path(app.confdir).parent / "build" / "chains" / f"{docname}.zip"


def add_line(app: Sphinx, doctree: nodes.document) -> None:
    before = app.env.metadata[app.env.docname].get("starts-from")
    title = doctree.next_node(nodes.title)
    if not before or title is None:
        return
    if before not in app.env.found_docs:
        logger.warning("starts-from: there is no page %s", before, location=(app.env.docname, 1), type="chains")
        return
    line = nodes.paragraph(classes=["starts-from"])
    line += nodes.Text("Starts from the files of ")
    line += addnodes.pending_xref(
        "", nodes.inline(), refdomain="std", reftype="doc", reftarget=f"/{before}", refdoc=app.env.docname,
        refexplicit=False, refwarn=True,
    )  # fmt: skip
    if archive(app, before).is_file():
        line += nodes.Text(": follow that page first, or ")
        target = Path("_downloads", "chains", f"{before}.zip")
        up = "../" * app.env.docname.count("/")
        line += nodes.reference("", "download its files", internal=False, refuri=f"{up}{target.as_posix()}")
    else:
        line += nodes.Text(": follow that page first")
    line += nodes.Text(".")
    facts = next((each for each in title.parent.children if "page-facts" in each.get("classes", ())), title)
    if app.env.metadata[app.env.docname].get("content-type") == "navigation":  # nothing that one follows from its top
        facts = next((each for each in title.parent.children if isinstance(each, nodes.literal_block)), facts)
    title.parent.insert(title.parent.index(facts) + 1, line)


def copy_archives(app: Sphinx, error: Exception | None) -> None:
    if error is not None or app.builder.format != "html":
        return
    for before in {each.get("starts-from") for each in app.env.metadata.values()} - {None}:
        source = archive(app, before)
        if source.is_file():
            target = Path(app.outdir, "_downloads", "chains", f"{before}.zip")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def setup(app: Sphinx) -> dict[str, object]:
    app.connect("doctree-read", add_line, priority=600)  # after the line of the front matter
    app.connect("build-finished", copy_archives)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
