"""A page's processes have what its reader has installed by then, and nothing else of the tests' environment."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path

import pytest
import tool_wheel
from packaging.utils import canonicalize_name

from harness.environments import DEFAULT, ENVIRONMENTS
from harness.installs import own
from harness.reader import HIDDEN, Reader, outside, packages
from tests.harness.conftest import line_of

INSTALL = "```console\n$ uv pip install polars\n```\n\n"
HELP = "Put `$ uv pip install polars` above this"

#: What a page does with a package that NeMo Gym does not bring, with the text on the line that is named.
MISSING = {
    "imports it": ("```python\nimport json\n\nimport polars\n```\n", "import polars"),
    "imports a part of it": ("```python\nfrom polars.dataframe import DataFrame\n```\n", "from polars"),
    "imports what the tests use": ("```python\nimport sybil, pytest\n```\n", "import sybil"),
    "imports it in a function": ("```python\ndef f():\n    import polars\n\n\nf()\n```\n", "import polars"),
    "imports it by name": ('```python\nimport importlib\n\nimportlib.import_module("polars")\n```\n', "importlib.import"),
    "imports it in a file": (
        "```{code-block} python\n:file: own.py\n\nimport polars\n```\n\n```python\nimport own\n```\n",
        "import own",
    ),
    "runs a file that imports it": (
        "```{code-block} python\n:file: own.py\n\nimport polars\n```\n\n```console\n$ python own.py\n```\n",
        "$ python own.py",
    ),
    "imports it where it has set PYTHONPATH": (
        "```console\n$ PYTHONPATH=. python -c 'import polars'\n```\n",
        "$ PYTHONPATH",
    ),
    "imports it on a command line": ('```console\n$ python -c "import polars"\n```\n', "$ python"),
    "imports it in a script": ("```bash\npython - <<EOF\nimport polars\nEOF\n```\n", "```bash"),
    "installs it too late": ("```python\nimport polars\n```\n\n" + INSTALL, "import polars"),
    "installs another": ("```console\n$ uv pip install msgspec\n```\n\n```python\nimport polars\n```\n", "import polars"),
    "only shows the install": (
        "```{code-block} console\n:shown: it was installed before\n\n$ uv pip install polars\n```\n\n"
        "```python\nimport polars\n```\n",
        "import polars\n```",
    ),
    "installs it without what it needs": (
        "```console\n$ uv pip install --no-deps math-verify\n```\n\n```python\nimport sympy\n```\n",
        "import sympy",
    ),
    "installs it for another Python": (
        "```console\n$ uv pip install \"polars; python_version < '3.0'\"\n```\n\n```python\nimport polars\n```\n",
        "import polars",
    ),
    "installs it as a tool": (
        "```console\n$ uv tool install polars\n```\n\n```python\nimport polars\n```\n",
        "import polars",
    ),
    "installs it into another environment": (
        "```console\n$ uv pip install --python other/bin/python polars\n```\n\n```python\nimport polars\n```\n",
        "import polars",
    ),
    "runs its program": ("```console\n$ pytest --version\n```\n", "$ pytest"),
    "runs its program in a pipe": ("```console\n$ sphinx-build --version | head -1\n```\n", "$ sphinx-build"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "where"), MISSING.values(), ids=MISSING)
def test_what_the_reader_has_not_is_not_there(body, where, judge):
    text = f"# A page\n\n{body}"
    failure = judge(text)
    assert failure is not None
    assert failure.line == line_of(text, where)
    assert "The reader of this page has no " in failure.message
    assert "in a console block." in failure.message
    if "polars" in body:
        assert HELP in failure.message


THERE = {
    "what NeMo Gym brings": "```python\nimport omegaconf, openai, pydantic, ray, resources_servers.mcqa.app\n```\n",
    "what the page installs": INSTALL + "```python\nimport polars\n```\n\n```console\n$ python -c 'import polars'\n```\n",
    "what what it installs brings": (
        "```console\n$ uv pip install matplotlib\n```\n\n```python\nimport cycler, numpy\n```\n"
    ),
    "what it installs once Python runs": "```python\nimport json\n```\n\n" + INSTALL + "```python\nimport polars\n```\n",
    "what it does without": (
        "```python\ntry:\n    import polars\nexcept ModuleNotFoundError as error:\n    print(error)\n```\n\n"
        "```output\nNo module named 'polars'\n```\n"
    ),
    "a module of its own with that name": (
        "```{code-block} python\n:file: tabulate.py\n\nROWS = 2\n```\n\n```python\nimport tabulate\n\n"
        "print(tabulate.ROWS)\n```\n\n```output\n2\n```\n"
    ),
    "what it says is missing": (
        "```{code-block} python\n:fails: ModuleNotFoundError\n\nimport polars\n```\n\n"
        "```output\nModuleNotFoundError: No module named 'polars'\n```\n"
    ),
    "what what it installs looks for": (
        "```console\n$ uv pip install datasets\n```\n\n```python\nfrom datasets import Dataset, config\n\n"
        "print(config.POLARS_AVAILABLE)\n```\n\n```output\nFalse\n```\n"
    ),
    "that it finds nothing of it": (
        "```python\nimport importlib.metadata\nimport importlib.util\n\nprint(importlib.util.find_spec('polars'))\n"
        "try:\n    importlib.metadata.version('polars')\nexcept importlib.metadata.PackageNotFoundError as error:\n"
        "    print(error)\n```\n\n```output\nNone\nNo package metadata was found for polars\n```\n"
    ),
    "no trace of the harness": (
        "```python\nimport os, sys\n\nprint([each for each in sys.path if 'harness' in each], os.getenv('PYTHONPATH'))\n"
        "```\n\n```output\n[] None\n```\n"
    ),
    "what it installs for its Python": (
        "```console\n$ uv pip install \"polars; python_version > '3.0'\"\n```\n\n```python\nimport polars\n```\n"
    ),
    "a program that is installed as a tool": (
        "```console\n$ pipx install pytest\n$ pytest --version\npytest ...\n```\n"
    ),
    "a program of what it installs": (
        "```console\n$ uv pip install pytest\n$ pytest --version\npytest ...\n```\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("body", THERE.values(), ids=THERE)
def test_what_the_reader_has_is_there(body, judge):
    assert judge(f"# A page\n\n{body}") is None


def test_python_that_the_page_starts_has_no_more(judge):
    program = "import subprocess, sys\n\nsubprocess.run([sys.executable, '-c', 'import polars'], check=True)"
    failure = judge(f"# A page\n\n```python\n{program}\n```\n")
    assert failure is not None
    assert "returned non-zero exit status 1" in failure.message


def test_a_command_of_nemo_gym_and_its_servers_see_their_own_environment(tmp_path: Path):
    reader = Reader(tmp_path / "reader", ENVIRONMENTS[DEFAULT])
    environment = {"PATH": "/bin", "HOME": "/home"}
    inside = reader.environment(environment)
    assert set(inside) == {*environment, HIDDEN}
    assert outside(inside) == environment
    assert outside(environment) == environment


def test_what_brings_what_is_read_from_the_install():
    here = packages(ENVIRONMENTS[DEFAULT])
    known = metadata.packages_distributions()
    assert {name: set(map(canonicalize_name, known[name])) for name in here.modules if name in known} == {
        name: of
        for name, of in here.modules.items()
        if of != {own()[0]}  # which is installed from its sources
    }
    assert {"numpy", "omegaconf", "six", "yaml"} <= set(here.modules)
    assert {"pydantic", "pydantic-core", "typing-extensions"} <= here.closure("pydantic>=2")
    assert "polars" not in here.closure("nemo-gym")
    assert here.programs["pytest"] == "pytest"


def test_the_project_s_own_package_is_there_when_its_wheel_is_installed(judge, runner):
    (name, version), wheel = own(), tool_wheel.ensure()
    link = f"# A page\n\nYou need {{download}}`the wheel <{wheel.name}>`.\n\n"
    install = f"```console\n$ uv pip install ./{wheel.name}\n```\n\n"
    shutil.copy2(wheel, runner.docs)
    for body in (f"```console\n$ {name} --version\n{name} {version}\n```\n", "```python\nimport gym_rollouts\n```\n"):
        message = judge(link + body).message
        assert "The reader of this page has no " in message
        assert f"`$ uv pip install ./{wheel.name}` above this" in message
        failure = judge(link + install + body)
        assert failure is None, failure.message
