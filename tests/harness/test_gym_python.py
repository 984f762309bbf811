"""A field that a program gives a class of NeMo Gym, and that the class would drop, is named with its line."""

from __future__ import annotations

import pytest

from harness.console import python_in
from harness.consumers.gym_python import unknown_fields
from tests.harness.conftest import line_of

IMPORT = "from nemo_gym.rollout_collection import RolloutCollectionConfig as Config\n"
KEPT = 'input_jsonl_fpath="a", output_jsonl_fpath="b"'

FAULTS = {
    "a keyword": (f"Config(\n    {KEPT},\n    num_repeat=4,\n)", 4, "did you mean 'num_repeats'?"),
    "a validated dict": ("Config.model_validate(\n    {'num_repeat': 4})", 3, "did you mean 'num_repeats'?"),
    "a validated text": ("Config.model_validate_json('{\"num_repeat\": 4}')", 2, "did you mean 'num_repeats'?"),
    "a dict in it": (
        "Config(responses_create_params={\n    'temperatur': x})",
        3,
        "'responses_create_params.temperatur' for NeMoGymResponseCreateParamsNonStreaming: did you mean 'temperature'?",
    ),
    "a dict in that": (
        "Config(responses_create_params={'reasoning': {'efort': e}})",
        2,
        "unknown key 'responses_create_params.reasoning.efort'",
    ),
    "in a function": ("def f():\n    return Config(num_repeat=4)", 3, "did you mean 'num_repeats'?"),
}


@pytest.mark.parametrize(("text", "line", "said"), FAULTS.values(), ids=FAULTS)
def test_a_field_that_would_be_dropped_is_named(text: str, line: int, said: str) -> None:
    (found,) = unknown_fields(IMPORT + text)
    assert (found.line, said in found.message) == (line, True), found


SOUND = [
    f"Config({KEPT}, num_repeats=4, responses_create_params={{'temperature': 1, 'metadata': {{'any': 'thing'}}}})",
    "Config(**{'num_repeat': 4})",
    "Config(**row, num_repeats=1)",
    "Config.model_validate(row)",
    "Config.model_validate({**row, 'num_repeats': 1})",
    "Config = dict\nConfig(num_repeat=4)",
    "class Config:\n    num_repeat: int = 0\nConfig(num_repeat=4)",
    "class Own(Config):\n    num_repeat: int = 0\nOwn(num_repeat=4)",
    "not Python",
]


@pytest.mark.parametrize("text", SOUND)
def test_what_may_be_right_passes(text: str) -> None:
    assert unknown_fields(IMPORT + text) == []
    assert unknown_fields(text.replace("Config", "dict")) == []


def test_the_programs_of_a_command_are_found() -> None:
    assert list(python_in("python -c 'import a\nb()'")) == [(0, "import a\nb()")]
    assert list(python_in("cat > a.py <<'END'\nimport a\nx = 1 << n\nEND\npython a.py")) == [
        (1, "import a\nx = 1 << n")
    ]
    assert list(python_in("gym eval run --config a.yaml")) == []


CALL = f"{IMPORT}Config({KEPT}, num_repeat=4)"
PAGES = {
    "a block": (f"```python\n{CALL}\n```\n", "Config("),
    "a file": (
        f"```{{code-block}} python\n:file: one.py\n\n{CALL}\n```\n\n```console\n$ python one.py\n```\n",
        "Config(",
    ),
    "a command": ("```console\n$ python -c '{}'\n```\n".format(CALL.replace("\n", "; ")), "$ python"),
    "a here-document": (f"```console\n$ python - <<'END'\n{CALL}\nEND\n```\n", "Config(input"),
}


@pytest.mark.parametrize(("body", "where"), PAGES.values(), ids=PAGES)
def test_each_program_of_a_page_is_looked_at(judge, body: str, where: str) -> None:
    failure = judge(f"# A page\n\n{body}")
    assert "did you mean 'num_repeats'?" in failure.message
    assert failure.line == line_of(f"# A page\n\n{body}", where)
    failure = judge(f"# A page\n\n{body}".replace("num_repeat=", "num_repeats="))
    assert failure is None, failure.message
