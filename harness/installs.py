"""Hold a page's install commands against the lock of the environment in which the page is tested."""

from __future__ import annotations

import re
import shlex
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from itertools import pairwise
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from harness.environments import Environment
from harness.nearest import nearest
from harness.verdict import Failure

#: Commands that make an environment or fill it: readers run them once, the page's environment stands for them.
_INSTALLERS = re.compile(r"^(?:uv pip|pip|pip3|python3? -m pip|uv tool|pipx) install\b")
_ENVIRONMENTS = re.compile(r"^(?:uv venv\b|python[\d.]* -m venv\b|(?:source|\.) \S*bin/activate$)")
#: Those of them that make a program an environment of its own: a reader has the program, and imports nothing of it.
_TOOLS = re.compile(r"^(?:uv tool|pipx) install\b")
#: What is written into an environment that the page makes is part of making it.
_INTO_ENVIRONMENT = re.compile(r"^(?:printf|echo) [^;&|]*>>? ?\.venv/[^;&|\s]+$")

#: Options of `pip install` and `uv pip install` that do not change what is installed; the second take a value.
_PLAIN = {"-U", "--upgrade", "-q", "--quiet", "--no-deps"}
_WITH_VALUE = {"-p", "--python", "--python-version"}
#: The Pythons of the environment that the pages have their readers make, by their paths.
_ITS_PYTHON = re.compile(r"(?:\./|\$PWD/)?\.venv(?:/bin/python[\d.]*)?/?|\$\{?VIRTUAL_ENV\}?/bin/python[\d.]*")

#: A wheel's file, and the extras that are asked for with it.
_WHEEL = re.compile(r"(?P<file>.+\.whl)(?P<extras>\[[\w,.-]+\])?")
#: The package of this project, which no lock names: readers download it from the site.
OWN = Path(__file__).parent.parent / "gym-rollouts" / "pyproject.toml"


@dataclass(frozen=True)
class Brought:
    """What an install command brings.

    Attributes:
        requirements: what it asks for.
        alone: whether what these need is left out.
        tools: whether they get an environment of their own, of which the reader has just the programs.
    """

    requirements: tuple[str, ...] = ()
    alone: bool = False
    tools: bool = False


@cache
def own() -> tuple[str, str]:
    """The name and the version of the project's own package."""
    project = tomllib.loads(OWN.read_text(encoding="utf-8"))["project"]
    return canonicalize_name(project["name"]), project["version"]


def own_wheel() -> str:
    """The name of the file of the project's own package."""
    name, version = own()
    return f"{name.replace('-', '_')}-{version}-py3-none-any.whl"


def is_install(command: str) -> bool:
    """Whether a command makes or fills a Python environment."""
    return bool(_INSTALLERS.match(command) or _ENVIRONMENTS.match(command) or _INTO_ENVIRONMENT.match(command))


@cache
def locked(lock: Path) -> dict[str, str]:
    """The version of each distribution that a lock pins."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", lock.read_text(encoding="utf-8"), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def tested(environment: Environment) -> dict[str, str]:
    """The version of each distribution with which an environment's pages are tested, by what its readers install."""
    after = dict(each.partition("==")[::2] for each in environment.unlocked)
    return after | locked(environment.readers_lock)


def brought_by(command: str, line: int) -> Brought:
    """What an install command brings the reader; nothing for one that only makes an environment, or fills another."""
    if not _INSTALLERS.match(command):
        return Brought()
    words = _words(command, line)
    if any("/" in python and not _ITS_PYTHON.fullmatch(python) for python in _pythons(words)):
        return Brought()
    names = _names(words[words.index("install") + 1 :], line)
    requirements = tuple(_requirement(word, line) for word in names)
    return Brought(requirements, "--no-deps" in words, bool(_TOOLS.match(command)))


