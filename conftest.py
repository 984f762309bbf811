"""The documentation harness judges the pages under ``docs/``; the tests of its parts are under ``tests/``."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent / "docs" / "_ext"))

import tool_wheel

tool_wheel.ensure()  # pages link it

pytest_plugins = ["harness.plugin"]
