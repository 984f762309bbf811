"""What the reference says that a resources server's rows need is what its `/verify` does."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from pinned import asked_server, asking, reference_pages
from pinned.reference_pages import ReferenceError

ASKED = asking.read()
PAGES = asking.ROOT / "docs" / "reference" / "resources-servers"


def entry_of(name: str) -> str:
    """The text of a server's page."""
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def test_every_server_was_asked_or_says_why_not() -> None:
    assert list(ASKED) == asking.names()
    for name, each in ASKED.items():
        if "reason" in each:
            assert set(each) == {"kind", "reason"}
            assert f"- Not asked: {each['reason']}\n" in entry_of(name)
        else:
            assert "input" in each["row"]["responses_create_params"]
            assert each["verdict"] == "a judge is asked" or each["verdict"].startswith("reward ")
            assert "- Row needs: " in entry_of(name)
            assert "- Scores: " in entry_of(name)


def test_the_page_shows_each_row_as_it_was_asked_about() -> None:
    shown = 0
    for name, each in ASKED.items():
        blocks = re.findall(r"```\{code-block\} json\n:consumer: task row\n\n(.*?)\n```", entry_of(name), re.DOTALL)
        if blocks:
            assert [json.loads(block) for block in blocks] == [each["row"]], name
            shown += 1
    assert shown > 40


@pytest.mark.parametrize(
    ("name", "field", "says"),
    [
        ("mcqa", "expected_answer", "reward 0"),
        ("math_with_judge", "expected_answer", "HTTP 422"),
        ("math_with_code", "expected_result", "HTTP 422"),
        ("code_gen", "verifier_metadata.unit_tests", "HTTP 500"),
    ],
)
def test_what_the_file_says_is_so(name: str, field: str, says: str) -> None:
    assert ASKED[name]["needs"][field] == says
    assert list(asking.check({name: ASKED[name]})) == []


def test_a_claim_that_is_not_so_is_caught(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    false = copy.deepcopy(ASKED["mcqa"])
    false["needs"] = {"options": "HTTP 500", "gone": "reward 0"}
    false["nothing"] = "reward 1"
    monkeypatch.setattr(asking, "read", lambda: ASKED | {"mcqa": false})
    assert asking.main(["--check", "mcqa"]) == 1
    said = capsys.readouterr().out
    assert "mcqa: without `options`: expected HTTP 500, found reward 0" in said
    assert "mcqa: without `gone`: expected reward 0, found no change" in said
    assert "mcqa: without `expected_answer`: expected no change, found reward 0" in said
    assert "mcqa: an answer that solves nothing: expected reward 1, found reward 0" in said


def test_a_row_that_does_not_score_and_a_reason_that_is_gone_are_caught() -> None:
    false = copy.deepcopy(ASKED["mcqa"])
    false["output"] = asked_server.NOTHING
    lines = list(asking.check({"mcqa": false, "string_match": {"kind": "late", "reason": "it is tired"}}))
    assert "mcqa: the row shown: expected reward 1, found reward 0" in lines
    assert "string_match: not asked, since it is tired: but now it can be asked" in lines


def test_servers_that_the_file_lacks_or_the_install_are_named(tmp_path: Path) -> None:
    path = tmp_path / "asked.json"
    path.write_text(json.dumps({"servers": {"mcqa": {}, "gone": {}}}), encoding="utf-8")
    with pytest.raises(ReferenceError, match="gone, wordle: in the file or in the install, not in both"):
        reference_pages.read_asked({"mcqa": {}, "wordle": {}}, path)


def test_what_an_answer_must_be_is_said_of_servers_that_were_asked_only() -> None:
    server: dict[str, Any] = {"descriptions": [], "fields": [], "benchmarks": [], "environments": []}
    row: dict[str, Any] = {"pattern": [], "reward": "", "suits": []}
    none = reference_pages.Settings({}, {}, {}, {}, {}, {})

    def made(row: dict[str, Any], asked: dict[str, Any]) -> list[str]:
        written = {"server": {"mcqa": row}, "renamed": {}, "pattern": {}}
        return list(reference_pages.server_page("mcqa", server, written, none, asked))

    with pytest.raises(ReferenceError, match="lacks answer"):
        made(row, ASKED["mcqa"])
    reason = {"kind": "late", "reason": "it is tired"}
    with pytest.raises(ReferenceError, match="has an answer, and the server was not asked"):
        made(row | {"answer": "a letter"}, reason)


@pytest.mark.parametrize(
    ("text", "kind", "says"),
    [
        ("ModuleNotFoundError: No module named 'jiwer'", "package", "it needs the module `jiwer`"),
        ("HTTP 500: ModuleNotFoundError(\\\"No module named 'a.b'\\\")", "package", "it needs the module `a.b`"),
        (
            "URLError: <urlopen error [Errno -3] Temporary failure in name resolution>",
            "network",
            "it needs the network",
        ),
        (
            "2 validation errors for XConfig api_key.str Input",
            "setting",
            "its configuration wants a value for `api_key`",
        ),
        ("ValueError: Sandbox provider", "sandbox", "it needs a sandbox for each task"),
        ("RuntimeError: /a/b/site-packages/c.py", "start", "it does not start: RuntimeError: c.py"),
    ],
)
def test_reasons_are_short_and_do_not_depend_on_the_machine(text: str, kind: str, says: str) -> None:
    found = asked_server.why(text)
    assert found[0] == kind
    assert found[1].startswith(says)


def test_a_row_is_cut_where_it_may_be() -> None:
    row = {"responses_create_params": {"input": "a" * 500}, "verifier_metadata": {"tests": [1, 2, 3], "other": 1}}
    cuts = [cut(copy.deepcopy(row)) for cut in asked_server._shorter(row)]
    assert cuts[0]["responses_create_params"]["input"] == "a" * 120 + " ..."
    assert cuts[1]["verifier_metadata"] == {"tests": [1], "other": 1}
    assert list(asked_server.fields(row)) == ["verifier_metadata", "verifier_metadata.tests", "verifier_metadata.other"]
    assert asked_server.without(row, "verifier_metadata.tests")["verifier_metadata"] == {"other": 1}
