"""The model server: an answer is that of the model by itself, whatever else is asked at the same time."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from recipes import live
from tests.recipes.conftest import known

#: Prints what transformers itself generates for conversations, one after the other.
ALONE = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1]); model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
for messages in json.loads(sys.argv[2]):
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")
    said = model.generate(**ids, max_new_tokens=24, do_sample=False)[0, ids["input_ids"].shape[1]:]
    print(json.dumps(tokenizer.decode(said, skip_special_tokens=True)))
"""


def ask(address: str, messages: list[Any], **other: Any) -> dict[str, Any]:
    body = json.dumps({"model": "m", "messages": messages, "max_tokens": 24} | other).encode()
    with urlopen(Request(f"{address}/chat/completions", body), timeout=120) as answer:
        return json.load(answer)


def text_of(answer: dict[str, Any]) -> str:
    return answer["choices"][0]["message"]["content"]


def test_answers_are_the_models_own(tiny: Path, torch_python: str, tmp_path: Path) -> None:
    told = [row["messages"] for row in known(0, 4)]
    asked = [messages[:-1] for messages in told]
    asked += [[messages[-2]] for messages in told]  # short ones, with nothing in common
    command = [torch_python, "-c", ALONE, str(tiny), json.dumps(asked)]
    alone = subprocess.run(command, env=live.trainer_variables(), capture_output=True, text=True, check=True)
    expected = [json.loads(line) for line in alone.stdout.splitlines()]
    with live.model_server(tiny, 0, tmp_path / "log") as address, ThreadPoolExecutor(32) as pool:
        together = list(pool.map(lambda each: text_of(ask(address, each, temperature=0)), asked))
        assert together == expected
        assert together[:4] == [messages[-1]["content"] for messages in told], "it knows these by heart"
        # A prefix that all have in common is read once, and changes nothing.
        assert list(pool.map(lambda each: text_of(ask(address, each, temperature=0)), asked[:4])) == expected[:4]
        # Chance is the request's own.
        hot = {"temperature": 3.0}
        first = [text_of(each) for each in pool.map(lambda seed: ask(address, asked[4], seed=seed, **hot), range(6))]
        again = [text_of(ask(address, asked[4], seed=seed, **hot)) for seed in range(6)]
        assert first == again
        assert len(set(first)) > 1
        assert len({text_of(ask(address, asked[4], **hot)) for _ in range(6)}) > 1, "copies differ without a seed"
        # What is cut off says so.
        cut = ask(address, asked[0], temperature=0, max_tokens=3)
        assert cut["choices"][0]["finish_reason"] == "length"
        assert cut["usage"]["completion_tokens"] == 3
        assert ask(address, asked[0], temperature=0)["choices"][0]["finish_reason"] == "stop"
        for refused in ({"tools": [{}]}, {"top_p": 0.9}, {"n": 2}, {"stream": True}):
            with pytest.raises(HTTPError, match="400"):
                ask(address, asked[0], **refused)


def test_a_folder_without_a_model_is_reported(torch_python: str, tmp_path: Path) -> None:
    with pytest.raises(live.NotReady, match="the model server ended"), live.model_server(tmp_path, 0, tmp_path / "log"):
        pass
