"""Refuse what a ``gym`` command would ignore in silence.

NeMo Gym's commands take any ``+key=value`` and any key of a configuration file, and drop those that they do not
know: ``+num_repeat=4`` exits with 0 and does nothing. `install` looks at a command line before the command runs
and exits with `EXIT_CODE` and a message when the pinned command would not read what it is given.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pinned.symbols import pinned_version

#: The exit status of a command that the harness refused: no command of NeMo Gym uses it.
EXIT_CODE = 97

#: Names the file in which each refusal is noted, whatever the page then does with the exit status.
NOTES = "HARNESS_REFUSALS"


def install(argv: list[str]) -> None:
    """Check the command line ``argv``; exit with `EXIT_CODE` if a key in it would be ignored.

    Beside another release than the pinned one (``nox -s drift``) commands run as they are: what is checked here, and
    with which classes, is the pin's.
    """
    if version("nemo-gym") != pinned_version():
        return
    # In a process of its own: reading the servers' classes imports them, which the command itself must not notice.
    checking = os.fork()
    if checking == 0:
        os._exit(_check(argv))
    status = os.waitstatus_to_exitcode(os.waitpid(checking, 0)[1])
    if status:
        raise SystemExit(status)


def _check(argv: list[str]) -> int:
    """Print what is wrong with a command line; the exit status that it deserves."""
    sys.argv = argv[:1]  # what is imported may parse the arguments of the process
    try:
        problems = problems_of(argv)
    except SystemExit as refused:  # argparse has said what is wrong
        return int(refused.code or 0)
    for problem in problems:
        print(f"harness: {problem}", file=sys.stderr)
    if problems:
        print("harness: NeMo Gym would have ignored this in silence; mend the key or leave it out.", file=sys.stderr)
        note_refusal(argv, problems)
    sys.stderr.flush()
    return EXIT_CODE if problems else 0


def note_refusal(argv: list[str], problems: list[str]) -> None:
    """Note a refused command line where the page's session looks for it."""
    if path := os.environ.get(NOTES):
        row = json.dumps({"command": shlex.join([Path(argv[0]).name, *argv[1:]]), "problems": problems})
        with Path(path).open("a", encoding="utf-8") as notes:
            notes.write(row + "\n")


def problems_of(argv: list[str]) -> list[str]:
    """What NeMo Gym would ignore of the command line ``argv``, as sentences.

    Raises:
        SystemExit: NeMo Gym's own parser refuses it, and has printed why.
    """
    return _ignored(*_parse(argv))


def _ignored(command: str | None, args: Any, tokens: list[str]) -> list[str]:
    """What NeMo Gym would ignore of a command line that `_parse` has read."""
    if command is None:
        return []
    from harness.consumers.gym import gym_config, included

    tokens = [token for token in tokens if not token.startswith("-")]
    files = _config_files(args, tokens)
    texts = {path: path.read_text(encoding="utf-8") for path in files}
    texts |= included(texts.values())
    own = {path: text for path, text in texts.items() if not _ships_with_the_install(path)}

    def check(text: str) -> list[Any]:
        return gym_config(text, command, texts.values(), keys_only=True)

    found = [f"{path.name}:{p.line}: {p.message}" for path, text in own.items() for p in check(text)]
    overrides = _overrides(tokens)
    return found + [f"on the command line: {p.message}" for p in (check(overrides) if overrides else [])]


def refusals_of(argv: list[str]) -> list[str]:
    """All that is wrong with a command line that nobody runs: what NeMo Gym would refuse, and what it would ignore.

    Raises:
        SystemExit: NeMo Gym's own parser refuses it, and has printed why.
    """
    from nemo_gym.cli.main import COMMANDS

    from harness.consumers.gym import gym_config, not_there
    from harness.nearest import nearest

    command, args, tokens = _parse(argv)
    if unknown := [token.partition("=")[0] for token in tokens if token.startswith("-")]:
        flags = [flag for action in args._parser._actions for flag in action.option_strings]
        return [f"no flag {flag!r}: {nearest(flag, flags)}" for flag in unknown]
    if command is None:
        return []
    if missing := [said for name in getattr(args, "config", None) or [] if (said := not_there(name))]:
        return missing
    try:
        translated = [token for flag in COMMANDS[command].flags for token in flag.translate_to_hydra(args)]
    except ValueError as error:  # such as a resources server that there is none of
        return [str(error)]
    values = _overrides([token for token in translated if not token.lstrip("+").startswith("config_paths=")])
    refused = gym_config(values, command) if values else []
    return _ignored(command, args, tokens) or [problem.message for problem in refused]


def _parse(argv: list[str]) -> tuple[str | None, Any, list[str]]:
    """The command's name, its parsed flags, and all else: ``key=value`` tokens, and flags that it does not know."""
    from nemo_gym.cli.legacy import LEGACY
    from nemo_gym.cli.main import COMMANDS, build_parser

    program, words = Path(argv[0]).name, argv[1:]
    if program != "gym":
        words = [*LEGACY.get(program.removeprefix("nemo_gym_").removeprefix("ng_"), ["--help"]), *words]
    if {"-h", "--help", "+h=true", "+help=true"} & set(words):
        return None, None, []
    args, tokens = build_parser().parse_known_args(words)
    chosen = getattr(args, "_command", None)
    name = next((name for name, command in COMMANDS.items() if command is chosen), None)
    return name, args, tokens


def _config_files(args: Any, tokens: list[str]) -> list[Path]:
    """Every configuration file that the command line names, by ``--config``, an asset's flag or ``config_paths``."""
    from nemo_gym.cli.main import _ASSETS, _asset_config_path
    from nemo_gym.global_config import _resolve_under_cwd_or_install

    names = list(getattr(args, "config", None) or [])
    for flag in _ASSETS:
        chosen = getattr(args, flag.replace("-", "_"), None)
        for value in [chosen] if isinstance(chosen, str) else chosen or []:
            try:
                names.append(_asset_config_path(flag, value))
            except (SystemExit, ValueError):
                continue  # the command itself says that there is no such asset
    for token in tokens:
        if listed := re.fullmatch(r"\+*config_paths=\[(.*)\]", token, re.DOTALL):
            names += [name.strip().strip("\"'") for name in listed[1].split(",")]
    paths = [Path(_resolve_under_cwd_or_install(name)) for name in [*names, "env.yaml"]]
    return list(dict.fromkeys(path.resolve() for path in paths if path.is_file()))


def _ships_with_the_install(path: Path) -> bool:
    from nemo_gym import PARENT_DIR

    return path.is_relative_to(Path(PARENT_DIR).resolve())


def _overrides(tokens: list[str]) -> str:
    """The ``key.path=value`` tokens as one YAML text, each read as Hydra reads it, such as ``a.b={c:1}``."""
    import yaml
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, merged = OverridesParser.create(), {}
    for token in tokens:
        try:
            override = parser.parse_override(token)
        except HydraException:
            continue  # the command itself says what is wrong with it
        if not override.is_delete() and not override.is_sweep_override():
            value = override.value()
            for key in reversed(override.key_or_group.split(".")):
                value = {key: value}
            merged = _merged(merged, value)
    # A value may be anything that Hydra reads: its keys are what is checked, as its type is by the command itself.
    return yaml.safe_dump(merged) if merged else ""


def _merged(low: Any, high: Any) -> Any:
    if isinstance(low, dict) and isinstance(high, dict):
        return low | {key: _merged(low.get(key), value) for key, value in high.items()}
    return high
