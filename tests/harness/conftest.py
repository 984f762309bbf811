"""What the harness's tests share: a live NeMo Gym, and a way to judge a page that a test has changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cache import Cache
from harness.environments import ENVIRONMENTS, NotInstalled
from harness.run import Runner
from harness.session import Host
from harness.verdict import Failure

GOOD = Path(__file__).parent / "pages" / "good.md"


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    host = Host(tmp_path_factory.mktemp("host"))
    yield host
    host.close()


@pytest.fixture
def runner(tmp_path: Path, host: Host) -> Runner:
    (tmp_path / "docs").mkdir()
    return Runner(tmp_path / "docs", host, Cache(tmp_path / "cache"), use_cache=False)


@pytest.fixture
def judge_with() -> Callable[..., Failure | None]:
    """Judge the text of a page with a runner: the failure that it ends with, with its line set; None if it passes."""

    def judge_text(runner: Runner, text: str, name: str = "page") -> Failure | None:
        from harness.pages import page_at

        page = page_at(runner.docs, name)
        page.path.parent.mkdir(parents=True, exist_ok=True)
        page.path.write_text(text, encoding="utf-8")
        run = runner.start(page)
        try:
            run.judge_all()
        except Failure as failure:
            failure.line = failure.line or run.failed_at
            return failure
        finally:
            run.close()
            judge_text.records = run.records
        return None

    return judge_text


@pytest.fixture
def judge(runner: Runner, judge_with: Callable[..., Failure | None]) -> Callable[..., Failure | None]:
    """The same, with the host that the tests share."""

    def judge_text(text: str, name: str = "page") -> Failure | None:
        try:
            return judge_with(runner, text, name)
        finally:
            judge_text.records = judge_with.records

    return judge_text


def line_of(text: str, what: str) -> int:
    """The line, from 1, on which ``what`` first stands."""
    return text[: text.index(what)].count("\n") + 1


def require(environment: str) -> None:
    """Skip where an environment is not installed, which is a fault in CI."""
    try:
        ENVIRONMENTS[environment].require()
    except NotInstalled as missing:
        pytest.skip(str(missing))


def assert_named(judge: Callable[..., Failure | None], right: str, wrong: str, said: str, place: str) -> None:
    """See that a page with a planted fault fails, and that the failure says what and names the line of `place`."""
    assert wrong != right
    failure = judge(wrong)
    assert failure is not None, "the page passed"
    assert said in failure.message
    assert failure.line == line_of(wrong, place), failure.message
