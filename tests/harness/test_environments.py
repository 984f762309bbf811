"""The environments in which pages and consumers run: one of their own, one that is not installed, one that is none."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import typing_extensions
import yaml

from harness import environments, installs
from harness.beside import Beside
from harness.consumers import CONSUMERS, Consumer
from harness.environments import ALL_VARIABLE, ENVIRONMENTS, FOLDER_VARIABLE, NotInstalled
from harness.live import CallError
from harness.pages import page_at
from harness.verdict import Failure
from tests.harness.conftest import line_of
from tests.harness.test_plugin import FRONT_MATTER, SmallSite, page
from tests.harness.test_run import another_run, was_judged, write

OTHER = ENVIRONMENTS["transformers"]


@pytest.fixture
def installed() -> None:
    """The other environment; a test that needs it is skipped where it is not installed, and fails in CI."""
    try:
        OTHER.require()
    except NotInstalled as missing:
        pytest.skip(str(missing))


@pytest.fixture
def absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of environments in which none is installed."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "none"))
    monkeypatch.delenv(ALL_VARIABLE, raising=False)
    return tmp_path / "none"


ARGUMENTS = """\
```{code-block} yaml
:file: train.yaml
:consumer: TrainingArguments

output_dir: model
num_train_epochs: 2.0
lr_scheduler_type: cosine
```

```console
$ python -c "print(len(open('train.yaml').readlines()), 'lines')"
3 lines
```
"""
BODY = f"""\
```console
$ uv venv --python 3.12
$ pip install transformers
```

```console
$ python -c "import sys, tokenizers; print(sys.version_info[:2], tokenizers.__name__)"
(3, 12) tokenizers
$ gym --version
NeMo Gym v0.7.0
...
```

```python
import sys

from tokenizers import Tokenizer, models, pre_tokenizers

tokenizer = Tokenizer(models.WordLevel({{"right": 0, "wrong": 1}}, unk_token="wrong"))
tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
print(sys.version_info[:2], tokenizer.encode("right wrong right").ids)
```

```output
(3, 12) [0, 1, 0]
```

