"""What the reader of a page has installed, and what of the page's environment, which has everything, they have not.

A reader has what the distributions that the page's environment describes bring along, and what the install commands
of the page that they have run by then bring. The rest is hidden from the page's processes: its modules by
`harness/hiding.py`, its programs by others of their names. Both say just what the reader's own machine would say.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.environments import Environment
from harness.installs import Brought, own, own_wheel

#: What each Python of a page runs as it starts, because of the file of this name among its packages.
HIDING = Path(__file__).with_name("hiding.py")
_STARTS = "harness-hiding.pth"

#: Names the file that lists what is hidden: a kind, module or distribution, and a name on each line.
HIDDEN = "HARNESS_HIDDEN"

#: What a reader without any of them has too: uv makes the environment in which they follow the pages.
WITH_UV = frozenset({"uv"})

_SAID = re.compile(r"No module named '(\w+)|(?:^|: )([\w.-]+): command not found", re.MULTILINE)
#: A program that an installer puts into an environment of its own: it imports what the page's processes may not.
_TOOL = f'#!/bin/sh\nunset {HIDDEN}\nexec "{{}}" "$@"\n'
_NO_PROGRAM = '#!/bin/sh\necho "bash: ${0##*/}: command not found" >&2\nexit 127\n'


class Packages:
    """The distributions of an environment, read from its files: no Python of it runs.

    Args:
        environment: one that is installed.

    Attributes:
        folder: where they lie.
        names: of the distributions.
        modules: the names, without dots, of their modules, each with the distributions that have one.
        programs: the names of their programs, each with that of its distribution.
        sources: the folders in which the modules of editable installs lie.
    """

    def __init__(self, environment: Environment) -> None:
        python = environment.python
        self.folder = folder = environment.prefix / "lib" / f"python{python}" / "site-packages"
        self._markers = {"python_version": python, "python_full_version": f"{python}.99", "extra": ""}
        self._needs: dict[str, list[str]] = {}
        self.modules: dict[str, set[str]] = {}
        self.programs: dict[str, str] = {}
        self.names: set[str] = set()
        self.sources: set[Path] = set()
        programs, modules = environment.programs.name, set[tuple[str, str]]()
        for each in metadata.distributions(path=[str(folder)]):
            name = canonicalize_name(each.metadata["Name"])
            self.names.add(name)
            self._needs[name] = each.metadata.get_all("Requires-Dist") or []
            for file in _files_of(each):
                first, *others = file.split("/")
                if first == "..":
                    if others[-2:-1] == [programs]:
                        self.programs[others[-1]] = name
                elif others:
                    modules.add((first, name))
                elif first.endswith(".pth"):  # an editable install names its sources' folder
                    for source in _named_by(folder / first):
                        self.sources.add(source)
                        modules |= {(path.stem, name) for path in source.iterdir() if path.suffix in ("", ".py")}
                elif first.endswith((".py", ".so")):
                    modules.add((first.partition(".")[0], name))
        for module, name in modules:
            if module.isidentifier():
                self.modules.setdefault(module, set()).add(name)

    def brings(self, module: str) -> frozenset[str]:
        """The distributions that have a module of that name, without dots."""
        return frozenset(self.modules.get(module, ()))

    @cache  # noqa: B019  (one object for each environment, for as long as the process lives)
    def closure(self, requirement: str, alone: bool = False) -> frozenset[str]:
        """The distributions that one requirement brings along on this machine: with itself, or that ``alone``."""
        found: set[tuple[str, str]] = set()
        asked = Requirement(requirement)
        if asked.marker is not None and not asked.marker.evaluate(self._markers):
            return frozenset()
        if alone:
            return frozenset({canonicalize_name(asked.name)})
        waiting = [asked]
        while waiting:
            asked = waiting.pop()
            for extra in ("", *asked.extras):
                here = (canonicalize_name(asked.name), extra)
                if here not in found:
                    found.add(here)
                    # What is not installed is what this Python or platform does not need.
                    needs = map(Requirement, self._needs.get(here[0], ()))
                    here_too = self._markers | {"extra": extra}
                    waiting += [need for need in needs if need.marker is None or need.marker.evaluate(here_too)]
        return frozenset(name for name, _ in found)


def _files_of(distribution: metadata.Distribution) -> Iterator[str]:
    """The files of a distribution, seen from the folder in which it lies; whether they are there is not asked."""
    record = distribution.read_text("RECORD") or ""
    for row in csv.reader(record.splitlines()):
        yield row[0]


def _named_by(path: Path) -> Iterator[Path]:
    """The folders that a ``.pth`` file puts on the path of imports."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("/") and Path(line).is_dir():
            yield Path(line)


