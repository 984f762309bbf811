"""One run of one page: its directory, its Python process, its shells, and what it left behind."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import select
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from harness import isolation
from harness.apart import Apart, Launch, Together
from harness.beside import Beside
from harness.blocks import Block
from harness.consumers import CONSUMERS, Consumer
from harness.consumers.command_line import NOTES
from harness.environments import DEFAULT, ENVIRONMENTS, Environment, named
from harness.expected import normalize
from harness.live import QUIET_ENV, Zygote
from harness.pages import Page
from harness.reader import Reader
from harness.shell import COLUMNS, Result, Screen, Shell, Terminal, held_open
from harness.uses import Uses
from harness.verdict import Failure

WORKER = Path(__file__).with_name("python_worker.py")

#: Seconds after which a block counts as stuck.
TIMEOUT = 180.0

#: Seconds for which a page's end waits for jobs in the background.
SETTLE_SECONDS = 5.0

#: Seconds for which a command that stays running must have stayed when its page ends.
STAYS_SECONDS = 2.0

#: How a page stops what it has started: in a shell, and in Python.
_STOPS = re.compile(r"\b(?:kill|pkill|killall|stop|shutdown)\b")
_STOPS_IN_PYTHON = re.compile(r"\b(?:kill|killpg|terminate|send_signal)\(")

#: A command line that leaves a job in the background.
_IN_BACKGROUND = re.compile(r"(?<!&)&\s*(?:$|#|;|\S+=)")

#: How a page asks for a job's exit status, or says how long the job may take.
_ASKS_STATUS = re.compile(r"\bwait[ \t]+[^\s;&|]|\btimeout\b")

_BEGINS_WITH_CD = re.compile(r"\s*(?:builtin )?(?:cd|pushd)\s")

#: What a page's processes see of the environment: a reader's secrets and settings stay out.
PASSED_ON = ("LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE")

#: Where a page's processes find programs, after those of its environment.
PROGRAMS = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin")


@dataclass(frozen=True)
class Start:
    """What a page starts from.

    Attributes:
        files: those that the page before it left: their folder, or the archive that a reader downloads.
        home: the home that the page before it left, where a reader goes on in it.
        servers: a home that has the environments of the first servers, which the reader shares.
        reading: which of the page's readings follows, from 0.
    """

    files: Path | None = None
    home: Path | None = None
    servers: Path | None = None
    reading: int = 0


class Host:
    """What the pages of one test process share: the live NeMo Gym, and where they run.

    Args:
        build: the directory under which each page gets its own.

    Attributes:
        installs: whether install commands run; where they do not, the page's environment stands for what they would
            make, and each is held against its lock.
        genuine: whether pages run as their reader runs them: in terminals, with the Python that the page made, and
            with nothing of the harness beside it.
        timeout: seconds after which a block counts as stuck.
    """

    installs = False
    genuine = False
    timeout = TIMEOUT

    def __init__(self, build: Path) -> None:
        self.build = build
        self._beside: dict[str, Beside] = {}

    def follows(self, condition: str) -> bool:
        """Say whether a block with this ``:when:`` is followed here: in the tests each is judged.

        Raises:
            Failure: the condition is none.
        """
        holds(condition, platform.python_version())
        return True

    def page_environment(self, place: Environment) -> dict[str, str]:
        """The variables of a page's processes: `variables_in`, with NeMo Gym's commands as the live one's."""
        variables = self.variables_in(place)
        return variables | self.gym.env(variables["PATH"])

    def variables_in(self, place: Environment) -> dict[str, str]:
        """The variables of a process that runs in an environment, as if the reader had activated it."""
        return self.environment | {
            "PATH": os.pathsep.join([str(place.programs), *PROGRAMS]),
            "VIRTUAL_ENV": str(place.prefix),
        }

    def apart(self, page: Page, folder: Path) -> Together:
        """What starts a page's processes, and ends them; ``folder`` is the page's, of which its own is a part."""
        pythons = {*ENVIRONMENTS[DEFAULT].folders, *page.environment.folders}
        own = Apart(folder, [self.gym.directory, WORKER.parent.parent, *pythons])
        # Without it Ray's head node asks the metadata services of three clouds where it runs.
        Path(own.variables["HOME"], "ray_bootstrap_config.yaml").write_text("{}\n", encoding="utf-8")
        return own

    def begin(self, page: Page, start: Start) -> tuple[Path, Path]:
        """Make the folder in which a page is followed, with the files that it starts from, and one for its logs."""
        base = self.build / "pages" / (f"{page.name}~{start.reading}" if start.reading else page.name)
        shutil.rmtree(base, ignore_errors=True)
        directory, logs = base / "work", base / "logs"
        logs.mkdir(parents=True)
        if start.files is not None:
            shutil.copytree(start.files, directory)
        else:
            directory.mkdir()
        return directory, logs

    @cached_property
    def gym(self) -> Zygote:
        """The live NeMo Gym: it starts when a command or a check first needs it."""
        return Zygote(self.variables_in(ENVIRONMENTS[DEFAULT])).start()

    @cached_property
    def environment(self) -> dict[str, str]:
        """The variables of every process that a page starts, whatever it runs in."""
        home = self.build / "home"
        home.mkdir(parents=True, exist_ok=True)
        kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return {
            "LANG": "C.UTF-8",
            **kept,
            "HOME": str(home),
            "TERM": "dumb",
            "PYTHONUNBUFFERED": "1",  # output and errors in the order in which a terminal shows them
            "COLUMNS": str(COLUMNS),
            "MPLBACKEND": "Agg",
            isolation.VARIABLE: os.environ.get(isolation.VARIABLE, "open"),
            **QUIET_ENV,
        }

    def consumer_problems(self, consumer: str, text: str, directory: Path) -> list[tuple[int, str]]:
        """What a consumer has against a text; it is read in ``directory``, as the reader's command would.

        It runs in the environment that the consumer names, whichever that of the page is.

        Raises:
            NotInstalled: that is not installed.
        """
        return self.ask(CONSUMERS[consumer], text, directory)

    def ask(self, asked: Consumer, text: str, directory: Path) -> list[tuple[int, str]]:
        """What a consumer has against a text, as `consumer_problems` gives it."""
        place = named(asked.environment).require()
        caller = self.gym if place.name == DEFAULT else self.beside(place)
        found = caller.call("harness.consumers:ask", asked.function, asked.arguments, text, cwd=directory)
        return [(line, message) for line, message in found]

    def beside(self, place: Environment) -> Beside:
        """A process that calls functions in an environment; it stays for the next call."""
        if place.name not in self._beside:
            log = self.build / "environments" / f"{place.name}.log"
            self._beside[place.name] = Beside(place, self.variables_in(place), log, self.timeout)
        return self._beside[place.name]

    def close(self) -> None:
        """End the live NeMo Gym, and all that ran beside other programs."""
        if "gym" in self.__dict__:
            self.gym.close()
        for each in self._beside.values():
            each.close()


