"""What a pull request touches runs first, and its summary says what ran, how long, and what fell short."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from checks import changed, summary

PAGE = "---\njob: one\n{more}---\n\n# A page\n\n{{download}}`tool.py </downloads/tool.py>`\n"
FILES = {
    "docs/index.md": "# Home\n",
    "docs/guide/one.md": PAGE.format(more=""),
    "docs/guide/two.md": "---\nstarts-from: guide/one\n---\n\n# Two\n",
    "docs/guide/three.md": "---\njob: three\nstarts-from: guide/two\n---\n\n# Three\n",
    "docs/downloads/tool.py": "print(1)\n",
    "docs/downloads/README.md": "No page.\n",
    "docs/_ext/own.py": "",
    "harness/part.py": "",
    "harness/folder/inner.py": "",
    "tests/test_part.py": "from harness import other, part\n",
    "tests/test_inner.py": "from harness.folder.inner import x\n",
    "tests/test_own.py": "import own\n",
    "tests/test_none.py": "import partial, owner\nfrom harness import party\n",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (["docs/index.md"], ["docs/index.md"]),
        (["docs/guide/two.md"], ["docs/guide/three.md", "docs/guide/two.md"]),
        (["docs/downloads/tool.py"], ["docs/guide/one.md", "docs/guide/three.md", "docs/guide/two.md"]),
        (["harness/part.py"], ["tests/test_part.py"]),
        (["harness/folder/inner.py"], ["tests/test_inner.py"]),
        (["docs/_ext/own.py"], ["tests/test_own.py"]),
        (["tests/test_none.py"], ["tests/test_none.py"]),
        (["LICENSE", "docs/downloads/README.md"], []),
    ],
)
def test_a_change_touches_its_pages_those_that_start_from_them_and_its_tests(
    project: Path, files: list[str], found: list[str]
) -> None:
    assert changed.touched(files, project) == found


def test_what_is_not_committed_yet_counts_and_what_is_gone_does_not(project: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(project), *who, *words], check=True, capture_output=True)

    git("init", "-b", "main")
    git("add", ".")
    git("commit", "-m", "one")
    git("checkout", "-b", "change")
    (project / "docs/index.md").write_text("# Start\n", encoding="utf-8")
    git("commit", "-am", "two")
    (project / "docs/new.md").write_text("# New\n", encoding="utf-8")
    (project / "docs/guide/one.md").unlink()
    git("checkout", "main")
    git("commit", "--allow-empty", "-m", "what others did meanwhile")
    git("checkout", "change")
    assert changed.changed_since("main", project) == ["docs/index.md", "docs/new.md"]


def test_a_commit_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert changed.main(["no-such-commit"]) == 2
    assert "expected a commit that git knows, found 'no-such-commit'" in capsys.readouterr().err


BLOCKS = [
    {"line": 10, "verdict": "executed", "how": "ran"},
    {"line": 20, "verdict": "failed", "how": "expected 2, found 3"},
]
LEDGER = {
    "schema": 1,
    "pages": {
        "guide/one": {"seconds": 12.4, "blocks": BLOCKS, "lines": {"python": 9, "never_run": [4]}},
        "guide/two": {"seconds": 1.0, "blocks": [], "missing": "verl"},
    },
    "verbatim": {"get-started/index": {"followed": 3}},
}
LOG = """\
FAILED docs/guide/one.md::line:20,column:1 - expected `2`
FAILED docs/guide/one.md::line:20,column:1 - expected `2`
ERROR tests/pages/test_chain.py::test_files[sft.jsonl-SFT row]
nox > * lint: success, took 14 seconds
nox > * tool-3.11: skipped
nox > * tests: failed, took 31 minutes
"""


def test_the_summary_says_what_ran_how_long_and_what_fell_short(tmp_path: Path) -> None:
    (tmp_path / "ledger.json").write_text(json.dumps(LEDGER), encoding="utf-8")
    (tmp_path / "ci.log").write_text(LOG, encoding="utf-8")
    said = list(summary.summary(tmp_path / "ledger.json", tmp_path / "ci.log"))
    for line in (
        "| tests | failed | 31 minutes |",
        "| tool-3.11 | skipped |  |",
        "### What failed: 2",
        "- `tests/pages/test_chain.py::test_files[sft.jsonl-SFT row]`",
        "- `docs/guide/one.md::line:20,column:1`: `expected '2'`",
        "### 1 pages, 2 snippets: 1 executed (50.0%), 1 failed (50.0%)",
        "- **guide/one**, line 20: expected 2, found 3",
        "- **guide/two** was not judged: the environment verl was not installed",
        "- Lines of Python on the pages: 9, of which 1 never ran",
        "- Followed as a reader does: get-started/index",
        "| guide/one | 2 | 12 |",
    ):
        assert line in said


def test_a_run_that_ended_early_has_a_summary_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert summary.main(["--ledger", str(tmp_path / "no"), "--log", str(tmp_path / "no")]) == 0
    said = capsys.readouterr().out
    assert "The run ended before its sessions did" in said
    assert "No page was judged" in said