{ARGUMENTS}"""
TEXT = f"---\nenvironment: transformers\n---\n\n# A page\n\n{BODY}"


FAULTS = {
    "a misspelt key": ("num_train_epochs:", "num_train_epoch:", "did you mean 'num_train_epochs'?"),
    "a value of another type": ("2.0", "two", "'num_train_epochs': Input should be a valid number"),
    "a value that is none of the known": ("cosine", "cosin", "'lr_scheduler_type': cosin is not a valid SchedulerType"),
    "no mapping": ("output_dir: model", "- output_dir", "not YAML"),
    "what it is not tested with": ("install transformers", "install trl", "not tested with trl"),
    "what only the tests' environment has": ("install transformers", "install nemo-gym", "not tested with nemo-gym"),
    "another Python": ("--python 3.12", "--python 3.13", "tested with Python 3.12"),
}


@pytest.mark.usefixtures("installed")
class TestAPageOfAnotherEnvironment:
    def test_runs_there(self, judge):
        failure = judge(TEXT)
        assert failure is None, failure.message
        verdicts = [record["verdict"] for record in judge.records]
        assert verdicts == ["validated", "executed", "executed", "executed", "validated", "executed"]

    def test_finds_the_programs_of_no_other_environment(self, judge):
        failure = judge(TEXT.split("```console")[0] + "```console\n$ command -v pytest sphinx-build\n```\n")
        assert "exited with" in failure.message

    @pytest.mark.parametrize(("right", "wrong", "said"), FAULTS.values(), ids=FAULTS)
    def test_is_held_to_it(self, judge, right, wrong, said):
        text = TEXT.replace(right, wrong)
        failure = judge(text)
        assert failure is not None, "the page passed"
        assert said in failure.message
        assert failure.line == line_of(text, "num_train" if "YAML" in said else wrong), failure.message

    def test_is_named_with_its_versions_where_the_site_shows_them(self, tmp_path):
        site = SmallSite(tmp_path)
        front = FRONT_MATTER.replace("job", "environment: transformers\njob")
        site.write(one=page(BODY, front), two=page("```python\nx = 1\n```\n"))
        run = site.run()
        assert run.status == 0, run.output
        pages = site.ledger["pages"]
        assert pages["one"]["versions"] == OTHER.versions()
        assert set(pages["one"]["versions"]) == {"python", "transformers"}
        assert pages["one"]["versions"]["python"].startswith("3.12.")
        assert set(pages["two"]["versions"]) == {"python", "nemo-gym"}
        assert pages["one"]["digest"] == site.digest("one")


@pytest.mark.usefixtures("installed")
def test_a_consumer_runs_in_its_own_environment_on_any_page(judge):
    text = "# A page\n\n```python\nimport nemo_gym\n```\n\n" + ARGUMENTS
    assert judge(text) is None
    misspelt = text.replace("num_train_epochs", "num_train_epoch")
    failure = judge(misspelt)
    assert "did you mean 'num_train_epochs'?" in failure.message
    assert failure.line == line_of(misspelt, "num_train_epoch:")


@pytest.mark.parametrize("name", ["other", "[transformers]", "3.12"])
def test_an_environment_that_is_none_is_named_with_its_line(judge, name):
    text = f"---\njob: one\nenvironment: {name}\n---\n\n# A page\n\n```python\nx = 1\n```\n"
    failure = judge(text)
    assert failure is not None, "the page passed"
    assert f"expected environment to be one of {', '.join(ENVIRONMENTS)}; found" in failure.message
    assert failure.line == 3


def test_sphinx_names_it_too(tmp_path):
    site = SmallSite(tmp_path)
    site.write(page=page("Words.\n", FRONT_MATTER.replace("job", "environment: other\njob")))
    run = site.run("docs/page.md")
    assert "docs/page.md:3: " in run.output
    assert f"expected environment to be one of {', '.join(ENVIRONMENTS)}; found 'other'" in run.output
    assert run.status == 1


# ----------------------------------------------------------------------------------------- not installed

REASON = "the environment transformers is not installed: install it with nox -s transformers, which needs Python 3.12"


def test_what_is_not_installed_is_no_pass(judge, absent, monkeypatch):
    for text in (TEXT, "# A page\n\n" + ARGUMENTS):
        with pytest.raises(NotInstalled, match=REASON):
            judge(text)
        monkeypatch.setenv(ALL_VARIABLE, "1")
        failure = judge(text)
        assert failure is not None, "the page passed"
        assert REASON in failure.message
        monkeypatch.delenv(ALL_VARIABLE)


def test_what_was_installed_from_another_lock_counts_as_not_installed(absent):
    interpreter = absent / "transformers" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.touch()
    assert "was not installed from locks/transformers.txt as it is" in OTHER.missing()
    (absent / "transformers" / environments.STAMP).write_text("0" * 64, encoding="utf-8")
    assert "was not installed from locks/transformers.txt as it is" in OTHER.missing()
    assert OTHER.versions() == {}


@pytest.mark.usefixtures("absent")
def test_pages_that_need_it_are_skipped_with_the_reason_and_carry_no_badge(tmp_path, monkeypatch):
    site = SmallSite(tmp_path)
    other = FRONT_MATTER.replace("job", "environment: transformers\njob")
    starts = FRONT_MATTER.replace("job", "starts-from: needs\njob")
    site.write(
        needs=page("```python\nx = 1\n```\n\n```python\nx = 2\n```\n", other),
        starts=page("```python\nx = 1\n```\n", starts),
        shows=page(ARGUMENTS),
        good=page("```python\nx = 1\n```\n"),
    )
    for _ in range(2):  # nothing of it is known to the second run
        run = site.run("--no-cache")
        assert run.status == 0, run.output
        assert run.outcomes("needs") == dict.fromkeys((1, 11, 15, 18), "SKIPPED")
        assert set(run.outcomes("starts").values()) == {"SKIPPED"}
        assert list(run.outcomes("shows").values()) == ["PASSED", "SKIPPED", "PASSED", "SKIPPED"]
        assert set(run.outcomes("good").values()) == {"PASSED"}
        assert REASON in run.output
        pages = site.ledger["pages"]
        assert {name for name, entry in pages.items() if entry["digest"]} == {"good", "index"}
        assert {name: entry.get("missing") for name, entry in pages.items()} == {
            "needs": "transformers", "starts": "transformers", "shows": "transformers", "good": None, "index": None
        }  # fmt: skip
        assert not list((tmp_path / "build" / "cache").glob("*.files"))

    monkeypatch.setenv(ALL_VARIABLE, "1")
    run = site.run()
    assert run.status == 1
    assert "FAILED" in run.outcomes("needs").values()
    assert "FAILED" in run.outcomes("shows").values()


# ----------------------------------------------------------------------------------------------- cache


def test_what_was_judged_in_an_environment_is_judged_again_when_that_changes(runner, monkeypatch, tmp_path):
    runner.use_cache = True
    write(runner, "page", "# A page\n\n```python\nx = 1\n```\n")
    assert was_judged(runner)
    assert not was_judged(another_run(runner))
    python = {"python": "3.13.99", "nemo-gym": "0.7.0"}
    monkeypatch.setattr(environments.Environment, "versions", lambda self: python)
    assert was_judged(another_run(runner)), "another Python"


@pytest.mark.parametrize("text", [TEXT, "# A page\n\n" + ARGUMENTS], ids=["the page's", "a consumer's"])
def test_the_lock_of_each_environment_that_a_page_needs_is_in_its_key(runner, monkeypatch, tmp_path, text):
    write(runner, "page", text)
    write(runner, "plain", "# A page\n")
    keys = [runner.cache.key(page_at(runner.docs, name)) for name in ("page", "plain")]
    (tmp_path / "locks").mkdir()
    for name in ("tests", "transformers"):
        lock = (environments.ROOT / "locks" / f"{name}.txt").read_text(encoding="utf-8")
        (tmp_path / "locks" / f"{name}.txt").write_text(lock, encoding="utf-8")
    monkeypatch.setattr(environments.Environment, "versions", lambda self: {})
    keys = [runner.cache.key(page_at(runner.docs, name)) for name in ("page", "plain")]
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    assert [runner.cache.key(page_at(runner.docs, name)) for name in ("page", "plain")] == keys
    (tmp_path / "locks" / "transformers.txt").write_text("transformers==5.0\n", encoding="utf-8")
    changed = [runner.cache.key(page_at(runner.docs, name)) for name in ("page", "plain")]
    assert changed[0] != keys[0]
    assert changed[1] == keys[1]


# --------------------------------------------------------------------------------------- the process beside


@pytest.fixture
def beside(tmp_path: Path):
    """A process in the tests' own environment that has a module of the test's beside it."""
    (tmp_path / "asked.py").write_text(
        "import os, time\n\n\ndef pid():\n    print('printed')\n    return os.getpid()\n\n\n"
        "def where():\n    return os.getcwd()\n\n\ndef fail():\n    raise ValueError('on purpose')\n\n\n"
        "def end():\n    os._exit(3)\n\n\ndef wait():\n    time.sleep(60)\n",
        encoding="utf-8",
    )
    one = Beside(ENVIRONMENTS["tests"], os.environ, tmp_path / "logs" / "log", 60)
    one.variables["PYTHONPATH"] += os.pathsep + str(tmp_path)
    yield one
    one.close()


def test_one_process_answers_all_calls_each_in_its_folder(beside, tmp_path):
    first = beside.call("asked:pid", cwd=tmp_path)
    with pytest.raises(CallError, match="ValueError: on purpose"):
        beside.call("asked:fail", cwd=tmp_path)
    (tmp_path / "inner").mkdir()
    assert beside.call("asked:where", cwd=tmp_path / "inner") == str(tmp_path / "inner")
    assert beside.call("asked:pid", cwd=tmp_path) == first
    beside.close()
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)


def test_a_call_that_ends_the_process_is_named_and_the_next_one_gets_another(beside, tmp_path):
    first = beside.call("asked:pid", cwd=tmp_path)
    with pytest.raises(CallError, match="asked:end ended without an answer in the environment tests"):
        beside.call("asked:end", cwd=tmp_path)
    assert beside.call("asked:pid", cwd=tmp_path) != first


def test_a_call_that_never_ends_is_stopped(beside, tmp_path):
    beside.timeout = 1
    with pytest.raises(CallError, match="did not answer within 1 s"):
        beside.call("asked:wait", cwd=tmp_path)


# ------------------------------------------------------------------------------- Pythons without packages

PYTHONS = ["3.11", "3.12", "3.13"]
BARE = """\
---
environment: bare
---

