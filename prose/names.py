"""The names that exist: what the pinned release has, what other programs have, and what a page has of its own.

`Known` reads what is committed below ``docs/_data``: nothing here needs NeMo Gym. `Own` reads the snippets of a page,
of those that it builds on or links to, and what its reader downloads: snippets are run, so their names are right.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import importlib
import json
import keyword
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.blocks import Block, BlockError
from harness.pages import Page, upstream
from harness.verdict import Failure
from pinned.symbols import read_index

WORD = re.compile(r"[A-Za-z_]\w*")
FLAG = re.compile(r"(?<![\w-])--?[A-Za-z][\w-]*(?:\.[A-Za-z][\w-]*)*")
_LINK = re.compile(r"\]\((?P<path>[^)#\s]+\.md)[^)]*\)|\{doc\}`(?:[^`<]*<)?(?P<doc>[^`>]+)>?`")
_PROMPT = re.compile(r"^\$ (?P<command>.+(?:\\\n.*)*)", re.MULTILINE)

#: Folders of the wheel that hold components; a configuration names a server below them by its folder.
KINDS = ("resources_servers", "responses_api_agents", "responses_api_models", "environment_servers")

#: What every object of Python's own types has, and every pydantic model.
_TYPES = (str, bytes, int, float, list, dict, set, tuple, BaseException, object)

#: What stands below a line that begins so is generated from the release, and judged where that is done.
GENERATED = "% Generated "

#: A file of that name in so many folders of the wheel is a convention, such as app.py.
OFTEN = 10

Commands = dict[str, "Command"]


@dataclass(frozen=True)
class Command:
    """A command of a program: its flags with their defaults ("" where it has none), and what it may be followed by.

    ``choices`` are the values that a flag takes, where it takes no others.
    """

    name: str
    flags: Mapping[str, str]
    classes: tuple[str, ...] = ()
    inner: tuple[str, ...] = ()
    sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Program:
    """Another program: how prose calls it, its version, and its names.

    ``runs_in`` is the environment of the pages on it, where it has thousands of names: they count there, and on a page
    that calls the program by its title.
    """

    name: str
    title: str
    versions: tuple[str, ...]
    commands: Mapping[str, tuple[str, ...]]
    names: frozenset[str]
    environment: frozenset[str]
    says: tuple[str, ...]
    runs_in: str = ""

    def length(self, words: list[str]) -> int:
        """How many of some words are the longest command of the program that they begin with; 0 for none."""
        lengths = range(len(words), 0, -1)
        return next((length for length in lengths if " ".join(words[:length]) in self.commands), 0)


class Known:
    """What exists, by kind. ``data`` is the folder of the site's data files."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.found = json.loads((data / "names.json").read_text(encoding="utf-8"))
        self.version: str = self.found["version"]
        self.symbols = read_index(data / "source-index.txt")

    # ------------------------------------------------------------------------------------------ commands

    @cached_property
    def commands(self) -> Commands:
        """Each ``gym`` command, each group of them, and the old names."""
        found: Commands = {}
        everywhere = self.found["commands"]["gym"]["flags"]
        for name, data in self.found["commands"].items():
            flags = {flag: one.get("default", "") for flag, one in (everywhere | data["flags"]).items()}
            sets = {flag: tuple(one.get("sets", ())) for flag, one in data["flags"].items()}
            values = {flag: tuple(one["choices"]) for flag, one in data["flags"].items() if "choices" in one}
            inner = tuple(choice for each in data["arguments"] for choice in each)
            flags |= {"--help": "", "-h": ""}
            found[name] = Command(name, flags, tuple(data["classes"]), inner, sets, values)
        for name in list(found):
            words = name.split()
            for length in range(1, len(words)):
                group = " ".join(words[:length])
                before = found.get(group) or Command(group, {"--help": "", "-h": ""})
                if words[length] not in before.inner:
                    inner = (*before.inner, words[length])
                    found[group] = replace(before, inner=inner)
        for old, new in self.found["old_commands"].items():
            now = found.get(new)
            found[old] = Command(old, {}, now.classes if now else ())
        return found

    @cached_property
    def programs(self) -> dict[str, Program]:
        """Other programs by the word that starts their commands."""
        generated = json.loads((self.data / "programs.json").read_text(encoding="utf-8"))
        written = tomllib.loads((self.data / "programs.toml").read_text(encoding="utf-8"))
        names = [*generated, *(name for name in written if name not in generated)]
        return {name: _program(name, generated.get(name, {}), written.get(name, {})) for name in names}

    @cached_property
    def by_title(self) -> dict[str, Mapping[str, tuple[str, ...]]]:
        """The commands of other programs by how prose calls the program."""
        return {program.title: program.commands for program in self.programs.values()}

    @cached_property
    def titles(self) -> re.Pattern[str]:
        """Where a text calls another program by its name; ``own``, where what follows is said to be the program's."""
        names = "|".join(map(re.escape, sorted(self.by_title, key=len, reverse=True)))
        return re.compile(rf"(?<![\w-])(?P<title>{names})(?![\w-])(?P<own>'s $)?")

    # -------------------------------------------------------------------------------- classes and fields

    @cached_property
    def classes(self) -> dict[str, list[str]]:
        """The dotted paths of the classes of each name."""
        found: dict[str, list[str]] = {}
        for path in {*self.symbols, *self.found["classes"]}:
            own = path.rpartition(".")[2]
            if own[:1].isupper():
                found.setdefault(own, []).append(path)
        return found

    def bases(self, path: str) -> Iterator[str]:
        """A class and all that it derives from in the release."""
        todo, seen = [path], set()
        while todo:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                yield one
                todo += self.found["classes"].get(one, {}).get("bases", [])

    def fields(self, path: str) -> dict[str, str | None]:
        """The fields of a class that settings are read by, inherited ones too, with their defaults as source."""
        found: dict[str, str | None] = {}
        for each in self.bases(path):
            found = self.found["classes"].get(each, {}).get("fields", {}) | found
        return found

    def has_attribute(self, path: str, name: str) -> bool:
        """Whether a class has a field, method or constant of that name."""
        known = any(f"{each}.{name}" in self.symbols or name in self.fields(each) for each in self.bases(path))
        return known or name in model_attributes()

    @cached_property
    def keys(self) -> frozenset[str]:
        """Fields of classes, keys of configurations, fields of rows."""
        rows = json.loads((self.data / "formats.json").read_text(encoding="utf-8"))
        fields = {each["name"] for kind in rows.values() for each in kind}
        return frozenset({*self.found["keys"], *self.found["settings"], *fields, "agent_ref"})

    @cached_property
    def components(self) -> frozenset[str]:
        return frozenset(name for names in self.found["components"].values() for name in names)

    @cached_property
    def words(self) -> frozenset[str]:
        """Every word that a page may put into code without saying of what it is."""
        subcommands = {word for name in self.found["commands"] for word in name.split()}
        own = {path.rpartition(".")[2] for path in self.symbols}
        python = {*dir(builtins), *keyword.kwlist, *keyword.softkwlist, *sys.stdlib_module_names}
        return frozenset(
            {*self.keys, *self.components, *self.found["words"], *subcommands, *own, *python, *self.commands}
        )

    @cached_property
    def pairs(self) -> dict[str, frozenset[str]]:
        """What stands below each key, or after a dot behind each name."""
        found = {outer: set(inner) for outer, inner in self.found["pairs"].items()}
        for kind in KINDS:
            found.setdefault(kind, set()).update(self.found["components"].get(kind, []))
        return {outer: frozenset(inner) for outer, inner in found.items()}

    @cached_property
    def other_paths(self) -> frozenset[str]:
        """The dotted keys of other programs' configurations, and all above them."""
        examples = json.loads((self.data / "nemo-rl-keys.json").read_text(encoding="utf-8"))["examples"]
        keys = {key for example in examples.values() for key in example["keys"]}
        keys |= {name for program in self.programs.values() for name in program.names if "." in name}
        return frozenset(".".join(key.split(".")[:length]) for key in keys for length in range(1, key.count(".") + 2))

    @cached_property
    def environment(self) -> frozenset[str]:
        others = {name for program in self.programs.values() for name in program.environment}
        return frozenset({*self.found["environment"], *others})

    @cached_property
    def files(self) -> frozenset[str]:
        """Every file of the wheel, and every folder."""
        found = set()
        for folder, names in self.found["files"].items():
            found |= {f"{folder}/{name}" for name in names}
            parts = folder.split("/")
            found |= {"/".join(parts[:length]) for length in range(1, len(parts) + 1)}
        return frozenset(found)

    def of_component(self, name: str) -> list[str]:
        """The classes of a server, an agent or a model server that settings are read by."""
        return self._by_component.get(name, [])

    def component_has(self, name: str, field: str) -> bool:
        """Whether a field, key or method of that name is in a component's sources, or comes with every server."""
        found = self.found["components"]
        heads = tuple(f"{kind}.{name}." for kind in KINDS if name in found.get(kind, ()))
        if not heads:  # an environment or a benchmark: its configurations are made of servers
            return True
        own = any(path.rpartition(".")[2] == field for path in self.symbols if path.startswith(heads))
        general = (one for path, one in self.found["classes"].items() if path.startswith("nemo_gym."))
        shared = any(field in one["fields"] for one in general)
        rows = json.loads((self.data / "formats.json").read_text(encoding="utf-8"))
        return (
            own
            or shared
            or field in self.pairs.get(name, ())
            or any(field == each["name"] for kind in rows.values() for each in kind)
        )

    @cached_property
    def _by_component(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in self.found["classes"]:
            parts = path.split(".")
            if parts[0] in KINDS:
                found.setdefault(parts[1], []).append(path)
        return found

    @cached_property
    def file_names(self) -> frozenset[str]:
        """What files of the wheel are called, where the name alone says which are meant: a configuration's, or one that
        every component has."""
        count = Counter(name for names in self.found["files"].values() for name in names)
        return frozenset(name for name, times in count.items() if times >= OFTEN or name.endswith(".yaml"))

    # -------------------------------------------------------------------------------------- by the dots

    def dotted(self, name: str) -> bool:
        """Whether a name with dots exists: a module or what is in one, a class's, a key below keys, Python's own."""
        if name in self.symbols or name in self.other_paths:
            return True
        parts = name.split(".")
        if any(path.startswith(f"{name}.") for path in self._near(parts[0])):
            return True
        head, _, own = name.rpartition(".")
        if parts[0] in ("nemo_gym", *self.found["components"]):
            return head in self.symbols and self.has_attribute(head, own)
        if head in self.classes:
            return any(self.has_attribute(path, own) for path in self.classes[head])
        if _python(name):
            return True
        if "*" in name:
            return any(fnmatchcase(path, name) for path in self.other_paths)
        return parts[0] in self.words and all(
            inner in self.pairs.get(outer, ()) or (outer in self.components and inner in self.keys)
            for outer, inner in pairwise(parts)
        )

    @cache  # noqa: B019  (one object lives as long as the run)
    def _near(self, head: str) -> tuple[str, ...]:
        return tuple(path for path in self.symbols if path.startswith(f"{head}."))


def _program(name: str, generated: Mapping[str, Any], written: Mapping[str, Any]) -> Program:
    data = generated | written
    versions = data["version"] if isinstance(data["version"], list) else [data["version"]]
    commands = {command: tuple(flags) for command, flags in data.get("commands", {}).items()}
    return Program(
        name,
        data.get("title", name),
        tuple(versions),
        commands,
        frozenset([*generated.get("names", ()), *written.get("names", ())]),
        frozenset(data.get("environment", ())),
        tuple(data.get("says", ())),
        generated.get("runs_in", ""),
    )


@cache
def model_attributes() -> frozenset[str]:
    """What every pydantic model has."""
    from pydantic import BaseModel

    return frozenset(dir(BaseModel))


@cache
def _python(name: str) -> bool:
    """Whether a dotted name is one of Python's own: of a module of the standard library, or of a built-in type."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        module = ".".join(parts[:length])
        if parts[0] in sys.stdlib_module_names and not module.startswith(("this", "antigravity")):
            try:
                found: Any = importlib.import_module(module)
            except ImportError:
                continue
        elif length == 1 and hasattr(builtins, parts[0]):
            found = getattr(builtins, parts[0])
        else:
            continue
        for each in parts[length:]:
            if not hasattr(found, each):
                return False
            found = getattr(found, each)
        return True
    return False


@cache
def methods() -> frozenset[str]:
    """The methods of Python's own types."""
    return frozenset(name for kind in _TYPES for name in dir(kind))


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The name that a writer most likely meant; None where none is near."""
    close = difflib.get_close_matches(name, set(candidates), n=1, cutoff=0.6)
    return close[0] if close else None


# -- What a page has of its own -----------------------------------------------------------------------------------


@dataclass
class Own:
    """The names of some pages' snippets.

    Attributes: ``words``; ``text``, all of the snippets; ``scripts``, the flags of each program that they save, with
    their defaults; ``commands``, what they type, each from its first word; ``files``, the names of files they save.
    """

    words: set[str] = field(default_factory=set)
    text: str = ""
    scripts: dict[str, dict[str, str]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)

    def add(self, other: Own) -> None:
        self.words |= other.words
        self.text += other.text
        for name, flags in other.scripts.items():
            self.scripts[name] = self.scripts.get(name, {}) | flags
        self.commands += other.commands
        self.files |= other.files


@cache
def own_of(path: Path, docs: Path, changed: int) -> Own:
    """What one page has of its own, and what its reader downloads there."""
    page = Page(docs, path)
    own = Own()
    try:
        blocks = page.blocks
    except BlockError:  # the page fails for that
        blocks = []
    for block in blocks:
        if "shown" not in block.options:
            _add_block(own, block)
    for download in page.downloads:
        if download.is_file() and download.suffix in (".py", ".jsonl", ".json", ".yaml"):
            _add_file(own, download.name, download.read_text(encoding="utf-8"))
        own.files.add(download.name)
    return own


def _add_block(own: Own, block: Block) -> None:
    name = block.option("file") or block.option("part-of")
    if name:
        _add_file(own, name, block.source)
        return
    own.text += f"\n{block.source}\n"
    own.words |= set(WORD.findall(block.source))
    if block.language == "python":
        for name in ("", *re.findall(r"[\w./-]+\.py\b", block.source)[:1]):
            own.scripts.setdefault(name, {}).update(flags_of(block.source))
    elif block.language == "console":
        typed = (found["command"].replace("\\\n", " ") for found in _PROMPT.finditer(block.source))
        own.commands += [" ".join(command.split()) for command in typed]
    elif block.language == "bash":
        own.commands += block.source.splitlines()


def _add_file(own: Own, name: str, text: str) -> None:
    own.files.add(name)
    own.text += f"\n{name}\n{text}\n"
    own.words |= set(WORD.findall(text)) | set(WORD.findall(name))
    if name.endswith(".py"):
        own.scripts.setdefault(name.rpartition("/")[2], {}).update(flags_of(text))


def flags_of(source: str) -> dict[str, str]:
    """The flags that a Python source adds to a parser of its arguments, each with its default as source."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # a part of a file, or a block that is meant to fail
        return dict.fromkeys(re.findall(r"""add_argument\(\s*["'](--[\w-]+)""", source), "")
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            defaults = [ast.unparse(each.value) for each in node.keywords if each.arg == "default"]
            for each in node.args:
                if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value.startswith("-"):
                    found[each.value] = defaults[0] if defaults else ""
    return found


def own_names(page: Page) -> tuple[Own, Own]:
    """What a page has of its own; and that with what the pages have that it builds on and links to."""
    own = _own(page)
    chain = Own()
    chain.add(own)
    try:
        before = upstream(page)
    except Failure:  # the page fails for that
        before = []
    names = [found["path"] for found in _LINK.finditer(page.text) if found["path"] and "://" not in found["path"]]
    paths = [(page.path.parent / name).resolve() for name in names]
    linked = [Page(page.docs, path) for path in paths if path.is_relative_to(page.docs)]
    for each in dict.fromkeys([*before, *linked]):
        if each.path.is_file() and each.path != page.path and GENERATED not in each.text:
            chain.add(_own(each))
    return own, chain


def _own(page: Page) -> Own:
    return own_of(page.path, page.docs, page.path.stat().st_mtime_ns)
