"""Pages followed as their reader follows them, on small pages that install nothing."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.verbatim import clone, size
from pinned.symbols import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it looks for what a page leaves running in /proc")

SETUP = """# Set up

```console
$ python3.13 -m venv --without-pip .venv
$ source .venv/bin/activate
```

```{code-block} console
:when: python<3.14

$ echo 'export UV_CONFIG_FILE=here' >> .venv/bin/activate
```

```{code-block} console
:when: python>=3.14

$ touch another-branch
```
"""


@dataclass
class Walk:
    """What a run of ``harness.verbatim`` came to."""

    status: int
    output: str
    records: dict[str, dict[str, Any]]


@pytest.fixture
def follow(tmp_path: Path) -> Callable[..., Walk]:
    """Follow a page of a small site, whose set-up page makes an environment."""
    docs, build = tmp_path / "docs", tmp_path / "build"

    def run(text: str | None = None, *arguments: str, name: str = "page", setup: str = SETUP) -> Walk:
        pages = {"get-started/index": setup} | ({name: text} if text is not None else {})
        for page, source in pages.items():
            path = docs / f"{page}.md"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(source, encoding="utf-8")
        ran = subprocess.run(
            [
                *(sys.executable, "-m", "harness.verbatim", *(arguments or [name])),
                *("--docs", str(docs), "--build", str(build)),
            ],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name != "GYMDOCS_LEDGER"}
            | {"TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        path = build / "ledger.json"
        records = json.loads(path.read_text(encoding="utf-8"))["verbatim"] if path.exists() else {}
        return Walk(ran.returncode, ran.stdout + ran.stderr, records)

    return run


def console(*lines: str, options: str = "") -> str:
    return f"# A page\n\n```{{code-block}} console\n{options}\n" + "\n".join(lines) + "\n```\n"


def test_a_page_has_a_home_a_terminal_and_the_python_that_the_set_up_page_made(follow) -> None:
    text = """# A page

```console
$ stty size
24 80
$ test -t 0 && test -t 1 && echo a terminal
a terminal
$ ls -1A ~
.local
nemo-gym
$ echo $UV_CONFIG_FILE
here
$ echo "${PYTHONPATH-none} ${HARNESS_REFUSALS-none} ${GYM_ZYGOTE_SOCKET-none} $(env | grep COLUMNS || echo none)"
none none none none
$ cd .. && export WORD=exported
```

```python
import os
import shutil
import sys
from pathlib import Path

print(Path(sys.prefix).relative_to(Path.home()), Path.cwd() == Path.home(), os.environ["WORD"])
print(shutil.get_terminal_size().columns, sys.stdout.isatty())
try:
    import sybil
except ModuleNotFoundError:
    print("nothing of the tests'")
```

