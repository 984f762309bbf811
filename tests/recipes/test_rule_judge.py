"""The judge that follows a rule: equal where the numbers are, in digits or in words."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.live.support import ROOT
from tests.pages.modules import imported

PROMPT = (
    "<|Problem|>\nWhat is 29 plus 7?\n\n<|Start of Assistant A's Answer|>\n{}\n<|End of Assistant A's Answer|>\n\n"
    "<|Start of Assistant B's Answer|>\n{}\n<|End of Assistant B's Answer|>"
)


@pytest.fixture(scope="module")
def judge() -> Iterator[ModuleType]:
    with imported(ROOT / "docs" / "downloads", "rule_judge") as modules:
        yield modules.rule_judge


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("36", "36", True),
        ("36", "thirty-six", True),
        (r"\text{Thirty-six}", "36", True),
        ("19", "nineteen", True),
        ("40", "forty", True),
        ("36", "thirty-five", False),
        ("36", r"36\%", False),
    ],
)
def test_verdicts(judge: ModuleType, one: str, other: str, equal: bool) -> None:
    for prompt in (PROMPT.format(one, other), PROMPT.format(other, one)):
        assert ("[[A=B]]" in judge.verdict(prompt)) is equal
        assert ("[[A!=B]]" in judge.verdict(prompt)) is not equal


def test_its_prompt_is_that_of_the_release(judge: ModuleType) -> None:
    from resources_servers.math_with_judge.app import LibraryJudgeMathResourcesServer as Server

    asked = Server.JUDGE_PROMPT_TEMPLATE.format(question="?", first_answer="36", second_answer="thirty-six")
    assert Server.JUDGE_EQUAL_LABEL in judge.verdict(asked)


def test_another_prompt_is_refused(judge: ModuleType) -> None:
    with pytest.raises(ValueError, match="two answers"):
        judge.verdict("Hello")
