"""Plant one fault in a page that passes, and see it caught with its line and a message that helps."""

from __future__ import annotations

import pytest

from tests.harness.conftest import GOOD, line_of

TEXT = GOOD.read_text(encoding="utf-8")

IMPORT = """import json

from nemo_gym.rollout_collection import RolloutCollectionConfig

RolloutCollectionConfig(input_jsonl_fpath="a", output_jsonl_fpath="b", num_repeat=4)"""

#: What is planted: its name, the text replaced, its replacement, where it must be caught, and what must be said.
FAULTS = [
    (
        "a misspelt YAML key at the top",
        "num_repeats: 4",
        "num_repeat: 4",
        "num_repeat: 4",
        "did you mean 'num_repeats'",
    ),
    ("a key that never was", "num_repeats: 4", "min_reward_threshold: 0.8", "min_reward", "unknown key"),
    (
        "a misspelt YAML key, nested",
        "  temperature: 0.2",
        "  temperatur: 0.2",
        "temperatur:",
        "did you mean 'temperature'",
    ),
    ("a misspelt key of a server", "grading_mode: lenient", "grading_mod: lenient", "grading_mod:", "'grading_mode'"),
    ("a misspelt key of an agent", "max_steps: 4", "max_step: 4", "max_step: 4", "did you mean 'max_steps'"),
    ("a misspelt key of a dataset", "num_repeats: 2", "num_repeat: 2", "num_repeat: 2", "did you mean 'num_repeats'"),
    ("a misspelt key of a reference", "        name: policy_model", "        nam: policy_model", "nam:", "'name'"),
    ("a misspelt key of a fragment", "max_steps: 8", "max_stepz: 8", "max_stepz", "did you mean 'max_steps'"),
    ("a server that does not exist", "    mcqa:\n      entry", "    mcqb:\n      entry", "mcqb:", "no server 'mcqb'"),
    (
        "a server type that does not exist",
        "  resources_servers:\n",
        "  resource_servers:\n",
        "resource_servers:\n",
        "unknown key",
    ),
    ("a YAML value of the wrong type", "num_repeats: 4", "num_repeats: four", "num_repeats: four", "integer"),
    ("a YAML value out of range", "parallel: 20", "parallel: 0", "parallel: 0", "greater than 0"),
    ("a nested value of the wrong type", "temperature: 0.2", "temperature: cold", "temperature: cold", "number"),
    (
        "a value that is not in the enumeration",
        "mode: lenient_boxed",
        "mode: lenient",
        "mode: lenient",
        "lenient_boxed",
    ),
    ("a YAML key given twice", "num_repeats: 4", "num_repeats: 4\nnum_repeats: 8", "num_repeats: 8", "twice"),
    ("broken YAML", "num_repeats: 4", "num_repeats: [4", "responses_create_params:\n  temp", "not YAML"),
    ("YAML without a consumer", ":consumer: gym eval run\n", "", "```{code-block} yaml\n:file: collect", "consumer"),
    ("a consumer that does not exist", "consumer: gym eval run", "consumer: gym evl run", None, "gym eval run"),
    ("YAML that goes nowhere", ":file: collect.yaml\n", "", "```{code-block} yaml\n:consumer: gym eval", "part-of"),
    ("a fragment of no file", ":part-of: tasks.yaml", ":part-of: task.yaml", None, "'tasks.yaml'"),
    ("a file that leads out", ":file: collect.yaml", ":file: ../collect.yaml", None, "leads out"),
    ("a misspelt CLI flag", "--output-dir prepared", "--output-dirr prepared", "$ gym dataset", "--output-dir"),
    ("a misspelt command", "$ gym dataset collate", "$ gym dataset colate", "$ gym dataset", "'collate'"),
    ("a misspelt +key", "+overwrite_metrics", "+overwrite_metric", "+overwrite_metric", "overwrite_metrics_conflicts"),
    ("a +key that never was", "+overwrite_metrics_conflicts=true", "+min_reward=1", "+min_reward=1", "min_reward"),
    ("a command that fails", "python count.py", "python ./count.py 1 | exit 3", "$ python ./count", "exited with 3"),
    ("a wrong import", "import json", "import jsonn", "import jsonn", "ModuleNotFoundError"),
    ("a name that does not exist", "json.dumps(row)", "json.dump_s(row)", "json.dump_s", "AttributeError"),
    ("a syntax error", "rows = [{", "rows = [[{", "rows = [[{", "SyntaxError"),
    ("a misspelt field of a class", "import json", IMPORT, "RolloutCollectionConfig(input", "num_repeats"),
    ("a wrong expected output", "wrote 3 rows", "wrote 4 rows", "wrote 4 rows", "wrote 3 rows"),
    ("a wrong line of a command's output", "\n3 keys\n", "\n4 keys\n", "4 keys\n", "+3 keys"),
    ("an expected output of dots alone", "wrote 3 rows", "...", "...\n```\n\n```console", "alone"),
    ("output that the page does not show", "```output\nwrote 3 rows\n```\n", "", None, "no output block follows"),
    ("output of nothing", 'print("wrote", len(rows), "rows")\n', "", "wrote 3 rows", "wrote 3 rows"),
    ("an exception that does not come", '["rewards"]', '["reward"]', None, "did not"),
    ("another exception than said", ":fails: KeyError", ":fails: ValueError", 'rows[0]["rewards"]', "KeyError"),
    ("a JSON row without a required field", '"responses_create_params"', '"response_params"', None, "Field required"),
    ("a JSON row with a misspelt field", '"temperature": 0.7', '"temprature": 0.7', '"temprature"', "'temperature'"),
    ("broken JSON", '"temperature": 0.7', '"temperature": 0.7,', '"temperature": 0.7,', "not JSON"),
    ("a skip without a reason", ":shown: it only exists on a cluster", ":shown:", None, "no reason"),
    ("text that is no output", ":shown: it only exists on a cluster\n", "", None, "output"),
    ("an unlabelled block", "```output\nwrote", "```\nwrote", "```\nwrote", "without a language"),
    ("an unknown language", "```output\nwrote", "```outptu\nwrote", "```outptu", "'output'"),
    ("an indented block", "## Steps\n", "## Steps\n\n    rm -rf rows.jsonl\n", "    rm -rf", "without a language"),
    ("a file that nothing uses", "$ python count.py\n3\n", "", None, "nothing runs it on this page"),
    ("a server that ends", "http.server 8123", "http.server eight", "$ python -m http.server", "instead of staying"),
    ("a server that says something else", "Serving HTTP on", "Listening on", "Listening on", "never printed"),
    ("a server without its ready line", "Serving HTTP on 127.0.0.1 port 8123 ...\n", "", None, "ready"),
    ("a distribution that is not in the lock", '"polars>=1"', "polarz", "$ pip install", "polarz"),
    ("a version that is not in the lock", '"polars>=1"', "polars==0.1", "$ pip install", "tested with polars"),
]


