"""Write what other programs have that pages name: commands, flags, variables and words, from the installed programs.

    python -m pinned.programs            write docs/_data/programs.json
    python -m pinned.programs --check    fail where what is installed is not what the file says

A program is one entry of `PROGRAMS`. What cannot be installed here has an entry in ``docs/_data/programs.toml``, with
the version that its documentation is of.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import json
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.environments import DEFAULT, ENVIRONMENTS

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS_FILE = ROOT / "docs" / "_data" / "programs.json"

_FLAG = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*")
_COMMAND = re.compile(r"^  ([a-z][\w-]*)  ", re.MULTILINE)
_KEY = re.compile(r"[A-Za-z_][\w./-]{2,60}")


@dataclass(frozen=True)
class Program:
    """How to ask a program what it has.

    Attributes:
        title: how prose calls it.
        package: the distribution whose version is its version.
        click: ``module:name`` of its group of commands, or of a function that gives it, where it is made with click.
        help: what follows its name and a command's to print what the command takes.
        variables: the module whose sources hold the variables that it reads, and how they begin.
        environment: the environment in which it is installed.
        sources: patterns of the files there, beside the distributions, whose words are its names: identifiers, and
            strings that could be a key.
        scripts: its commands, where words are all that is known of them.
        flags: ``module:name`` of a function that gives its commands with their flags, called in that environment.
        keys: the same for the keys of its configurations, which are names.
    """

    title: str
    package: str
    click: str = ""
    help: tuple[str, ...] = ("--help",)
    variables: tuple[str, str] = ("", "")
    environment: str = DEFAULT
    sources: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    flags: str = ""
    keys: str = ""


#: The programs, by the word that starts their commands.
PROGRAMS = {
    "uv": Program("uv", "uv", help=("help",), variables=("", "UV_")),
    "ray": Program("Ray", "ray", click="ray.scripts.scripts:cli", variables=("ray", "RAY_")),
    "pytest": Program("pytest", "pytest"),
    "nox": Program("nox", "nox"),
    "gym-rollouts": Program("gym-rollouts", "gym-rollouts", click="gym_rollouts.cli:group"),
    "trl": Program(
        "TRL",
        "trl",
        environment="trl",
        sources=("trl/**/*.py", "transformers/training_args.py"),
        scripts=("trl sft", "trl dpo", "trl grpo", "trl vllm-serve"),
    ),
    "accelerate": Program(
        "Accelerate",
        "accelerate",
        environment="trl",
        sources=("accelerate/commands/launch.py",),
        scripts=("accelerate launch",),
    ),
    "openrlhf": Program(
        "OpenRLHF",
        "openrlhf",
        environment="openrlhf",
        sources=("openrlhf/**/*.py",),
        flags="harness.consumers.openrlhf:flags",
    ),
    "verl": Program(
        "verl",
        "verl",
        environment="verl",
        sources=(
            "verl/trainer/**/*.py",
            "verl/experimental/agent_loop/*.py",
            "verl/experimental/reward_loop/**/*.py",
            "verl/utils/dataset/*.py",
            "verl/utils/config.py",
        ),
        scripts=("verl.trainer.main_ppo", "verl.trainer.sft_trainer"),
        keys="harness.consumers.verl:keys",
    ),
    "transformers": Program("transformers", "transformers", environment="trl"),
    "torch": Program("torch", "torch", environment="trl"),
}


def gather(name: str, program: Program) -> dict[str, Any]:
    """The version, commands and variables of a program."""
    if program.click:
        commands = dict(_from_click(name, program.click))
    elif program.environment == DEFAULT:
        commands = dict(_from_help(name, program))
    elif program.flags:
        commands = _from_its_environment(program, program.flags)
    else:
        commands = {command: [] for command in program.scripts}
    found = {
        "title": program.title,
        "package": program.package,
        "version": _version(name, program),
        "commands": {command: sorted(set(flags)) for command, flags in sorted(commands.items())},
        "environment": sorted(_variables(name, program)),
    }
    if program.sources:
        found |= {"runs_in": program.environment, "names": sorted(words(_sources(program)) | _keys(program))}
    return found


def words(files: Iterable[Path]) -> set[str]:
    """What files of Python name: classes, functions, parameters, attributes, fields, and strings like a key."""
    found: set[str] = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.ClassDef(name=word) | ast.FunctionDef(name=word) | ast.AsyncFunctionDef(name=word):
                    found.add(word)
                case ast.arg(arg=word) | ast.keyword(arg=str(word)) | ast.Attribute(attr=word):
                    found.add(word)
                case ast.AnnAssign(target=ast.Name(id=word)):
                    found.add(word)
                case ast.Constant(value=str(word)) if _KEY.fullmatch(word):
                    found.add(word)
    return found


def _sources(program: Program) -> Iterator[Path]:
    for folder in _site_packages(program.environment):
        for pattern in program.sources:
            yield from folder.glob(pattern)


def _site_packages(environment: str) -> list[Path]:
    return sorted(ENVIRONMENTS[environment].prefix.glob("lib/python*/site-packages"))


def installed(program: Program) -> str | None:
    """The version in which a program's distribution is installed where it belongs; None where it is not."""
    if program.environment == DEFAULT:
        found = metadata.distributions(name=program.package)
    else:
        found = metadata.distributions(
            name=program.package, path=[str(each) for each in _site_packages(program.environment)]
        )
    # A build of its own, such as 2.13.0+cpu, is the same release.
    return next((each.version.partition("+")[0] for each in found), None)


