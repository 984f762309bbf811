"""Plant faults in a copy of a page that readers follow, against the live NeMo Gym."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.harness.conftest import line_of

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "get-started" / "collecting-rollouts.md").read_text(encoding="utf-8")

FAULTS = [
    (
        "a misspelt +key",
        "+num_repeats_add_seed",
        "+num_repeats_add_sed",
        "+num_repeats_add_sed",
        "num_repeats_add_seed",
    ),
    ("a flag that does not exist", "--concurrency 20", "--parallel 20", "$ gym eval run", "--parallel"),
    ("a server that does not exist", "--resources-server mcqa", "--resources-server mcqaa", "$ gym env start", "mcqaa"),
    ("another environment's agent", "--agent mcqa_simple_agent", "--agent mcqa_agent", "$ gym eval run", "mcqa_agent"),
    ("a reward that is not so", "task 4: [1.0,", "task 4: [0.0,", "task 0:", "task 4"),
    ("a field that rows do not have", 'first["extracted_answer"]', 'first["answer"]', 'first["answer"]', "KeyError"),
    ("a metric that does not exist", 'row["mean/reward"]', 'row["mean_reward"]', 'row["mean_reward"]', "KeyError"),
    (
        "a file of another name",
        "--rollouts rollouts.jsonl",
        "--rollouts rollout.jsonl",
        "$ gym eval profile",
        "rollout",
    ),
]


@pytest.fixture
def judge_copy(judge, runner):
    """Judge a changed copy of the page, beside the site's downloads."""
    shutil.copytree(DOCS / "downloads", runner.docs / "downloads")

    def judge_text(text: str):
        return judge(text, "get-started/collecting-rollouts")

    return judge_text


def test_the_page_passes(judge_copy):
    assert judge_copy(TEXT) is None


@pytest.mark.parametrize(("name", "old", "new", "where", "said"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_fault(judge_copy, name, old, new, where, said):
    assert old in TEXT
    text = TEXT.replace(old, new)
    failure = judge_copy(text)
    assert failure is not None, f"{name} was not caught"
    assert said in failure.message
    assert failure.line == line_of(text, where), failure.message
