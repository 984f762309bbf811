"""Nothing on the site, or in its harness, joins a Ray that somebody else started on the same machine."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from harness.live import servers
from harness.pages import all_pages
from tests.pages.modules import sources

DOCS = Path(__file__).parents[2] / "docs"


def joins_any_ray(source: str) -> list[int]:
    """The lines, from 0, of `ray.init()` without an address: it joins whatever Ray the machine has noted down."""
    return [
        node.lineno - 1
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "ray.init"
        and not (node.args or any(keyword.arg in ("address", None) for keyword in node.keywords))
    ]


def test_nothing_joins_a_ray_that_somebody_else_started() -> None:
    found = [f"{name}:{line + at}" for page in all_pages(DOCS) for name, line, source in sources(page)
             for at in joins_any_ray(source)]  # fmt: skip
    for path in sorted((DOCS.parent / "harness").rglob("*.py")):
        found += [f"{path.relative_to(DOCS.parent)}:{at + 1}" for at in joins_any_ray(path.read_text(encoding="utf-8"))]
    assert found == []


def test_a_ray_without_an_address_is_seen() -> None:
    assert joins_any_ray("import ray\n\n\ndef main():\n    ray.init(num_cpus=1)\n") == [4]
    assert joins_any_ray("import ray\nray.init(address='local')\nray.init('auto')\n") == []


@pytest.mark.parametrize("before", [None, "10.0.0.1:6379"])
def test_the_live_servers_start_a_ray_of_their_own(before: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if before:
        monkeypatch.setenv("RAY_ADDRESS", before)
    with servers.own_ray():
        assert os.environ["RAY_ADDRESS"] == "local"
    assert os.environ.get("RAY_ADDRESS") == before