def _version(name: str, program: Program) -> str:
    return installed(program) or re.search(r"\d+(\.\d+)+", _said(name, "--version"))[0]


def _said(*command: str) -> str:
    found = shutil.which(command[0])
    if found is None:
        raise RuntimeError(f"{command[0]} is not installed: its names cannot be read")
    return subprocess.run([found, *command[1:]], capture_output=True, text=True, check=True).stdout


def _from_click(name: str, group: str) -> Iterator[tuple[str, list[str]]]:
    module, _, attribute = group.partition(":")

    def walk(words: str, command: Any) -> Iterator[tuple[str, list[str]]]:
        yield words, [flag for each in command.params for flag in each.opts + each.secondary_opts if flag[0] == "-"]
        for inner, each in getattr(command, "commands", {}).items():
            yield from walk(f"{words} {inner}", each)

    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # of what it imports, such as Ray
        made = getattr(importlib.import_module(module), attribute)
    return walk(name, made if hasattr(made, "params") else made())


def _keys(program: Program) -> set[str]:
    made = _from_its_environment(program, program.keys) if program.keys else {}
    return {key for keys in made.values() for key in keys}


def _from_its_environment(program: Program, named: str) -> dict[str, list[str]]:
    module, _, function = named.partition(":")
    ask = f"import json; from {module} import {function}; print(json.dumps({function}()))"
    command = [ENVIRONMENTS[program.environment].interpreter, "-c", ask]
    return json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)


def _from_help(name: str, program: Program) -> Iterator[tuple[str, list[str]]]:
    def walk(words: list[str]) -> Iterator[tuple[str, list[str]]]:
        before = program.help == ("help",)
        text = _said(words[0], *program.help, *words[1:]) if before else _said(*words, *program.help)
        yield " ".join(words), _FLAG.findall(text)
        listed = text.partition("\nCommands:\n")[2].partition("\n\n")[0]
        for inner in _COMMAND.findall(f"{listed}  "):
            if inner != "help":
                yield from walk([*words, inner])

    return walk([name])


def _variables(name: str, program: Program) -> set[str]:
    package, start = program.variables
    if not start:
        return set()
    pattern = re.compile(rf"\b{start}[A-Z0-9_]+\b")
    if not package:
        commands = [words.split()[1:] for words, _ in _from_help(name, program)]
        return {found for words in commands for found in pattern.findall(_said(name, *program.help, *words))}
    folder = Path(importlib.import_module(package).__file__).parent
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in folder.rglob("*.py"))
    quoted = re.compile(rf"""["']({start}[A-Z0-9_]+)["']""")
    return {found for text in texts for found in quoted.findall(text)}


def out_of_date(found: dict[str, Any]) -> Iterator[str]:
    """Each program that is installed in another version than the file is of, or has other commands."""
    for name, each in found.items():
        if name not in PROGRAMS:
            yield f"{name}: the file has it, and `pinned.programs.PROGRAMS` has not"
            continue
        found_version = installed(PROGRAMS[name])
        if found_version is None:  # uv, which brings the tests' environment about; an environment that is not installed
            continue
        if found_version != each["version"]:
            yield f"{name}: the names are of {each['version']}, installed is {found_version}"
        elif PROGRAMS[name].click and gather(name, PROGRAMS[name])["commands"] != each["commands"]:
            yield f"{name}: its commands or their flags are others now"


def main(arguments: list[str] | None = None) -> int:
    """Write the file, or compare its versions with what is installed; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pinned.programs", description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a version is another one")
    options = parser.parse_args(arguments)
    if options.check:
        faults = list(out_of_date(json.loads(PROGRAMS_FILE.read_text(encoding="utf-8"))))
        if faults:
            print(*faults, "Run nox -s reference", sep="\n", file=sys.stderr)
        return 1 if faults else 0
    before = json.loads(PROGRAMS_FILE.read_text(encoding="utf-8")) if PROGRAMS_FILE.is_file() else {}
    found = {}
    for name, program in PROGRAMS.items():
        there = installed(program) if program.environment != DEFAULT else program.click or shutil.which(name)
        if there or name not in before:
            found[name] = gather(name, program)
        else:
            print(f"{name} is not installed: its names stay those of {before[name]['version']}")
            found[name] = before[name]
    rows = [f" {json.dumps(name)}: {json.dumps(each)}" for name, each in found.items()]
    PROGRAMS_FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
    print(PROGRAMS_FILE.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
