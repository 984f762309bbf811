"""`nox -s links` validates what pages offer as notebooks and scripts: each planted fault is caught and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from checks import notebooks
from tests.site.conftest import Build, page

Book = dict[str, Any]


@pytest.fixture
def html(build: Build) -> Path:
    site = build({"a": page("```python\nprint(1)\n```\n\nWords.\n\n```python\nprint(2)\n```\n"), "b": page("Words.")})
    return site.html


def test_what_the_site_writes_is_right(html: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert notebooks.main([str(html)]) == 0
    assert "2 notebooks and scripts: nothing wrong" in capsys.readouterr().out


def no_ids(book: Book) -> None:
    for cell in book["cells"]:
        del cell["id"]


def same_ids(book: Book) -> None:
    for cell in book["cells"]:
        cell["id"] = "one"


def code(book: Book) -> list[Book]:
    return [cell for cell in book["cells"] if cell["cell_type"] == "code"]


FAULTS: dict[str, tuple[Callable[[Book], object], str]] = {
    "no ids": (no_ids, "no notebook as nbformat reads one"),
    "the same ids": (same_ids, "no notebook as nbformat reads one"),
    "a key too many": (lambda book: book.update(more=1), "no notebook as nbformat reads one"),
    "no outputs": (lambda book: code(book)[0].pop("outputs"), "no notebook as nbformat reads one"),
    "a source that is a number": (lambda book: code(book)[0].update(source=1), "no notebook as nbformat reads one"),
    "no Python": (lambda book: code(book)[1].update(source=["$ gym env start"]), "line 1: invalid syntax"),
    "an open bracket": (lambda book: code(book)[0].update(source=["x = (\n", "1"]), "line 1: '(' was never closed"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_notebook_is_named(html: Path, capsys: pytest.CaptureFixture[str], fault: str) -> None:
    plant, said = FAULTS[fault]
    path = html / "a.ipynb"
    book = json.loads(path.read_text(encoding="utf-8"))
    plant(book)
    path.write_text(json.dumps(book), encoding="utf-8")
    assert notebooks.main([str(html)]) == 1
    (line, _) = capsys.readouterr().out.splitlines()
    assert line.startswith("a.ipynb: ")
    assert said in line


def test_a_cell_may_await(html: Path) -> None:
    path = html / "a.ipynb"
    book = json.loads(path.read_text(encoding="utf-8"))
    code(book)[0]["source"] = ["await ask()"]
    path.write_text(json.dumps(book), encoding="utf-8")
    assert notebooks.main([str(html)]) == 0


def test_a_file_that_is_no_json_a_broken_script_and_a_site_without_notebooks(
    html: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (html / "a.ipynb").write_text("{", encoding="utf-8")
    (html / "a.py").write_text("if\n", encoding="utf-8")
    assert notebooks.main([str(html)]) == 1
    said = capsys.readouterr().out
    assert "a.ipynb: no notebook as nbformat reads one" in said
    assert "a.py: the script, line 1: invalid syntax" in said
    (tmp_path / "empty").mkdir()
    assert notebooks.main([str(tmp_path / "empty")]) == 1
    assert "found none" in capsys.readouterr().out