def check_install(command: str, line: int, environment: Environment, folder: Path) -> None:
    """Refuse an install command that would give the reader something else than the environment of the page.

    Args:
        command: as it stands on the page, on ``line``.
        line: of the page.
        environment: the page's.
        folder: where the reader runs it: a wheel that it names must be there.

    Raises:
        Failure: a distribution, or a version of one, that the lock does not have; a file that is not there; another
            Python; or more than one plain command, of which the rest would not run.
    """
    if _INTO_ENVIRONMENT.match(command):
        return
    words = _words(command, line)
    _check_python(words, line, environment)
    if not _INSTALLERS.match(command):
        return
    names = _names(words[words.index("install") + 1 :], line)
    if not names:
        raise Failure(f"`{command}` names no distribution that can be held against the lock", line)
    for word in names:
        requirement = _parsed(_requirement(word, line, folder), line)
        name, version = own()
        if canonicalize_name(requirement.name) != name:
            version = tested(environment).get(canonicalize_name(requirement.name))
        elif not _WHEEL.fullmatch(word):
            wheel = own_wheel()
            raise Failure(
                f"`{word}`: no package index has our {name}. Link its file, {{download}}`the wheel "
                f"</downloads/{wheel}>`, and install that: `uv pip install ./{wheel}`",
                line,
            )
        if version is None:
            raise Failure(
                f"`{word}`: the page is not tested with {requirement.name}. Add it to the `{environment.reader}` group "
                "in pyproject.toml and run `nox -s lock`, or name the `environment:` of the page in its front matter",
                line,
            )
        if not requirement.specifier.contains(version, prereleases=True):
            raise Failure(f"`{word}`: the page is tested with {requirement.name} {version}", line)
        _check_extras(requirement, line, environment)


def _check_extras(requirement: Requirement, line: int, environment: Environment) -> None:
    """An extra must be one that the distribution, if it is installed, has: an installer only warns of another."""
    folder = environment.prefix / "lib" / f"python{environment.python}" / "site-packages"
    for each in metadata.distributions(name=requirement.name, path=[str(folder)]):
        known = {canonicalize_name(extra) for extra in each.metadata.get_all("Provides-Extra") or []}
        for extra in sorted(requirement.extras):
            if canonicalize_name(extra) not in known:
                hint = nearest(extra, known) if known else "it has none"
                raise Failure(f"`{requirement}`: {requirement.name} has no extra {extra!r}: {hint}", line)


def _parsed(requirement: str, line: int) -> Requirement:
    try:
        return Requirement(requirement)
    except InvalidRequirement as error:
        raise Failure(f"`{requirement}` is no requirement that can be checked: {error}", line) from None


def _requirement(word: str, line: int, folder: Path | None = None) -> str:
    """What an argument asks for; of a wheel's file, which must be in ``folder``, just its distribution and version."""
    found = _WHEEL.fullmatch(word)
    if not found:
        return word
    if "://" in word:
        raise Failure(
            f"`{word}`: the tests reach no other machine. Have the reader download it, and name the file", line
        )
    if folder is not None and not (folder / found["file"]).is_file():
        raise Failure(
            f"`{word}`: there is no such file where the reader runs this. Link it above with `{{download}}`, and name "
            "it as it is named there",
            line,
        )
    try:
        name, version, *_ = parse_wheel_filename(Path(found["file"]).name)
    except InvalidWheelFilename as error:
        raise Failure(f"`{word}`: {error}", line) from None
    return f"{name}{found['extras'] or ''}=={version}"


def _words(command: str, line: int) -> list[str]:
    """The words of a plain command; `--option=value` are two."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    words: list[str] = []
    for word in lexer:
        if not word.strip("();<>|&"):
            raise Failure(
                f"`{word}` in an install command, which is checked, not run: give each a `$ ` line as one command, "
                "and quote requirements",
                line,
            )
        words += word.split("=", 1) if word.startswith("--") else [word]
    return words


def _names(words: list[str], line: int) -> list[str]:
    """The requirements among the arguments of an install command."""
    names: list[str] = []
    arguments = iter(words)
    for word in arguments:
        if word in _WITH_VALUE:
            next(arguments, None)
        elif not word.startswith("-"):
            names.append(word)
        elif word not in _PLAIN:
            raise Failure(f"`{word}`: with this option, the lock does not say what would be installed", line)
    return names


def _pythons(words: list[str]) -> list[str]:
    """The Pythons that a command names by an option: versions or paths."""
    return [after for word, after in pairwise(words) if word in ("--python", "--python-version", "-p")]


def _check_python(words: list[str], line: int, environment: Environment) -> None:
    """The Python that a command asks for must be the one with which the page is tested."""
    tested = environment.python
    asked = _pythons(words)
    asked += [match[1] for word in words[:1] if (match := re.fullmatch(r"python(\d+\.\d+)", word))]
    for version in asked:
        if re.fullmatch(r"\d+(\.\d+)*", version) and not SpecifierSet(f"=={tested}.*").contains(version):
            raise Failure(f"Python {version}: the page is tested with Python {tested}", line)
