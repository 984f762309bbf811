"""Build the wheel of the tool in gym-rollouts/ into the site, as `downloads/gym_rollouts-VERSION-py3-none-any.whl`.

The same sources make the same file, byte for byte. A page links it as any download, and names it by `wheel_name`, never
by the bare name of the package, which is not ours on an index.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import tomllib
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "gym-rollouts"
FOLDER = "downloads"
#: What everything in the wheel is dated, in seconds: 2020-01-01, as a zip file has no date before 1980.
EPOCH = "1577836800"


def wheel_name(tool: Path = TOOL) -> str:
    """The name of the wheel's file."""
    project = tomllib.loads((tool / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return f"{project['name'].replace('-', '_')}-{project['version']}-py3-none-any.whl"


def build_wheel(folder: Path, tool: Path = TOOL) -> Path:
    """Build the wheel into a folder. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = EPOCH
    try:
        (made,) = WheelBuilder(str(tool)).build(directory=str(folder), versions=["standard"])
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before
    return Path(made)


def ensure() -> Path:
    """See that the wheel of the sources as they are lies among the pages' downloads. Returns its path."""
    target = ROOT / "docs" / FOLDER / wheel_name()
    sources = [path for path in TOOL.rglob("*") if path.is_file() and "tests" not in path.parts]
    newest = max(path.stat().st_mtime_ns for path in sources if "__pycache__" not in path.parts)
    if not target.is_file() or target.stat().st_mtime_ns < newest:
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:  # several processes may do this at once
            made = build_wheel(Path(folder))
            for old in target.parent.glob("gym_rollouts-*.whl"):
                if old != target:
                    old.unlink(missing_ok=True)
            made.replace(target)
    return target


def add_wheel(app: Sphinx, error: Exception | None) -> None:
    """Put the wheel at an address of its own, once the pages are there."""
    if error is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    for old in folder.glob("gym_rollouts-*.whl"):
        old.unlink()
    shutil.copy2(ensure(), folder)


def setup(app: Sphinx) -> dict[str, object]:
    if TOOL.is_dir():  # which a copy of the site, as tests make, lacks
        ensure()  # before pages that link it are read
    app.connect("build-finished", add_wheel)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    print(ensure())
