"""Measure the harness, the site's build and the live NeMo Gym on this machine: ``python -m benchmarks.harness``.

Each number stands beside its reference, measured in the same run, and its aim. Nothing here fails for being slow.
``--quick`` takes one measurement of each instead of the median of several.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from harness import ledger
from harness.cache import Cache
from harness.console import commands_of
from harness.pages import all_pages, page_at
from harness.run import Runner
from harness.session import Host

ROOT = Path(__file__).parent.parent
REPETITIONS = 3

#: Pages of the site whose build is measured: the site's own, and copies of them.
PAGES = 36

#: The page that is judged alone: it uses no training framework.
PAGE = "get-started/index"

IMPORTS = """\
import json
import statistics
from pathlib import Path

import polars as pl
from nemo_gym.rollout_collection import RolloutCollectionConfig
"""
STEP = """\
rewards = [(task * {n}) % 7 / 6 for task in range(1000)]
frame = pl.DataFrame({{"task": [task % 50 for task in range(1000)], "reward": rewards}})
means = frame.group_by("task").agg(pl.col("reward").mean()).sort("task")
Path("means-{n}.json").write_text(json.dumps(means.to_dicts()))
print("step {n}:", round(statistics.mean(rewards), 3), means.height)
"""
COMMAND = """\
seq 1 {n}000 | awk '{{ print $1, $1 % 7 }}' > rows-{n}.txt
wc -l < rows-{n}.txt
sort -n -k 2 rows-{n}.txt | tail -1
python -c 'import json; print(json.dumps([1, {n}]))'
"""


class Unmeasured(Exception):
    """What was to be measured does not work: the message says how."""


@dataclass(frozen=True)
class Row:
    """One measurement: what, its value, what it is beside, and what it should be."""

    what: str
    value: str
    beside: str = ""
    aim: str = ""

    def __str__(self) -> str:
        return f"{self.what:58} {self.value:>12}  {self.beside:44} {self.aim}".rstrip()


def median(measure: Callable[[], float], repetitions: int) -> float:
    """The median of some measurements, after one that is not counted and fills the caches."""
    if repetitions > 1:
        measure()
    return statistics.median(measure() for _ in range(repetitions))


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


# ------------------------------------------------------------------------------- the harness beside bare code


def judging_beside_bare(folder: Path, repetitions: int) -> Iterator[Row]:
    """A page of 20 Python blocks beside the same code as a script; one of 20 commands beside a bash script."""
    docs = folder / "docs"
    docs.mkdir()
    blocks = [IMPORTS, *(STEP.format(n=n) for n in range(1, 20))]
    python = "# Blocks\n\n" + "\n".join(f"```python\n{block}```\n" for block in blocks)
    lines = [line for n in range(1, 6) for line in COMMAND.format(n=n).splitlines()]
    console = "# Commands\n\n```console\n" + "".join(f"$ {line}\n" for line in lines) + "```\n"

    host = Host(folder / "host")
    runner = Runner(docs, host, Cache(folder / "cache"), use_cache=False)
    for name, text in {"blocks": python, "commands": console}.items():
        page_at(docs, name).path.write_text(text, encoding="utf-8")
        write_outputs(runner, name)
        script = script_of(docs, name, folder)
        command = [sys.executable if name == "blocks" else "bash", str(script)]

        def follow(name: str = name) -> None:
            run = runner.start(page_at(docs, name))
            run.judge_all()
            run.close()

        def bare(command: list[str] = command) -> None:
            subprocess.run(command, cwd=folder, env=host.environment, check=True, stdout=subprocess.DEVNULL)

        judged, alone = (median(lambda work=work: seconds(work), repetitions) for work in (follow, bare))
        beside = f"{judged:.2f} s, bare {alone:.2f} s"
        yield Row(f"a page of 20 {name}, beside bare", f"{judged / alone:.2f} x", beside, "1.2 x")
    host.close()


def write_outputs(runner: Runner, name: str) -> None:
    """Let the harness put under each block what it prints."""
    updating = Runner(runner.docs, runner.host, runner.cache, use_cache=False, update=True)
    run = updating.start(page_at(runner.docs, name))
    for block in run.page.blocks:
        run.judge(block).pass_on()
    run.rewrite()
    run.close()


def script_of(docs: Path, name: str, folder: Path) -> Path:
    """The code of a page, as a reader would put it in one file."""
    blocks = page_at(docs, name).blocks
    if name == "blocks":
        text = "\n".join(block.source for block in blocks if block.language == "python")
    else:
        text = "\n".join(command.text for block in blocks for command in commands_of(block)) + "\n"
    script = folder / f"{name}.script"
    script.write_text(text, encoding="utf-8")
    return script


# ------------------------------------------------------------------------------------------- the site's build


def copy_of_the_site(folder: Path, pages: int) -> Path:
    """The site's source with copies of its pages beside them, ``pages`` in all."""
    docs = folder / "docs"
    shutil.copytree(ROOT / "docs", docs, ignore=shutil.ignore_patterns("_build", "__pycache__"))
    own = [page for page in all_pages(docs) if "orphan" not in page.front_matter]
    for number, page in zip(range(len(own), pages), itertools.cycle(own), strict=False):
        copy = page.path.with_name(f"{page.path.stem}-copy-{number}.md")
        copy.write_text(without_toctree(page.text).replace("---\n", "---\norphan: true\n", 1), encoding="utf-8")
    return docs