@cache
def packages(environment: Environment) -> Packages:
    """What an environment has, read once."""
    return Packages(environment)


@cache
def starts_with(folder: Path, name: str, line: str) -> None:
    """See that each Python with the packages of ``folder`` runs a line as it starts, from a file of that name there."""
    # Not by PYTHONPATH: a page may set it, and its reader has none.
    path = folder / name
    if not path.is_file() or path.read_text(encoding="utf-8") != line:
        unfinished = path.with_suffix(f".{os.getpid()}")
        unfinished.write_text(line, encoding="utf-8")
        unfinished.replace(path)


class Reader:
    """The reader of one page.

    Args:
        folder: where what the page's processes need of this is kept.
        environment: the page's. Its reader begins with the distributions that it describes.
    """

    def __init__(self, folder: Path, environment: Environment) -> None:
        self._packages = packages(environment)
        run = f"HIDDEN and exec(open({str(HIDING)!r}).read(), {{}})"
        starts_with(self._packages.folder, _STARTS, f'import os; HIDDEN = os.environ.get("{HIDDEN}"); {run}\n')
        self._missing = folder / "not-installed"
        self._hidden = folder / "hidden"
        self._missing.mkdir(parents=True)
        self._has = WITH_UV
        self._tools: dict[str, str] = {}
        self._programs = environment.programs
        self._begins_with = " and ".join(environment.describes)
        self.installs(Brought(environment.describes))

    def installs(self, brought: Brought) -> None:
        """Take note of what an install command of the page brings."""
        if brought.tools:
            names = frozenset().union(*(self._packages.closure(each, True) for each in brought.requirements))
            programs = [program for program, of in self._packages.programs.items() if of in names]
            self._tools |= {program: _TOOL.format(self._programs / program) for program in programs}
        else:
            self._has = self._has.union(*(self._packages.closure(each, brought.alone) for each in brought.requirements))
        hidden = [f"module {name}\n" for name, of in self._packages.modules.items() if not of & self._has]
        hidden += [f"distribution {name}\n" for name in self._packages.names - self._has]
        hidden += [f"sources {folder}\n" for folder in self._packages.sources]
        self._hidden.write_text("".join(sorted(hidden)), encoding="utf-8")
        programs = {name for name, of in self._packages.programs.items() if of not in self._has}
        wanted = {**dict.fromkeys(programs, _NO_PROGRAM), **self._tools}
        for path in self._missing.iterdir():
            if path.name not in wanted:
                path.unlink()
        for name, text in wanted.items():
            path = self._missing / name
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
                path.chmod(0o755)

    def environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment, with what hides from a process that has it what the reader has not."""
        path = os.pathsep.join([str(self._missing), environment["PATH"]])
        return {**environment, "PATH": path, HIDDEN: str(self._hidden)}

    def hint(self, said: str) -> str:
        """How to mend it where a message says that something is not there which only this environment has; or ""."""
        for module, program in _SAID.findall(said):
            brought = self._packages.brings(module) if module else {self._packages.programs.get(program)} - {None}
            if brought and not brought & self._has:
                name = min(brought)
                return (
                    f"The reader of this page has no {module or program} here: {self._begins_with} does not bring "
                    f"{name}. Put {_installing(name)} above this, in a console block."
                )
        return ""


def _installing(name: str) -> str:
    """How a page has its reader install a distribution."""
    if name != own()[0]:
        return f"`$ uv pip install {name}`"
    return f"a {{download}} link to its wheel, /downloads/{own_wheel()}, and `$ uv pip install ./{own_wheel()}`"


def outside(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what `Reader.environment` added: that of a ``gym`` command, and of servers.

    These run in environments of their own, and start programs that no reader types.
    """
    if HIDDEN not in environment:
        return dict(environment)
    hidden = str(Path(environment[HIDDEN]).with_name("not-installed"))
    path = [each for each in environment.get("PATH", "").split(os.pathsep) if each != hidden]
    kept = {name: value for name, value in environment.items() if name != HIDDEN}
    return kept | {"PATH": os.pathsep.join(path)}
