"""What a page's Python imports must reach the reader: with NeMo Gym, in a file, or by an install command of that page."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from harness.console import commands_of
from harness.installs import brought_by, is_install
from harness.pages import Page, all_pages, upstream
from harness.reader import packages
from tests.pages.modules import sources

DOCS = Path(__file__).parents[2] / "docs"


def imports(source: str) -> dict[str, int]:
    """The modules that Python imports from outside, by their first name, with the line, from 0, of the first import."""
    found: dict[str, int] = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        else:
            continue
        for name in names:
            found.setdefault(name.partition(".")[0], node.lineno - 1)
    return found


def moved(page: Page) -> Iterator[tuple[Path, Path]]:
    """The Python files that the commands of a page move or copy: from where, and to where."""
    for block in page.blocks:
        if block.language == "console" and "shown" not in block.options:
            for command in commands_of(block):
                if found := re.fullmatch(r"(?:mv|cp) (\S+\.py) (\S+\.py)", command.text.strip()):
                    yield Path(found[1]), Path(found[2])


def own_modules(page: Page) -> dict[str, str]:
    """The modules in the reader's folder, with their source: files of the page, and of those whose files it starts from.

    A package's source is that of its modules, one after the other.
    """
    files: dict[Path, str] = {}
    for each in reversed((page, *upstream(page))):
        files |= {Path(name): block.source for block in each.blocks if (name := block.option("file"))}
        files |= {Path(path.name): path.read_text(encoding="utf-8") for path in each.downloads if path.suffix == ".py"}
        for old, new in moved(each):
            files[new] = files.get(old, "")
    modules: dict[str, str] = {}
    for file, source in files.items():
        if file.suffix == ".py":
            for name in {file.stem, file.parts[0]}:
                modules[name] = f"{modules.get(name, '')}{source}\n"
    return modules


def needed(source: str, own: Mapping[str, str]) -> dict[str, int]:
    """What Python imports, and what the modules in the reader's folder import that it imports, with its own lines."""
    found = imports(source)
    waiting = list(found)
    while waiting:
        name = waiting.pop()
        for module in imports(own.get(name, "")):
            if module not in found:
                found[module] = found[name]
                waiting.append(module)
    return found


def installed(page: Page) -> frozenset[str]:
    """What a reader has who followed the set-up page and the install commands of this one."""
    asked = [
        requirement
        for block in page.blocks
        if block.language == "console" and "shown" not in block.options
        for command in commands_of(block)
        if is_install(command.text)
        for requirement in brought_by(command.text, command.line).requirements
    ]
    return frozenset().union(*map(packages(page.environment).closure, [*page.environment.describes, *asked]))


def missing(page: Page) -> list[str]:
    """One line for each module that a page imports and its reader may not have."""
    own, have = own_modules(page), installed(page)
    found = []
    for name, line, source in sources(page):
        for module, at in needed(source, own).items():
            distributions = packages(page.environment).brings(module)
            # What no environment has, such as what a download imports that no page runs, is known by its name alone.
            own_name = {canonicalize_name(module)} if not distributions else set()
            if module in sys.stdlib_module_names or module in own or (distributions | own_name) & have:
                continue
            place = f"{name}:{line + at}" if name == page.label else f"{name} (line {line})"
            names = " or ".join(sorted(distributions)) or "no distribution of the tests' environment"
            found.append(f"{place}: needs {module}, of {names}: give the page `$ uv pip install` before it")
    return found


@pytest.mark.parametrize("page", all_pages(DOCS), ids=lambda page: page.name)
def test_a_page_says_how_to_get_what_it_imports(page: Page) -> None:
    assert missing(page) == []


def page_of(folder: Path, body: str) -> Page:
    path = folder / "page.md"
    path.write_text(body, encoding="utf-8")
    return Page(folder, path)


@pytest.mark.parametrize(
    ("body", "module", "line"),
    [
        ("```python\nimport json\n\nimport polars as pl\n```\n", "polars", 4),
        ("```python\ndef f():\n    from duckdb import connect\n```\n", "duckdb", 3),
        ("```console\n$ uv pip install polars\n```\n\n```python\nimport msgspec\n```\n", "msgspec", 6),
        ("```{code-block} python\n:file: own.py\n\nimport polars\n```\n", "polars", 4),
        ("```python\nimport nobody_has_this\n```\n", "nobody_has_this", 2),
    ],
)
def test_a_module_that_nothing_brings_is_named_with_its_line(body: str, module: str, line: int, tmp_path: Path) -> None:
    (message,) = missing(page_of(tmp_path, body))
    assert f"page.md:{line}: needs {module}" in message


@pytest.mark.parametrize(
    "body",
    [
        "```console\n$ uv pip install polars\n```\n\n```python\nimport polars\n```\n",
        "```console\n$ uv pip install nobody-has-this==1.0\n```\n\n```{code-block} python\n:file: own.py\n\nimport nobody_has_this\n```\n",
        "```python\nimport pydantic, ray.data, resources_servers.mcqa.app\n```\n",  # with NeMo Gym
        "```{code-block} python\n:file: own.py\n\nVALUE = 1\n```\n\n```python\nfrom own import VALUE\n```\n",
    ],
)
def test_what_is_brought_is_not_named(body: str, tmp_path: Path) -> None:
    assert missing(page_of(tmp_path, body)) == []


def test_a_file_of_the_page_before_brings_its_imports(tmp_path: Path) -> None:
    (tmp_path / "before.md").write_text("```{code-block} python\n:file: own.py\n\nimport polars\n```\n")
    page = page_of(tmp_path, "---\nstarts-from: before\n---\n\n```python\nimport json\nimport own\n```\n")
    (message,) = missing(page)
    assert "page.md:7: needs polars" in message