def without_toctree(text: str) -> str:
    """A page whose copy leads nowhere."""
    return re.sub(r"^```\{toctree\}\n.*?^```\n", "", text, flags=re.DOTALL | re.MULTILINE)


def building(folder: Path, repetitions: int) -> Iterator[Row]:
    """Seconds per page of a build from nothing, and of one after a page has changed."""
    docs = copy_of_the_site(folder, PAGES)
    count = len(all_pages(docs))
    output, doctrees = folder / "html", folder / "doctrees"
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-n", "-q", "-j", "auto", "-d", str(doctrees)]

    def build() -> None:
        done = subprocess.run([*command, str(docs), str(output)], check=False, capture_output=True, text=True, cwd=ROOT)
        if done.returncode:
            raise Unmeasured(f"sphinx: {done.stderr.strip()[-500:]}")

    def cold() -> float:
        shutil.rmtree(output, ignore_errors=True)
        shutil.rmtree(doctrees, ignore_errors=True)
        return seconds(build)

    def changed() -> float:
        with page_at(docs, PAGE).path.open("a", encoding="utf-8") as page:
            page.write("\nOne more line.\n")
        return seconds(build)

    for what, measure in {"a build from nothing": cold, "a rebuild after one page changed": changed}.items():
        took = median(measure, repetitions)
        yield Row(f"{what}, per page", f"{took / count:.3f} s", f"{took:.2f} s, {count} pages", "0.09 s")


# --------------------------------------------------------------------------------------------- the tests' run


def testing(folder: Path, repetitions: int) -> Iterator[Row]:
    """One page that has changed; all pages judged; all pages known."""
    docs, build = copy_of_the_site(folder, 0), folder / "build"
    name = f"{PAGE}.md"

    def judged(arguments: list[str], launcher: list[str]) -> float:
        environment = {key: value for key, value in os.environ.items() if key != "PYTEST_ADDOPTS"}
        start = time.perf_counter()
        done = subprocess.run(
            [*launcher, "-q", "-p", "no:cacheprovider", "--docs", str(docs), "--build", str(build), *arguments],
            cwd=ROOT,
            env=environment | {"GYMDOCS_LEDGER": str(folder / "ledger.json")},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Unmeasured(f"{' '.join(arguments)}: {(done.stderr + done.stdout).strip()[-500:]}")
        return time.perf_counter() - start

    def one_page(launcher: list[str]) -> float:
        with (docs / name).open("a", encoding="utf-8") as page:
            page.write("\nOne more line.\n")
        return judged([str(docs / name)], launcher)

    pytest = [sys.executable, "-m", "pytest"]
    one_page(pytest)
    value = f"{median(lambda: one_page(pytest), repetitions):.1f} s"
    yield Row("one page after it changed, pytest", value, name, "5 s")
    nox = [sys.executable, "-m", "nox", "-f", str(ROOT / "noxfile.py"), "-s", "tests", "--"]
    if find_spec("nox") and (ROOT / ".nox" / "tests").is_dir():  # else it would be made here, which takes minutes
        value = f"{median(lambda: one_page(nox), repetitions):.1f} s"
        yield Row("one page after it changed, nox -s tests", value, name, "5 s")
    count = f"{len(all_pages(docs))} pages"
    yield Row("all pages, nothing known", f"{judged([str(docs)], pytest):.1f} s", count)
    yield Row("all pages, nothing changed", f"{median(lambda: judged([str(docs)], pytest), repetitions):.1f} s", count)


# -------------------------------------------------------------------------------------------------- in all


def header() -> str:
    """When, where and with what."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    versions = ", ".join(f"{name} {found}" for name, found in ledger.versions().items())
    machine = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}"
    return f"{now}\n{machine}\n{versions}, pydata-sphinx-theme {version('pydata-sphinx-theme')}\n"


def main(arguments: list[str] | None = None) -> int:
    """Print the table; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.harness", description="Measure the harness.")
    parser.add_argument("--quick", action="store_true", help="measure each once")
    options = parser.parse_args(arguments)
    repetitions = 1 if options.quick else REPETITIONS

    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    print(header())
    print(Row("", "measured", "of which, or beside", "aim"), flush=True)
    for measure in (judging_beside_bare, building, testing):
        # Inside the repository, so that its settings hold.
        with tempfile.TemporaryDirectory(prefix="bench-", dir=build) as folder:
            try:
                for row in measure(Path(folder), repetitions):
                    print(row, flush=True)
            except Unmeasured as error:
                print(f"Not measured: {error}", flush=True)
    print("\nThe live NeMo Gym, beside the genuine `gym env start`", flush=True)
    return subprocess.run([sys.executable, "-m", "benchmarks.live"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main())
