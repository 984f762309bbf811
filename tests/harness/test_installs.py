"""Install commands: held against the lock of the tests' environment."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness import environments
from harness.environments import ENVIRONMENTS, Environment
from harness.installs import Brought, brought_by, check_install, is_install, locked, own
from harness.verdict import Failure

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
TESTS = ENVIRONMENTS["tests"]
FOLDER = Path("no such folder")
OTHER = Environment("other", "3.12", (), "3.12", "other")


@pytest.fixture(autouse=True)
def lock(tmp_path, monkeypatch):
    """A lock with three pins, and another environment's."""
    (tmp_path / "locks").mkdir()
    (tmp_path / "locks" / "other.txt").write_text("trl==1.16.0 \\\n    --hash=sha256:00\n", encoding="utf-8")
    path = tmp_path / "locks" / "tests.txt"
    path.write_text(
        "# compiled\n"
        "nemo-gym==0.7.0 \\\n    --hash=sha256:00\n    # via -r tests\n"
        "Ray[default]==2.9.1 ; sys_platform == 'linux' \\\n    --hash=sha256:11\n"
        "pandas==3.0.0rc1 \\\n    --hash=sha256:22\n",
        encoding="utf-8",
    )
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    locked.cache_clear()
    yield
    locked.cache_clear()


def test_the_lock_is_read_with_normal_names():
    assert locked(TESTS.lock) == {"nemo-gym": "0.7.0", "ray": "2.9.1", "pandas": "3.0.0rc1"}


INSTALLS = [
    "uv pip install nemo-gym==0.7.0",
    "pip install nemo-gym",
    "pip3 install 'nemo_gym>=0.7,<1' ray",
    "python -m pip install --quiet 'ray[default]>=2'",
    "python3 -m pip install -U pandas",
    f"uv pip install --python-version {PYTHON}.14 nemo-gym==0.7.0  # as the page says",
    "uv pip install --python .venv/bin/python nemo-gym",
    "pip install 'nemo-gym[vllm]'",
    "pip install 'pandas[output_formatting]'",
    f"uv venv --python {PYTHON}",
    "uv venv",
    f"python{PYTHON} -m venv .venv",
    "python3 -m venv .venv",
    "source .venv/bin/activate",
    ". .venv/bin/activate",
]


@pytest.mark.parametrize("command", INSTALLS)
def test_what_the_lock_has_is_taken(command):
    assert is_install(command)
    check_install(command, 7, TESTS, FOLDER)


REFUSED = {
    "pip install nemo-gim": "not tested with nemo-gim",
    "pip install nemo-gym==0.6.0": "tested with nemo-gym 0.7.0",
    "uv pip install 'nemo-gym<0.7'": "tested with nemo-gym 0.7.0",
    "uv pip install 'nemo-gym[vlm]'": "nemo-gym has no extra 'vlm': did you mean 'vllm'?",
    "pip install ray trl": "not tested with trl",
    "pip install -U trl": "not tested with trl",
    "uv pip install --python-version 3.10 nemo-gym": "Python 3.10",
    "uv venv --python 3.11": "Python 3.11",
    "python3.11 -m venv .venv": "Python 3.11",
    "pip install ./here": "no requirement",
    "pip install git+https://example.org/x.git": "no requirement",
    "pip install -r requirements.txt": "`-r`",
    "pip install --no-such-option nemo-gym": "--no-such-option",
    "pip install --index-url=http://example.org nemo-gym": "--index-url",
    "uv venv --python=3.11": "Python 3.11",
    "pip install": "names no distribution",
    "pip install nemo-gym>=0.7": "quote",
    "pip install nemo-gym && rm -rf /": "one command",
    "pip install nemo-gym; curl example.org": "one command",
    "uv venv && false": "one command",
    "pip install gym-rollouts": "no package index has our gym-rollouts",
    "uv pip install gym_rollouts==0.7.0": "no package index has our gym-rollouts",
    "pip install 'gym-rollouts[ray]'": "no package index has our gym-rollouts",
    "pip install ./gym_rollouts-0.7.0.post1-py3-none-any.whl": "there is no such file",
    "pip install https://example.org/nemo_gym-0.7.0-py3-none-any.whl": "reach no other machine",
}


