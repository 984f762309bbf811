"""Tabs are alternatives: each works on what stands above its set, and what stands below it works after each."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.blocks import find
from harness.tabs import readings
from tests.harness.conftest import line_of

CONSOLE = "```console\n{}\n```\n"


def console(*lines: str) -> str:
    return CONSOLE.format("\n".join(lines))


def tabs(*contents: str, sync: Sequence[str] = (), group: str | None = None) -> str:
    """A set of tabs A, B, ... with these contents."""
    items = [
        f"````{{tab-item}} {chr(65 + number)}\n{f':sync: {sync[number]}' if sync else ''}\n\n{content}````\n\n"
        for number, content in enumerate(contents)
    ]
    return "`````{tab-set}\n" + (f":sync-group: {group}\n" if group else "") + "\n" + "".join(items) + "`````\n\n"


def page(*parts: str) -> str:
    return "# A page\n\n" + "\n".join(parts)


MAKES, USES = console("$ echo one > file.txt"), console("$ cat file.txt", "one")

RIGHT = {
    "tabs that each do their part": page(tabs(MAKES, MAKES), USES),
    "a tab that uses what stands above the set": page(MAKES, tabs(console("$ cat file.txt", "one"), MAKES), USES),
    "tabs that each would refuse what another has done": page(
        tabs(*2 * [console("$ mkdir made")], console("$ mkdir made/")), console("$ ls", "made")
    ),
    "tabs that open together": page(
        tabs(console("$ echo a > a"), console("$ echo b > b"), sync="ab"),
        tabs(console("$ cat a", "a"), console("$ cat b", "b"), sync="ab"),
    ),
    "a tab that is only shown": page(
        tabs(MAKES, "```{code-block} console\n:shown: it needs a cluster\n\n$ sbatch make\n```\n"), USES
    ),
    "a first tab that is only shown": page(
        tabs("```{code-block} console\n:shown: it needs a cluster\n\n$ sbatch make\n```\n", MAKES), USES
    ),
    "a set in a tab": page(
        ":::::::{tab-set}\n::::::{tab-item} A\n",
        tabs(MAKES, MAKES),
        "::::::\n::::::{tab-item} B\n",
        MAKES,
        "::::::\n:::::::\n",
        USES,
    ),
    "a server on a fixed port above the set": page(
        "```{code-block} console\n:terminal: Terminal 2\n\n$ python -m http.server 8377 --bind 127.0.0.1\n"
        "Serving HTTP on 127.0.0.1 port 8377 ...\n```\n",
        tabs(*2 * [console("$ curl -s http://127.0.0.1:8377 > page.html")]),
        console("$ grep -c html page.html > lines", "$ ls", "lines", "page.html"),
    ),
}


@pytest.mark.parametrize("text", RIGHT.values(), ids=RIGHT)
def test_what_works_for_every_reader_passes(judge, text):
    failure = judge(text)
    assert failure is None, failure.message


WRONG = {
    "a tab that uses what another made": (page(tabs(MAKES, USES)), "$ cat file.txt", "No such file"),
    "a variable of another tab": (
        page(tabs(console("$ export WHO=me"), console('$ echo "I am $WHO"', "I am me"))),
        "I am me",
        "the output differs",
    ),
    "a name that another tab's Python made": (
        page(tabs("```python\nx = 1\n```\n", "```python\nprint(x)\n```\n\n```output\n1\n```\n")),
        "print(x)",
        "NameError",
    ),
    "what stands below works after the first tab only": (
        page(tabs(MAKES, console("$ echo two > file.txt")), USES),
        "$ cat file.txt",
        "for a reader who opened the tab `B`: ",
    ),
    "what stands below works after the second tab only": (
        page(tabs(console("$ echo two > file.txt"), MAKES), USES),
        "\none\n```",
        "the output differs",
    ),
    "what stands below needs the files of all tabs": (
        page(tabs(console("$ echo a > a"), console("$ echo b > b")), console("$ cat a b", "a", "b")),
        "$ cat a b",
        "No such file",
    ),
    "a later set whose tab needs one of an earlier set that does not open with it": (
        page(
            tabs(console("$ echo a > a"), console("$ echo b > b")),
            tabs(console("$ true"), console("$ cat b", "b")),
        ),
        "$ cat b",
        "No such file",
    ),
    "tabs of two groups, which do not open together": (
        page(
            tabs(console("$ echo a > a"), console("$ echo b > b"), sync="ab", group="one"),
            tabs(console("$ cat a", "a"), console("$ cat b", "b"), sync="ab", group="two"),
        ),
        "$ cat",
        "No such file",
    ),
    "a fault in the last tab": (page(tabs(MAKES, MAKES, console("$ false"))), "$ false", "exited with 1"),
}


@pytest.mark.parametrize(("text", "where", "said"), WRONG.values(), ids=WRONG)
def test_what_works_for_some_readers_only_fails(judge, text, where, said):
    failure = judge(text)
    assert failure is not None
    assert said in failure.message
    assert failure.line - line_of(text, where) in (0, 1) or text.split("\n")[failure.line - 1].startswith(where)


def test_every_block_is_judged_once_for_the_ledger(judge):
    assert judge(page(MAKES, tabs(MAKES, MAKES, MAKES), USES)) is None
    lines = [record["line"] for record in judge.records]
    assert len(lines) == len(set(lines)) == 5


def test_readings_cost_no_more_than_one_for_each_further_tab():
    many = page(tabs(*[MAKES] * 3), MAKES, tabs(MAKES, MAKES), MAKES)
    blocks = find(many)
    found = readings(blocks, lambda block: True)
    assert len(found) == 1 + 2 + 1
    assert [reading.opened for reading in found] == [(), ("B",), ("C",), ("B",)]
    assert all(len(reading.blocks) == 4 for reading in found)
    assert {block.line for reading in found for block in reading.blocks} == {block.line for block in blocks}


def test_a_page_without_tabs_has_one_reading():
    blocks = find(page(MAKES, USES))
    assert [reading.blocks for reading in readings(blocks, lambda block: True)] == [tuple(blocks)]