# A page of nemo_gym

```python
import sys

print(sys.version_info[:2])
```

```output
({})
```

```console
$ python -c "import sys; print(sys.prefix)"
...bare
```

```{{code-block}} yaml
:file: train.yaml
:consumer: bare

steps: 3
optimizer: {{rate: 0.1}}
```

```console
$ python -c "print(len(open('train.yaml').readlines()), 'lines')"
2 lines
```
"""
#: A consumer whose settings are dataclasses and a TypedDict.
READER = """\
import dataclasses
import typing

from harness.consumers.strict import mapping, unknown_keys


class Optimizer(typing.TypedDict):
    rate: float


@dataclasses.dataclass
class Settings:
    steps: int
    optimizer: Optimizer | None = None


def read(text):
    node, found = mapping(text)
    return found if node is None else unknown_keys(Settings, node)
"""


@pytest.fixture(params=PYTHONS)
def bare(request, tmp_path: Path, absent: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An environment ``bare`` with a consumer of that name, on a Python without pydantic and NeMo Gym."""
    python = shutil.which(f"python{request.param}")
    if python is None or subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"there is no Python {request.param}: see nox -s pythons")
    subprocess.run([python, "-m", "venv", "--without-pip", str(absent / "bare")], check=True)
    (absent / "bare" / environments.STAMP).write_text("", encoding="utf-8")  # it has no lock
    (packages,) = (absent / "bare" / "lib").glob("python*/site-packages")
    for package in (yaml.__path__[0], typing_extensions.__file__):
        (packages / Path(package).name).symlink_to(package)
    (packages / "bare_reader.py").write_text(READER, encoding="utf-8")
    own = environments.Environment("bare", request.param, (), request.param, "bare")
    monkeypatch.setitem(ENVIRONMENTS, "bare", own)
    monkeypatch.setitem(CONSUMERS, "bare", Consumer("bare_reader:read", (), "bare"))
    return request.param


