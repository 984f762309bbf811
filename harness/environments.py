"""What pages run in: the Python environments, one line for each in the table ``tool.environments`` of pyproject.toml.

A page names its environment in its front matter (``environment: NAME``); one that names none runs in `DEFAULT`, beside
NeMo Gym. An environment's name is also that of its dependency group, of its lock, of the nox session that installs it
and of the folder in which that lies. A consumer names the environment in which it runs (`harness.consumers`).

Importable without any package: the noxfile and the site's extensions read this too.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.verdict import Failure

ROOT = Path(__file__).parent.parent

#: The environment of the tests themselves, in which NeMo Gym is installed.
DEFAULT = "tests"

#: Names the folder in which the environments lie, where that is not ``.nox``.
FOLDER_VARIABLE = "HARNESS_ENVIRONMENTS"

#: Set where an environment that is not installed is a fault, as it is in CI.
ALL_VARIABLE = "HARNESS_ALL_ENVIRONMENTS"

#: The file in an installed environment that holds the digest of the lock from which it was installed.
STAMP = "lock.sha256"

# Prints the versions of Python and of the distributions that are its arguments, as JSON.
_VERSIONS = """
import importlib.metadata, json, platform, sys
names = sys.argv[1:]
print(json.dumps({"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in names}))
"""


class NotInstalled(Exception):
    """What is to be judged needs an environment that is not installed.

    Args:
        environment: its name.
        message: what is missing, and how to install it.
    """

    def __init__(self, environment: str, message: str) -> None:
        super().__init__(message)
        self.environment = environment


@dataclass(frozen=True)
class Environment:
    """An environment in which pages and consumers run.

    Attributes:
        name: its name.
        python: the Python that it has, such as ``3.12``.
        describes: the distributions whose behavior its pages describe; the foot of each page names their versions.
        compiled_for: the oldest release of that Python for which its lock is compiled.
        reader: the name of the lock of what a reader of its pages installs. That may be more than is installed here,
            such as a framework beside NeMo Gym: then it is resolved only.
        reader_compiled_for: the oldest Python for which that lock is compiled, where it is another one.
        unlocked: requirements that are installed after the lock, without hashes: of torch there is a build for CPUs
            only, which has another index, or a folder, on each machine. What they need is in the group.
        left_out: what a distribution of it declares to need, and no check does: neither locked nor installed.
        tool: whether the project's own package is installed there, from its sources.
    """

    name: str
    python: str
    describes: tuple[str, ...]
    compiled_for: str
    reader: str
    reader_compiled_for: str = ""
    unlocked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    tool: bool = False

    @property
    def lock(self) -> Path:
        """The lock from which it is installed."""
        return ROOT / "locks" / f"{self.name}.txt"

    @property
    def readers_lock(self) -> Path:
        """The lock against which the install lines of its pages are held."""
        return ROOT / "locks" / f"{self.reader}.txt"

    @property
    def prefix(self) -> Path:
        """The folder in which it is, or would be, installed."""
        if self.name == DEFAULT:
            return Path(sys.prefix)
        return Path(os.environ.get(FOLDER_VARIABLE) or ROOT / ".nox") / self.name

    @property
    def programs(self) -> Path:
        """The folder of its programs."""
        return self.prefix / "bin"

    @property
    def interpreter(self) -> Path:
        """Its Python."""
        return Path(sys.executable) if self.name == DEFAULT else self.programs / "python"

    @property
    def folders(self) -> tuple[Path, Path]:
        """Where it lies, and where the Python lies from which it was made."""
        return self.prefix, self.interpreter.resolve().parents[1]

    def missing(self) -> str | None:
        """What is missing where it cannot be used, and how to install it; None where it can."""
        if self.name == DEFAULT:
            return None
        install = f"install it with nox -s {self.name}, which needs Python {self.python}"
        if not self.interpreter.exists():
            return f"the environment {self.name} is not installed: {install}"
        stamp = self.prefix / STAMP
        if not stamp.is_file() or stamp.read_text(encoding="utf-8") != _digest(self.lock):
            return f"the environment {self.name} was not installed from locks/{self.lock.name} as it is: {install}"
        return None

    def require(self) -> Environment:
        """Itself, if it is installed.

        Raises:
            NotInstalled: it is not.
            Failure: it is not, and ``HARNESS_ALL_ENVIRONMENTS`` says that this is a fault.
        """
        if reason := self.missing():
            if os.environ.get(ALL_VARIABLE):
                raise Failure(reason)
            raise NotInstalled(self.name, reason)
        return self

    def versions(self) -> dict[str, str]:
        """The versions of its Python (``python``) and of what it describes; nothing where it is not installed."""
        return {} if self.missing() else _versions(self.interpreter, self.describes)

    def digest(self) -> str:
        """What a verdict depends on that was reached in it: what is installed, and which Python runs it."""
        return json.dumps([self.name, self.describes, _digest(self.lock), _digest(self.readers_lock), self.versions()])


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


@cache
def _versions(interpreter: Path, names: tuple[str, ...]) -> dict[str, str]:
    command = [interpreter, "-I", "-c", _VERSIONS, *names]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def read(pyproject: Path) -> dict[str, Environment]:
    """The environments that a pyproject.toml names, each under its name."""
    rows: dict[str, Any] = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["environments"]
    return {
        name: Environment(
            name=name,
            python=row["python"],
            describes=tuple(row["describes"]),
            compiled_for=row.get("compiled-for", row["python"]),
            reader=row.get("reader", name),
            reader_compiled_for=row.get("reader-compiled-for", ""),
            unlocked=tuple(row.get("unlocked", ())),
            left_out=tuple(row.get("left-out", ())),
            tool=row.get("tool", False),
        )
        for name, row in rows.items()
    }


#: Every environment, under its name.
ENVIRONMENTS = read(ROOT / "pyproject.toml")


def named(name: object) -> Environment:
    """The environment of that name.

    Raises:
        LookupError: there is none.
    """
    if not isinstance(name, str) or name not in ENVIRONMENTS:
        raise LookupError(f"expected environment to be one of {', '.join(ENVIRONMENTS)}; found {name!r}")
    return ENVIRONMENTS[name]
