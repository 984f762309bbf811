"""What a verdict and a build depend on is what their programs use, and nothing else."""

from pathlib import Path

import pytest

from harness.imports import ROOT, used_by

FILES = {
    "harness/__init__.py": "",
    "harness/plugin.py": '"""See harness.other."""\nfrom harness import run\nimport harness.deep.inner\n',
    "harness/run.py": 'CHECK = "harness.named:check"\nWORKER = "worker.py"\nfrom pinned.symbols import of\nDATA = "data.json"\n',
    "harness/data.json": '{"a": true}',
    "harness/named.py": "",
    "harness/worker.py": "import harness.late",
    "harness/late.py": "",
    "harness/other.py": "",
    "harness/deep/__init__.py": "",
    "harness/deep/inner.py": "",
    "pinned/__init__.py": "",
    "pinned/symbols.py": "def of(): ...",
    "benchmarks/data.py": "",
}


def test_what_is_imported_named_or_started_counts_and_what_only_prose_names_does_not(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    found = {path.relative_to(tmp_path).as_posix() for path in used_by([tmp_path / "harness/plugin.py"], tmp_path)}
    assert found == set(FILES) - {"harness/other.py", "benchmarks/data.py"}


@pytest.mark.parametrize("name", ["pinned/drift.py", "benchmarks/data.py", "harness/verbatim.py", "checks/site.py"])
def test_what_judges_no_page_in_the_tests_throws_no_verdict_away(name):
    from harness.cache import JUDGING

    assert (ROOT / name).is_file()
    assert ROOT / name not in used_by(ROOT / each for each in JUDGING)


@pytest.mark.parametrize(
    "name",
    [
        "harness/consumers/gym.py",
        "harness/consumers/commands.json",
        "harness/python_worker.py",
        "harness/live/servers.py",
    ],
)
def test_what_judges_counts_also_where_it_is_only_named(name):
    from harness.cache import JUDGING

    assert ROOT / name in used_by(ROOT / each for each in JUDGING)


def test_every_data_file_that_a_consumer_reads_decides_verdicts():
    from harness.cache import DECIDING

    reading = "\n".join(path.read_text(encoding="utf-8") for path in Path(ROOT / "harness").rglob("*.py"))
    named = {path.name for path in (ROOT / "docs" / "_data").iterdir() if f'"{path.name}"' in reading}
    assert named == {Path(name).name for name in DECIDING if name.startswith("docs/_data/")}
