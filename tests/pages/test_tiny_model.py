"""The model that readers make to try a trainer on: it is whole, the same each time, and refuses what are no rows."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from harness.environments import ENVIRONMENTS, NotInstalled
from tests.live.support import ROOT

ROWS = [
    {"messages": [{"role": "user", "content": "What is 1+1?"}, {"role": "assistant", "content": "Two."}]},
    {"messages": [{"role": "user", "content": "Look."}, {"role": "assistant", "content": None, "tool_calls": []}]},
]
#: Prints the tokens of a text that the tokenizer never saw, decoded; and which tokens the assistant wrote.
LOOK = """
import json
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained("tiny")
model = AutoModelForCausalLM.from_pretrained("tiny")
said = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Größe 7"}]
made = tokenizer.apply_chat_template(said, return_dict=True, return_assistant_tokens_mask=True)
ids = [one for one, mine in zip(made["input_ids"], made["assistant_masks"]) if mine]
print(json.dumps([tokenizer.decode(tokenizer("Größe 7")["input_ids"]), tokenizer.decode(ids)]))
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        python = ENVIRONMENTS["trl"].require().interpreter
    except NotInstalled as reason:
        pytest.skip(str(reason))
    variables = os.environ | {"HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
    return subprocess.run([python, *arguments], cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return tmp_path


PROGRAM = str(ROOT / "docs" / "downloads" / "tiny_model.py")


def test_it_loads_and_marks_what_the_assistant_wrote(folder: Path) -> None:
    made = run(folder, PROGRAM, "rows.jsonl")
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("tiny: ")
    looked = run(folder, "-c", LOOK)
    assert looked.returncode == 0, looked.stderr
    assert json.loads(looked.stdout) == ["Größe 7", "Größe 7<|end|>"]


def test_a_line_that_is_no_row_is_named(folder: Path) -> None:
    with (folder / "rows.jsonl").open("a", encoding="utf-8") as rows:
        rows.write('{"prompt": "1+1"}\n')
    made = run(folder, PROGRAM, "rows.jsonl")
    assert made.returncode == 1
    assert made.stderr.startswith("tiny_model: rows.jsonl:3: expected a row with a list `messages`")
    assert not (folder / "tiny").exists()
