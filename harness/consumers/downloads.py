"""The programs that readers download, as modules: what a page is judged with is what its readers run."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs" / "downloads"


@cache
def program(name: str) -> Any:
    """The module of a program, by its name without the suffix."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
