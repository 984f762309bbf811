"""A tiny model that knows some tasks, and what NeMo Gym said of sampled answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.environments import NotInstalled
from recipes import live
from tests.pages.modules import imported

HERE = Path(__file__).parent
#: Right answers to templates of the tasks, by what the question says.
RIGHT = {"plus": "x + {}", "times": "x * {}", "squared": "x * x + {}", "minus": "{} - x"}


@pytest.fixture(scope="session")
def torch_python() -> Iterator[str]:
    """The Python in which torch is, with one thread: where cores are busy, several wait for each other."""
    try:
        python = live.trl_python()
    except NotInstalled as reason:
        pytest.skip(str(reason))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield python


@pytest.fixture(scope="session")
def sampled() -> list[dict[str, Any]]:
    """Answers that SmolLM2-135M sampled, each with its task and the reward that `gym eval run` wrote down."""
    return [json.loads(line) for line in (HERE / "sampled.jsonl").read_text(encoding="utf-8").splitlines()]


def known(seed: int, count: int) -> Iterator[dict[str, Any]]:
    """The first tasks of a seed, behind worked examples, with right answers."""
    with imported(live.DOWNLOADS, "code_tasks") as modules:
        for task in modules.code_tasks.tasks_of(seed, count, 0, 0)[0]:
            told = modules.code_tasks.with_examples(task)["responses_create_params"]["input"]
            question = told[-1]["content"]
            number = next(word for word in question.rstrip(".").split()[::-1] if word.isdigit())
            body = next(code for word, code in RIGHT.items() if word in question).format(number)
            answer = f"```python\ndef solve(x):\n    return {body}\n```"
            yield {"messages": [*told, {"role": "assistant", "content": answer}]}


@pytest.fixture(scope="session")
def tiny(torch_python: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that knows the first four training tasks of seed 0."""
    folder = tmp_path_factory.mktemp("model")
    rows = folder / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in known(0, 4)), encoding="utf-8")
    command = [torch_python, str(HERE / "tiny.py"), str(rows), str(folder / "tiny")]
    done = subprocess.run(command, env=live.trainer_variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "tiny"
