"""The page on what changed between releases: which names came with a release, and which went."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pinned import release_pages

FACTS = """
[rows-first]
says = "Rows win."
file = "a.py"
has = "x"
"""

#: Three releases, and in which of them each name is.
NAMES = {
    "+++": "gym eval run|old_server|some_word",
    "-++": "gym eval run --resume|nemo_gym.a.RunConfig|rows-first",
    "--+": "gym eval compare|gym eval compare --agent|new_server|new_agent|another_word|nemo_gym.b.MovedConfig",
    "++-": "gym eval old|gym eval old --flag|gym eval run --gone|nemo_gym.a.OldConfig|nemo_gym.a.MovedConfig",
}
INSTALLED: dict[str, Any] = {
    "classes": {"nemo_gym.a.RunConfig": {}, "responses_api_agents.new_agent.app.NewAgentConfig": {}},
    "servers": {"old_server": {}, "new_server": {}},
}


@pytest.fixture
def lines(tmp_path: Path) -> list[str]:
    data = {"versions": ["0.1.0", "0.2.0", "0.3.0"], "names": NAMES}
    (tmp_path / "releases.json").write_text(json.dumps(data), encoding="utf-8")
    (tmp_path / "release-facts.toml").write_text(FACTS, encoding="utf-8")
    shown = "<{}>".format
    return list(
        release_pages.releases_lines(INSTALLED, ["nemo_gym.a.RunConfig", "nemo_gym.b.MovedConfig"], shown, tmp_path)
    )


def test_each_release_has_what_came_and_what_went(lines: list[str]) -> None:
    assert lines == [
        "## 0.3.0",
        "",
        "Compared with 0.2.0:",
        "",
        "- Commands: <gym eval compare>",
        "- Resources servers: <new_server>",
        "- Agents: <new_agent>",
        "- Commands that are gone: <gym eval old>",
        "- Flags of <gym eval run> that are gone: <gym eval run --gone>",
        "- Settings that are gone: <nemo_gym.a.OldConfig>",
        "",
        "## 0.2.0",
        "",
        "Compared with 0.1.0:",
        "",
        "- Flags of <gym eval run>: <gym eval run --resume>",
        "- Settings: <nemo_gym.a.RunConfig>",
        "- Behavior: Rows win.",
        "",
    ]


def test_a_release_that_brought_no_name_says_so(tmp_path: Path) -> None:
    data = {"versions": ["0.1.0", "0.1.1"], "names": {"++": "gym eval run"}}
    (tmp_path / "releases.json").write_text(json.dumps(data), encoding="utf-8")
    (tmp_path / "release-facts.toml").write_text("", encoding="utf-8")
    lines = list(release_pages.releases_lines(INSTALLED, [], str, tmp_path))
    assert lines == ["## 0.1.1", "", "The same names as in 0.1.0.", ""]
