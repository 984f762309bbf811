"""``{source}``: a symbol of the pinned NeMo Gym, with its file and lines, linked to the release's source.

``{source}`nemo_gym.rollout_collection.RolloutCollectionConfig` `` or ``{source}`the agent's run
<responses_api_agents.simple_agent.app.SimpleAgent.run>` ``. The build needs no NeMo Gym: it reads the committed index
that ``python -m pinned.symbols`` writes from the wheel. A symbol that the index lacks is a warning, and so fails the
build.
"""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util import logging
from sphinx.util.docutils import ReferenceRole

from pinned.symbols import Symbol, read_index

logger = logging.getLogger(__name__)

#: The release's source. The wheel and the tag hold the same files: the tag is v and the version.
RELEASE = "https://github.com/NVIDIA-NeMo/Gym/blob/v{version}"


@cache
def _read(path: Path) -> dict[str, Symbol]:
    return read_index(path)


def index(config: Config) -> dict[str, Symbol]:
    """The pinned release's symbols by name."""
    return _read(Path(config.source_index))


def locate_index(app: Sphinx, config: Config) -> None:
    config.source_index = str(Path(app.confdir) / config.source_index)


def address(symbol: Symbol, version: str) -> str:
    """The symbol's lines in the release's source."""
    lines = f"#L{symbol.first}" + (f"-L{symbol.last}" if symbol.last > symbol.first else "")
    return f"{RELEASE.format(version=version)}/{symbol.file}{lines}"


def nearest(name: str, known: dict[str, Symbol]) -> str | None:
    """The known symbol that a reader most likely meant: same last name first, then the closest spelling."""
    own = name.rpartition(".")[2]
    same_name = [candidate for candidate in known if candidate.rpartition(".")[2] == own]
    head = ".".join(name.split(".")[:2]) + "."
    neighbors = [candidate for candidate in known if candidate.startswith(head)]
    for candidates in (same_name, neighbors, list(known)):
        close = difflib.get_close_matches(name, candidates, n=1)
        if close:
            return close[0]
    return None


class Source(ReferenceRole):
    """The role: a name of the index, alone or as ``text <name>``."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        self.env.note_dependency(self.config.source_index)
        known = index(self.config)
        symbol = known.get(self.target)
        if symbol is None:
            return [nodes.literal(self.rawtext, self.title, unknown_symbol=self.target)], []
        link = nodes.reference(self.rawtext, "", refuri=address(symbol, self.config.release), classes=["source"])
        text = self.title if self.has_explicit_title else self.target.rpartition(".")[2]
        link += nodes.inline(text, text) if self.has_explicit_title else nodes.literal(text, text)
        return [link, nodes.inline("", f" ({place(symbol)})", classes=["source-place"])], []


def place(symbol: Symbol) -> str:
    """Where a symbol stands in the sources, as a reader says it: a file and its lines."""
    span = f"{symbol.first}-{symbol.last}" if symbol.last > symbol.first else f"{symbol.first}"
    return f"{symbol.file}:{span}"


def check(app: Sphinx, doctree: nodes.document) -> None:
    """Warn of unknown symbols: not in the role, which knows only the line on which its paragraph starts."""
    for node in doctree.findall(nodes.literal):
        name = node.get("unknown_symbol")
        if name:
            guess = nearest(name, index(app.config))
            hint = f"; the nearest is {guess}" if guess else ""
            logger.warning(
                "no symbol %s in NeMo Gym %s%s", name, app.config.release, hint, location=node, type="source"
            )


def setup(app: Sphinx) -> dict[str, object]:
    app.add_config_value("source_index", "_data/source-index.txt", "")
    app.connect("config-inited", locate_index)
    app.add_role("source", Source())
    app.connect("doctree-read", check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
