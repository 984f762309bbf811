"""Each planted fault fails the build and names its page and line."""

from __future__ import annotations

import pytest

from tests.site.conftest import FRONT_MATTER, Build, page

#: What is wrong on line 11, after nine lines of front matter and title; and what the build says of it.
ON_LINE_11 = {
    "missing-page": ("See [that](absent.md).", "absent.md"),
    "missing-anchor": ("See [that](other.md#absent).", "absent"),
    "undefined-reference": ("See [that][absent].", "'[that][absent]' is no link"),
    "address-with-spaces": ("See [that](two words.md).", "is no link"),
    "unclosed-division": (":::{note}\nNever closed.", ":::{note} is never closed"),
    "unclosed-fence": ("```python\nnever = 'closed'", "```python is never closed"),
    "raw-block": ("<pre>print('nobody runs this')</pre>", "raw HTML"),
    "raw-inline": ('A <a href="absent.html">link</a>.', "raw HTML"),
    "raw-directive": ("```{raw} html\n<b>x</b>\n```", "raw directive is switched off"),
    "vanished-symbol": ("{source}`nemo_gym.rollout_collection.RolloutColectionConfig`", "RolloutCollectionConfig"),
    "missing-image": ("![a picture](absent.png)", "absent.png"),
    "unknown-directive": ("```{snippet} python\nprint()\n```", "snippet"),
    "diagram-without-words": ("```{mermaid}\nflowchart LR\n  a --> b\n```", ":alt:"),
}


def test_planted_faults_are_named_with_page_and_line(build: Build) -> None:
    pages = {name: page(f"\nWords.\n{body}\n") for name, (body, _) in ON_LINE_11.items()}
    site = build({**pages, "other": page("\nNothing.\n")})
    assert site.failed
    missed = [
        (name, said)
        for name, (_, said) in ON_LINE_11.items()
        if not any(f"{name}.md:11: " in line and said in line for line in site.warnings.splitlines())
    ]
    assert not missed, site.warnings
    assert "other.md" not in "".join(line for line in site.warnings.splitlines() if "missing-anchor" not in line)


def test_faults_inside_directives_keep_their_line(build: Build) -> None:
    body = """
:::{note}
Words.

::::{tip}
:class: x

Words and <b>bold</b>,
then <i>more</i>.
::::
:::
"""
    site = build({"a": page(body.replace(":::{note}", ":::::{note}").replace("\n:::\n", "\n:::::\n"))})
    assert "a.md:16: " in site.warnings
    assert "a.md:17: " in site.warnings


def test_what_is_no_fault_passes(build: Build) -> None:
    body = """
<!-- A comment, on
two lines. -->
Code such as `a[0][1]` and `<b>`, a [link](a.md#a-page), a [label][known] and [brackets] alone.

```python
rows[0][1] = "<pre>"
```

::::{tab-set}
:::{tab-item} One
Text. <!-- aside -->
:::
::::

[known]: https://example.org
"""
    site = build({"a": page(body)})
    assert site.warnings == ""
    assert not site.failed


@pytest.mark.parametrize(
    ("front_matter", "said"),
    [
        (FRONT_MATTER.replace("job: Do one thing.\n", ""), "a.md:1: WARNING: the front matter lacks job"),
        (FRONT_MATTER.replace("how-to", "howto"), "a.md:2: WARNING: expected content-type to be one of"),
        (FRONT_MATTER.replace("keywords", "keyword"), "a.md:5: WARNING: unknown key keyword"),
        (FRONT_MATTER.replace("One thing, done.", ""), "a.md:4: WARNING: expected description to be"),
        ("", "a.md:1: WARNING: the front matter lacks content-type"),
    ],
)
def test_front_matter(build: Build, front_matter: str, said: str) -> None:
    site = build({"a": page("\nWords.\n", front_matter=front_matter)})
    assert site.failed
    assert said in site.warnings
