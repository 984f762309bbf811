"""The pipeline's steps: a strip of links above each page of a step, and ``{pipeline}``, the same as a picture.

The steps are those of ``docs/_data/pipeline.toml``, in the one order that all pages have.
"""

from __future__ import annotations

import html
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

Step = dict[str, Any]

#: What each step has, and what that is.
KEYS = {
    "name": "a verb",
    "page": "the page that explains the step",
    "covers": "how the names of its pages begin",
    "what": "what happens in it, in a few words",
    "leaves": "the files that it leaves",
}


#: Marks, in a page's metadata, that it shows the steps.
SHOWS = "pipeline"


class steps_picture(nodes.General, nodes.Element):
    """The steps as a picture. ``docname`` is the page that shows it."""


class steps_strip(nodes.General, nodes.Element):
    """The steps above a page of one of them. ``docname`` is that page."""


def path_of(config: Config) -> Path:
    return Path(config.pipeline_file)


@cache
def _read(path: Path, modified: int) -> tuple[Step, ...]:
    steps = tomllib.loads(path.read_text(encoding="utf-8"))["step"]
    for number, step in enumerate(steps, 1):
        for key, meaning in KEYS.items():
            if key not in step:
                raise ExtensionError(f"{path.name}: step {number} lacks {key}: {meaning}")
    return tuple(steps)


def load(config: Config) -> tuple[Step, ...]:
    """The steps, in order; none where the site has no such file.

    Raises:
        ExtensionError: a step lacks a key.
    """
    path = path_of(config)
    return _read(path, path.stat().st_mtime_ns) if path.is_file() else ()


def step_of(steps: tuple[Step, ...], docname: str) -> Step | None:
    """The step to which a page belongs."""
    return next((step for step in steps if docname.startswith(tuple(step["covers"]))), None)


class Pipeline(SphinxDirective):
    """``{pipeline}``: the steps as a picture whose parts are links."""

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(path_of(self.config)))
        self.env.metadata[self.env.docname][SHOWS] = "steps"
        return [steps_picture(docname=self.env.docname)]


def add_strip(app: Sphinx, doctree: nodes.document) -> None:
    """Put the strip above the title of a page that belongs to a step."""
    docname = app.env.docname
    title = doctree.next_node(nodes.title)
    if title is None or step_of(load(app.config), docname) is None:
        return
    app.env.note_dependency(str(path_of(app.config)))
    app.env.metadata[docname][SHOWS] = "steps"
    title.parent.parent.insert(0, steps_strip(docname=docname))


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warn of a step whose page is not there, where a page shows the steps."""
    if any(SHOWS in metadata for metadata in env.metadata.values()):
        for step in load(app.config):
            if step["page"] not in env.found_docs:
                message = "%s: the step %s has the page %s, which is not there"
                logger.warning(message, path_of(app.config).name, step["name"], step["page"], type="pipeline")


def visit_strip(self: HTML5Translator, node: steps_strip) -> None:
    docname, steps = node["docname"], load(self.config)
    here = step_of(steps, docname)
    self.body.append('<nav class="pipeline-strip" aria-label="Steps of the pipeline"><ol>')
    for step in steps:
        link = self.builder.get_relative_uri(docname, step["page"]) or "#"
        current = (
            "" if step is not here else ' aria-current="page"' if step["page"] == docname else ' aria-current="step"'
        )
        self.body.append(f'<li><a href="{html.escape(link)}"{current}>{html.escape(step["name"])}</a></li>')
    self.body.append("</ol></nav>\n")
    raise nodes.SkipNode


def visit_picture(self: HTML5Translator, node: steps_picture) -> None:
    self.body.append('<ol class="pipeline">')
    for step in load(self.config):
        link = self.builder.get_relative_uri(node["docname"], step["page"])
        self.body.append(
            f'<li><a href="{html.escape(link)}"><strong>{html.escape(step["name"])}</strong> '
            f"<span>{html.escape(step['what'])}</span></a> <code>{html.escape(step['leaves'])}</code></li>"
        )
    self.body.append("</ol>\n")
    raise nodes.SkipNode


def skip(self: Any, node: nodes.Node) -> None:
    raise nodes.SkipNode


def as_markdown(argument: str) -> Iterator[str]:
    """The steps as a Markdown list, for the page's twin."""
    steps = tomllib.loads((Path(__file__).parent.parent / "_data" / "pipeline.toml").read_text(encoding="utf-8"))[
        "step"
    ]
    for number, step in enumerate(steps, 1):
        yield f"{number}. [{step['name']}]({step['page']}.md): {step['what']} (`{step['leaves']}`)"


def setup(app: Sphinx) -> dict[str, object]:
    app.add_config_value("pipeline_file", str(Path(app.confdir) / "_data" / "pipeline.toml"), "env")
    app.add_node(steps_picture, html=(visit_picture, None), text=(skip, None))
    app.add_node(steps_strip, html=(visit_strip, None), text=(skip, None))
    app.add_directive("pipeline", Pipeline)
    app.connect("doctree-read", add_strip)
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