def _is_of_a_stop(status: int) -> bool:
    """Whether a command that somebody has stopped may have that exit status: success, or the number of a signal."""
    return status <= 0 or status > 128


def holds(condition: str, python: str) -> bool:
    """Say whether a ``:when:``, such as ``python<3.13.14``, holds for a reader who has that release of Python.

    Raises:
        Failure: another kind of condition.
    """
    try:
        asked = Requirement(condition)
    except InvalidRequirement as error:
        raise Failure(f"`:when: {condition}`: {error}") from None
    if asked.name != "python" or not asked.specifier:
        raise Failure(f"`:when: {condition}`: expected a condition on `python`, such as `python<3.13.14`")
    return asked.specifier.contains(python, prereleases=True)


class PageSession:
    """A page as it is followed from its top: the state that one block leaves to the next.

    Args:
        page: the page.
        host: where it is followed.
        start: what it starts from.
        blocks: those of the page that its reader follows; None stands for all.

    Attributes:
        directory: where the page's commands run and its files are written.
        judged: its blocks that have been judged, up to the one at hand.
        reader: what the page's reader has installed by then; None where pages run as their reader runs them.
        uses: what became of the files and the Python that the page shows; None where nothing watches.
    """

    def __init__(self, page: Page, host: Host, start: Start, blocks: Sequence[Block] | None = None) -> None:
        self.page = page
        self.blocks = list(page.blocks if blocks is None else blocks)
        self.host = host
        self.directory, self.logs = host.begin(page, start)
        for path in page.downloads:
            if path.is_file():
                shutil.copy2(path, self.directory)
        self.files: dict[str, Block] = {}
        self.judged: list[Block] = []
        self._worker: PythonWorker | None = None
        self._shell: Shell | None = None
        self.terminals: list[Terminal] = []
        self._screens: list[Screen] = []
        self._attempts = isolation.attempts()
        # Where pages run as their reader runs them, they have what they install, and nothing has to be hidden.
        self.reader = None if host.genuine else Reader(self.logs.parent / "reader", page.environment)
        self._refusals = self.logs / "refused.jsonl"
        self._refused = 0
        self.uses = None if host.genuine else Uses(self.directory, self.logs / "seen.tsv", page.environment)

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """The environment of the page's processes."""
        environment = self.host.page_environment(self.page.environment) | self.apart.variables
        if self.reader is None:
            return environment
        return self.reader.environment(environment) | {NOTES: str(self._refusals)} | self.uses.variables

    @cached_property
    def apart(self) -> Together:
        """What starts the page's processes."""
        return self.host.apart(self.page, self.directory.parent)

    def python(self, block: Block, source: str, fails: str | None = None) -> dict[str, Any]:
        """Run Python of ``block`` in the page's process; the answer holds what it ``printed``, to
        standard output and error as a terminal mixes them, and, if it raised, ``error`` and whether that is the
        exception which it is to raise by ``fails``.
        """
        if self._worker is None:
            # The reader starts Python in the terminal, wherever that is by now and whatever was exported in it.
            where, environment = self._shell_state() if self._shell else (self.directory, self.environment)
            log = self.logs / "python.log"
            python = None if self.host.genuine else self.page.environment.interpreter
            screen = self._screen(log)
            self._worker = PythonWorker(python, self.apart.launch, where, environment, log, screen)
        return self._worker.run(block, source, fails, self.page, self.host.timeout)

    def shell(self, command: str) -> Result:
        """Run one console command in the page's shell."""
        if self._shell is None:
            log = self.logs / "console.log"
            self._shell = Shell(self.directory, self.environment, log, self._screen(log), self.apart.launch)
        return self._shell.run(command, self.host.timeout)

    def terminal(self, name: str, command: str, line: int) -> Terminal:
        """Start a command that stays running, in the terminal of that name; ``line`` is its line on the page.

        Raises:
            Failure: another command still runs in that terminal, or it is not plain where it would open.
        """
        for other in self.terminals:
            if (other.name, other.process.poll()) == (name, None):
                raise Failure(
                    f"{name} is busy with the command of line {other.line}, which the page does not stop: give this "
                    "one a terminal of another name",
                    line,
                )
        if self._shell and self._shell.folder != self.directory.resolve() and not _BEGINS_WITH_CD.match(command):
            raise Failure(
                f"the page's own terminal is in `{self._shell.folder}` by now, and a new one opens where the reader's "
                f"began, `{self.directory}`, or elsewhere: begin the command with `cd`, so that it runs in the folder "
                "that the page means",
                line,
            )
        log = self.logs / f"terminal-{len(self.terminals) + 1}.log"
        environment = self.environment
        if self.host.genuine and self._shell:  # the reader activates the environment there too
            environment = self._shell_state()[1]
        started = Terminal(command, self.directory, environment, log, self._screen(log), name, line, self.apart.launch)
        started.after = len(self.judged)
        self.terminals.append(started)
        return started

    def _shell_state(self) -> tuple[Path, dict[str, str]]:
        return self._shell.state(self.host.timeout)

    def _screen(self, log: Path) -> Screen | None:
        """A terminal whose log is that file, where pages run as their reader runs them."""
        if not self.host.genuine:
            return None
        self._screens.append(Screen(log))
        return self._screens[-1]

    def write(self, name: str, block: Block) -> Path:
        """Save a block as the file that its caption names.

        Raises:
            Failure: a name that leads out of the page's directory, or that of a file which nothing has used yet.
        """
        path = (self.directory / name).resolve()
        if not path.is_relative_to(self.directory.resolve()):
            raise Failure(f"the file name {name!r} leads out of the page's directory: name a file inside it")
        if self.uses:
            self.uses.poll()
            self.uses.show(name, block, block.source, block.source_line)
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

    def settle(self) -> None:
        """Give what still runs beside the page's shell and Python a moment to end, at the page's end, and leave both.

        Raises:
            Failure: it goes on to serve, or has printed what the page does not show; or as `refuse_ignored`.
        """
        self._leave_python()
        deadline = time.monotonic() + SETTLE_SECONDS
        while (jobs := self._jobs()) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.refuse_ignored()
        self.refuse_failed_jobs()
        if jobs and self._shell and self._shell.serves():
            raise Failure(
                "a server in the background of the reader's shell still runs at the page's end. Give it a terminal, "
                f"with `:terminal:`, or end it, as with `kill %1`:\n    {jobs}",
                self._line_of_background(),
            )
        # On a reader's terminal the jobs that go on would be hung up.
        if self._shell and not self.host.genuine:
            self._shell.leave(SETTLE_SECONDS)
        if self._shell and (late := normalize(self._shell.late)):
            rows = "\n".join("    " + row for row in late.split("\n")[:20])
            raise Failure(
                "what runs in the background of the reader's shell prints between the commands, and no reader sees it "
                f"where the page has it. Let it write to a file, or give it a terminal, with `:terminal:`:\n{rows}",
                self._line_of_background(),
            )

    def _leave_python(self) -> None:
        """Leave the page's Python.

        Raises:
            Failure: that printed something, or a thread or process of it did between the blocks.
        """
        if self._worker is None:
            return
        if not self.host.genuine:
            self._worker.leave(SETTLE_SECONDS)
        blocks = [block for block in self.judged if block.language == "python" and "file" not in block.options]
        late = normalize(self._worker.late)
        if late and not any("quiet" in block.options for block in blocks):
            rows = "\n".join("    " + row for row in late.split("\n")[:20])
            raise Failure(
                "the page's Python prints between its blocks, or when it ends, and no reader sees it where the page "
                "has it. Wait for it in the block that starts it, let it write to a file, or give that block "
                f"`:quiet: <reason>`:\n{rows}",
                blocks[-1].line,
            )

    def _jobs(self) -> str:
        """What runs in the background of the page's shell, as bash lists it; nothing where that has ended."""
        listed = self.shell("jobs -r") if self._shell else None
        return listed.output.strip() if listed and listed.status == 0 else ""

    def _line_of_background(self) -> int | None:
        """The last line of the page's commands that ends with ``&``."""
        return self._background()[1]

    def _background(self, command: str | None = None) -> tuple[int, int | None]:
        """The block, by its number, and the last line of the page's commands, or of that one, that ends with ``&``."""
        of = command.split("\n") if command else None
        for number, block in reversed(list(enumerate(self.judged))):
            rows = block.source.split("\n") if block.language in ("console", "bash") else []
            for at in reversed(range(len(rows))):
                meant = of is None or any(row and rows[at].endswith(row) for row in of)
                if meant and _IN_BACKGROUND.search(rows[at]):
                    return number, block.source_line + at
        return 0, None

    def refuse_failed_jobs(self) -> None:
        """Fail if a job in the background of the page's shell has failed, and no command of the page stopped it.

        Raises:
            Failure: with the line that began it.
        """
        while self._shell and self._shell.failed_jobs:
            job = self._shell.failed_jobs.pop(0)
            began, line = self._background(job.command)
            shown = any(_ASKS_STATUS.search(block.source) for block in self.judged[began:])
            if shown or (_is_of_a_stop(job.status) and self._stops_since(began)):
                continue
            raise Failure(
                f"`{job.command.partition(chr(10))[0]}` has ended in the background with exit status {job.status}, "
                "which no reader sees. Mend it; or, where it is meant to fail, ask for its status, with `wait $!` and "
                "`:fails:`",
                line,
            )

    def refuse_tracebacks(self) -> None:
        """Fail if a program that stays running has printed a traceback of Python's that the page does not show.

        Raises:
            Failure: with the line of that terminal's command.
        """
        begins = "Traceback (most recent call last)"
        for terminal in self.terminals:
            found = normalize(terminal.output)
            if not terminal.quiet and begins in found and begins not in terminal.shown:
                rows = "\n".join("    " + row for row in found[found.index(begins) :].split("\n")[:40])
                raise Failure(
                    f"`{terminal.command.partition(chr(10))[0]}` prints a traceback into its terminal while the page "
                    f"is followed. Mend what causes it, or say what it is, with `:quiet: <reason>`:\n{rows}",
                    terminal.line,
                )

    def refuse_ended(self) -> None:
        """Fail if a command that the page says runs in a terminal has ended, and the page has not stopped it.

        Raises:
            Failure: with the line of that terminal's command.
        """
        for terminal in self.terminals:
            status = terminal.process.poll()
            if not terminal.ready or status is None or (terminal.ends and status == 0):
                continue
            if _is_of_a_stop(status) and self._stops_since(terminal.after):
                continue
            raise Failure(
                f"`{terminal.command.partition(chr(10))[0]}`, which the page says runs in a terminal of its own, "
                f"has ended with exit status {status}, and no command of the page stops it. Mend what ends it; a "
                "command that does its work and ends with success has the option `:ends:`.\n"
                f"{terminal.output[-2000:]}",
                terminal.line,
            )

    def refuse_ended_late(self) -> None:
        """The same at the page's end, when each has had the time to fail, or to end as the page says that it does.

        Raises:
            Failure: with the line of that terminal's command.
        """
        for terminal in self.terminals:
            patience = SETTLE_SECONDS if terminal.ends else terminal.started + STAYS_SECONDS - time.monotonic()
            with contextlib.suppress(subprocess.TimeoutExpired):
                terminal.process.wait(max(patience, 0))
                continue
            if terminal.ends:
                raise Failure(
                    f"`{terminal.command.partition(chr(10))[0]}` still runs at the page's end, and its block says "
                    "`:ends:`: wait for it on the page, or take the option away",
                    terminal.line,
                )
        self.refuse_ended()

    def _stops_since(self, after: int) -> bool:
        """Whether a block that was judged after so many holds a command that stops another."""
        return any(
            (_STOPS_IN_PYTHON if block.language == "python" else _STOPS).search(block.source)
            for block in self.judged[after:]
        )

    def refuse_ignored(self) -> None:
        """Fail if NeMo Gym was given what it would ignore since the last call, whatever became of the exit status.

        Raises:
            Failure: with the line that holds the refused key, as far as the page shows it.
        """
        rows = self._refusals.read_text(encoding="utf-8").splitlines() if self._refusals.exists() else []
        new, self._refused = rows[self._refused :], len(rows)
        if new:
            note = json.loads(new[0])
            problems = "\n".join(f"    {problem}" for problem in note["problems"])
            raise Failure(
                f"`{note['command']}` gives NeMo Gym what it does not know, and would ignore:\n{problems}",
                self._line_of_refusal(note),
            )

    def _line_of_refusal(self, note: dict[str, Any]) -> int | None:
        """The last line of the page, up to the block at hand, that holds a quoted name of the refusal."""
        names = re.findall(r"'([^']+)'|`([^`]+)`", " ".join(note["problems"]))
        for name in filter(None, (name for pair in names for name in pair)):
            last = name.rpartition(".")[2]
            for block in reversed(self.judged):
                for at, text in enumerate(block.source.split("\n")):
                    if re.search(rf"(?<![\w-]){re.escape(last)}(?![\w-])", text):
                        return block.source_line + at
        return None

    def close(self) -> None:
        """End all that the page started. Its files stay, to be looked at and for pages that start from them."""
        for each in (self._worker, self._shell, *reversed(self.terminals)):
            if each is not None:
                each.close()
        for screen in self._screens:
            screen.close()
        self._screens.clear()
        if "apart" in self.__dict__:
            self.apart.close()


