"""The page on what changed between releases, from the names that the published wheels have (`pinned.releases`)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from prose import releases

DATA = Path(__file__).resolve().parents[1] / "docs" / "_data"

Data = dict[str, Any]
#: A name as the page shows it: a link where the pinned release has it, else code.
Shown = Callable[[str], str]

#: Classes of which a configuration is made.
_SETTINGS = re.compile(r"nemo_gym\.[\w.]*\.[A-Z]\w*(?:Config|Settings|Source|Ref)(?:Mixin)?")


def changes(known: releases.Releases) -> Iterator[tuple[str, str, set[str], set[str]]]:
    """Each release but the first with the one before it, the newest first: what came, and what went.

    A class that moved to another module did neither.
    """
    for before, version in reversed(list(pairwise(known.versions))):
        came = {name for name, having in known.having.items() if version in having and before not in having}
        went = {name for name, having in known.having.items() if before in having and version not in having}
        moved = {_last(name) for name in came if "." in name} & {_last(name) for name in went if "." in name}
        yield version, before, *({name for name in names if _last(name) not in moved} for names in (came, went))


def _last(name: str) -> str:
    """A symbol without its module, which may be another one in the next release."""
    return name.rpartition(".")[2]


def releases_lines(data: Data, documented: Iterable[str], shown: Shown, folder: Path = DATA) -> Iterator[str]:
    """A section for each release: what it has that the one before lacks, and the other way round.

    Args:
        data: what is installed.
        documented: the paths of the classes that the reference describes.
        shown: how a name is written.
        folder: where ``releases.json`` and ``release-facts.toml`` are.
    """
    known = releases.load(folder)
    facts = tomllib.loads((folder / "release-facts.toml").read_text(encoding="utf-8"))
    agents = {path.split(".")[1] for path in data["classes"] if path.startswith("responses_api_agents.")}
    here = Installed(frozenset(documented), frozenset(data["servers"]), frozenset(agents))
    for version, before, came, went in changes(known):
        lines = [*_new(came, here, shown), *_gone(went, here, shown)]
        lines += [f"- Behavior: {facts[name]['says']}" for name in sorted(came & facts.keys())]
        lines += [f"- Behavior that is gone: {facts[name]['says']}" for name in sorted(went & facts.keys())]
        yield from [f"## {version}", ""]
        yield from [f"Compared with {before}:", "", *lines] if lines else [f"The same names as in {before}."]
        yield ""


@dataclass(frozen=True)
class Installed:
    """Names of the pinned release, by which those of a wheel are told from other words in it."""

    classes: frozenset[str]
    servers: frozenset[str]
    agents: frozenset[str]


def _new(names: set[str], here: Installed, shown: Shown) -> Iterator[str]:
    commands, flags = _commands(names)
    yield from _line("Commands", commands, shown)
    for command, own in flags.items():
        if command not in commands:  # those of a new command are with its entry
            yield from _line(f"Flags of {shown(command)}", own, shown)
    yield from _line("Settings", names & here.classes, shown)
    yield from _line("Resources servers", names & here.servers, shown)
    yield from _line("Agents", names & here.agents, shown)


def _gone(names: set[str], here: Installed, shown: Shown) -> Iterator[str]:
    classes = {_last(name) for name in here.classes}
    commands, flags = _commands(names)
    yield from _line("Commands that are gone", commands, shown)
    for command, own in flags.items():
        if command not in commands:
            yield from _line(f"Flags of {shown(command)} that are gone", own, shown)
    yield from _line(
        "Settings that are gone",
        (name for name in names if _SETTINGS.fullmatch(name) and _last(name) not in classes),
        shown,
    )


def _commands(names: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The commands among names, and the flags by their command."""
    own = sorted(name for name in names if name.startswith("gym "))
    flags: dict[str, list[str]] = {}
    for name in own:
        if " -" in name:
            flags.setdefault(name.partition(" -")[0], []).append(name)
    return [name for name in own if " -" not in name], flags


def _line(label: str, names: Iterable[str], shown: Shown) -> Iterator[str]:
    if found := sorted(names, key=lambda name: _last(name).lower()):
        yield f"- {label}: {', '.join(map(shown, found))}"


__all__ = ["changes", "releases_lines"]
