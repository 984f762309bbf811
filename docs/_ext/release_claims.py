"""``{release}``: what a page says of NeMo Gym's releases, held against the published wheels (`prose.releases`).

``{release}`since 0.6 <task_source>` `` reads "since NeMo Gym 0.6"; what stands between the brackets makes it true. A
claim that is not so is a warning, and so fails the build.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

from prose import releases

logger = logging.getLogger(__name__)


class Release(SphinxRole):
    """The role: the claim in words, and its names."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        data = Path(self.env.app.confdir) / "_data"
        self.env.note_dependency(str(data / "releases.json"))
        fault = releases.fault_of(self.text, releases.load(data), self.config.release)
        text = releases.shown(self.text)
        return [nodes.inline(self.rawtext, text, release_fault=fault) if fault else nodes.Text(text)], []


def check(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of claims that are not so: here, where each node knows its line."""
    for node in doctree.findall(nodes.inline):
        if node.get("release_fault"):
            logger.warning("%s", node["release_fault"], location=node, type="release")


def setup(app: Sphinx) -> dict[str, object]:
    app.add_role(releases.ROLE, Release())
    app.connect("doctree-read", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
