"""The finder sees what a reader sees, and nothing else; the doctree check catches what it would miss."""

from __future__ import annotations

import textwrap

import pytest
from docutils import nodes

from harness.blocks import BlockError, find
from harness.doctree import account
from harness.verdict import Failure

FOUND = {
    "a fence": ("```python\nx\n```", "python", 1),
    "an alias": ("```py\nx\n```", "python", 1),
    "another case": ("```Python\nx\n```", "python", 1),
    "a space before the language": ("``` python\nx\n```", "python", 1),
    "an info string with options": ("```python {lineno-start=1}\nx\n```", "python", 1),
    "tildes": ("~~~yaml\nx\n~~~", "yaml", 1),
    "a longer fence": ("````python\nx\n````", "python", 1),
    "a code-block": ("```{code-block} yaml\nx\n```", "yaml", 1),
    "a code-block in colons": (":::{code-block} python\nx\n:::", "python", 1),
    "a code-block with options": ("```{code-block} yaml\n:file: a.yaml\n\nx\n```", "yaml", 3),
    "a code-block with a YAML header": ("```{code-block} yaml\n---\nfile: a.yaml\n---\nx\n```", "yaml", 4),
    "an indented block": ("    x", "", 0),
    "no language": ("```\nx\n```", "", 1),
    "in a note": (":::{note}\n```python\nx\n```\n:::", "python", 2),
    "in a tab": ("::::{tab-set}\n:::{tab-item} A\n:sync: a\n\n```python\nx\n```\n:::\n::::", "python", 5),
    "in a division": (":::\n```python\nx\n```\n:::", "python", 2),
    "in a list": ("1. One\n\n   ```python\n   x\n   ```", "python", 3),
    "in a quotation": ("> ```python\n> x\n> ```", "python", 1),
    "in a list table": ("```{list-table}\n* - A\n  - ~~~python\n    x\n    ~~~\n```", "python", 3),
    "in a definition": ("Term\n: ```python\n  x\n  ```", "python", 2),
    "a console session": ("```shell-session\nx\n```", "console", 1),
}

NOT_FOUND = {
    "in a comment": "<!--\n```python\nx\n```\n-->",
    "in a line comment": "% ```python\n% x\n% ```",
    "in a table of contents": "```{toctree}\nx\n```",
    "in a diagram": "```{mermaid}\ngraph LR\n```",
    "inline": "`` ```python `` and `x`",
}


@pytest.mark.parametrize(("text", "language", "offset"), FOUND.values(), ids=FOUND)
def test_every_rendered_block_is_found(text, language, offset):
    page = "# A page\n\n" + text + "\n"
    (block,) = find(page)
    assert (block.language, block.source.rstrip("\n")) == (language, "x")
    assert block.source_line == 3 + offset
    assert "x" in page.splitlines()[block.source_line - 1]
    assert block.end >= block.source_line


@pytest.mark.parametrize("text", NOT_FOUND.values(), ids=NOT_FOUND)
def test_what_no_reader_sees_as_a_block_is_not_found(text):
    assert find("# A page\n\n" + text + "\n") == []


def test_a_demonstration_of_markdown_is_one_block():
    (block,) = find("````markdown\n```python\nx\n```\n````\n")
    assert block.language == "markdown"


@pytest.mark.parametrize("name", ["literalinclude", "include", "eval-rst", "code-cell", "testcode", "parsed-literal"])
def test_an_unknown_directive_is_refused_with_its_line(name):
    with pytest.raises(BlockError, match=f"unknown directive {{{name}}}") as refused:
        find(f"# A page\n\n:::{{note}}\n```{{{name}}} x\n```\n:::\n")
    assert refused.value.line == 4


def doctree(*texts: str, generated: str | None = None) -> nodes.document:
    from docutils.utils import new_document

    document = new_document("page")
    for number, text in enumerate(texts, 1):
        node = nodes.literal_block(text, text)
        node.line = number * 10
        document += node
    if generated:
        document += nodes.literal_block(generated, generated, generated="ledger-totals")
    return document


TWO = textwrap.dedent("""\
    ```python
    a
    ```

    ```python
    b
    ```
    """)


def test_blocks_that_are_all_rendered_are_accounted_for():
    account(find(TWO), doctree("a\n", "b", generated="made by the site"))


def test_a_rendered_block_that_is_not_found_is_named():
    with pytest.raises(
        Failure, match=r"2 blocks are judged, 3 are rendered(.|\n)*line 30: rendered, but not found(.|\n)*'c'"
    ):
        account(find(TWO), doctree("a", "b", "c"))


def test_a_second_copy_of_a_block_is_counted():
    with pytest.raises(Failure, match="rendered, but not found by the harness: 'a'"):
        account(find(TWO), doctree("a", "b", "a"))


def test_a_found_block_that_is_not_rendered_is_named():
    with pytest.raises(Failure, match=r"line 5: found by the harness, but not rendered: 'b'"):
        account(find(TWO), doctree("a"))
