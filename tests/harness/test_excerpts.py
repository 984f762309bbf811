"""Excerpts of the tool: as they stand in its source, and only where its tests have run each line."""

from __future__ import annotations

import hashlib
import json

import pytest

from harness import excerpts
from harness.blocks import find
from harness.environments import ALL_VARIABLE, NotInstalled
from harness.excerpts import excerpt
from harness.pages import page_at
from tests.harness.conftest import line_of

SOURCE = (
    '''\
"""A module."""

LIMIT = 3


@decorated
def kept(row):
    """Say whether a row is kept."""
    return row["reward"] > LIMIT


class Step:
    def apply(self):
        return 1


def long():
    x = 0
'''
    + "    x += 1\n" * 30
    + f"\n\ndef wide():\n    return {'1 + ' * 21}1\n"
)
PAGE = "# A page\n\n```{excerpt} gym_rollouts.steps.kept\n```\n"


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A package of one module, of which all lines ran."""
    module = tmp_path / "src" / "gym_rollouts" / "steps.py"
    module.parent.mkdir(parents=True)
    module.write_text(SOURCE, encoding="utf-8")
    monkeypatch.setattr(excerpts, "SOURCES", tmp_path / "src")
    monkeypatch.setattr(excerpts, "LINES", tmp_path / "lines.json")
    monkeypatch.delenv(ALL_VARIABLE, raising=False)
    ran(tmp_path, module)
    return module


def ran(tmp_path, module, *never_run):
    digest = hashlib.sha256(module.read_bytes()).hexdigest()
    rows = {"gym_rollouts/steps.py": {"digest": digest, "never_run": list(never_run)}}
    (tmp_path / "lines.json").write_text(json.dumps(rows), encoding="utf-8")


def test_it_is_shown_as_it_stands(sources):
    shown = excerpt("gym_rollouts.steps.kept")
    assert (shown.first, shown.last) == (6, 9)
    assert shown.text == "\n".join(SOURCE.split("\n")[5:9]) + "\n"
    assert excerpt("gym_rollouts.steps.Step.apply").text == "def apply(self):\n    return 1\n"
    assert excerpt("gym_rollouts.steps.LIMIT").text == "LIMIT = 3\n"


WRONG = {
    "gym_rollouts.step.kept": "gym_rollouts.steps",
    "gym_rollouts.steps.keep": "'kept'",
    "gym_rollouts.steps.Step.aply": "'apply'",
    "gym_rollouts.steps": "no function or class",
    "gym_rollouts.steps.wide": "line 52 of steps.py is longer than 88 columns",
    "gym_rollouts.steps.long": "has 32 lines: a page shows at most 30",
}


@pytest.mark.parametrize(("name", "said"), WRONG.items(), ids=WRONG)
@pytest.mark.usefixtures("sources")
def test_what_is_not_there_is_named_with_its_line(judge, name, said):
    with pytest.raises(LookupError, match=said):
        excerpt(name)


def test_each_line_has_run(judge, sources, tmp_path):
    assert judge(PAGE) is None
    assert [record["verdict"] for record in judge.records] == ["executed"]
    ran(tmp_path, sources, 4, 9, 17)
    failure = judge(PAGE)
    assert "the tests of steps.py never run these lines" in failure.message
    assert '    9:     return row["reward"] > LIMIT' in failure.message
    assert "17" not in failure.message
    assert failure.line == line_of(PAGE, "```{excerpt}")


def test_what_ran_in_another_text_counts_for_nothing(judge, sources, tmp_path, monkeypatch):
    sources.write_text(SOURCE.replace("LIMIT = 3", "LIMIT = 4"), encoding="utf-8")
    with pytest.raises(NotInstalled, match="find it out with nox -s tool"):
        judge(PAGE)
    (tmp_path / "lines.json").unlink()
    with pytest.raises(NotInstalled):
        judge(PAGE)
    monkeypatch.setenv(ALL_VARIABLE, "1")
    assert "find it out with nox -s tool" in judge(PAGE).message


def test_a_page_is_judged_again_when_its_module_or_what_ran_changes(runner, sources, tmp_path):
    page = page_at(runner.docs, "page")
    page.path.write_text(PAGE, encoding="utf-8")
    keys = {runner.cache.key(page)}
    ran(tmp_path, sources, 9)
    keys.add(runner.cache.key(page))
    sources.write_text(SOURCE + "\n", encoding="utf-8")
    keys.add(runner.cache.key(page))
    assert len(keys) == 3


def test_a_plain_fence_is_none(judge):
    failure = judge("# A page\n\n```excerpt\nx = 1\n```\n")
    assert "an excerpt is a directive" in failure.message


def test_a_report_of_coverage_becomes_the_list(sources, tmp_path):
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"files": {str(sources): {"missing_lines": [9]}}}), encoding="utf-8")
    excerpts.write(report)
    shown = excerpt("gym_rollouts.steps.kept")
    assert excerpts.never_run(shown) == [9]


def test_it_is_a_block_like_any_other():
    (block,) = find("```{excerpt} gym_rollouts.rollouts.Rollout\n```\n")
    assert block.source.startswith("class Rollout(")
