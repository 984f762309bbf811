"""The ledger: what stays, what goes, and what counts as too much that is merely shown."""

from __future__ import annotations

import json
from importlib import metadata

import pytest

from harness import ledger


def entry(*verdicts: str) -> dict:
    return {"digest": "d", "date": "then", "blocks": [{"line": n, "verdict": v} for n, v in enumerate(verdicts, 1)]}


def test_records_of_other_pages_stay_and_those_of_removed_pages_go(tmp_path):
    path = tmp_path / "build" / "ledger.json"
    ledger.write(
        path, {"a": entry("executed"), "b": entry("executed"), "gone": entry("shown")}, {"a", "b", "gone"}, "x"
    )
    ledger.write(path, {"b": entry("failed")}, {"a", "b"}, "isolated")
    found = ledger.load(path)
    assert found["pages"] == {"a": entry("executed"), "b": entry("failed")}
    assert found["network"] == "isolated"
    assert found["schema"] == ledger.SCHEMA
    assert not [other for other in path.parent.iterdir() if other != path]


def test_versions_are_those_installed(tmp_path):
    written = ledger.write(tmp_path / "ledger.json", {}, set(), "isolated")
    assert written["versions"]["nemo-gym"] == metadata.version("nemo-gym")
    assert written["versions"]["sphinx"] == metadata.version("sphinx")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": 0, "pages": {"a": {}}}'])
def test_a_ledger_of_another_shape_counts_as_none(tmp_path, text):
    (tmp_path / "ledger.json").write_text(text, encoding="utf-8")
    assert ledger.load(tmp_path / "ledger.json") == {"schema": ledger.SCHEMA, "pages": {}}


def test_no_ledger_counts_as_none(tmp_path):
    assert ledger.load(tmp_path / "ledger.json")["pages"] == {}


def test_the_date_is_utc_to_the_second():
    assert len(ledger.now()) == 20
    assert ledger.now().endswith("Z")


def test_the_share_of_what_is_merely_shown():
    assert ledger.shown_share({"pages": {}}) == 0.0
    assert ledger.shown_share({"pages": {"a": {"blocks": []}}}) == 0.0
    pages = {"a": entry("shown", "executed"), "b": entry("validated", "executed")}
    assert ledger.shown_share(json.loads(json.dumps({"pages": pages}))) == 0.25


def with_lines(python: int, *never_run: int) -> dict:
    return entry("executed") | {"lines": {"python": python, "never_run": list(never_run)}}


def test_the_share_of_lines_that_never_ran():
    assert ledger.never_run_share({"pages": {"a": entry("executed")}}) == 0.0
    assert ledger.never_run_share({"pages": {"a": with_lines(30, 3), "b": with_lines(10, 4, 5, 6)}}) == 0.1


def test_what_is_too_much_of_the_whole_site_is_named():
    pages = {"a": with_lines(30, 3), "b": with_lines(10, 4, 5, 6)}
    (message,) = ledger.too_much({"pages": pages})
    assert message.startswith(
        "10.0% of the lines of Python on the site never ran; at most 5% may be. Most are on b (3), a (1)"
    )
    (message,) = ledger.too_much({"pages": {"a": entry("shown", "executed")}})
    assert message == "50.0% of the site's blocks are merely shown; at most 2% may be"
    assert ledger.too_much({"pages": {"a": with_lines(100, 1, 2, 3, 4, 5)}}) == []
