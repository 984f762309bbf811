"""Names in snippets lead to the reference, and a snippet stays what it was."""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from pygments import highlight
from pygments.lexers import YamlLexer

from tests.live.support import ROOT

CONSOLE = """\
$ gym eval run --num-repeats 4 \\
    --input few.jsonl --unknown | gym-rollouts metrics - --json
$ gym env start --resources-server mcqa --config a.yaml \\
    ++a.resources_servers.math_with_judge.should_use_judge=false; echo --config
gym eval run --input
$ cat > note.txt <<'END'
> then gym env status --json
> END
"""
YAML = """\
config_paths: [a.yaml]  # config_paths
mine:
  resources_servers:
    mcqa: {entrypoint: app.py, made_up: 1}
model:
  responses_api_models:
    vllm_model:
      base_url: http://127.0.0.1:8001/v1
"""


@pytest.fixture(scope="module")
def code_links() -> Iterator[ModuleType]:
    sys.path.insert(0, str(ROOT / "docs" / "_ext"))
    import code_links

    yield code_links
    sys.path.remove(str(ROOT / "docs" / "_ext"))


@pytest.fixture(scope="module")
def known(code_links: ModuleType):
    return code_links.Known.of(ROOT / "docs")


def found(text: str, links) -> list[tuple[str, str]]:
    """Each name and the anchor to which it leads, in the order of the text."""
    return [(text[each.start : each.end], each.place.anchor) for each in sorted(links)]


def test_commands_flags_servers_and_overrides(code_links: ModuleType, known) -> None:
    assert found(CONSOLE, code_links.in_console(CONSOLE, known)) == [
        ("gym eval run", "gym-eval-run"),
        ("--num-repeats", "gym-eval-run-num-repeats"),
        ("--input", "gym-eval-run-input"),
        ("gym-rollouts metrics", "gym-rollouts-metrics"),
        ("--json", "gym-rollouts-metrics-json"),
        ("gym env start", "gym-env-start"),
        ("--resources-server", "gym-env-start-resources-server"),
        ("mcqa", "server-mcqa"),
        ("--config", "gym-env-start-config"),
        ("should_use_judge", "setting-libraryjudgemathresourcesserverconfig-should-use-judge"),
        ("gym env status", "gym-env-status"),
        ("--json", "gym-env-status-json"),
    ]


def test_servers_and_settings(code_links: ModuleType, known) -> None:
    entrypoint = ("entrypoint", "setting-baserunserverconfig-entrypoint")
    base_url = ("base_url", "setting-vllmmodelconfig-base-url")
    inside = [("mcqa", "server-mcqa"), entrypoint, base_url]
    assert found(YAML, code_links.in_yaml(YAML, "", known)) == inside
    top = ("config_paths", known.find("setting", "config_paths").anchor)
    assert found(YAML, code_links.in_yaml(YAML, "gym env start", known)) == [top, *inside]


def test_what_cannot_be_read_has_no_links(code_links: ModuleType, known) -> None:
    assert not list(code_links.in_yaml("a: [", "gym", known))
    assert not list(code_links.in_console("gym env start", known))


def test_the_text_stays(code_links: ModuleType, known) -> None:
    from copies import Console, Formatter

    for text, lexer, links in (
        (CONSOLE, Console(), code_links.in_console(CONSOLE, known)),
        (YAML, YamlLexer(), code_links.in_yaml(YAML, "gym", known)),
    ):
        before = highlight(text, lexer, Formatter())
        places = [(each.start, each.end, f"x.html#{each.place.anchor}") for each in links]
        after = code_links.woven(before, text, places)
        assert after.count('<a class="code-link"') == len(places)
        assert re.sub(r"</?a\b[^>]*>", "", after) == before
        linked = re.findall(r'<a class="code-link"[^>]*>(.*?)</a>', after)
        assert all(code_links.balanced(each) for each in linked)
        names = [html.unescape(re.sub(r"<[^>]+>", "", each)) for each in linked]
        assert names == [text[start:end] for start, end, _ in sorted(places)]


def test_a_snippet_that_the_highlighter_changed_stays(code_links: ModuleType) -> None:
    before = "<div><pre><span></span>other text\n</pre></div>"
    assert code_links.woven(before, "gym env start\n", [(0, 3, "x")]) == before


def test_a_name_that_is_not_whole_has_no_link(code_links: ModuleType) -> None:
    before = '<pre><span></span>a<span class="x">b c</span></pre>'
    assert code_links.woven(before, "ab c", [(0, 2, "x")]) == before
    assert '<a class="code-link" href="x">c</a>' in code_links.woven(before, "ab c", [(3, 4, "x")])
