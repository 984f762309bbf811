"""What `checks.site` judges of the built site: each planted fault is caught and named."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from checks import site as checks
from harness.blocks import find
from harness.console import commands_of
from tests.site.conftest import ROOT, Build, Site, page

needs_node = pytest.mark.skipif(not shutil.which(checks.NODE), reason=checks.NO_NODE)

#: Each block, and what its button is to copy.
CONSOLE = {
    "prompts": ("$ one\n$ two --flag\n", "one\ntwo --flag"),
    "output": ("$ one\n... of 180, ... a minute\n> said\n\n  $ no prompt\n\n$ two\n\n", "one\ntwo"),
    "a continued line": ("$ one \\\n    --two \\\n> --three\nprinted\n", "one \\\n    --two \\\n--three"),
    "a here-document": ("$ cat <<'END'\na\n\n$ b\nEND\nprinted\n", "cat <<'END'\na\n\n$ b\nEND"),
    "one that takes away tabs": ("$ cat <<-X\n\ta\n\tX\nprinted\n", "cat <<-X\n\ta\n\tX"),
    "a dash in its end": ("$ cat <<'THE-END'\nTHE\nTHE-END\nprinted\n", "cat <<'THE-END'\nTHE\nTHE-END"),
    "two of them": ("$ cat <<A <<B\na\nA\nb\nB\nprinted\n", "cat <<A <<B\na\nA\nb\nB"),
    "an indented end is none": ("$ cat <<A\n  A\nA\nprinted\n", "cat <<A\n  A\nA"),
    "a loop": ("$ for x in a; do\n> echo $x\n> done\na\n", "for x in a; do\necho $x\ndone"),
    "a prompt in each line": ("$ cat <<X\n> a\n> X\n> a\n", "cat <<X\na\nX"),
    "output like a prompt": ("$ diff a b\n> said\n$ one\n", "diff a b\none"),
    "a shift": ('$ python -c "print(1 << n)"\n8\n', 'python -c "print(1 << n)"'),
}
OTHERS = {
    "python": "def f():\n    return '$ a'\n\n\nprint(f())  # ... > \n",
    "yaml": "a: 1\n\nb: |\n  $ text\n",
    "bash": "cat <<EOF\n$ a\n\nEOF\n",
    "jsonl": '{"a": "> b"}\n',
}


def fenced(language: str, source: str) -> str:
    return f"\n````{language}\n{source}````\n"


def blocks_of(body: str, site: Site) -> list[str | None]:
    built = checks.Built(site.read("a.html")).blocks
    assert len(built) == len(find(body))
    return checks.copied((site.html / "_static" / "copybutton.js").read_text(encoding="utf-8"), built)


@pytest.mark.parametrize("name", CONSOLE)
def test_the_harness_finds_the_commands(name: str) -> None:
    source, wanted = CONSOLE[name]
    (block,) = find(fenced("console", source))
    assert "\n".join(command.text for command in commands_of(block)) == wanted


@needs_node
def test_the_button_copies_what_the_harness_runs(build: Build) -> None:
    body = "".join(fenced("console", source) for source, _ in CONSOLE.values())
    body += "\n```{code-block} console\n:terminal: Terminal 2\n\n$ serve \\\n    --port 1\nReady\n...\n```\n"
    body += "".join(fenced(language, source) for language, source in OTHERS.items()) + fenced("output", "printed\n")
    site = build({"a": page(body)})
    assert site.warnings == ""
    wanted = [text for _, text in CONSOLE.values()] + ["serve \\\n    --port 1"]
    assert blocks_of(body, site) == [*wanted, *(source.strip("\n") for source in OTHERS.values()), None]


@needs_node
def test_a_block_that_copies_wrong_is_named_with_its_line(build: Build) -> None:
    site = build({"a": page(fenced("console", "$ one\nprinted\n") + fenced("python", "x = 1\n"))})
    assert list(checks.wrong_copies(site.source, site.html)) == []
    script = site.html / "_static" / "copybutton.js"
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("'.linenos, .gp, .go'", "'.linenos, .gp'"), encoding="utf-8")
    (message,) = checks.wrong_copies(site.source, site.html)
    assert re.search(r"docs/a\.md:10: the copy button copies 'one\\nprinted' where the tests run 'one'", message)


@needs_node
def test_a_block_that_the_page_lacks_is_named(build: Build) -> None:
    site = build({"a": page(fenced("console", "$ one\n"))})
    (site.source / "a.md").write_text(page(fenced("console", "$ one\n") * 2), encoding="utf-8")
    (message,) = checks.wrong_copies(site.source, site.html)
    assert "docs/a.md: 2 code blocks, and 1 on the built page" in message


def test_flags_keep_their_hyphens(build: Build) -> None:
    body = '\nGive --model-type, or (--json); 1--4 and "auto" stay.\n\n:::{note}\nAlso --in-a-note.\n:::\n'
    site = build({"a": page(body)})
    assert list(checks.dashed_flags(site.html)) == []
    assert "--model-type, or (--json); 1--4 and &quot;auto&quot; stay" in site.read("a.html").replace(
        '"auto"', "&quot;auto&quot;"
    )


@pytest.mark.parametrize("text", ["Give \u2013model-type.", "(\u2013json)", "See <b>\u2013x</b>", "\u2014output"])
def test_a_flag_with_a_dash_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(f"<p>{text}</p>", encoding="utf-8")
    (message,) = checks.dashed_flags(tmp_path)
    assert message.startswith("a.html: a dash where a flag has two hyphens")


@pytest.mark.parametrize(
    "text",
    ["1\u20134", "tasks \u2014 rollouts", "tasks\u2014rollouts", "--json", "\u2013 a", "<script>'\u2013x'</script>"],
)
def test_a_dash_between_words_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(f"<p>{text}</p>", encoding="utf-8")
    assert list(checks.dashed_flags(tmp_path)) == []


def build_with_404(build: Build, folder: Path, address: str | None = None) -> Site:
    """A site with the real 404.md, to which no list of contents leads, and a page that links to it."""
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "404.md", folder / "docs")
    return build({"b/c": page("\n[404](../404.md)\n")}, address=address)


@pytest.mark.parametrize(("address", "root"), [(None, "/"), ("https://example.org/docs", "/docs/")])
def test_the_links_of_404_work_at_any_depth(address: str | None, root: str, build: Build, tmp_path: Path) -> None:
    site = build_with_404(build, tmp_path, address)
    assert list(checks.relative_links_of_404(site.html, address or "")) == []
    assert f'href="{root}index.html"' in re.search("<article.*</article>", site.read("404.html"), re.DOTALL)[0]
    assert 'href="../404.html"' in site.read("b/c.html")  # that of another page stays as it was


def test_a_link_of_404_that_depends_on_the_address_is_named(build: Build, tmp_path: Path) -> None:
    site = build_with_404(build, tmp_path)
    path = site.html / "404.html"
    path.write_text(
        site.read("404.html").replace("</article>", '<a href="../b.html">b</a></article>'), encoding="utf-8"
    )
    (message,) = checks.relative_links_of_404(site.html, "")
    assert message == "404.html: the link to ../b.html depends on the address: expected it to start with /"


def test_what_a_page_holds_is_read_as_a_browser_reads_it() -> None:
    html = '<p>a<div class="highlight-python x"><div class="highlight"><pre><i class="k">b</i> &lt;<br>c</pre></div></div>d'
    built = checks.Built(html)
    ((classes, pre),) = built.blocks
    assert classes == ["highlight-python", "x"]
    assert json.dumps(pre.tree()["children"]) == '[{"classes": ["k"], "children": ["b"]}, " <", "c"]'
    assert "".join(built.texts) == "ab <cd"


def test_a_page_that_is_too_long_is_named(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    site = build({"a": page(f"\n{'word ' * 200}\n"), "b": page("\nWords.\n")})
    assert list(checks.too_long(site.html)) == []
    monkeypatch.setattr(checks, "LONGEST", 900)
    assert [each.partition(":")[0] for each in checks.too_long(site.html) if each.startswith("a.")] == [
        "a.html",
        "a.md",
    ]
    assert "characters; at most 900: split the page" in next(checks.too_long(site.html))
