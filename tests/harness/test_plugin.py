"""The harness from outside: pytest on a small site with the real site's settings, and the ledger that it writes."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from harness import isolation

ROOT = Path(__file__).resolve().parents[2]
FRONT_MATTER = (
    "---\ncontent-type: how-to\njob: Do one thing.\ndescription: One thing, done.\nkeywords: one, thing\n---\n"
)

_ANSI = re.compile(r"\x1b\[[0-9;]*m")


def page(body: str, front_matter: str = FRONT_MATTER) -> str:
    """A page's text; its body starts on line 10."""
    return f"{front_matter}\n# A page\n\n{body}"


@dataclass(frozen=True)
class Run:
    """What a run of pytest came to."""

    status: int
    output: str

    def outcomes(self, name: str) -> dict[int, str]:
        """The outcome of each item of a page, by its line."""
        found = re.findall(rf"^docs/{name}\.md::line:(\d+),column:\d+ (\w+)", self.output, re.MULTILINE)
        return {int(line): outcome for line, outcome in found}

    def order(self) -> list[str]:
        """The pages and lines in the order in which they would be judged, of a run that only collects."""
        return re.findall(r"^docs/(\S+\.md::line:\d+),column:\d+$", self.output, re.MULTILINE)


class SmallSite:
    """A site in a folder of its own with the settings of the real one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.docs = folder / "docs"
        self.docs.mkdir()
        for name in ("_ext", "_static", "_templates", "downloads"):
            (self.docs / name).symlink_to(ROOT / "docs" / name)
        (self.docs / "conf.py").write_bytes((ROOT / "docs/conf.py").read_bytes())
        (self.docs / "_data").mkdir()
        for path in (ROOT / "docs/_data").iterdir():
            (self.docs / "_data" / path.name).symlink_to(path)
        for name in ("published.txt", "redirects.txt"):
            (self.docs / "_data" / name).unlink()
            (self.docs / "_data" / name).write_text("", encoding="utf-8")

    def write(self, **pages: str) -> None:
        """Write pages, and an index that leads to all that are there."""
        for name, text in pages.items():
            (self.docs / f"{name}.md").write_text(text, encoding="utf-8")
        names = sorted({path.stem for path in self.docs.glob("*.md")} - {"index"})
        toctree = "```{toctree}\n" + "\n".join(names) + "\n```\n"
        (self.docs / "index.md").write_text(page(toctree), encoding="utf-8")
        (self.docs / "_data/published.txt").write_text("\n".join([*names, "index"]) + "\n", encoding="utf-8")

    def run(self, *arguments: str, launcher: list[str] | None = None) -> Run:
        """Run pytest on the site."""
        command = [sys.executable, "-m", "pytest", "-p", "harness.plugin", "-p", "no:cacheprovider", "--color=no"]
        command += ["-ra", "--rootdir", str(self.folder), "-c", os.devnull]
        command += ["--docs", str(self.docs), "--build", str(self.folder / "build")]
        if not any(argument.startswith("docs/") for argument in arguments):
            command.append("docs")
        hidden = (
            isolation.VARIABLE,
            "GYMDOCS_LEDGER",
            "PYTEST_ADDOPTS",
            "PYTEST_XDIST_WORKER",
            "PYTHONDONTWRITEBYTECODE",
            "SITE_URL",
            "REPOSITORY_URL",
            "ANALYTICS_URL",
        )
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        done = subprocess.run(
            [*(launcher or []), *command, *(arguments if "-q" in arguments else ["-v", *arguments])],
            cwd=self.folder,
            env=environment | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        return Run(done.returncode, _ANSI.sub("", done.stdout + done.stderr))

    @property
    def ledger(self) -> dict[str, Any]:
        return json.loads((self.folder / "build/ledger.json").read_text(encoding="utf-8"))

    def digest(self, name: str) -> str:
        return sha256((self.docs / f"{name}.md").read_bytes()).hexdigest()


@pytest.fixture
def site(tmp_path: Path) -> SmallSite:
    return SmallSite(tmp_path)


GOOD = page("""\
```python
x = 1
```

% skip: next

```python
print(x)
```

```output
1
```
""")
FAILS = page("""\
```python
def fail():
    raise RuntimeError("on purpose")
```

```python
fail()
```