NETWORK_MESSAGE = (
    "it tried to reach the network{where}: snippets may reach this machine only, so that they work for every reader. "
    "Use data that ships with the install or that the page makes, or show the block with `:shown: <reason>`"
)


class PythonWorker:
    """The parent's end of `harness.python_worker`. It runs in ``python``, or, without one, in the page's own.

    Attributes:
        late: what it, and what it has started, printed while no block ran.
    """

    def __init__(
        self,
        python: Path | None,
        launch: Launch,
        directory: Path,
        environment: Mapping[str, str],
        log: Path,
        screen: Screen | None = None,
    ) -> None:
        self.log = log
        self.screen = screen
        self.late = ""
        self._told = 0  # how much of the log is the output of a block that has ended, or late
        requests_read, requests_write = os.pipe()
        answers_read, answers_write = os.pipe()
        # Beside a screen it is the Python that the page made, which nothing watches.
        program = python or shutil.which("python", path=environment["PATH"])
        if program is None:
            raise Failure("there is no `python` on PATH: the page, or the one before it, has not made an environment")
        watched = "bare" if screen else "watched"
        with Path(screen.device if screen else log).open("ab", buffering=0) as output:
            self.process = launch(
                [str(program), str(WORKER), str(requests_read), str(answers_write), watched],
                directory,
                environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[requests_read, answers_write],
                start_new_session=True,
            )
        os.close(requests_read)
        os.close(answers_write)
        self._requests = os.fdopen(requests_write, "w", encoding="utf-8")
        self._answers = os.fdopen(answers_read, encoding="utf-8")

    def run(self, block: Block, source: str, fails: str | None, page: Page, timeout: float) -> dict[str, Any]:
        """Run a block's Python.

        Raises:
            Failure: the process ended, or did not answer in time.
        """
        request = {
            "path": page.label,
            "text": page.text,
            "line": block.source_line,
            "source": source,
            "fails": fails,
        }
        self.late += self._printed()
        try:
            self._requests.write(json.dumps(request) + "\n")
            self._requests.flush()
        except BrokenPipeError:
            raise Failure("the page's Python process has ended: an earlier block ended it") from None
        ready, _, _ = select.select([self._answers], [], [], timeout)
        if not ready:
            self.close()
            raise Failure(f"it did not end within {timeout:.0f} s; the page's Python process was stopped")
        answer = self._answers.readline()
        if not answer:
            status = self.process.wait()
            raise Failure(f"it ended the page's Python process (exit status {status}):\n{self._printed()[-2000:]}")
        result = json.loads(answer)
        result["printed"] = self._printed()
        return result

    def leave(self, patience: float) -> None:
        """End it as a reader leaves Python: its threads end first, what it registered runs, what it started goes on.

        After ``patience`` seconds it is left as it is.
        """
        deadline = time.monotonic() + patience
        with contextlib.suppress(BrokenPipeError):
            self._requests.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(patience)
        while held_open(self.log) and time.monotonic() < deadline:
            time.sleep(0.1)
        self.late += self._printed()

    def _printed(self) -> str:
        """What has come into the log since it was last asked for."""
        if self.screen:
            self.screen.drain()
        with self.log.open("rb") as log:
            log.seek(self._told)
            printed = log.read()
            self._told = log.tell()
            return printed.decode(errors="replace")

    def close(self) -> None:
        from harness.shell import stop

        for end in (self._requests, self._answers):
            with contextlib.suppress(BrokenPipeError):
                end.close()
        stop(self.process)
