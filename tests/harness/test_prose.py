"""What prose and tables name is looked up: each kind of wrong name is seen, with its line and the right one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.pages import Page, all_pages
from harness.verdict import Failure
from prose import releases
from prose.look import DATA, Prose
from prose.names import Known

DOCS = DATA.parent

SCRIPT = """\
```{code-block} python
:file: pick.py

import argparse

parser = argparse.ArgumentParser()
parser.add_argument("--least", type=float, default=0.5)
parser.add_argument("--rows", type=int, default=10)
```

```console
$ python pick.py --least 0.5
$ gym eval run --no-serve --input rows.jsonl --num-repeats 4
```

"""

LIES = {
    "a misspelt flag": ("Use `--num-repeatz 4`.", "--num-repeats"),
    "a flag cut short": ("Run `gym eval run --num-repeat 4`.", "--num-repeats"),
    "a flag of another command, in one code": ("Run `gym env start --num-repeats 4`.", "gym"),
    "a flag of another command, in one sentence": ("`gym env start` takes `--num-repeats`.", "gym eval run"),
    "a flag of another command, a sentence later": ("Run `gym env start`. Give it `--num-repeats 4`.", "gym eval run"),
    "a flag of another command, by role": ("{gym}`gym env start` takes `--num-repeats`.", "gym eval run"),
    "a flag of no program's in a table": ("| flag | what |\n| --- | --- |\n| `--repeats` | times |", "no flag"),
    "a table of another command's flags": ("The flags of `gym env start`:\n\n| flag | what |\n| --- | --- |\n| `--num-repeats` | times |", "no flag of"),
    "a flag of another program": ("vLLM's `--num-repeats` does.", "no flag of"),
    "a flag that a program lacks": ("`vllm serve --max-num-sequences 4`", "--max-num-seqs"),
    "a flag of ray's": ("`ray start --num-cpu 4`", "--num-cpus"),
    "a flag of a page's own script": (SCRIPT + "`pick.py` takes `--most`.", "no flag `--most`"),
    "a flag of a script, with it": (SCRIPT + "Run `python pick.py --leest 1`.", "--least"),
    "a flag without its backticks": ("Use --num-repeatz here.", "--num-repeats"),
    "a command": ("`gym eval runn`", "gym eval run"),
    "a command in a cell": ("| do | with |\n| --- | --- |\n| run | `gym evaluate run` |", "no command"),
    "an old command": ("Was `ng_collect_rollout`.", "ng_collect_rollouts"),
    "a command in a diagram": ("```{mermaid}\n:alt: x\n\nflowchart LR\n  a[gym eval runn] --> b\n```", "gym eval run"),
    "a command in a heading": ("## Use gym env strt", "gym env start"),
    "a command of uv": ("`uv pip instal x`", "uv pip install"),
    "a program that nobody knows": ("The command `gymx run` does it.", "gymx"),
    "a key": ("The key `num_repeatz`.", "num_repeats"),
    "a key with a value": ("Set `num_samples_in_paralel: 4`.", "num_samples_in_parallel"),
    "an override": ("Give `+num_repeat_add_seed=true`.", "num_repeats_add_seed"),
    "an override that the command does not read": ("`gym eval profile +num_repeats=4`", "no setting"),
    "a value": ("Set `grading_mode: lenient_boxd`.", "lenient_boxed"),
    "a field": ("Read `mask_samples` in each row.", "mask_sample"),
    "a field below another": ("Read `response.outputs`.", "response.output"),
    "a field of a class": ("`RolloutCollectionConfig.num_repeat`", "RolloutCollectionConfig.num_repeats"),
    "a field of another class": ("`RewardProfileConfig.num_repeats`", "RewardProfileConfig"),
    "a server": ("The server `mcqb` grades.", "mcqa"),
    "a server of two words": ("The resources server `math_with_judges`.", "math_with_judge"),
    "a server by its column": ("| server | what |\n| --- | --- |\n| `calender` | dates |", "calendar"),
    "a word that is a server's": ("Choose `mcqb` for it.", "mcqa"),
    "a field as a server": ("The server `num_repeats` does.", "no server"),
    "a module": ("`nemo_gym.rollout_collections`", "nemo_gym.rollout_collection"),
    "a name in a module": ("`nemo_gym.prompt.PromptConfigg`", "nemo_gym.prompt.PromptConfig"),
    "a name of another module": ("`nemo_gym.prompt.RolloutCollectionConfig`", "nemo_gym.rollout_collection.RolloutCollectionConfig"),
    "a module after python -m": ("`python -m nemo_gym.promptt`", "no module"),
    "a class": ("The class `PromptConfigg`.", "PromptConfig"),
    "Python's own": ("`json.lods` reads it.", "json.lods"),
    "a file of the wheel": ("`resources_servers/mcqa/configs/mcqb.yaml`", "resources_servers/mcqa/configs/mcqa.yaml"),
    "a folder of the wheel": ("`resources_servers/mcqaa`", "resources_servers/mcqa"),
    "a file that nobody saves": ("Now you have `trained.jsonl`.", "trained.jsonl"),
    "an address": ("Ask `/verifyy`.", "/verify"),
    "a variable": ("Set `NEMO_GYM_CACHE_DIRS`.", "NEMO_GYM_CACHE_DIR"),
    "a variable with a value": ("Set `NEMO_GYM_LOGLEVEL=debug`.", "NEMO_GYM_LOG_LEVEL"),
    "a variable in a configuration": ("Write `${oc.env:OPENAI_API_KEYS}`.", "OPENAI_API_KEY"),
    "a constant as a variable": ("The environment variable `SESSION_ID_KEY`.", "SESSION_ID_KEY"),
    "a message": ("It says `Head server has not come up yet`.", "says"),
    "a default in prose": ("`num_repeats` defaults to 3.", "`1`"),
    "a default in words": ("`num_repeats` is three unless you set it.", "`1`"),
    "a default beside a role": ("{setting}`RolloutCollectionConfig.num_repeats` is 7 unless you set it.", "`1`"),
    "a default of a role's, named": ("The default of {setting}`RolloutCollectionConfig.num_repeats` is 7.", "`1`"),
    "a default in brackets": ("`resume_from_cache` (default: true)", "`False`"),
    "a default of a flag": ("`gym eval run --num-repeats` defaults to 4.", "`1`"),
    "a default in a table": ("| key | default |\n| --- | --- |\n| `num_repeats` | 3 |", "`1`"),
    "a default in code in a table": ("| Setting | Type | Default |\n| --- | --- | --- |\n| `num_repeats` | int | `3` |", "`1`"),
    "a default of an agent's": ("| agent | setting | default |\n| --- | --- | --- |\n| `gymnasium_agent` | `max_steps` | 12 |", "`10`"),
    "a default of a script": (SCRIPT + "| flag of `pick.py` | default |\n| --- | --- |\n| `--least` | 0.7 |", "`0.5`"),
    "a release": ("This page is for NeMo Gym 0.9.3.", "about 0.7.0"),
    "since": ("It is there since 0.6.", "{release}"),
    "up to": ("Up to NeMo Gym 0.4 it was so.", "{release}"),
    "and later": ("Needs 0.6 and later.", "{release}"),
    "of a version": ("A clone of version 0.5.1.", "{release}"),
    "the way it was": ("The way 0.5 wrote it.", "{release}"),
    "over two lines": ("It came since\n0.6.", "{release}"),
    "a claim in a description": ("", "{release}"),
    "a Python": ("It runs on Python 3.11.", "3.13"),
    "a version of another program": ("With vLLM 0.99.0 it works.", "vLLM"),
    "a version of nobody": ("With 9.8.7 it works.", "9.8.7"),
    "a wrong claim": ("{release}`since 0.5 <task_source>` it is.", "0.6.0"),
    "a claim of a name that never was": ("{release}`since 0.6 <task_sauce>` it is.", "task_source"),
    "a claim without a name": ("{release}`since 0.6` it is.", "expected a claim"),
    "a claim of no release": ("{release}`since 0.8 <task_source>` it is.", "no release 0.8"),
    "a command after a prompt": ("`$ gym eval runn`", "gym eval run"),
    "a program of two words that nobody knows": ("`gym-eval run`", "gym-eval run"),
    "another release in code": ("`uv pip install nemo-gym==0.6.0`", "0.7.0"),
    "a field that a class has, in prose": ("`RolloutCollectionConfig` has `max_steps`.", "no `max_steps`"),
    "a field of a class, in prose": ("`max_steps` of `RolloutCollectionConfig`.", "no `max_steps`"),
    "a field, said to be one of a class": ("`num_repeats`, a field of `RewardProfileConfig`.", "no `num_repeats`"),
    "a field of a class by role": ("The field `max_steps` of {setting}`RolloutCollectionConfig`.", "no `max_steps`"),
    "a field of another server": ("The `mcqa` server reads `unit_tests`.", "mcqa"),
    "a field in a call": ("`BaseVerifyResponse(rewrad=1.0)`", "reward"),
    "a key in a subscript": ('`row["reponse"]`', "response"),
    "a key below another in subscripts": ('`row["response"]["outputs"]`', "response.output"),
    "a key in JSON": ('`{"num_repeatz": 4}`', "num_repeats"),
    "several settings": ("`num_repeats=4 num_repeatz=3`", "num_repeats"),
    "a request": ("`POST /verifyy`", "/verify"),
    "a whole address": ("`http://127.0.0.1:11000/verifyy`", "/verify"),
    "an address below v1": ("`/v1/response`", "/v1/responses"),
    "a variable that is exported": ("`export NEMO_GYM_CACHE_DIRS=x`", "NEMO_GYM_CACHE_DIR"),
    "a default behind": ("`num_repeats` (5 by default)", "`1`"),
    "a default without it": ("Without it, `num_repeats` is 5.", "`1`"),
    "a default as a setting": ("`num_repeats: 5` is the default.", "`1`"),
    "a default before a setting": ("The default is `num_repeats: 5`.", "`1`"),
    "a default by another header": ("| name | by default |\n| --- | --- |\n| `num_repeats` | 8 |", "`1`"),
    "a default in a table of lists": ("```{list-table}\n:header-rows: 1\n\n* - key\n  - default\n* - `num_repeats`\n  - 3\n```", "`1`"),
    "the release": ("The 0.6 release has it.", "{release}"),
    "a series": ("In the 0.5 series it is so.", "{release}"),
    "in a release": ("In 0.6 it was added.", "{release}"),
    "a release in brackets": ("Older releases (0.4) lack it.", "{release}"),
    "a requirement": ("It requires nemo-gym>=0.6.", "{release}"),
    "an older one": ("NeMo Gym < 0.6 lacks it.", "{release}"),
    "Gym alone": ("Gym 0.6 has it.", "{release}"),
    "in a definition": ("`num_repeatz`\n: how often", "num_repeats"),
    "in a list": ("1. Do.\n2. Set `num_repeatz`.", "num_repeats"),
    "in an admonition": ("```{note}\nSet `num_repeatz`.\n```", "num_repeats"),
    "in a tab": ("````{tab-set}\n```{tab-item} A\n\nSet `num_repeatz`.\n```\n````", "num_repeats"),
    "in a link": ("See [`num_repeatz`](https://example.org).", "num_repeats"),
    "in a heading": ("## Set `num_repeatz`", "num_repeats"),
    "a command that uv runs": ("Run `uv run gym evaal run`.", "gym eval"),
    "a command behind an assignment": ("Run `X=1 gym evaal run`.", "gym eval"),
    "a variable before a command": ("`NEMO_GYM_LOGLEVEL=debug uv run gym eval run`", "NEMO_GYM_LOG_LEVEL"),
    "a command as a module": ("`python -m nemo_gym.cli.main eval runn`", "gym eval run"),
    "a command behind another": ("Run `cd x && gym evaal run`.", "gym eval"),
    "a command after another": ("Run `gym eval run; gym evaal profile`.", "gym eval"),
    "a command in a pipe": ("Run `nproc | gym evaal run`.", "gym eval"),
    "a command in the background": ("Run `nohup gym evaal run &`.", "gym eval"),
    "a command with a time limit": ("Run `timeout 60 vllm serve --max-num-sequences 4`.", "--max-num-seqs"),
    "a flag of another command than uv runs": ("`uv run gym env start` takes `--num-repeats`.", "gym eval run"),
    "a key as a literal": ("Set {literal}`num_repeatz: 4`.", "num_repeats"),
    "a key by the role of code": ("Set {code}`num_repeatz`.", "num_repeats"),
    "a key as a sample": ("Set {samp}`num_repeatz={n}`.", "num_repeats"),
    "a file by its role": ("Open {file}`trained.jsonl`.", "trained.jsonl"),
    "a command by its role": ("Use {command}`gymx`.", "gymx"),
    "a program by its role": ("Use {program}`gym-evall`.", "gym-evall"),
    "a variable by its role": ("Set {envvar}`NEMO_GYM_CACHE_DIRS`.", "NEMO_GYM_CACHE_DIR"),
    "a default of a literal": ("{literal}`num_repeats` defaults to 3.", "`1`"),
    "in a definition of a glossary": ("```{glossary}\nrollout\n  Run `gym evaal run`.\n```", "gym eval"),
    "a term of a glossary": ("```{glossary}\nThe num_repeatz setting\n  How often.\n```", "num_repeats"),
    "in the title of a table": (":::{list-table} Such as `num_repeatz`\n* - a\n:::", "num_repeats"),
    "in a table without a header": ("```{list-table}\n* - `num_repeatz`\n  - x\n```", "num_repeats"),
    "on a button": ("```{button-link} https://example.org/\nUse --num-repeatz\n```", "--num-repeats"),
    "in a caption": ("```{code-block} console\n:caption: with --num-repeatz 4\n\n$ echo a\n```", "--num-repeats"),
    "in a block's reason": ("```{code-block} console\n:shown: it needs `num_repeatz`\n\n$ echo a\n```", "num_repeats"),
    "of output that is left out": ("```{code-block} console\n:quiet: lines since 0.6\n\n$ echo a\n```", "{release}"),
    "in the text for a picture": ("```{image} x.svg\n:alt: num_repeatz rises\n```", "num_repeats"),
    "a key in a diagram": ("```{mermaid}\n:alt: x\n\nflowchart LR\n  a[num_repeatz: 4] --> b\n```", "num_repeats"),
    "a key in a message of a diagram": ("```{mermaid}\n:alt: x\n\nsequenceDiagram\n  A->>B: num_repeatz\n```", "num_repeats"),
    "a command as a label": ("```{mermaid}\n:alt: x\n\nflowchart LR\n  a --> b[gym collect run]\n```", "no command"),
    "a key without its backticks": ("Set num_repeatz to 4.", "num_repeats"),
    "a command without its backticks, with an article": ("Use the gym eval runn command.", "gym eval run"),
    "a directive of Sphinx": ("```{versionadded} 0.5\nThe field `task_source`.\n```", "{release}`since"),
    "another directive of Sphinx": (":::{deprecated} 0.6\n`task_source` goes.\n:::", "{release}`before"),
    "what the pinned release did": ("NeMo Gym 0.7.0 introduced `RolloutCollectionConfig`.", "{release}"),
    "what the pinned release removed": ("NeMo Gym 0.7.0 removed `num_repeats`.", "{release}"),
    "by the pinned release": ("`task_source` was added by NeMo Gym 0.7.0.", "{release}"),
    "what a release brought": ("0.5 brought `task_source`.", "{release}"),
    "what a release has": ("0.5 has `task_source`.", "{release}"),
    "what a release ships": ("v0.5 ships `task_source`.", "{release}"),
    "what a release deprecated": ("0.6 deprecated `num_repeats`.", "{release}"),
    "what came with a release": ("NeMo Gym gained `task_source` with 0.5.", "{release}"),
    "from a release on": ("From 0.5, rows need `task_source`.", "{release}"),
    "between releases": ("Between 0.4 and 0.5, `task_source` was required.", "{release}"),
    "in a release, without a comma": ("In 0.5 `task_source` came.", "{release}"),
    "a reward since a release": ("The reward is another one since 0.6.", "{release}"),
    "of a release, with a reward": ("Before release 0.6 the reward was missing.", "{release}"),
    "a flag of one of two commands": ("`gym env start` and `gym eval run` take `--num-repeats`.", "`gym env start` has"),
    "a flag of one of both": ("Both {gym}`gym eval run` and {gym}`gym eval profile` take `--num-repeats 4`.", "profile"),
    "a value that is no choice": ("Run `gym dataset collate --mode train`.", "train_preparation"),
    "a value that is no choice, after =": ("Run `gym dataset collate --mode=train`.", "train_preparation"),
    "a value beside the command": ("`gym dataset collate` takes `--mode train`.", "train_preparation"),
    "a default to fall back to": ("`num_repeats` falls back to 3.", "`1`"),
    "a default that is set": ("`num_repeats` is set to 3 by default.", "`1`"),
    "a default with an equals sign": ("`num_repeats` = 3 by default.", "`1`"),
    "a default in brackets, in other words": ("`num_repeats` (by default 3) says how often.", "`1`"),
    "a default of what is left out": ("If you leave out `num_repeats`, it is 3.", "`1`"),
    "a default of what is not set": ("Where you do not set the key `num_repeats`, it is `3`.", "`1`"),
    "a default a sentence later": ("- `num_repeats`: how often each task runs. Its default is 3.", "`1`"),
    "a default in a definition": ("`num_repeats`\n: How often each task runs. Default: 3.", "`1`"),
    "a default in a column of other words": ("| key | if omitted |\n| --- | --- |\n| `num_repeats` | 3 |", "`1`"),
    "a default below a key": ("`head_server.port` defaults to 12000.", "`11000`"),
    "a server as a term": ("```{glossary}\nmcqb\n: A server.\n```", "mcqa"),
    "in a quotation": ("> Set `num_repeatz`.", "num_repeats"),
}  # fmt: skip

RIGHT = [
    "Use `--num-repeats 4`, and `-o` too.",
    "{gym}`gym env start` runs. `gym eval run` takes `--num-repeats`.",
    "Run `gym eval run --num-repeats 4 +num_repeats_add_seed=true`, or `gym env`, or `gym`.",
    "Was `ng_collect_rollouts`; all names begin with `ng_`.",
    "The server `mcqa`, the agent `simple_agent` and the key `num_repeats: 4`.",
    "`nemo_gym.rollout_collection.RolloutCollectionConfig`, `RolloutCollectionConfig.num_repeats`, `json.loads`",
    "`response.output` and `response.incomplete_details`, `head_server.port`",
    "`resources_servers/mcqa/configs/mcqa.yaml`, `resources_servers/NAME/app.py`, `X_failures.jsonl`, `vllm_model.yaml`",
    "`NEMO_GYM_CACHE_DIR`, `RAY_ADDRESS`, `${oc.env:OPENAI_API_KEY}`",
    "`num_repeats` defaults to 1. `resume_from_cache` is false unless you set it.",
    "| key | default |\n| --- | --- |\n| `num_repeats` | 1 |\n| `num_samples_in_parallel` | no limit |",
    "| agent | setting | default |\n| --- | --- | --- |\n| `gymnasium_agent` | `max_steps` | 10 |",
    "`vllm serve` takes `--max-num-seqs`, `ray start --num-cpus 4`, `uv pip install x`, vLLM 0.33.0",
    SCRIPT + "`pick.py` takes `--least` and writes nothing. `gym eval run` takes `--input rows.jsonl`.",
    "It comes {release}`since 0.6 <task_source>`. {release}`Before 0.4 <no gym env start>` it was `ng_run`.",
    "NeMo Gym 0.7.0 runs on Python 3.13.14 or newer. The rate rises from 0.2 to 0.6, 127.0.0.1 listens.",
    "It logs `Head server is not up yet`, then `[task_data validation]`.",
    "`RolloutCollectionConfig` has `num_repeats`, and `model_config` of `RolloutCollectionConfig`. `mcqa` reads `options`.",
    '`row["response"]["output"]`, `{"num_repeats": 4}`, `POST /verify`, `http://127.0.0.1:11000/v1/responses`, `$ gym eval run`',
    "`pip install nemo-gym==0.7.0`, a rate in 0.6 of the cases, up in 3 steps",
    "`uv run gym eval run --num-repeats 4`, `X=1 NEMO_GYM_LOG_LEVEL=debug uv run --no-sync gym eval run`",
    "`uv run --with nemo-gym gym eval run --num-repeats 4` and `python -m nemo_gym.cli.main eval run --num-repeats 4`",
    "`cd x && nohup gym env start &`, `timeout 60 vllm serve --max-num-seqs 4`, `uv run python -m json.tool`, `str | None`",
    "`uv run gym eval run` takes `--num-repeats`; `uv run --no-sync` is not looked into.",
    "Set {literal}`num_repeats: 4`, {code}`num_repeats`, {samp}`num_repeats={n}`, in {file}`resources_servers/{name}/app.py`.",
    "Use {command}`gym eval run`, {command}`vllm`, {program}`ray` with {envvar}`NEMO_GYM_CACHE_DIR`, {kbd}`Ctrl+C`.",
    "```{glossary}\nrollout\n  What `gym eval run` writes.\n\ndeep, wide\n  Of `num_repeats`.\n\n  More.\n```",
    ":::{list-table} Such as `num_repeats`\n:header-rows: 1\n\n* - flag\n* - `--num-repeats`\n:::",
    "```{code-block} console\n:caption: the num_repeats of `gym eval run`\n:quiet: a line: one for each\n\n$ echo a\n```",
    "```{button-link} https://example.org/num_repeatz\nUse num_repeats\n```",
    "```{mermaid}\n:alt: A row\n\nflowchart LR\n  the_row[task row] --> b[\"num_repeats: 4\"]\n  b --> the_row\n```",
    "The gym search for better rewards goes on; a gym list of names. The gym dataset has rows. Run gym eval run then.",
    "Set num_repeats to 4, see snake_case_words.py, <https://example.org/a_b>, a/some_path/x, {kbd}`Ctrl+C`.",
    "A temperature of 0.6 or above makes the answers vary. Keep tasks whose mean reward is up to 0.5.",
    "Sort tasks by reward: those before 0.5 are hard, those after 0.6 are easy. Rewards of 0.5 and below are failures.",
    "The reward changed in 0.5, it says, of the cases. Keep rows whose `reward` is up to 0.5.",
    "From 0.5, the `temperature` rises. Between 0.4 and 0.5, `reward` says little. A share of 0.5 has no `reward`.",
    "NeMo Gym 0.7.0 adds `response` to each row, and `num_repeats` works with 0.5 cores.",
    "`gym env start` and `gym eval run` take `--config`. `gym eval run`, not `gym env start`, takes `--num-repeats`.",
    "Start with `gym env start` and `gym eval run`, which takes `--num-repeats`; `gym eval run` or `gym eval profile`.",
    "`gym dataset collate --mode example_validation`, `gym dataset collate --mode X`, `--mode=train_preparation`.",
    "`gym list environments --status experimental --kind benchmark --json`, `gym eval compare --report-format both`",
    "`num_repeats` falls back to 1, is set to 1 by default, and (by default 1). If you leave out `num_repeats`, it is 1.",
    "- `num_repeats`: how often each task runs. Its default is 1.\n- It says `num_repeats` and `limit`. Its default is 9.",
    "`num_repeats`\n: How often each task runs. Default: 1.\n\n`resume_from_cache`\n: Whether it goes on. Default: false.",
    "The seed is said. Its default is 3. The trainer reads `num_repeats`. Its default is 7.",
    "`head_server.port` defaults to 11000.",
    "```{glossary}\nverifier\n  The server that grades.\n\ngrader\n  A server.\n\nmcqa\n  A server.\n\nmcqs\n  Tests.\n```",
    "A comment <!-- `num_repeatz` since 0.6 --> is nobody's.",
]  # fmt: skip

FRONT = "---\ncontent-type: how-to\njob: See.\ndescription: One{}.\nkeywords: test\n---\n\n# Page\n\n"


@pytest.fixture
def found(tmp_path: Path):
    """The faults of a page's body: pairs of the body's line and the message."""
    prose = Prose(tmp_path)

    def judge(body: str, description: str = "") -> list[tuple[int, str]]:
        front = FRONT.format(description)
        path = tmp_path / "page.md"
        path.write_text(front + body + "\n", encoding="utf-8")
        lines = front.count("\n")
        return [(fault.line - lines, fault.message) for fault in prose.judge(Page(tmp_path, path)).faults]

    return judge


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_seen(found, lie: str) -> None:
    body, right = LIES[lie]
    faults = found(body, "" if body else ", new since NeMo Gym 0.6")
    assert faults, body
    assert any(right in message for _, message in faults), faults


@pytest.mark.parametrize("body", RIGHT)
def test_what_is_right_passes(found, body: str) -> None:
    assert found(body) == []


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("One.\n\nTwo `num_repeats`\nthree `num_repeatz`.", 4),
        ("| a | b |\n| --- | --- |\n| `num_repeats` | x |\n| x | `num_repeatz` |", 4),
        ("```{note}\nOne.\n\n- `num_repeats`\n- two\n  `num_repeatz`\n```", 6),
        ("`num_repeats\n  4`, and\n`num_repeatz`", 3),
    ],
)
def test_the_line_is_that_of_the_name(found, body: str, line: int) -> None:
    assert [at for at, message in found(body) if "num_repeatz" in message] == [line]


@pytest.mark.parametrize(
    ("front", "body", "wrong"),
    [
        ("environment: trl\n", "`GRPOTrainer` logs `rewards/margins`", ""),
        ("environment: trl\n", "`GRPOTrainerr` trains", "`GRPOTrainer`"),
        ("", "TRL has a `GRPOTrainer`", ""),
        ("", "There is a `GRPOTrainer`", "GRPOTrainer"),
    ],
)
def test_the_names_of_a_framework_count_on_its_pages(tmp_path: Path, front: str, body: str, wrong: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(FRONT.format("").replace("---\n", f"---\n{front}", 1) + body + "\n", encoding="utf-8")
    faults = Prose(tmp_path).judge(Page(tmp_path, path)).faults
    assert [wrong in fault.message for fault in faults] == ([True] if wrong else [])


def test_an_exception_is_for_its_page_and_name_alone(tmp_path: Path) -> None:
    prose = Prose(tmp_path)
    prose.exceptions_file = tmp_path / "exceptions.toml"
    entry = '[[exception]]\npage = "page"\nnames = ["num_repeatz"]\nreason = "the page says that there is none"\n'
    prose.exceptions_file.write_text(entry, encoding="utf-8")
    for name, text, faults in (
        ("page", "`num_repeatz`", 0),
        ("other", "`num_repeatz`", 1),
        ("page", "`num_repeaty`", 1),
    ):
        path = tmp_path / f"{name}.md"
        path.write_text(FRONT.format("") + text, encoding="utf-8")
        assert len(prose.judge(Page(tmp_path, path)).faults) == faults


def test_a_failure_names_page_line_name_and_the_nearest(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("# Page\n\nSet `num_repeatz`.\n", encoding="utf-8")
    with pytest.raises(Failure) as raised:
        Prose(tmp_path).check(Page(tmp_path, path))
    assert raised.value.line == 3
    assert "page.md:3" in raised.value.message
    assert "`num_repeatz`" in raised.value.message
    assert "`num_repeats`" in raised.value.message


@pytest.fixture(scope="module")
def site() -> dict[str, set[str]]:
    """Which exceptions each page uses, and what its prose comes to."""
    prose = Prose(DOCS)
    judged = {page.name: prose.judge(page) for page in all_pages(DOCS)}
    assert {name: one.faults for name, one in judged.items() if one.faults} == {}
    return {name: set(one.used) for name, one in judged.items()}


def test_every_exception_is_needed_and_has_its_reason(site: dict[str, set[str]]) -> None:
    idle = [
        (each["page"], name)
        for each in Prose(DOCS).exceptions
        for name in each["names"]
        if not any(name in used for page, used in site.items() if each["page"] in ("*", page))
    ]
    assert idle == []
    assert all(len(each["reason"].split()) > 3 for each in Prose(DOCS).exceptions)


def test_the_data_are_of_the_pinned_release() -> None:
    known = Known(DATA)
    assert known.version == releases.load(DATA).versions[-1]
    assert "gym eval run" in known.commands


def test_since_in_the_format_tables_is_what_the_wheels_say() -> None:
    """A field's name may be older than the field; it is never younger."""
    known = releases.load(DATA)
    young = []
    for kind, fields in json.loads((DATA / "formats.json").read_text(encoding="utf-8")).items():
        for field in fields:
            having = known.having.get(field["name"], frozenset())
            if field["since"] in known.versions and having and field["since"] < min(having):
                young.append((kind, field["name"], field["since"], min(having)))
    assert young == []


@pytest.mark.parametrize(
    ("claim", "right"),
    [
        ("since 0.6 <task_source>", True),
        ("since 0.6 <task_source, no gym env run>", False),
        ("Before 0.4 <no gym env start>", True),
        ("before 0.4 <gym env start>", False),
        ("before 0.5 <no gym env start>", False),
        ("up to 0.5 <row-wins-over-agent-name>", True),
        ("up to 0.6 <row-wins-over-agent-name>", False),
        ("before 0.6 <row-wins-over-agent-name>", True),
        ("0.5.1 <collate-writes-agent-ref>", True),
        ("0.6 and later <collate-removes-agent-ref>", True),
        ("in 0.4 <gym eval run --no-serve>", True),
        ("since 0.2.0 <num_repeats>", False),  # nobody knows what was before the first
    ],
)
def test_a_claim_is_held_against_the_wheels(claim: str, right: bool) -> None:
    assert (releases.fault_of(claim, releases.load(DATA), "0.7.0") == "") is right


def test_a_claim_reads_well() -> None:
    assert releases.shown("since 0.6 <task_source>") == "since NeMo Gym 0.6"
    assert releases.shown("Before NeMo Gym 0.4 <no gym env start>") == "Before NeMo Gym 0.4"