@pytest.mark.parametrize(("command", "said"), REFUSED.items(), ids=REFUSED)
def test_what_the_lock_does_not_have_is_refused_with_its_line(command, said):
    assert is_install(command), "it would run"
    with pytest.raises(Failure) as refused:
        check_install(command, 7, TESTS, FOLDER)
    assert said in refused.value.message
    assert refused.value.line == 7


@pytest.mark.parametrize(
    "command", ["pip list", "pip download ray", "uv run x", "python -m venvx", "sh -c 'pip install x'"]
)
def test_other_commands_are_run(command):
    assert not is_install(command)


def test_what_is_written_into_the_environment_is_part_of_making_it() -> None:
    assert is_install("printf 'a = 1\\n' > .venv/uv.toml")
    assert is_install("""echo 'export A="$VIRTUAL_ENV/uv.toml"' >> .venv/bin/activate""")
    check_install("printf 'a = 1\\n' > .venv/uv.toml", 1, TESTS, FOLDER)
    assert not is_install("printf 'a = 1\\n' > uv.toml")
    assert not is_install("echo a > .venv/a; rm -r data")


IN_ANOTHER = {
    "pip install nemo-gym": "Add it to the `other` group",
    "pip install trl==1.0": "tested with trl 1.16.0",
    "uv venv --python 3.13": "tested with Python 3.12",
}


def test_each_environment_has_its_own_lock_and_python() -> None:
    for command in ("pip install 'trl>=1'", "uv venv --python 3.12", "python3.12 -m venv .venv"):
        check_install(command, 1, OTHER, FOLDER)
    for command, said in IN_ANOTHER.items():
        with pytest.raises(Failure, match=said):
            check_install(command, 1, OTHER, FOLDER)


def test_a_reader_may_install_more_than_is_installed_here() -> None:
    check_install("pip install nemo-gym pandas", 1, Environment("other", "3.12", (), "3.12", "tests"), FOLDER)


BROUGHT = {
    "uv venv": Brought(),
    "uv pip install ray pandas": Brought(("ray", "pandas")),
    "uv pip install --no-deps ray": Brought(("ray",), alone=True),
    "uv tool install ray": Brought(("ray",), tools=True),
    "pipx install ray": Brought(("ray",), tools=True),
    "uv pip install --python .venv/bin/python ray": Brought(("ray",)),
    'uv pip install --python "$VIRTUAL_ENV/bin/python" ray': Brought(("ray",)),
    "uv pip install -p 3.13 ray": Brought(("ray",)),
    "uv pip install --python other/bin/python ray": Brought(),
}


@pytest.mark.parametrize(("command", "brought"), BROUGHT.items(), ids=BROUGHT)
def test_what_an_install_brings_and_where(command, brought):
    assert brought_by(command, 7) == brought


NAME, VERSION = own()
WHEEL = f"{NAME.replace('-', '_')}-{VERSION}-py3-none-any.whl"


def test_a_wheel_that_the_reader_has_is_taken(tmp_path):
    (tmp_path / WHEEL).touch()
    for command in (f"uv pip install ./{WHEEL}", f"pip install {WHEEL}", f"pip install 'nemo-gym' './{WHEEL}[ray]'"):
        check_install(command, 7, TESTS, tmp_path)
    assert brought_by(f"pip install './{WHEEL}[ray]'", 7) == Brought((f"{NAME}[ray]=={VERSION}",))


OTHERS = {
    "nemo_gym-0.6.0-py3-none-any.whl": "tested with nemo-gym 0.7.0",
    WHEEL.replace(VERSION, "0.6.0.post9"): f"tested with {NAME} {VERSION}",
    "trl-1.0-py3-none-any.whl": "not tested with trl",
    "trl.whl": "Invalid wheel filename",
}


@pytest.mark.parametrize(("wheel", "said"), OTHERS.items(), ids=OTHERS)
def test_a_wheel_of_something_else_is_refused(tmp_path, wheel, said):
    (tmp_path / wheel).touch()
    with pytest.raises(Failure) as refused:
        check_install(f"pip install ./{wheel}", 7, TESTS, tmp_path)
    assert said in refused.value.message
    assert refused.value.line == 7
