"""Which pages and tests a change touches, so that they run before all others: ``python -m checks.changed COMMIT``.

It prints the paths for pytest, one a line. What it names is a beginning: everything else runs after it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_STARTS_FROM = re.compile(r"\A---\n(?:.*\n)*?starts-from: *(\S+)")


def changed_since(commit: str, root: Path = ROOT) -> list[str]:
    """The files that differ from where this branch left a commit's, those not committed yet included.

    Raises:
        subprocess.CalledProcessError: git does not know the commit.
    """

    def git(*words: str) -> list[str]:
        command = ["git", "-C", str(root), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    (base,) = git("merge-base", commit, "HEAD")
    return [*git("diff", "--name-only", "--diff-filter=d", base), *git("ls-files", "--others", "--exclude-standard")]


def touched(changed: Iterable[str], root: Path = ROOT) -> list[str]:
    """The pages and test files that changed files touch, as paths below the project."""
    files = set(changed)
    pages = {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in root.glob("docs/**/*.md")}
    pages = {name: text for name, text in pages.items() if not name.startswith(("docs/_", "docs/downloads/"))}
    tests = {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in root.glob("tests/**/test_*.py")}
    found = files & (pages.keys() | tests.keys())
    # What a page links to, such as a download or a picture, is named there; a test imports the module that it tests.
    names = {Path(each).name for each in files if each.startswith("docs/") and not each.endswith(".md")}
    found |= {page for page, text in pages.items() if any(name in text for name in names)}
    found |= {test for test, text in tests.items() for module in modules(files) if re.search(module, text)}
    before = None
    while found != before:  # a page starts in the files of another, which may have changed
        before = set(found)
        found |= {page for page, text in pages.items() if first_of(text) in found}
    return sorted(found)


def first_of(text: str) -> str | None:
    """The path of the page that one starts from, by its text."""
    named = _STARTS_FROM.match(text)
    return f"docs/{named[1]}.md" if named else None


def modules(files: Iterable[str]) -> Iterator[str]:
    """For each Python module among some files a pattern of what imports it."""
    for each in files:
        if each.endswith(".py") and not each.startswith(("tests/", "docs/downloads/")):
            *folders, name = each.removesuffix(".py").removeprefix("docs/_ext/").split("/")
            folder = ".".join(folders)
            yield (
                rf"(?m)^(?:from {re.escape(folder)} import .*\b{name}\b|(?:from|import) {re.escape(folder)}\.{name}\b)"
                if folder
                else rf"(?m)^(?:from|import) {name}\b"
            )


def main(arguments: list[str] | None = None) -> int:
    """Print the paths; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m checks.changed", description=__doc__.splitlines()[0])
    parser.add_argument("commit", help="what the change is against, such as main")
    options = parser.parse_args(arguments)
    try:
        files = changed_since(options.commit)
    except subprocess.CalledProcessError as error:
        print(f"expected a commit that git knows, found {options.commit!r}: {error.stderr.strip()}", file=sys.stderr)
        return 2
    print("\n".join(touched(files)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