```python
never = "run"
```
""")

#: Pages with a fault that their first item must name: the page, the line, and a part of the message.
FAULTS = {
    "role": (page("A {nosuchrole}`x`.\n"), 10, 'Unknown interpreted text role "nosuchrole"'),
    "link": (page("Fine.\n\nA [link](missing.md).\n"), 12, "missing.md"),
    "anchor": (page("A [link](good.md#nowhere).\n"), 10, "nowhere"),
    "option": (page("```{code-block} python\n:nosuchoption: 1\n\nx = 1\n```\n"), 11, "nosuchoption"),
    "directive": (page("```{nosuchdirective}\nx = 1\n```\n"), 10, "unknown directive {nosuchdirective}"),
    "content": (page("Words.\n", FRONT_MATTER.replace("how-to", "how-two")), 2, "content-type"),
    "lacks": (page("Words.\n", FRONT_MATTER.replace("keywords: one, thing\n", "")), 1, "keywords"),
    "yaml": (page("Words.\n", FRONT_MATTER.replace("one, thing", "[one")), 1, ""),
    "symbol": (page("See {source}`nemo_gym.no_such_module`.\n"), 10, "nemo_gym.no_such_module"),
    "reason": (page("```{code-block} python\n:shown:\n\nx = 1\n```\n"), 10, "shown"),
    "language": (page("```ptyhon\nx = 1\n```\n"), 10, "python"),
    "unlabelled": (page("```\nx = 1\n```\n"), 10, "without a language"),
    "circle": (page("```python\nx = 1\n```\n", FRONT_MATTER.replace("job", "starts-from: circle\njob")), 1, "circle"),
    "before": (page("```python\nx = 1\n```\n", FRONT_MATTER.replace("job", "starts-from: gone\njob")), 1, "gone"),
    "after": (page("```python\nx = 1\n```\n", FRONT_MATTER.replace("job", "starts-from: fails\njob")), 1, "on purpose"),
}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> tuple[SmallSite, Run]:
    """A run over a site of a page that passes, one that fails, and one for each of `FAULTS`."""
    site = SmallSite(tmp_path_factory.mktemp("faulty"))
    site.write(good=GOOD, fails=FAILS, **{name: text for name, (text, _, _) in FAULTS.items()})
    return site, site.run()


def test_the_built_site_holds_no_pages(site: SmallSite) -> None:
    """`nox -s docs` leaves each page's Markdown twin below docs, and `nox -s tests` comes after it."""
    site.write(good=GOOD)
    for twin in ("_build/html/good.md", "_build/html/deep/er/good.md"):
        path = site.docs / twin
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FAILS, encoding="utf-8")
    assert {name.partition("::")[0] for name in site.run("--collect-only", "-q").order()} == {"good.md", "index.md"}


class TestFaults:
    def test_the_run_fails(self, faulty):
        _, run = faulty
        assert run.status == pytest.ExitCode.TESTS_FAILED

    def test_every_item_is_named_by_page_and_line(self, faulty):
        _, run = faulty
        assert run.outcomes("good") == dict.fromkeys((1, 10, 16, 20, 23), "PASSED")

    @pytest.mark.parametrize("name", FAULTS)
    def test_a_fault_fails_the_page_with_its_line(self, faulty, name):
        _, run = faulty
        _, line, said = FAULTS[name]
        messages = re.findall(rf"^ *docs/{name}\.md:{line}: .*(?:\n    .*)*", run.output, re.MULTILINE)
        assert any(said in message for message in messages), messages or run.output

    @pytest.mark.parametrize("name", sorted(set(FAULTS) - {"circle", "before", "after"}))
    def test_what_sphinx_or_a_look_sees_fails_before_anything_runs(self, faulty, name):
        _, run = faulty
        assert run.outcomes(name)[1] == "FAILED"

    def test_blocks_after_one_that_failed_are_skipped_for_that_reason(self, faulty):
        _, run = faulty
        assert run.outcomes("fails") == {1: "PASSED", 10: "PASSED", 15: "FAILED", 19: "SKIPPED", 22: "PASSED"}
        assert "docs/fails.md:12: it raised:" in run.output
        assert 'File "docs/fails.md", line 16, in <module>' in run.output
        assert "the block on line 15 failed, and this one comes after it" in run.output

    def test_only_pages_that_passed_have_a_digest(self, faulty):
        site, _ = faulty
        pages = site.ledger["pages"]
        assert {name for name, entry in pages.items() if entry["digest"]} == {"good", "index"}
        assert pages["good"]["digest"] == site.digest("good")

    def test_the_ledger_says_what_each_block_came_to(self, faulty):
        site, _ = faulty
        good, fails = site.ledger["pages"]["good"]["blocks"], site.ledger["pages"]["fails"]["blocks"]
        assert [(block["line"], block["end"], block["language"], block["verdict"]) for block in good] == [
            (10, 12, "python", "executed"),
            (16, 18, "python", "executed"),
            (20, 22, "output", "executed"),
        ]
        assert [(block["line"], block["verdict"]) for block in fails] == [(10, "executed"), (15, "failed")]
        assert all(block["seconds"] >= 0 and block["how"] for block in good + fails)

    def test_the_ledger_says_against_what(self, faulty):
        site, _ = faulty
        assert site.ledger["versions"]["nemo-gym"] == metadata.version("nemo-gym")
        assert site.ledger["pages"]["good"]["versions"]["nemo-gym"] == metadata.version("nemo-gym")
        assert site.ledger["network"] == "isolated"


