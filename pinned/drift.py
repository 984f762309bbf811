"""Report where another release of NeMo Gym differs from the pinned one, and what that means for the pages.

    python -m pinned.drift ask DIRECTORY                      put what the installed NeMo Gym is into DIRECTORY
    python -m pinned.drift report PIN OTHER --output FILE     write the report from two such directories

``nox -s drift -- VERSION`` asks the pin, asks the other release, runs every page beside it, and reports. Nothing of the
project changes. What is asked: the commands, settings and servers (`pinned.reference_extract`), the symbols
(`pinned.symbols`), and how it behaves where no signature says so (`pinned.drift_probes`). Each name that differs is
followed by the places on the site that use it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness import ledger
from harness.pages import all_pages
from harness.verdict import ELSEWHERE, FAILED
from pinned.reference_pages import is_generated, table
from pinned.symbols import index_text, read_index

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"

#: Most places that are named for one thing.
MOST_PLACES = 4
#: Longest reason why a page stops, in characters; and most lines of an output in it.
LONGEST_REASON = 400
SHOWN_LINES = 3
#: The line after which a failure shows how an output differs (`harness.expected`).
DIFFERENCE = "+++ it printed"
#: Most modules that are named for the symbols that no page uses.
MOST_MODULES = 12

_LINKED = re.compile(r"\{source\}`(?:[^`<]*<)?([^`<>]+)>?`")
_FROM = re.compile(r"\s*from (?P<module>[\w.]+) import (?P<names>.*)")
_IMPORT = re.compile(r"\s*import (?P<name>[\w.]+)")

Data = dict[str, Any]


def ask(folder: Path) -> None:
    """Put what the installed NeMo Gym is, and how it behaves, into a folder."""
    from pinned.reference import dump
    from pinned.reference_extract import site_packages

    folder.mkdir(parents=True, exist_ok=True)
    version = dump(folder / "install.json")["version"]
    (folder / "symbols.txt").write_text(index_text(site_packages(), version), encoding="utf-8")
    # A process of its own: a probe imports, and may leave, anything.
    subprocess.run([sys.executable, "-m", "pinned.drift_probes", str(folder / "answers.json")], check=True)


@dataclass(frozen=True)
class Settings:
    """A class of settings: whether it is NeMo Gym's own rather than one server's, and its fields."""

    shared: bool
    fields: dict[str, Data]


@dataclass(frozen=True)
class Row:
    """Something that differs: the command or class, the flag or field in it, how, and where the site uses it."""

    owner: str
    name: str
    what: str
    uses: list[str]


@dataclass(frozen=True)
class Install:
    """What `ask` put into a folder."""

    folder: Path

    @cached_property
    def found(self) -> Data:
        return json.loads((self.folder / "install.json").read_text(encoding="utf-8"))

    @cached_property
    def answers(self) -> dict[str, str]:
        return json.loads((self.folder / "answers.json").read_text(encoding="utf-8"))

    @cached_property
    def symbols(self) -> set[str]:
        return set(read_index(self.folder / "symbols.txt"))

    @property
    def version(self) -> str:
        return self.found["version"]

    @cached_property
    def commands(self) -> dict[str, Data]:
        """The commands by what a reader types, the old names too."""
        new = {f"gym {name}".strip(): command for name, command in self.found["commands"].items()}
        return new | {name: {"flags": []} for name in self.found["old_commands"]}

    @cached_property
    def settings(self) -> dict[str, Settings]:
        """Every class that a configuration is read by, by its name."""
        return {
            settings["name"]: Settings(
                settings["module"].startswith("nemo_gym."),
                {
                    name: {"type": field["type"], "default": field["default"]}
                    for name, field in settings["fields"].items()
                },
            )
            for settings in self.found["classes"].values()
        }


# -- Where the site uses a name -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Uses:
    """The lines of the pages: who uses a name."""

    lines: Sequence[tuple[str, str]]

    @classmethod
    def of(cls, docs: Path) -> Uses:
        """Of all pages but those that list everything: that they name a thing says nothing of who uses it."""
        pages = [page for page in all_pages(docs) if not is_generated(page.text)]
        return cls(
            [
                (f"{page.name}:{number}", line)
                for page in pages
                for number, line in enumerate(page.text.splitlines(), start=1)
            ]
        )

    def of_pattern(self, pattern: str) -> list[str]:
        """The places, as ``page:line``, whose line has a match."""
        compiled = re.compile(pattern)
        return [place for place, line in self.lines if compiled.search(line)]

    def of_command(self, command: str) -> list[str]:
        words = r"\s+".join(map(re.escape, command.split()))
        return self.of_pattern(rf"(?<![\w-]){words}(?![\w-])")

    def of_flag(self, command: str, flag: str) -> list[str]:
        """Where a flag is given to that command: on its line, or on those that continue it."""
        found, inside = [], False
        for place, line in self.lines:
            inside = (inside or bool(re.search(rf"{re.escape(command)}(?![\w-])", line))) and not line.startswith("```")
            if inside and re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", line):
                found.append(place)
            inside = inside and line.rstrip().endswith("\\")
        return found

    def of_setting(self, name: str) -> list[str]:
        """Where a key of a configuration is set, or named as code."""
        key = re.escape(name)
        return self.of_pattern(rf"^\s*(- )?{key}:|\+{key}[=.]|[(,\s]{key}=(?!=)|`{key}`|\.{key}\b(?!\()")

    def of_word(self, name: str) -> list[str]:
        return self.of_pattern(rf"(?<![\w./-]){re.escape(name)}(?![\w-])")

    @cached_property
    def symbols(self) -> dict[str, set[str]]:
        """The places of each symbol that a page links to or imports: a release has ten thousand, the pages few."""
        found: dict[str, set[str]] = defaultdict(set)
        for place, line in self.lines:
            names = _LINKED.findall(line)
            if taken := _FROM.match(line):
                names += [f"{taken['module']}.{name}" for name in re.findall(r"\w+", taken["names"])]
            elif whole := _IMPORT.match(line):
                parts = whole["name"].split(".")
                names += [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
            for name in names:
                found[name].add(place)
        return found


def places(found: Sequence[str]) -> str:
    """Some places, and how many more there are."""
    more = len(found) - MOST_PLACES
    shown = ", ".join(f"`{place}`" for place in found[:MOST_PLACES])
    return (shown + (f" and {more} more" if more > 0 else "")) or "no page"


# -- The report ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What differs between the pin and another release, section by section, as lines of Markdown."""

    pin: Install
    other: Install
    uses: Uses
    pages: Mapping[str, Data]

    def text(self) -> str:
        """The whole report."""
        sections = {
            "Behavior": self.behavior(),
            "Commands": self.commands(),
            "Flags": self.flags(),
            "Settings": self.settings(),
            "Resources servers": self.servers(),
            "Symbols": self.symbols(),
            "Pages": self.run(),
        }
        lines = [
            f"# NeMo Gym {self.other.version} beside {self.pin.version}",
            "",
            f"The pages describe {self.pin.version}. What follows is what a reader with {self.other.version} finds "
            "different, and where on the site it is used, as `page:line`.",
        ]
        for title, section in sections.items():
            body = list(section)
            lines += ["", f"## {title}", "", *(body or ["Nothing differs."])]
        return "\n".join(lines) + "\n"

    def table(self, *head: str, rows: Iterable[Sequence[str]]) -> Iterator[str]:
        if cells := [[cell.replace("\n", " ") for cell in row] for row in rows]:
            yield from table(head, cells)

    def behavior(self) -> Iterator[str]:
        mine, theirs = self.pin.answers, self.other.answers
        differ = [question for question in mine if mine[question] != theirs.get(question)]
        yield from self.table(
            "question", self.pin.version, self.other.version, rows=[(q, mine[q], theirs.get(q, "")) for q in differ]
        )
        same = [question for question in mine if question not in differ]
        if same:
            yield from ("", "The same in both:", "", *(f"- {question} {mine[question]}" for question in same))

    def difference(self, mine: Iterable[str], theirs: Iterable[str]) -> tuple[list[str], list[str]]:
        """What only the pin has, and what only the other has."""
        return sorted(set(mine) - set(theirs)), sorted(set(theirs) - set(mine))

    def commands(self) -> Iterator[str]:
        yield from self.names(self.pin.commands, self.other.commands, self.uses.of_command)

    def names(self, mine: Iterable[str], theirs: Iterable[str], uses_of: Callable[[str], list[str]]) -> Iterator[str]:
        """What only one of the releases has: a table of what pages use, and the rest as lists."""
        gone, new = self.difference(mine, theirs)
        used = {name: found for name in gone if (found := uses_of(name))}
        rows = [(f"`{name}`", places(found)) for name, found in used.items()]
        yield from self.table(f"not in {self.other.version}", "used on", rows=rows)
        unused = [f"`{name}`" for name in gone if name not in used]
        if unused:
            yield from ("", f"Not in {self.other.version}, and on no page: {', '.join(unused)}.")
        if new:
            yield from ("", f"Only in {self.other.version}: {', '.join(f'`{name}`' for name in new)}.")

    def flags(self) -> Iterator[str]:
        rows: list[Row] = []
        for name in sorted(set(self.pin.commands) & set(self.other.commands)):
            mine, theirs = (
                {flag["names"][0]: flag for flag in install.commands[name]["flags"]}
                for install in (self.pin, self.other)
            )
            for flag, what in self.changes(mine, theirs, self.changed_flag):
                rows.append(Row(name, f"`{flag}`", what, self.uses.of_flag(name, flag)))
        yield from self.rows("flag", rows)

    def changed_flag(self, mine: Data, theirs: Data) -> str:
        """What differs between a flag of the two releases."""
        keys = ("value", "choices", "default", "required", "sets")
        return "; ".join(f"{k}: {mine[k]} here, {theirs[k]} there" for k in keys if mine[k] != theirs[k])

    def settings(self) -> Iterator[str]:
        mine, theirs = self.pin.settings, self.other.settings
        rows: list[Row] = []
        for owner in sorted(set(mine) & set(theirs)):
            shared = mine[owner].shared  # a key of one server's own class says little where another uses its name
            for field, what in self.changes(mine[owner].fields, theirs[owner].fields, self.changed_field):
                rows.append(Row(owner, f"`{field}`", what, self.uses.of_setting(field) if shared else []))
        yield from self.rows("setting", rows)
        gone, new = self.difference(mine, theirs)
        for version, names in ((self.pin.version, gone), (self.other.version, new)):
            if names:
                yield from ("", f"Classes that only {version} has: {', '.join(f'`{name}`' for name in names)}.")

    def changed_field(self, mine: Data, theirs: Data) -> str:
        """What differs between a field of the two releases."""
        return "" if mine == theirs else f"{self.declared(mine)} here, {self.declared(theirs)} there"

    def changes(
        self, mine: Mapping[str, Data], theirs: Mapping[str, Data], changed: Callable[[Data, Data], str]
    ) -> Iterator[tuple[str, str]]:
        """Each name that differs, with how."""
        for name in sorted({*mine, *theirs}):
            if name not in theirs:
                yield name, f"not in {self.other.version}"
            elif name not in mine:
                yield name, f"only in {self.other.version}"
            elif what := changed(mine[name], theirs[name]):
                yield name, what

    def rows(self, kind: str, rows: Sequence[Row]) -> Iterator[str]:
        """A table of what pages use, and all the rest as a list."""
        used = [(f"`{row.owner}`, {row.name}", row.what, places(row.uses)) for row in rows if row.uses]
        yield from self.table(kind, "difference", "used on", rows=used)
        rest: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            if not row.uses:
                rest[row.owner].append(f"{row.name} ({row.what})")
        if rest:
            yield from ("", "On no page:", "")
            yield from (f"- `{owner}`: {', '.join(names)}" for owner, names in rest.items())

    def declared(self, field: Data) -> str:
        """A field's type and default as its class declares them."""
        return f"`{field['type']}`" + ("" if field["default"] is None else f" = `{field['default']}`")

    def servers(self) -> Iterator[str]:
        mine, theirs = self.pin.found["servers"], self.other.found["servers"]
        yield from self.names(mine, theirs, self.uses.of_word)
        rows: list[Row] = []
        for name in sorted(set(mine) & set(theirs)):
            fields = ({each["name"]: {} for each in found[name]["fields"]} for found in (mine, theirs))
            what = [f"`{field}` {how}" for field, how in self.changes(*fields, lambda mine, theirs: "")]
            if what:
                rows.append(Row(name, "its rows' fields", ", ".join(what), self.uses.of_word(name)))
        if rows:
            yield ""
        yield from self.rows("server", rows)

    def symbols(self) -> Iterator[str]:
        gone, new = self.difference(self.pin.symbols, self.other.symbols)
        used = {name: sorted(self.uses.symbols.get(name, ())) for name in gone}
        yield from self.table(
            f"not in {self.other.version}",
            "used on",
            rows=[(f"`{name}`", places(used[name])) for name in gone if used[name]],
        )
        if not gone and not new:
            return
        modules = Counter(".".join(name.split(".")[:2]) for name in gone)
        yield ""
        yield (
            f"Pages use none of the other {sum(not found for found in used.values()):,} symbols that only "
            f"{self.pin.version} has, nor of the {len(new):,} that only {self.other.version} has. Most of them are in "
            + ", ".join(f"`{name}` ({count})" for name, count in modules.most_common(MOST_MODULES))
            + "."
        )

    def run(self) -> Iterator[str]:
        if not self.pages:
            yield "The pages were not run."
            return
        failures = {
            name: failed
            for name, page in sorted(self.pages.items())
            if (failed := next((block for block in page["blocks"] if block["verdict"] == FAILED), None))
        }
        whole = sorted(set(self.pages) - set(failures))
        yield (
            f"{len(whole)} of {len(self.pages)} pages can be followed to their end with {self.other.version}. "
            "The others stop at their first block that differs:"
        )
        yield ""
        rows: list[tuple[str, str, str]] = []
        after: dict[str, list[str]] = defaultdict(list)
        for name, failed in failures.items():
            _, elsewhere, rest = failed["reason"].rpartition(ELSEWHERE)
            if elsewhere:
                after[rest.partition(": ")[0]].append(name)
            else:
                rows.append(
                    (f"`{name}:{failed['line']}`", str(self.pages[name]["blocks"].index(failed)), because(rest))
                )
        yield from self.table("stops at", "blocks before it", "because", rows=rows)
        for place, names in after.items():
            yield ""
            yield f"Stopped by `{place}`, on whose files they build: {', '.join(f'`{name}`' for name in names)}."
        if whole:
            yield ""
            yield f"To the end: {', '.join(f'`{name}`' for name in whole)}."


