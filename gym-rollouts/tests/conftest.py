"""Ways to run commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a package beside the tool where that is not installed."""
    for item in items:
        for mark in item.iter_markers("beside"):
            if find_spec(mark.args[0]) is None:
                reason = f"{mark.args[0]} is not installed: the site's tests run this one beside it"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command line as a user does."""

    def run(*arguments: object, data: bytes | None = None) -> subprocess.CompletedProcess[str]:
        made = subprocess.run(
            [sys.executable, "-m", "gym_rollouts", *map(str, arguments)], input=data, capture_output=True, check=False
        )
        return subprocess.CompletedProcess(made.args, made.returncode, made.stdout.decode(), made.stderr.decode())

    return run
