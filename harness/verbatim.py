"""Follow pages as their reader does: ``python -m harness.verbatim [PAGE ...]``.

The reader has a home of their own with one folder in it, uv, a Python, and terminals of 80 columns. The page's own
commands make the environment, the genuine ``gym`` starts its servers in environments that it makes, and Python
blocks run in the interpreter that the page made. The finder of blocks and what is expected of them are those of
the tests; nothing else of the harness is there. Only this run reaches a package index.

A page that starts from another starts in the home that the other left. Each page that passed is kept below
``build/verbatim`` and in the ledger; a run goes on where the last one stopped.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import hashlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import ledger
from harness.apart import Together
from harness.blocks import BlockError
from harness.cache import digest_of
from harness.environments import DEFAULT, Environment
from harness.evaluators import evaluate
from harness.pages import Page, all_pages, page_at, upstream
from harness.session import PASSED_ON, Host, PageSession, Start, holds
from harness.shell import variables_of
from harness.verdict import SHOWN, Failure

ROOT = Path(__file__).parent.parent

#: The Python that the pages ask for, as a command.
PYTHON = "python3.13"

#: The reader's folder, in their home.
FOLDER = "nemo-gym"

#: How a machine reaches its package index: the one thing of this machine's that a reader's would have too.
INDEX_SETTINGS = (
    *("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL", "PIP_CERT", "SSL_CERT_DIR"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
)

#: What installers fill. They replace a file there, and never write into it, so that copies may share it.
SHARED = frozenset({".venv", ".cache", ".local"})

#: Where Ray notes, for the whole machine, which clusters run.
RAY = Path("/tmp/ray")

#: Seconds that a server has to end after Ctrl-C.
PATIENCE = 60.0

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Step:
    """A page to follow: in the home that the page before it left, or in that of the page named by ``inside``.

    With ``inside``, the files of the page from which it starts come from their download, as for a reader who has
    not followed that page.
    """

    page: str
    inside: str | None = None


#: The page that makes the environment in which all others are followed.
SETUP = "get-started/index"

#: The page whose reader has the environments of the first servers, which all folders share.
FIRST_ROLLOUTS = "get-started/collecting-rollouts"

#: Where the set-up page has them made, in the reader's home.
SERVER_ENVIRONMENTS = Path(".cache", "nemo-gym")

#: What is followed on every change: a reader's first hour, and a page that trips over what that hour leaves.
FIRST_START = (
    Step(SETUP),
    Step(FIRST_ROLLOUTS),
    Step("training/datasets/validate-format", inside=FIRST_ROLLOUTS),
)


@dataclass
class Followed:
    """What following a page came to.

    ``snippets`` is the digest of its blocks, ``key`` that of all that it was followed with; ``branch`` lists the
    ``:when:`` conditions that held. ``seconds`` and ``gigabytes`` are what it took, and what lies in the reader's home
    after it; ``left`` are the processes that its own steps left running. ``failure`` is None if it passed.
    """

    page: str
    snippets: str
    key: str
    after: str | None
    python: str
    platform: str
    date: str = field(default_factory=ledger.now)
    branch: list[str] = field(default_factory=list)
    followed: int = 0
    total: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    gigabytes: float = 0.0
    left: list[str] = field(default_factory=list)
    failure: str | None = None


class Reader(Host):
    """The reader's machine.

    Args:
        build: where logs are kept.
        home: the reader's home. It lies in no folder of a project, whose settings uv would find.
    """

    installs = True
    genuine = True
    timeout = 900.0

    def __init__(self, build: Path, home: Path) -> None:
        super().__init__(build)
        self.home = home
        self.folder = self.home / FOLDER
        self.branch: list[str] = []

    def begin(self, page: Page, start: Start) -> tuple[Path, Path]:
        """Give the reader a home as it is at the page's start, and in its folder the files that they downloaded."""
        shutil.rmtree(self.home, ignore_errors=True)
        if start.home is not None:
            clone(start.home, self.home)
        if start.servers is not None and (start.servers / SERVER_ENVIRONMENTS).is_dir():
            clone(start.servers, self.home, SERVER_ENVIRONMENTS)
        self.folder.mkdir(parents=True, exist_ok=True)
        programs = self.home / ".local" / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        for name in ("uv", "uvx"):
            found = shutil.which(name)
            if found and not (programs / name).exists():
                shutil.copy2(found, programs)
        if start.files is not None:
            with zipfile.ZipFile(start.files) as archive:
                archive.extractall(self.folder)
        self.branch = []
        logs = self.build / "logs" / page.name
        shutil.rmtree(logs, ignore_errors=True)
        logs.mkdir(parents=True)
        return self.folder, logs

    @cached_property
    def environment(self) -> dict[str, str]:
        """What a fresh terminal of the reader's has."""
        kept = {name: os.environ[name] for name in (*PASSED_ON, *INDEX_SETTINGS) if name in os.environ}
        python = Path(sys.base_prefix) / "bin"
        programs = [self.home / ".local" / "bin", python, *map(Path, ("/usr/local/bin", "/usr/bin", "/bin"))]
        return {"LANG": "C.UTF-8", "TERM": "xterm-256color", **kept, "HOME": str(self.home)} | {
            "PATH": os.pathsep.join(map(str, programs))
        }

    def apart(self, page: Page, folder: Path) -> Together:
        """The reader's machine is the page's."""
        return Together()

    def page_environment(self, place: Environment) -> dict[str, str]:
        """The same with the folder's environment activated, where an earlier page has made one."""
        script = self.folder / ".venv" / "bin" / "activate"
        if not script.is_file():
            return dict(self.environment)
        activated = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", f". {script}; env -0"],
            env=self.environment,
            capture_output=True,
            check=True,
        ).stdout
        variables = variables_of(activated)
        return {name: value for name, value in variables.items() if name not in ("_", "PWD", "SHLVL", "OLDPWD")}

    def consumer_problems(self, consumer: str, text: str, directory: Path) -> list[tuple[int, str]]:
        """None: the reader saves the file, and the command that reads it says what is wrong with it."""
        return []

    @cached_property
    def python(self) -> str:
        """The version of the Python that the reader has, such as ``3.13.14``."""
        program = shutil.which(PYTHON, path=self.environment["PATH"])
        if program is None:
            raise SystemExit(f"verbatim: expected {PYTHON}, found none. Install it, or let `nox -s verbatim` fetch it")
        return subprocess.run(
            [program, "-c", "import platform; print(platform.python_version())"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def follows(self, condition: str) -> bool:
        """Say whether a condition such as ``python<3.13.14`` holds for this reader.

        Raises:
            Failure: another kind of condition.
        """
        found = holds(condition, self.python)
        if found and condition not in self.branch:
            self.branch.append(condition)
        return found


def clone(home: Path, target: Path, part: Path = Path()) -> None:
    """Copy a home, or a part of it, to the same place in another one.

    What lies in `SHARED` is linked, not copied: it is large, and never written into.
    """

    def copy(name: str, to: str) -> None:
        if SHARED & set(Path(name).relative_to(home).parts):
            os.link(name, to)
        else:
            shutil.copy2(name, to)

    def no_sockets(directory: str, names: list[str]) -> list[str]:
        paths = (Path(directory, name) for name in names)
        return [path.name for path in paths if path.is_socket() or path.is_fifo()]

    shutil.copytree(home / part, target / part, symlinks=True, copy_function=copy, ignore=no_sockets)


def size(directory: Path) -> int:
    """The bytes that a folder takes on the disk; a file with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for parent, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):  # a process that still ends removes its files
                found = Path(parent, name).lstat()
                seen[found.st_dev, found.st_ino] = found.st_blocks * 512
    return sum(seen.values())


class Verbatim:
    """A run over pages.

    Args:
        docs: the site's source directory.
        build: the repository's build directory.
    """

    def __init__(self, docs: Path, build: Path) -> None:
        self.docs = docs
        self.build = build / "verbatim"
        self.chains = build / "chains"
        # Beside each other, since what the homes that pages leave have in common are links to one file.
        homes = Path(tempfile.gettempdir()) / f"verbatim-{hashlib.sha256(bytes(build)).hexdigest()[:8]}"
        self.reader = Reader(self.build, homes / "reader")
        self.homes = homes
        self.pages = {page.name: page for page in all_pages(docs)}

    def before(self, step: Step) -> str | None:
        """The page in whose home a step starts; the page that installs NeMo Gym starts in an empty one."""
        page = self.page(step.page)
        return step.inside or page.starts_from or (SETUP if page.name != SETUP else None)

    def page(self, name: str) -> Page:
        """The page of that name.

        Raises:
            SystemExit: there is none.
        """
        name = name.removeprefix("docs/").removesuffix(".md")
        if name not in self.pages:
            raise SystemExit(f"verbatim: expected a page, such as get-started/index; there is no {name!r}")
        return page_at(self.docs, name)

    def key(self, step: Step) -> str:
        """What a step's record holds for: the pages that lead to it, as they are, and the reader's Python."""
        pages = [self.page(name) for name in (step.page, step.inside, SETUP) if name]
        parts = [self.reader.python, f"{step.inside}"]
        for each in dict.fromkeys(each for page in pages for each in [page, *upstream(page)]):
            parts += [each.name, each.snippets_digest, digest_of(each.downloads)]
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def kept(self, step: Step) -> Followed | None:
        """What the step came to before, if it passed just as it is."""
        try:
            row = json.loads(self._record(step.page).read_text(encoding="utf-8"))
            record = Followed(**row)
        except (OSError, ValueError, TypeError):
            return None
        return record if record.key == self.key(step) and record.failure is None else None

    def records(self) -> dict[str, dict[str, Any]]:
        """The last record of each page, also from runs before this one."""
        paths = {name: self._record(name) for name in self.pages}
        return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items() if path.is_file()}

    def _record(self, name: str) -> Path:
        return self.build / "records" / f"{name}.json"

    def _left(self, name: str) -> Path:
        return self.homes / "left" / name

    def is_a_start(self, name: str) -> bool:
        """Say whether others start from the home that a page leaves."""
        starts = {page.starts_from for page in self.pages.values()} | {step.inside for step in FIRST_START}
        return name == SETUP or name in starts

    def follow(self, step: Step, again: bool = False) -> Followed:
        """Follow a page, and those before it that have not been followed as they are.

        Raises:
            Failure: a page before it fails, or it cannot be begun.
        """
        known = self.kept(step)
        if known and not again and (self._left(step.page).is_dir() or not self.is_a_start(step.page)):
            return known
        page, before = self.page(step.page), self.before(step)
        home = self._home_after(before) if before else None
        # Whoever goes on to another page has made the first rollouts, and has these servers from there.
        shares = before == SETUP and page.name != FIRST_ROLLOUTS and FIRST_ROLLOUTS in self.pages
        servers = self._home_after(FIRST_ROLLOUTS) if shares else None
        files = self._files(page) if step.inside else None
        record = self._follow(step, page, before, Start(files, home, servers))
        path = self._record(page.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(record), indent=1) + "\n", encoding="utf-8")
        return record

    def _home_after(self, name: str) -> Path:
        """The home that a page leaves, which is followed first where that is to be done.

        Raises:
            Failure: it fails.
        """
        came = self.follow(Step(name))
        if came.failure is not None:
            raise Failure(f"it starts from {name}, which fails: {came.failure}", 1)
        return self._left(name)

    def _follow(self, step: Step, page: Page, before: str | None, start: Start) -> Followed:
        record = Followed(
            page=page.name,
            snippets=page.snippets_digest,
            key=self.key(step),
            after=before,
            python=self.reader.python,
            platform=f"{platform.system()} {platform.machine()}",
            total=len(page.blocks),
        )
        started = time.monotonic()
        line, printed = 1, None
        session = PageSession(page, self.reader, start)
        try:
            for block in page.blocks:
                line = block.line
                verdict = evaluate(session, block, printed)
                printed = verdict.printed
                record.followed += verdict.kind != SHOWN
        except Failure as failure:
            record.failure = f"{page.label}:{failure.line or line}: {failure.message}"
        except (OSError, BlockError) as error:
            record.failure = f"{page.label}:{line}: {type(error).__name__}: {error}"
        finally:
            record.left = stop_as_the_reader(session)
        record.seconds = round(time.monotonic() - started, 1)
        record.gigabytes = round(size(self.reader.home) / 1e9, 2)
        record.versions = versions_in(self.reader.folder / ".venv")
        record.branch = self.reader.branch
        if record.failure is None and self.is_a_start(page.name):
            shutil.rmtree(self._left(page.name), ignore_errors=True)
            self._left(page.name).parent.mkdir(parents=True, exist_ok=True)
            clone(self.reader.home, self._left(page.name))
        return record

    def _files(self, page: Page) -> Path | None:
        """The download with the files of the page from which this one starts.

        Raises:
            Failure: the tests have not left it.
        """
        if page.starts_from is None:
            return None
        archive = self.chains / f"{page.starts_from}.zip"
        if not archive.is_file():
            raise Failure(f"its reader may download the files of {page.starts_from}, which `nox -s tests` makes", 1)
        return archive

    def order(self, names: Sequence[str]) -> list[str]:
        """Pages in the order in which each comes after the one from which it starts."""
        depth = {name: len(upstream(self.page(name))) + (name != SETUP) for name in names}
        return sorted(names, key=lambda name: (depth[name], name))


def stop_as_the_reader(session: PageSession) -> list[str]:
    """Type Ctrl-C in the terminals, the last first, close the others, and end what then still runs.

    Returns:
        What still ran: a terminal's command that Ctrl-C did not end, and other processes, by their command line.
    """
    left = [
        f"`{terminal.command.splitlines()[0]}` {PATIENCE:.0f} s after Ctrl-C"
        for terminal in reversed(session.terminals)
        if not terminal.interrupt(PATIENCE)
    ]
    time.sleep(1)  # what they started ends with them, a moment later
    session.close()
    left += [command for _, command in descendants()]
    for _ in range(50):
        if not (running := list(descendants())):
            break
        for process, _ in running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        _reap()
        time.sleep(0.1)
    return left


def descendants() -> Iterator[tuple[int, str]]:
    """The processes that descend from this one, with their command lines."""
    _reap()
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            state, parent = entry.read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(entry.parent.name)] = int(parent)
    for process in parents:
        above = process
        while above in parents and above != os.getpid():
            above = parents[above]
        if above == os.getpid() and process != above:
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
                yield process, b" ".join(words).decode(errors="replace").strip()[:120]


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def versions_in(environment: Path) -> dict[str, str]:
    """The release of NeMo Gym in an environment that a page made."""
    found = list(environment.glob("lib/python*/site-packages/nemo_gym-*.dist-info"))
    return {"nemo-gym": found[0].name.removesuffix(".dist-info").rpartition("-")[2]} if found else {}


def run_apart(build: Path) -> None:
    """Start this program again where Ray's notes are its own, so that no other cluster on the machine is met.

    Where the system does not allow that, the run goes on: a reader may have such notes too.
    """
    own = build / "verbatim" / "ray"
    own.mkdir(parents=True, exist_ok=True)
    RAY.mkdir(exist_ok=True)
    bind = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", 'mount --bind "$0" "$1"; shift; exec "$@"']
    bind += [str(own), str(RAY)]
    if os.environ.get("HARNESS_APART") or shutil.which("unshare") is None:
        return
    if subprocess.run([*bind, "true"], capture_output=True, check=False).returncode:
        print("verbatim: this system allows no mount namespace, so Ray's notes are the machine's", flush=True)
        return
    os.environ["HARNESS_APART"] = "1"
    os.execvp(bind[0], [*bind, sys.executable, "-m", "harness.verbatim", *sys.argv[1:]])


def table(records: Sequence[Followed]) -> str:
    """The records, a row each."""
    rows = [("page", "minutes", "GB", "blocks", "result")]
    for each in records:
        result = "passed" if each.failure is None else "FAILED"
        result += f", left running: {'; '.join(each.left)}" if each.left else ""
        count = f"{each.followed} of {each.total}"
        rows.append((each.page, f"{each.seconds / 60:.1f}", f"{each.gigabytes:.2f}", count, result))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join([*map(str.ljust, row[:4], widths), row[4]]) for row in rows)


def runs(page: Page) -> bool:
    """Whether a page has more than rows and settings: on each of these a reader would only install NeMo Gym again."""
    return any(block.language in ("bash", "console", "python") for block in page.blocks)


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow the pages; the exit status is 1 where one fails."""
    parser = argparse.ArgumentParser(prog="nox -s verbatim --", description=__doc__.splitlines()[0])
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="such as get-started/index; default: a first start")
    parser.add_argument("--all", action="store_true", help="every page that runs something beside NeMo Gym, in order")
    parser.add_argument("--inside", metavar="PAGE", help="start in the folder that PAGE left, with downloaded files")
    parser.add_argument("--again", action="store_true", help="also pages that passed just as they are")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", metavar="DIR", help="the site's source directory")
    parser.add_argument("--build", type=Path, default=ROOT / "build", metavar="DIR", help="where homes and logs go")
    options = parser.parse_args(arguments)
    docs, build = options.docs.resolve(), options.build.resolve()
    run_apart(build)
    if sys.platform == "linux":  # what a page leaves running becomes a child of this process, which ends it
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    # Where this was started in the background, Ctrl-C would be ignored by all that it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    verbatim = Verbatim(docs, build)
    names = [verbatim.page(name).name for name in options.pages]
    if options.all:
        names = [name for name, page in verbatim.pages.items() if page.environment.name == DEFAULT and runs(page)]
    steps = [Step(name, options.inside) for name in verbatim.order(names)] or FIRST_START
    records = []
    for step in steps:
        print(f"verbatim: {step.page} on Python {verbatim.reader.python} ...", flush=True)
        try:
            record = verbatim.follow(step, options.again)
        except Failure as failure:
            page = verbatim.page(step.page)
            record = Followed(page.name, page.snippets_digest, "", None, verbatim.reader.python, platform.system())
            record.total, record.failure = len(page.blocks), f"{page.label}:{failure.line or 1}: {failure.message}"
        records.append(record)
        print(table([record]).splitlines()[1], flush=True)
        if record.failure:
            print(record.failure, flush=True)
    path = Path(os.environ.get("GYMDOCS_LEDGER") or build / "ledger.json")
    ledger.add_verbatim(path, verbatim.records(), set(verbatim.pages))
    print(f"\n{table(records)}\n\nLogs: {verbatim.build / 'logs'}\n")
    failed = sum(each.failure is not None for each in records)
    print(f"{len(records) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
