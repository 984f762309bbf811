"""What differs in another release: each kind of difference is planted, and found with the place that uses it."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from pinned import drift_probes
from pinned.drift import Install, Report, Uses, because
from pinned.reference_pages import GENERATED
from pinned.releases import newer_than

FLAG = {"names": ["--concurrency"], "value": "N", "choices": [], "default": "", "required": False, "sets": ["n=VALUE"]}
FOUND = {
    "version": "2.0",
    "commands": {"eval run": {"flags": [FLAG]}, "eval compare": {"flags": []}},
    "old_commands": {"ng_run": "gym env start"},
    "classes": {
        "nemo_gym.a.RunConfig": {
            "module": "nemo_gym.a",
            "name": "RunConfig",
            "fields": {"num_repeats": {"type": "int", "default": "1"}, "fan_out": {"type": "dict", "default": "{}"}},
        }
    },
    "servers": {"mcqa": {"fields": [{"name": "options"}]}, "calendar": {"fields": []}},
}
SYMBOLS = "nemo_gym/a.py 9\n  RunConfig 1-3\n  compare 5-7\n"
ANSWERS = {"What does zero mean?": "an error", "Is it refused?": "no"}

PAGE = """\
# A page

{source}`nemo_gym.a.compare` and `fan_out`, and nothing of concurrency.

```console
$ gym eval run --input x \\
    --concurrency 4
$ gym eval compare a b
$ gym env start --resources-server calendar
```

```python
from nemo_gym.a import compare
```
"""


DIFFERS = "the output differs. Mend it\n--- the page says\n+++ it printed\n@@ -1 +1,4 @@\n-one\n+0\n+two\n+three\n+four"


@pytest.fixture
def ask(tmp_path: Path):
    """Makes what `pinned.drift ask` leaves, from what is found in an install."""

    def make(name: str, found: dict[str, Any], symbols: str = SYMBOLS, answers: dict[str, str] = ANSWERS) -> Install:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "install.json").write_text(json.dumps(found))
        (folder / "symbols.txt").write_text(symbols)
        (folder / "answers.json").write_text(json.dumps(answers))
        return Install(folder)

    return make


@pytest.fixture
def uses(tmp_path: Path) -> Uses:
    docs = tmp_path / "docs"
    (docs / "reference").mkdir(parents=True)
    (docs / "page.md").write_text(PAGE)
    (docs / "reference" / "cli.md").write_text(f"# All commands\n\n{GENERATED}\n\n`gym eval compare`\n")
    return Uses.of(docs)


def test_every_kind_of_difference_is_named_with_its_place(ask, uses: Uses) -> None:
    other = deepcopy(FOUND) | {"version": "1.0"}
    del other["commands"]["eval compare"]
    other["commands"]["eval run"]["flags"] = [FLAG | {"default": "8"}]
    fields = other["classes"]["nemo_gym.a.RunConfig"]["fields"]
    del fields["fan_out"]
    fields["num_repeats"]["default"] = "2"
    other["servers"] = {"mcqa": {"fields": [{"name": "choices"}]}}
    answers = ANSWERS | {"What does zero mean?": "no limit"}
    theirs = ask("other", other, "nemo_gym/a.py 9\n  RunConfig 1-3\n", answers)
    failed = {"line": 6, "verdict": "failed", "reason": DIFFERS}
    after = failed | {"reason": "this page starts from a page that fails: docs/page.md:6: the output differs"}
    pages = {
        "page": {"blocks": [{"line": 2, "verdict": "executed"}, failed]},
        "next": {"blocks": [after]},
        "fine": {"blocks": []},
    }

    text = Report(ask("pin", FOUND), theirs, uses, pages).text()

    assert "| What does zero mean? | an error | no limit |" in text
    assert "- Is it refused? no" in text
    assert "| `gym eval compare` | `page:8` |" in text
    assert "| `gym eval run`, `--concurrency` | default:  here, 8 there | `page:7` |" in text
    assert "| `RunConfig`, `fan_out` | not in 1.0 | `page:3` |" in text
    assert "`num_repeats` (`int` = `1` here, `int` = `2` there)" in text
    assert "| `calendar` | `page:9` |" in text
    assert "- `mcqa`: its rows' fields (`choices` only in 1.0, `options` not in 1.0)" in text
    assert "| `nemo_gym.a.compare` | `page:13`, `page:3` |" in text
    assert "| `page:6` | 1 | the page says one; it printed 0 / ... / three / four |" in text
    assert "Stopped by `docs/page.md:6`, on whose files they build: `next`." in text
    assert "To the end: `fine`." in text


def test_a_reason_is_a_line_without_traceback() -> None:
    assert because("CallError: no such field\nTraceback (most recent call last):\n  File") == "CallError: no such field"
    assert (
        because("`gym x` exited with 2:\n    usage: gym\n    error: x") == "`gym x` exited with 2: usage: gym error: x"
    )
    assert len(because("long " * 200)) < 500


def test_the_same_release_does_not_differ(ask, uses: Uses) -> None:
    report = Report(ask("pin", FOUND), ask("other", FOUND), uses, {}).text()
    assert report.count("Nothing differs.") >= 4
    assert "not in" not in report


def test_the_probes_answer_for_the_pin() -> None:
    """Each as the pages say it; a probe that has lost what it asks would answer with an AttributeError."""
    answers = {function.__name__: drift_probes.answer(function) for function in drift_probes.PROBES.values()}
    assert answers["precedence"] == "`agent_name`"
    assert answers["task_source"].startswith("yes")
    assert "greater than 0" in answers["unlimited"]
    assert "must be >= 1" in answers["no_repeats"]
    assert answers["unknown_key"].startswith("no")
    assert answers["prepared_rows"].startswith("a row that names none: adds `task_source`")


@pytest.mark.parametrize(("pinned", "newer"), [("0.7.0", "0.10.1"), ("0.10.1", ""), ("1.0", "")])
def test_only_a_newer_release_is_compared(pinned: str, newer: str) -> None:
    assert newer_than(pinned, ["0.2.0", "0.7.0", "0.10.1"]) == newer