def test_the_page_without_a_fault_passes(judge):
    assert judge(TEXT) is None
    verdicts = [record["verdict"] for record in judge.records]
    assert verdicts.count("shown") == 1
    assert set(verdicts) == {"executed", "validated", "shown"}


@pytest.mark.parametrize(("name", "old", "new", "where", "said"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_fault(judge, monkeypatch, name, old, new, where, said):
    monkeypatch.setattr("harness.session.Host.timeout", 20)
    assert TEXT.count(old) >= 1, f"the page has no {old!r}"
    text = TEXT.replace(old, new, 1)
    failure = judge(text)
    assert failure is not None, f"{name} was not caught"
    assert said in failure.message
    if where is not None:
        assert failure.line == line_of(text, where), failure.message


NETWORK = {
    "Python": "```python\nimport urllib.request\n\nurllib.request.urlopen('http://example.org')\n```\n",
    "Python that swallows the error": (
        "```python\nimport socket\n\ntry:\n    socket.create_connection(('192.0.2.1', 80), 1)\n"
        "except OSError:\n    pass\n```\n"
    ),
    "a command": "```{code-block} console\n:fails: 6\n\n$ curl -s http://example.org\n```\n",
    "a command that swallows the error": "```console\n$ if curl -s http://192.0.2.1; then echo up; fi\n```\n",
}


@pytest.mark.parametrize("text", NETWORK.values(), ids=NETWORK)
def test_a_snippet_that_reaches_for_the_network_fails(judge, text):
    failure = judge("# A page\n\n" + text)
    assert failure is not None
    assert "tried to reach the network" in failure.message
