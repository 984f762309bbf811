"""The wheel of the command-line tool, which the site offers."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "docs" / "_ext"))

from tool_wheel import build_wheel, wheel_name  # noqa: E402  (needs the path above)

#: What would install whatever somebody else put on an index under the tool's name.
BARE = re.compile(
    r"(?:pip3?|uv|pipx|uvx|uv tool)\s[^\n`]*?(?:install|add|run|--with|--from|uvx)?[^\n`]*?(?<![\w/.-])gym[-_]rollouts(?![\w/.-]*\.whl)(?![\w/])"
)


@pytest.mark.parametrize(
    "text",
    [
        "uv pip install gym-rollouts",
        "pip install msgspec gym_rollouts",
        "uvx gym-rollouts filter",
        "uv tool install 'gym-rollouts[ray]'",
        "pip install gym-rollouts==0.7.0.post1",
        "uv add --dev gym-rollouts",
        "uv pip install -U gym-rollouts",
    ],
)
def test_the_bare_name_is_seen(text: str) -> None:
    assert BARE.search(text)


@pytest.mark.parametrize(
    "text",
    [
        "uv pip install https://example.org/downloads/gym_rollouts-0.7.0.post1-py3-none-any.whl",
        "uv pip install ./gym_rollouts-0.7.0.post1-py3-none-any.whl",
        "uv pip install gym_rollouts-0.7.0.post1-py3-none-any.whl",
        "gym-rollouts filter rollouts.jsonl",
    ],
)
def test_its_file_is_no_bare_name(text: str) -> None:
    assert not BARE.search(text)


def test_no_page_installs_the_bare_name() -> None:
    pages = [path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts]
    documents = [*pages, ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "gym-rollouts").glob("*.md")]
    found = [(path.name, match[0]) for path in documents if (match := BARE.search(path.read_text(encoding="utf-8")))]
    assert found == []


def test_the_same_sources_make_the_same_wheel(tmp_path: Path) -> None:
    one, other = (build_wheel(tmp_path / name) for name in ("one", "other"))
    assert one.name == wheel_name()
    assert one.read_bytes() == other.read_bytes()
    names = zipfile.ZipFile(one).namelist()
    assert "gym_rollouts/py.typed" in names
    assert "gym_rollouts/commands/filter.py" in names
    assert not [name for name in names if "test" in name or name.endswith(".pyc")]


def test_the_wheel_runs_by_itself(tmp_path: Path) -> None:
    """What is in the wheel is enough: nothing of the repository's is asked for."""
    wheel = build_wheel(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); import gym_rollouts, gym_rollouts.cli as c; print(c.__file__)"
    )
    made = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert made.stdout.startswith(str(wheel))
