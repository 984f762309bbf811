"""Ask an installed NeMo Gym how it behaves where its releases differ and no signature says so.

    python -m pinned.drift_probes answers.json

Each probe is a function that answers its docstring's question in a few words. `pinned.drift` asks two installs and
reports where the answers differ. A probe uses what both sides of a change have, so that it can ask either; what it
raises is an answer too.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

Probe = Callable[[], str]

#: The questions, in the report's order.
PROBES: dict[str, Probe] = {}

ROW = {"responses_create_params": {"input": [{"role": "user", "content": "2 + 2?"}]}, "expected_answer": "A"}


def probe(function: Probe) -> Probe:
    """Register a function as the answer to the question that its docstring asks."""
    PROBES[str(function.__doc__)] = function
    return function


def collection(**settings: Any) -> Any:
    """The configuration of a collection with these settings."""
    from nemo_gym.rollout_collection import RolloutCollectionConfig

    return RolloutCollectionConfig(input_jsonl_fpath="tasks.jsonl", output_jsonl_fpath="rollouts.jsonl", **settings)


def preprocessed(rows: list[dict[str, Any]], **settings: Any) -> list[dict[str, Any]]:
    """What the collector makes of the rows of a file before it sends them."""
    from nemo_gym.rollout_collection import RolloutCollectionHelper

    Path("tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return RolloutCollectionHelper()._preprocess_rows_from_config(collection(**settings))


@probe
def precedence() -> str:
    """Which agent answers a row that names one, when `agent_name` names another?"""
    rows = preprocessed([ROW | {"agent_ref": {"name": "of_the_row"}}], agent_name="of_agent_name")
    return {"of_the_row": "the row's own", "of_agent_name": "`agent_name`"}[rows[0]["agent_ref"]["name"]]


@probe
def task_source() -> str:
    """Can a row name its agent by `task_source` alone?"""
    rows = preprocessed([ROW | {"task_source": "mcqa"}])
    return f"yes: the collector keeps {len(rows)} of 1"


@probe
def unlimited() -> str:
    """What does `num_samples_in_parallel: 0` mean?"""
    collection(num_samples_in_parallel=0)
    return "accepted: no limit"


@probe
def no_repeats() -> str:
    """What does `num_repeats: 0` mean?"""
    return f"accepted: {len(preprocessed([ROW], agent_name='an_agent', num_repeats=0))} rollouts of a row"


@probe
def unknown_key() -> str:
    """Is a key that no setting has refused?"""
    collection(min_reward_threshold=0.7)
    return "no: it is dropped in silence"


@probe
def prepared_rows() -> str:
    """How does `gym dataset collate` name the agent of a row?"""
    reference = {"type": "responses_api_agents", "name": "mcqa_simple_agent"}
    rows = {"a row that names none": ROW, "a row with `agent_ref`": ROW | {"agent_ref": reference}}
    Path("tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows.values()), encoding="utf-8")
    server = {"entrypoint": "app.py", "domain": "knowledge"}
    # Every release takes a dataset on the agent's block; those since 0.6 on the server's too.
    agent = {
        "entrypoint": "app.py",
        "resources_server": {"type": "resources_servers", "name": "mcqa"},
        "datasets": [{"name": "tasks", "type": "train", "jsonl_fpath": "tasks.jsonl", "license": "Apache 2.0"}],
    }
    blocks = {
        "mcqa": {"resources_servers": {"mcqa": server}},
        "mcqa_simple_agent": {"responses_api_agents": {"simple_agent": agent}},
    }
    Path("data.yaml").write_text(json.dumps(blocks), encoding="utf-8")  # JSON is YAML
    command = ["+config_paths=[data.yaml]", "+output_dirpath=out", "+mode=train_preparation", "+should_download=false"]
    program = Path(sys.executable).with_name("ng_prepare_data")
    subprocess.run([program, *command], capture_output=True, check=True)
    prepared = [json.loads(line) for line in Path("out/train.jsonl").read_text(encoding="utf-8").splitlines()]
    return "; ".join(
        f"{name}: adds {keys(set(after) - set(before))}, takes away {keys(set(before) - set(after))}"
        for (name, before), after in zip(rows.items(), prepared, strict=True)
    )


def keys(names: set[str]) -> str:
    """Names of keys as code, or the word for none."""
    return ", ".join(f"`{name}`" for name in sorted(names)) or "nothing"


def answer(function: Probe) -> str:
    """A probe's answer, or what it raised; it runs in an empty folder and prints nothing."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                return function()
        except Exception as error:
            said = " ".join(str(error).partition("For further information")[0].split())
            return f"{type(error).__name__}: {said.partition(' [type=')[0]}"
        finally:
            os.chdir(before)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("answers", type=Path, help="where the answers go")
    options = parser.parse_args()
    sys.argv = sys.argv[:1]  # NeMo Gym reads the command line of whoever imports it
    answers = {question: answer(function) for question, function in PROBES.items()}
    options.answers.write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
