"""The first use of a term of the glossary is a link that says its meaning; nothing else of the page changes."""

from __future__ import annotations

import re
from html import unescape

import pytest
import terms

from tests.site.conftest import ROOT, Build, page

GLOSSARY = """

```{glossary}
rollout
  One attempt at a [task](../guide/a.md), with its `reward`. It is a line.

environment
  All but the model.

pass@k
  A chance.

SFT
  Fine-tuning.
```
"""
BODY = """
## Of a rollout

In this environment: a Rollout, many rollouts. Not a sub-rollout, rollout_file, sft or `SFT`, [an SFT link](b.md) or pass@kk.

| rollout | SFT |
| --- | --- |
| SFT | pass@k |

- In a list **SFT** is bold, and here is SFT, with pass@k.

```python
SFT = "rollout"
```
"""


def marked(html: str) -> list[tuple[str, str, str]]:
    """Each term that is marked on a page: the text, where it leads, and what it says."""
    links = re.findall(r"<a [^>]*glossary-term[^>]*>[^<]*</a>", html)
    return [
        (
            unescape(re.sub("<[^>]*>", "", link)),
            re.search('href="([^"]*)"', link)[1],
            re.search('title="([^"]*)"', link)[1],
        )
        for link in links
    ]


def test_the_first_use_of_each_term_says_its_meaning_and_leads_to_it(build: Build) -> None:
    site = build({"reference/glossary": page(GLOSSARY, "Glossary"), "guide/a": page(BODY), "guide/b": page("Words.")})
    assert site.warnings == ""
    html = site.read("guide/a.html")
    assert marked(html) == [
        ("Rollout", "../reference/glossary.html#term-rollout", "One attempt at a task, with its reward."),
        ("SFT", "../reference/glossary.html#term-SFT", "Fine-tuning."),
        ("pass@k", "../reference/glossary.html#term-pass-k", "A chance."),
    ]
    glossary = site.read("reference/glossary.html")
    assert all(f'id="{target.partition("#")[2]}"' in glossary for _, target, _ in marked(html))
    assert marked(glossary) == []
    assert "glossary" not in site.read("guide/a.md")


@pytest.mark.parametrize("kind", ["reference", "navigation"])
def test_what_is_looked_up_on_stays_as_it_is(build: Build, kind: str) -> None:
    words = page("A rollout.").replace("content-type: how-to", f"content-type: {kind}")
    site = build({"reference/glossary": page(GLOSSARY, "Glossary"), "guide/a": words})
    assert marked(site.read("guide/a.html")) == []


def test_each_term_of_the_glossary_has_one_sentence_to_hover_over() -> None:
    path = ROOT / "docs" / f"{terms.GLOSSARY}.md"
    text = path.read_text(encoding="utf-8")
    found = terms.terms_in(path, 0)
    assert len(found) == len(re.findall(r"^(?![`{#\-]|%|$)\S.*\n  \S", text, re.MULTILINE)) > 30
    assert all(said.endswith(".") and 10 < len(said) < 220 for said in found.values())
