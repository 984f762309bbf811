"""One run of one page: its directory, its Python process, its shells, and what it left behind."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import isolation
from harness.blocks import Block
from harness.live import QUIET_ENV, Zygote
from harness.pages import Page
from harness.shell import Shell, Terminal
from harness.verdict import Failure

WORKER = Path(__file__).with_name("python_worker.py")

#: Seconds after which a block counts as stuck.
TIMEOUT = 180.0

#: What a page's processes see of the environment: a reader's secrets and settings stay out.
PASSED_ON = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE")


class Host:
    """What the pages of one test process share: the live NeMo Gym, and where they run.

    Args:
        build: the directory under which each page gets its own.
    """

    def __init__(self, build: Path) -> None:
        self.build = build

    @cached_property
    def gym(self) -> Zygote:
        """The live NeMo Gym: it starts when a command or a check first needs it."""
        return Zygote(self.environment).start()

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment of every process that a page starts."""
        home = self.build / "home"
        home.mkdir(parents=True, exist_ok=True)
        # Without it Ray's head node asks the metadata services of three clouds where it runs.
        (home / "ray_bootstrap_config.yaml").write_text("{}\n", encoding="utf-8")
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        programs = [str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"]
        return {
            "LANG": "C.UTF-8",
            **kept,
            "HOME": str(home),
            "PATH": os.pathsep.join(programs),
            "VIRTUAL_ENV": sys.prefix,
            "TERM": "dumb",
            "PYTHONUNBUFFERED": "1",  # output and errors in the order in which a terminal shows them
            "COLUMNS": "80",
            "MPLBACKEND": "Agg",
            isolation.VARIABLE: os.environ.get(isolation.VARIABLE, "open"),
            **QUIET_ENV,
        }

    def consumer_problems(self, consumer: str, text: str, directory: Path) -> list[tuple[int, str]]:
        """What a consumer has against a text; it is read in ``directory``, as the reader's command would."""
        found = self.gym.call("harness.consumers:problems", consumer, text, cwd=directory)
        return [(line, message) for line, message in found]

    def close(self) -> None:
        """End the live NeMo Gym and all that it runs."""
        if "gym" in self.__dict__:
            self.gym.close()


class PageSession:
    """A page as it is followed from its top: the state that one block leaves to the next.

    Attributes:
        directory: where the page's commands run and its files are written.
        printed: what the last block printed and no output block has yet shown; None when nothing can follow.
    """

    def __init__(self, page: Page, host: Host, starting_files: Path | None = None) -> None:
        self.page = page
        self.host = host
        self.base = host.build / "pages" / page.name
        shutil.rmtree(self.base, ignore_errors=True)
        self.directory = self.base / "work"
        self.logs = self.base / "logs"
        self.logs.mkdir(parents=True)
        if starting_files is not None:
            shutil.copytree(starting_files, self.directory)
        else:
            self.directory.mkdir()
        for path in page.downloads:
            if path.is_file():
                shutil.copy2(path, self.directory)
        self.printed: str | None = None
        self.printed_by: Block | None = None
        self.files: dict[str, Block] = {}
        self._worker: PythonWorker | None = None
        self._shell: Shell | None = None
        self._terminals: list[Terminal] = []
        self._attempts = isolation.attempts()

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The environment of the page's processes: NeMo Gym's commands in it are the live one's."""
        return self.host.environment | self.host.gym.env()

    def python(self, block: Block, source: str) -> dict[str, Any]:
        """Run Python of ``block`` in the page's process; the answer holds ``stdout`` and, if it raised, ``error``."""
        if self._worker is None:
            self._worker = PythonWorker(self.directory, self.environment, self.logs)
        return self._worker.run(block, source, self.page)

    def shell(self, command: str) -> tuple[int, str]:
        """Run one console command in the page's shell: its exit status and what it printed."""
        if self._shell is None:
            self._shell = Shell(self.directory, self.environment, self.logs / "console.log")
        result = self._shell.run(command, TIMEOUT)
        return result.status, result.output

    def terminal(self, command: str) -> Terminal:
        """Start a command that stays running, in a terminal of its own."""
        log = self.logs / f"terminal-{len(self._terminals) + 1}.log"
        started = Terminal(command, self.directory, self.environment, log)
        self._terminals.append(started)
        return started

    def write(self, name: str, block: Block) -> Path:
        """Save a block as the file that its caption names.

        Raises:
            Failure: a name that leads out of the page's directory.
        """
        path = (self.directory / name).resolve()
        if not path.is_relative_to(self.directory.resolve()):
            raise Failure(f"the file name {name!r} leads out of the page's directory: name a file inside it")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.source, encoding="utf-8")
        self.files[name] = block
        return path

    def refuse_network(self) -> None:
        """Fail if something has tried to leave this machine since the last call.

        Raises:
            Failure: the kernel counted an attempt.
        """
        before, self._attempts = self._attempts, isolation.attempts()
        if self._attempts > before:
            raise Failure(NETWORK_MESSAGE.format(where=""))

    def close(self) -> None:
        """End all that the page started. Its files stay, to be looked at and for pages that start from them."""
        for each in (self._worker, self._shell, *reversed(self._terminals)):
            if each is not None:
                each.close()


NETWORK_MESSAGE = (
    "it tried to reach the network{where}: snippets may reach this machine only, so that they work for every reader. "
    "Use data that ships with the install or that the page makes, or show the block with `:shown: <reason>`"
)


class PythonWorker:
    """The parent's end of `harness.python_worker`."""

    def __init__(self, directory: Path, environment: Mapping[str, str], logs: Path) -> None:
        self.stdout, self.stderr = logs / "python.out", logs / "python.err"
        requests_read, requests_write = os.pipe()
        answers_read, answers_write = os.pipe()
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self.process = subprocess.Popen(
                [sys.executable, str(WORKER), str(requests_read), str(answers_write)],
                cwd=directory,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                pass_fds=[requests_read, answers_write],
                start_new_session=True,
            )
        os.close(requests_read)
        os.close(answers_write)
        self._requests = os.fdopen(requests_write, "w", encoding="utf-8")
        self._answers = os.fdopen(answers_read, encoding="utf-8")

    def run(self, block: Block, source: str, page: Page) -> dict[str, Any]:
        """Run a block's Python.

        Raises:
            Failure: the process ended, or did not answer in time.
        """
        request = {
            "path": page.label,
            "text": page.text,
            "line": block.source_line,
            "language": block.language,
            "source": source,
        }
        try:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
        except BrokenPipeError:
            raise Failure("the page's Python process has ended: an earlier block ended it") from None
        ready, _, _ = select.select([self._answers], [], [], TIMEOUT)
        if not ready:
            self.close()
            raise Failure(f"it did not end within {TIMEOUT:.0f} s; the page's Python process was stopped")
        answer = self._answers.readline()
        if not answer:
            status = self.process.wait()
            raise Failure(f"it ended the page's Python process (exit status {status}):\n{self._tail()}")
        result = json.loads(answer)
        with self.stdout.open("rb") as log:
            log.seek(result["start"])
            result["stdout"] = log.read().decode(errors="replace")
        return result

    def _tail(self) -> str:
        return self.stderr.read_text(encoding="utf-8", errors="replace")[-2000:]

    def close(self) -> None:
        from harness.shell import stop

        for end in (self._requests, self._answers):
            with contextlib.suppress(BrokenPipeError):
                end.close()
        stop(self.process)
