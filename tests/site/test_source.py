"""The ``{source}`` role, and the index that it reads."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from pinned import symbols
from tests.site.conftest import Build, page

SOURCE = '''\
"""A module."""
import os

LIMIT: int = 3
first, second = 1, 2
_hidden = 4


@decorator
class Config(Base):
    """Words."""

    limit: int = 3
    model_config = {}

    @property
    def size(self) -> int:
        return 1

    @size.setter
    def size(self, value: int) -> None: ...

    async def run(self) -> None:
        def inner() -> None: ...

    def _private(self) -> None: ...

    class Inner:
        value: str


def function() -> None: ...
'''

SYMBOLS = [
    ("LIMIT", 4, 4),
    ("Config", 10, 29),
    ("Config.limit", 13, 13),
    ("Config.model_config", 14, 14),
    ("Config.size", 17, 18),
    ("Config.run", 23, 24),
    ("Config.Inner", 28, 29),
    ("Config.Inner.value", 29, 29),
    ("function", 32, 32),
]


def test_symbols_are_the_public_ones_with_their_lines() -> None:
    assert list(symbols.symbols_of(SOURCE)) == SYMBOLS


def test_index_reads_as_it_was_written(tmp_path: Path) -> None:
    package = tmp_path / "nemo_gym"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "config.py").write_text(SOURCE, encoding="utf-8")
    index = tmp_path / "index.txt"
    index.write_text(symbols.index_text(tmp_path, "1.0"), encoding="utf-8")
    expected = {f"nemo_gym.config.{name}": (first, last) for name, first, last in SYMBOLS}
    expected |= {"nemo_gym": (1, 1), "nemo_gym.config": (1, 32)}
    assert {name: (found.first, found.last) for name, found in symbols.read_index(index).items()} == expected


def test_a_line_that_is_no_entry_is_named(tmp_path: Path) -> None:
    index = tmp_path / "index.txt"
    index.write_text("nemo_gym/a.py 3\n  Config one\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"index\.txt:2: not an entry"):
        symbols.read_index(index)


@pytest.mark.skipif(find_spec("nemo_gym") is None, reason="compares with an install of NeMo Gym: there is none here")
def test_committed_index_is_that_of_the_install(capsys: pytest.CaptureFixture[str]) -> None:
    assert symbols.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_index_is_shown_as_a_difference() -> None:
    difference = symbols.difference("nemo_gym/a.py 9\n  Old 1-2\n", "nemo_gym/a.py 9\n  New 1-2\n")
    assert "-  Old 1-2\n+  New 1-2" in difference


@pytest.mark.parametrize("pins", ["", '"nemo-gym==0.7.0", "nemo-gym==0.6.0"'])
def test_the_pin_is_one(tmp_path: Path, pins: str) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(f"tests = [{pins}]", encoding="utf-8")
    with pytest.raises(ValueError, match=r"pyproject\.toml: expected one version"):
        symbols.pinned_version(project)


def test_role_links_to_the_release(build: Build) -> None:
    body = """
{source}`nemo_gym.rollout_collection.RolloutCollectionConfig.num_repeats`
and {source}`the agent <responses_api_agents.simple_agent.app.SimpleAgent>`.
"""
    site = build({"a": page(body)})
    assert site.warnings == ""
    known = symbols.read_index()
    version = symbols.pinned_version()
    html = site.read("a.html")
    for name in (
        "nemo_gym.rollout_collection.RolloutCollectionConfig.num_repeats",
        "responses_api_agents.simple_agent.app.SimpleAgent",
    ):
        found = known[name]
        assert f"/NVIDIA-NeMo/Gym/blob/v{version}/{found.file}#L{found.first}-L{found.last}" in html
        assert f"({found.file}:{found.first}-{found.last})" in html
    assert ">the agent<" in html


def test_an_unknown_symbol_keeps_its_line(build: Build) -> None:
    site = build({"a": page("\nWords,\nthen {source}`nemo_gym.server_utils.ServerClientt`.\n")})
    assert "a.md:11: WARNING: no symbol nemo_gym.server_utils.ServerClientt" in site.warnings
    assert "nearest is nemo_gym.server_utils.ServerClient\n" in site.warnings.replace(" [source]", "")
