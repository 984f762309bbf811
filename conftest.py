"""The documentation harness judges the pages under ``docs/``; the tests of its parts are under ``tests/``."""

pytest_plugins = ["harness.plugin"]
