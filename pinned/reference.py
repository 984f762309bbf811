"""Write what is read from the pinned install: the reference pages, and which classes read each command's settings.

    python -m pinned.reference                write them
    python -m pinned.reference --check        fail, with the difference, where they are not what the pin gives
    python -m pinned.reference --dump FILE    write all that is known of the installed release, whichever, as JSON

The opening of an index and of the commands is written by hand; what stands below the line `GENERATED` comes from here,
and so do the pages below an index, which are added to ``docs/_data/published.txt``. What an install cannot say of its
resources servers, one row for each, is in ``docs/_data/servers.toml``; meanings of settings that their
classes leave without one in ``docs/_data/settings.toml``. The classes go to `COMMANDS`, which the harness judges with.
"""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from pinned import reference_extract as extract
from pinned.reference_pages import GENERATED, SERVERS_INDEX, SETTINGS_INDEX, ReferenceError, is_whole, render
from pinned.symbols import pinned_version

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "reference"
COMMANDS = ROOT / "harness" / "consumers" / "commands.json"
PUBLISHED = ROOT / "docs" / "_data" / "published.txt"


def installed() -> extract.Data:
    """What the pinned release is made of.

    Raises:
        RuntimeError: NeMo Gym is not installed, or not the pinned release.
    """
    data = extract.everything()
    if data["version"] != pinned_version():
        raise RuntimeError(f"expected nemo-gym {pinned_version()}, found {data['version']} installed")
    return data


def files(data: extract.Data, pages: Path = PAGES) -> dict[Path, str]:
    """Each file with its whole text: of a page what is written by hand, and what the install gives.

    Raises:
        ReferenceError: the hand-written data do not fit the install, or a page lacks the line `GENERATED`.
    """
    read_by = extract.command_classes(data["commands"], data["server_classes"])
    written = {COMMANDS: json.dumps(read_by, indent=1) + "\n"}
    published = PUBLISHED.read_text(encoding="utf-8")
    listed = set(published.splitlines())
    for name, generated in render(data).items():
        path = pages / f"{name}.md"
        if is_whole(generated):
            written[path] = f"{generated.rstrip()}\n"
            published += "" if f"reference/{name}" in listed else f"reference/{name}\n"
            continue
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        opening, line, _ = text.partition(f"{GENERATED}\n")
        if not line:
            raise ReferenceError(f"reference/{path.name}: expected the line {GENERATED!r} below its opening")
        written[path] = f"{opening}{line}\n{generated}"
    return written | {PUBLISHED: published}


def stale(written: Iterable[Path], pages: Path = PAGES) -> list[Path]:
    """The generated pages that are there and that the install does not give: of a server that is gone."""
    there = {path for index in (SERVERS_INDEX, SETTINGS_INDEX) for path in (pages / index).glob("*.md")}
    return sorted(there - set(written))


def check(data: extract.Data, pages: Path = PAGES) -> str:
    """The difference between the committed files and what the install gives; empty where there is none."""
    differences: list[str] = []
    written: dict[Path, str | None] = {**files(data, pages)}
    for path, given in (written | dict.fromkeys(stale(written, pages))).items():
        root = next((each for each in (ROOT, pages) if path.is_relative_to(each)), path.parent)
        name = f"{'docs/reference/' if root == pages else ''}{path.relative_to(root).as_posix()}"
        committed = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        labels = (name, f"{name}, as the pin gives it" if given is not None else "nothing: the pin gives no such page")
        differences += difflib.unified_diff(committed, (given or "").splitlines(), *labels, lineterm="")
    return "\n".join(differences)


def dump(file: Path) -> extract.Data:
    """Write all that is known of the installed release, whichever, as JSON; return it."""
    data = extract.everything()
    file.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return data


def main(arguments: list[str] | None = None) -> int:
    """Write the files, compare them with the install, or dump what is known of it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pinned.reference", description=__doc__.splitlines()[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="change nothing; fail where a file is out of date")
    choice.add_argument("--dump", metavar="FILE", type=Path, help="write what any installed release has, as JSON")
    options = parser.parse_args(arguments)
    try:
        if options.dump:
            dump(options.dump)
            return 0
        if options.check:
            difference = check(installed())
            if difference:
                print(difference, "Run nox -s reference and look at what changed.", sep="\n")
            return 1 if difference else 0
        written = files(installed())
        for path, text in written.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(path.relative_to(ROOT))
        for path in stale(written):
            path.unlink()
            print(f"{path.relative_to(ROOT)}: removed; give its address a line in docs/_data/redirects.txt")
    except (ReferenceError, RuntimeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