def test_the_ledger_follows_the_site(site):
    """A page that passes, then fails, then goes; another that is known, then judged anew in part."""
    site.write(good=GOOD, other=GOOD)
    assert site.run().status == 0
    first = site.ledger["pages"]
    assert first["good"]["digest"] == site.digest("good")

    site.write(other=FAILS)
    alone = site.run("docs/other.md")
    assert alone.status == pytest.ExitCode.TESTS_FAILED
    assert "good.md" not in alone.output
    assert site.ledger["pages"]["good"] == first["good"]  # as the run before left it
    assert site.ledger["pages"]["other"]["digest"] == ""

    (site.docs / "other.md").unlink()
    site.write()
    assert site.run().status == 0
    assert set(site.ledger["pages"]) == {"good", "index"}
    assert site.ledger["pages"]["good"] == first["good"]  # known, to the same seconds

    part = site.run("docs/good.md", "--no-cache", "--deselect", "docs/good.md::line:20,column:1")
    assert part.status == 0
    assert site.ledger["pages"]["good"]["digest"] == ""  # a part of a page earns it nothing
    assert site.ledger["pages"]["good"]["blocks"][0] != first["good"]["blocks"][0]  # judged anew


def test_more_than_two_in_a_hundred_blocks_shown_fail_the_run(site):
    site.write(good=GOOD, shows=page("```{code-block} bash\n:shown: it needs a cluster\n\nsbatch train.sh\n```\n"))
    run = site.run()
    assert run.status == pytest.ExitCode.TESTS_FAILED
    assert "25.0% of the site's blocks are merely shown; at most 2% may be" in run.output
    assert " failed" not in run.output  # no item failed: the run did
    assert site.run("docs/shows.md").status == 0  # one page says nothing of the site's share


def test_more_than_five_in_a_hundred_lines_that_never_ran_fail_the_run(site):
    site.write(good=GOOD, never=page("```python\nx = 1\nif x > 1:\n    y = 2\n```\n"))
    for _ in range(2):  # also where the pages have passed before
        run = site.run()
        assert run.status == pytest.ExitCode.TESTS_FAILED
        assert re.search(r"\d+\.\d% of the lines of Python on the site never ran; at most 5% may be", run.output)
        assert "Most are on never (1)" in run.output
        assert site.ledger["pages"]["never"]["lines"] == {"python": 3, "never_run": [13]}
    assert site.run("docs/never.md").status == 0


def test_update_rewrites_a_page_which_has_then_still_to_pass(site):
    site.write(good=GOOD.replace("```output\n1", "```output\n2"))
    assert site.run("docs/good.md", "--update").status == 0
    assert (site.docs / "good.md").read_text(encoding="utf-8") == GOOD
    assert site.ledger["pages"]["good"]["digest"] != site.digest("good")


SERVES = """\
```{code-block} console
:terminal: Terminal 2

$ python -m http.server 8123 --bind 127.0.0.1
Serving HTTP on 127.0.0.1 port 8123 ...
```

```python
import time
from urllib.request import urlopen

time.sleep(1)
print(urlopen("http://127.0.0.1:8123").status)
```

```output
200
```
"""


def test_two_workers_come_to_the_same_with_the_same_fixed_port(site):
    starts = FRONT_MATTER.replace("job", "starts-from: good\njob")
    site.write(good=GOOD, one=page(SERVES), two=page(SERVES), three=page("```python\nx = 2\n```\n", starts))
    assert site.run().status == 0
    alone = site.ledger
    two = site.run("-n", "2", "--no-cache")
    assert two.status == 0, two.output
    assert comparable(site.ledger) == comparable(alone)
    workers = set(re.findall(r"\[(gw\d)\].*docs/(\w+)\.md", two.output))
    assert {worker for worker, _ in workers} == {"gw0", "gw1"}
    assert len(workers) == len({name for _, name in workers}), "each page on one worker"


def comparable(ledger: dict[str, Any]) -> dict[str, Any]:
    """A ledger without its times."""
    for entry in [ledger, *ledger["pages"].values()]:
        entry.pop("date")
    for entry in ledger["pages"].values():
        entry.pop("seconds")
        for block in entry["blocks"]:
            block.pop("seconds")
    return ledger


