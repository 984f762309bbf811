"""Validate the notebooks and scripts of the built site: ``python -m checks.notebooks docs/_build/html``.

Each notebook is what nbformat's schema asks for, and the code of its cells, like each page's script, is Python.
"""

from __future__ import annotations

import argparse
import ast
import json
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import nbformat

#: A page's own files: not what it offers as a download, nor the sources as Sphinx copies them.
NOT_PAGES = ("_downloads", "_sources", "_static")


def faults_of_notebook(path: Path) -> Iterator[str]:
    """What is wrong with a notebook, a sentence for each fault."""
    try:
        book = json.loads(path.read_text(encoding="utf-8"))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nbformat mends what it warns of, such as a cell without an id
            nbformat.validate(book)
    except (ValueError, Warning, nbformat.ValidationError) as error:
        yield f"no notebook as nbformat reads one: {str(error).splitlines()[0]}"
        return
    for number, cell in enumerate(book["cells"]):
        if cell["cell_type"] == "code":
            yield from faults_of_code("".join(cell["source"]), f"cell {number}")


def faults_of_code(source: str, where: str) -> Iterator[str]:
    """What keeps Python from reading some code; a cell may await."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # how the code is written is the page's business
            compile(source, where, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        yield f"{where}, line {error.lineno}: {error.msg}"


def check(html: Path) -> tuple[int, list[str]]:
    """How many files there are, and what is wrong with them, each fault with its file."""
    paths = [path for path in sorted(html.rglob("*")) if path.relative_to(html).parts[0] not in NOT_PAGES]
    notebooks = [path for path in paths if path.suffix == ".ipynb"]
    scripts = [path for path in paths if path.suffix == ".py"]
    faults = [f"{path.relative_to(html)}: {fault}" for path in notebooks for fault in faults_of_notebook(path)]
    for path in scripts:
        found = faults_of_code(path.read_text(encoding="utf-8"), "the script")
        faults += [f"{path.relative_to(html)}: {fault}" for fault in found]
    if not notebooks:
        faults.append(f"{html}: expected a notebook for each page that has code to run, found none")
    return len(notebooks) + len(scripts), faults


def main(arguments: list[str] | None = None) -> int:
    """Print what is wrong; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m checks.notebooks", description=__doc__.splitlines()[0])
    parser.add_argument("html", type=Path, help="the built site")
    count, faults = check(parser.parse_args(arguments).html)
    print("\n".join([*faults, f"{count} notebooks and scripts: {len(faults) or 'nothing'} wrong"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