def because(reason: str) -> str:
    """Why a block failed, in a line: of an output what is missing and what came last, else what was said."""
    head, _, details = reason.partition("\n")
    lines = [line.strip() for line in details.splitlines()]
    if DIFFERENCE in lines:
        lines = lines[lines.index(DIFFERENCE) + 1 :]
        missing, found = ([line[1:].strip() for line in lines if line.startswith(sign)] for sign in "-+")
        missing = [line for line in missing if line != "..."][:SHOWN_LINES]
        printed = found if len(found) <= SHOWN_LINES else [found[0], "...", *found[1 - SHOWN_LINES :]]
        said = f"the page says {' / '.join(missing) or 'nothing'}; it printed {' / '.join(printed) or 'nothing'}"
    elif any(line.startswith("Traceback") for line in lines):
        said = head
    else:
        said = " ".join([head, *lines])
    return said[:LONGEST_REASON] + ("..." if len(said) > LONGEST_REASON else "")


def main(arguments: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m pinned.drift", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    asked = commands.add_parser("ask", help="put what the installed NeMo Gym is into a directory")
    asked.add_argument("directory", type=Path)
    reported = commands.add_parser("report", help="write the report")
    reported.add_argument("pin", type=Path)
    reported.add_argument("other", type=Path)
    reported.add_argument("--ledger", type=Path, help="what the tests found beside the other release")
    reported.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    if options.command == "ask":
        ask(options.directory)
        return 0
    pages = ledger.load(options.ledger)["pages"] if options.ledger else {}
    report = Report(Install(options.pin), Install(options.other), Uses.of(DOCS), pages)
    options.output.write_text(report.text(), encoding="utf-8")
    print(f"{options.output}: what differs in NeMo Gym {report.other.version}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