def test_any_order_of_pages_leaves_the_order_of_blocks(site):
    site.write(**{f"page{number}": GOOD for number in range(6)})
    plain, first, again, second = (
        site.run("--collect-only", "-q", *seed).order()
        for seed in ([], ["--shuffle=1"], ["--shuffle=1"], ["--shuffle=2"])
    )
    assert first == again
    assert sorted(plain) == sorted(first) == sorted(second)
    orders = [list(dict.fromkeys(item.partition("::")[0] for item in order)) for order in (plain, first, second)]
    assert all(order != other for order, other in itertools.combinations(orders, 2))
    for order in (first, second):
        assert sorted(order, key=lambda item: item.partition("::")[0]) == plain  # stable: blocks stay in order


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a system that refuses")
def test_where_nothing_can_be_isolated_the_run_says_so_and_python_is_still_held_back(site):
    site.write(reaches=page("```python\nimport socket\n\nsocket.create_connection(('192.0.2.1', 80), 1)\n```\n"))
    refuse = 'echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"'
    run = site.run(launcher=["unshare", "-rn", "bash", "-c", refuse, "-"])
    assert run.status == pytest.ExitCode.TESTS_FAILED
    assert "The snippets' network is open: this system allows no network namespace (" in run.output
    assert "it tried to reach the network (192.0.2.1)" in run.output
    assert site.ledger["network"].startswith("open: ")


CHAINED = page("```python\nx = 1\n```\n\n```python\nprint(x)\n```\n\n```output\n1\n```\n")


def test_a_selected_block_runs_what_stands_above_it(site: SmallSite) -> None:
    """``-k``, ``--lf`` and a node id that a failure printed select one block of a page."""
    site.write(chained=CHAINED)
    for selected in (("-k", "line:18"), ("docs/chained.md::line:18,column:1",)):
        run = site.run(*selected, "--no-cache")
        assert "1 passed" in run.output, run.output


def test_what_fails_above_a_selected_block_is_named_with_its_own_line(site: SmallSite) -> None:
    site.write(chained=CHAINED.replace("x = 1", "x = y"))
    run = site.run("-k", "line:18", "--no-cache")
    assert run.status == 1
    assert "docs/chained.md:11: it raised" in run.output, run.output


# -- What Sphinx read in an earlier run ----------------------------------------------------------------------------

TARGET = page("(here)=\n\n## Here\n\nWords.\n")
REFERS = page("See [](#here).\n")


def test_what_sphinx_warned_of_once_it_warns_of_again(site: SmallSite) -> None:
    site.write(bad=FAULTS["role"][0], good=GOOD)
    assert [site.run("docs/bad.md").status for _ in range(2)] == [1, 1]
    assert site.run("docs/good.md").status == 0


def test_a_target_that_went_from_another_page_is_missed(site: SmallSite) -> None:
    site.write(target=TARGET, refers=REFERS)
    assert site.run("docs/refers.md").status == 0
    site.write(target=page("Words.\n"))
    found = site.run("docs/refers.md")
    assert found.status == 1
    assert "here" in found.output
    site.write(target=TARGET)
    assert site.run("docs/refers.md").status == 0


def test_an_extension_that_changed_reads_every_page_again(site: SmallSite) -> None:
    site.write(good=GOOD)
    assert site.run("docs/good.md").status == 0
    conf = site.docs / "conf.py"
    conf.write_text(conf.read_text(encoding="utf-8") + "\n\nexclude_patterns.append('index.md')\n", encoding="utf-8")
    assert site.run("docs/good.md").status == 1  # nothing leads to it any more


def test_only_pages_that_are_judged_or_changed_are_read_again(site: SmallSite) -> None:
    site.write(good=GOOD, other=page("Words.\n"))
    assert [site.run("docs/good.md").status for _ in range(2)] == [0, 0]  # the first leaves a ledger, which pages show
    kept = site.folder / "build/sphinx/main/doctrees"
    before = {path.stem: path.stat().st_mtime_ns for path in kept.glob("*.doctree")}
    assert site.run("docs/good.md").status == 0
    after = {path.stem: path.stat().st_mtime_ns for path in kept.glob("*.doctree")}
    assert {name for name in before if before[name] != after[name]} == {"good"}


def test_a_wrong_name_in_prose_fails_its_page_and_the_ledger_counts_the_names(site):
    site.write(
        right=page("Set `num_repeats`, or `--num-repeats`."), wrong=page("Set `num_repeats`.\n\nOr `num_repeatz`.")
    )
    run = site.run()
    assert run.status == 1
    assert "docs/wrong.md:12: `num_repeatz` is no name of NeMo Gym" in run.output
    assert "the nearest is `num_repeats`" in run.output
    assert site.ledger["pages"]["right"]["names"] == 2
    assert site.ledger["pages"]["wrong"]["digest"] == ""