```output
nemo-gym/.venv True exported
80 True
nothing of the tests'
```
"""
    walk = follow(text)
    assert walk.status == 0, walk.output
    record = walk.records["page"]
    assert record["failure"] is None
    assert record["left"] == []
    assert (record["followed"], record["total"]) == (3, 3)
    assert record["after"] == "get-started/index"
    assert record["python"].startswith("3.13.")
    # The other branch was not followed, and the record says which was.
    setup = walk.records["get-started/index"]
    assert setup["branch"] == ["python<3.14"]
    assert (setup["followed"], setup["total"]) == (2, 3)


#: A fault that only a genuine run sees: the page, the text on the line at fault, and what the message says.
FAULTS = {
    "a port that is taken": (
        console(
            '$ python -c \'import socket; s = socket.create_server(("127.0.0.1", 0)); '
            'print(s.getsockname()[1]); import time; open("port", "w").write(str(s.getsockname()[1])); '
            "time.sleep(60)' >/dev/null &",
            "$ until [ -s port ]; do sleep 0.1; done",
            "$ python -m http.server --bind 127.0.0.1 $(cat port)",
        ),
        "http.server",
        "Address already in use",
    ),
    "a terminal of 80 columns": (
        console("$ python -c 'import shutil; print(shutil.get_terminal_size().columns)'", "120"),
        "120",
        "+80",
    ),
    "a package that only the tests have": ("# A page\n\n```python\nimport sybil\n```\n", "import sybil", "No module"),
    "a program that only the tests have": (console("$ pytest --version"), "pytest", "command not found"),
    "a question": (console("$ read -t 1 -p 'Sure? ' answer"), "read", "exited with"),
    "a server that ends": (
        console("$ echo ready; exit 3", "ready", "soon", options=":terminal: Terminal 2\n"),
        "echo ready",
        "exit status 3",
    ),
    "an environment that is not activated there": (
        console("$ env -i bash -c 'python -c \"import sys; sys.exit(sys.prefix == sys.base_prefix)\"'"),
        "env -i",
        "exited with",
    ),
    "an unknown condition": (
        console("$ true", options=":when: macos\n"),
        None,
        "a condition on `python`",
    ),
}


@pytest.mark.parametrize(("text", "at", "said"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_named_with_its_line(follow, text, at, said) -> None:
    walk = follow(text)
    assert walk.status == 1, walk.output
    found = re.search(r"docs/page\.md:(\d+): ", walk.output)
    assert found, walk.output
    assert said in walk.output
    if at is not None:
        line = next(number for number, row in enumerate(text.split("\n"), 1) if at in row)
        assert int(found[1]) == line, walk.output
    assert walk.records["page"]["failure"]


def test_ctrl_c_ends_a_terminal_and_what_stays_is_ended_and_named(follow) -> None:
    server = "$ python -c 'import time; print(\"ready\", flush=True); time.sleep(600)'"
    stays = "$ setsid python -c 'import time; time.sleep(611)' &"
    text = console(server, "ready", options=":terminal: Terminal 2\n") + "\n" + console(stays).partition("\n\n")[2]
    walk = follow(text)
    assert walk.status == 0, walk.output
    assert len(walk.records["page"]["left"]) == 1
    assert "time.sleep(611)" in walk.records["page"]["left"][0]
    assert "time.sleep(611)" in walk.output
    assert "time.sleep(611)" not in subprocess.run(["ps", "ax"], capture_output=True, text=True, check=True).stdout


def test_a_page_starts_in_the_folder_that_the_other_left_and_leaves_it_as_it_was(follow, tmp_path: Path) -> None:
    first = console("$ echo one > a.txt")
    assert follow(first, name="first").status == 0
    second = "---\nstarts-from: first\n---\n" + console("$ cat a.txt", "one", "$ echo two > a.txt")
    walk = follow(second, name="second")
    assert walk.status == 0, walk.output
    assert walk.records["second"]["after"] == "first"
    left = list(tmp_path.glob("verbatim-*/left/first/nemo-gym/a.txt"))
    assert [path.read_text() for path in left] == ["one\n"]


def test_a_run_goes_on_where_the_last_one_stopped(follow) -> None:
    text = console("$ date +%N > now.txt")
    before = follow(text).records
    assert follow(text).records == before
    # Prose does not count; a snippet, of the page or of one before it, does, and so does asking for it.
    assert follow(text.replace("# A page", "# Another title")).records["page"]["date"] == before["page"]["date"]
    changed = follow(text, setup=SETUP.replace("=here", "=there")).records
    assert changed["page"]["key"] != before["page"]["key"]
    again = follow(text, "page", "--again", setup=SETUP.replace("=here", "=there")).records
    assert again["page"]["key"] == changed["page"]["key"]


def test_a_page_after_one_that_fails_names_that_one(follow) -> None:
    walk = follow(console("$ true"), setup=SETUP.replace("source .venv", "source .vnev"))
    assert walk.status == 1
    assert "docs/page.md:1: it starts from get-started/index, which fails: docs/get-started/index.md:5" in walk.output


def test_the_files_of_the_page_before_are_those_of_its_download(follow, tmp_path: Path) -> None:
    assert follow(console("$ echo one > a.txt"), name="first").status == 0
    second = "---\nstarts-from: first\n---\n" + console("$ cat a.txt", "from the download")
    missing = follow(second, "second", "--inside", "first", name="second")
    assert missing.status == 1
    assert "nox -s tests" in missing.output
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.txt").write_text("from the download\n")
    (tmp_path / "build" / "chains").mkdir()
    shutil.make_archive(str(tmp_path / "build" / "chains" / "first"), "zip", tmp_path / "files")
    assert follow(second, "second", "--inside", "first", name="second").status == 0


def test_all_leaves_out_pages_that_run_nothing(follow) -> None:
    follow("# Rows\n\n```{code-block} json\n\n{}\n```\n", "get-started/index", name="rows")
    walk = follow(console("$ true"), "--all")
    assert walk.status == 0, walk.output
    assert set(walk.records) == {"get-started/index", "page"}


def test_an_unknown_page_is_named(follow) -> None:
    walk = follow(None, "get-started/idnex")
    assert walk.status == 1
    assert "there is no 'get-started/idnex'" in walk.output


def test_a_home_is_copied_but_for_what_installers_fill(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("work/.venv/lib/module.py", "work/rows.jsonl", ".cache/uv/wheel"):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 8192)
    (home / "work" / "link").symlink_to("rows.jsonl")
    clone(home, tmp_path / "copy")
    same = {
        str(path.relative_to(home)): path.samefile(tmp_path / "copy" / path.relative_to(home))
        for path in home.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
    assert same == {"work/.venv/lib/module.py": True, "work/rows.jsonl": False, ".cache/uv/wheel": True}
    assert (tmp_path / "copy" / "work" / "link").is_symlink()
    assert size(home) == size(tmp_path / "copy")
    assert size(tmp_path) - size(home) < size(home)


def test_homes_lie_where_no_project_reaches_them() -> None:
    above = [Path(tempfile.gettempdir()), *Path(tempfile.gettempdir()).parents]
    assert not any((folder / "pyproject.toml").exists() for folder in above)