def test_pages_and_consumers_run_on_each_python_without_a_package(judge, bare):
    text = BARE.format(bare.replace(".", ", "))
    failure = judge(text)
    assert failure is None, failure.message
    for right, wrong, said in (
        ("steps", "step", "'steps'"),
        ("rate", "rat", "unknown key 'optimizer.rat' for Optimizer"),
    ):
        failure = judge(text.replace(f"{right}:", f"{wrong}:"))
        assert failure is not None, "the page passed"
        assert said in failure.message


# ----------------------------------------------------------------------------------------------- the table


def test_an_environment_is_one_line(tmp_path):
    (tmp_path / "pyproject.toml").write_text(
        "[tool.environments]\n"
        'tests = { python = "3.13", compiled-for = "3.13.14", describes = ["nemo-gym"] }\n'
        'other = { python = "3.13", describes = ["trl", "torch"] }\n'
        'more = { python = "3.11", describes = [], unlocked = ["torch==2.13.0"], tool = true, reader = "beside" }\n',
        encoding="utf-8",
    )
    found = environments.read(tmp_path / "pyproject.toml")
    assert found["tests"].compiled_for == "3.13.14"
    assert (found["other"].python, found["other"].compiled_for, found["other"].describes) == (
        "3.13",
        "3.13",
        ("trl", "torch"),
    )
    assert found["other"].lock.name == "other.txt"
    assert found["other"].readers_lock == found["other"].lock
    assert "nox -s other" in found["other"].missing()
    assert (found["more"].unlocked, found["more"].tool) == (("torch==2.13.0",), True)
    assert found["more"].readers_lock.name == "beside.txt"


def test_every_environment_has_a_lock_and_every_consumer_an_environment():
    assert {consumer.environment for consumer in CONSUMERS.values()} <= set(ENVIRONMENTS)
    for each in ENVIRONMENTS.values():
        pinned = each.lock.read_text(encoding="utf-8")
        unlocked = {requirement.partition("==")[0] for requirement in each.unlocked}
        assert all(f"\n{name}==" in pinned for name in set(each.describes) - unlocked), each.name


def test_the_tests_environment_is_this_one():
    tests = ENVIRONMENTS["tests"]
    assert tests.missing() is None
    assert tests.versions()["nemo-gym"] == "0.7.0"
    with pytest.raises(
        LookupError, match=f"expected environment to be one of {', '.join(ENVIRONMENTS)}; found 'other'"
    ):
        environments.named("other")


def test_a_failure_says_which_page_needs_it(monkeypatch, absent):
    monkeypatch.setenv(ALL_VARIABLE, "1")
    with pytest.raises(Failure, match="nox -s transformers"):
        OTHER.require()


@pytest.mark.parametrize("environment", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_what_is_left_out_of_an_environment_is_in_no_lock_of_it(environment):
    locked = installs.locked(environment.lock)
    assert not [name for name in environment.left_out if name in locked]
    assert not [name for name in environment.unlocked if name.partition("==")[0] in locked]
