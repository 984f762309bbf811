"""Follow the training pages in order in one folder, as a reader does, and see what lies there at the end.

Reference pages are looked up, not followed: each is judged by itself, from the folder of the page that it starts from.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cache import Cache
from harness.environments import NotInstalled
from harness.pages import page_at
from harness.run import PageRun, Runner
from harness.session import Host

DOCS = Path(__file__).parents[2] / "docs"

#: The pages in the order in which the section leads through them.
PAGES = [
    "get-started/running-example",
    "training/rollout-collection/index",
    "training/rollout-collection/optimize-for-training",
    "training/rollout-collection/sampling-strategies",
    "training/verification/index",
    "training/verification/reward-shaping",
    "training/verification/multi-objective-scoring",
    "training/data-quality/index",
    "training/data-quality/quality-metrics",
    "training/data-quality/filtering-strategies",
    "training/data-quality/dataset-balancing",
    "training/datasets/index",
    "training/datasets/prepare-for-training",
    "training/datasets/validate-format",
]

#: What a trainer is handed at the end, and the class that says what a row of it is.
HANDED_OVER = {"sft.jsonl": "SFT row", "preference.jsonl": "preference pair", "rl.jsonl": "RL row"}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    host = Host(tmp_path_factory.mktemp("chain"))
    yield host
    host.close()


@pytest.fixture(scope="module")
def folder(host, tmp_path_factory) -> Path:
    """The folder that the pages leave, each followed in the one that those before it left."""
    runner = Runner(DOCS, host, Cache(tmp_path_factory.mktemp("cache")), use_cache=False)
    folder = None
    for name in PAGES:
        page = page_at(DOCS, name)
        run = PageRun(page, runner, None)
        run.begin(folder)
        try:
            for block in page.blocks:
                run.judge(block).pass_on()
        except NotInstalled as missing:
            pytest.skip(str(missing))
        finally:
            run.close()
        folder = run.directory
    return folder


@pytest.mark.parametrize(("name", "consumer"), HANDED_OVER.items())
def test_the_files_at_the_end_validate(host, folder, name, consumer):
    rows = (folder / name).read_text(encoding="utf-8")
    assert rows.count("\n") > 10
    assert host.consumer_problems(consumer, rows, folder) == []


def test_what_is_handed_over_comes_from_the_tasks_at_the_start(folder):
    tasks = (folder / "tasks.jsonl").read_text(encoding="utf-8").splitlines()
    chosen = [json.loads(line) for line in (folder / "sft.jsonl").open()]
    assert {row["task_index"] for row in chosen} <= set(range(len(tasks)))
    assert set((folder / "rl.jsonl").read_text(encoding="utf-8").splitlines()) <= set(tasks)
