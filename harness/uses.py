"""What became of the files and the Python that a page shows: which were run or read, and which lines never were.

Every Python of the page notes what it opens, runs and reaches (`harness.watch.harness_watch`), and bash each script.
What other programs read is taken from their command lines. Listing a file, printing it, or naming it is no use of it.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import CodeType

from harness.blocks import Block
from harness.console import commands_of
from harness.environments import Environment
from harness.reader import packages, starts_with
from harness.verdict import Failure
from harness.watch.harness_watch import VARIABLE

WATCH = Path(__file__).parent / "watch"

#: What a file is for, by its suffix: it is executed, or it configures what reads it, or it holds data.
CODE, CONFIGURATION, DATA = "code", "configuration", "data"
KINDS = {
    **dict.fromkeys((".py", ".sh", ".bash"), CODE),
    **dict.fromkeys((".yaml", ".yml", ".toml", ".cfg", ".ini"), CONFIGURATION),
    **dict.fromkeys((".json", ".jsonl", ".csv", ".tsv", ".txt"), DATA),
}

#: Programs that show a file, move it or say that it is there.
VIEWERS = frozenset(
    re.findall(
        r"\S+",
        """
        [ bat cat cd chmod column cp echo export file head less ls mkdir more mv printf pwd realpath rm stat tail tee
        test touch tree true type which
        """,
    )
)
#: What runs a script without a word of its own: bash notes the scripts that it runs.
SHELLS = frozenset({".", "dash", "sh", "source", "zsh"})
#: A Python; it notes what it runs, but not where it is told to leave out what starts the notes, or gets the program as
#: its input.
_PYTHON = re.compile(r"(?:.*/)?python[\d.]*")
_BEFORE_A_COMMAND = {
    *("!", "do", "elif", "else", "env", "exec", "if", "nice", "nohup", "sudo", "then", "time", "until", "while", "{"),
    *("timeout", "xargs"),
}
#: The options of those that take a value in a word of its own.
_THEIR_VALUES = {
    "env": {"-u"},
    "nice": {"-n"},
    "sudo": {"-u"},
    "timeout": {"-k", "-s"},
    "xargs": {"-a", "-d", "-I", "-L", "-n", "-P"},
}
_BETWEEN_COMMANDS = frozenset({";", "&", "&&", "||", "|", "|&", "(", ")", ";;", "\n"})
_HERE_DOCUMENT = re.compile(r"<<-?[ \t]*(['\"]?)([\w.-]+)\1(?P<rest>.*)\n(?:.*\n)*?\t*\2(?=\n|\Z)")
_REDIRECT = re.compile(r"^[<>]")
_WRITTEN_BY_SHELL = re.compile(
    r"(?:(?<![<>&\d])\d?(?:>>|>\|?)|\btee(?: -a)?)[ \t]*(?P<name>(?:[\w./-]|'[^'\n]*'|\"[^\"\n]*\")+)"
)
#: What bash puts something else for in a here-document whose end has no quotes.
_EXPANDED = re.compile(r"\$(?:\w+|\{[^}]*\}|\([^()]*\))|`[^`]*`")


@dataclass
class ShownFile:
    """A file whose text stands on the page: the block with it, and the page's line of its first line, if it has one."""

    name: str
    block: Block
    text: str
    first_line: int | None
    kind: str
    used: bool = False
    reached: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Lines:
    """How many lines of Python a page shows, and those, as lines of the page, that never ran."""

    python: int
    never_run: tuple[int, ...]


NO_LINES = Lines(0, ())


class Uses:
    """What one reading of a page makes of its files and its Python.

    Args:
        directory: the page's folder.
        notes: the file in which the page's processes note what they use.
        environment: the page's.

    Attributes:
        variables: what makes the page's processes note it.
        files: the files that the page has shown so far, by name, each as it is now.
        earlier: those that others have replaced.
        python: the page's lines with code of each block that has run.
        reached: the page's lines that have run.
    """

    def __init__(self, directory: Path, notes: Path, environment: Environment) -> None:
        folder = str(WATCH)
        imports = f'sys.path.insert(0, {folder!r}), __import__("harness_watch"), sys.path.remove({folder!r})'
        line = f'import os, sys; os.environ.get("{VARIABLE}") and ({imports})\n'
        starts_with(packages(environment).folder, "harness-watch.pth", line)
        self.directory = directory.resolve()
        self.notes = notes
        self.variables = {
            VARIABLE: f"{notes}{os.pathsep}{self.directory}",
            "BASH_ENV": str(WATCH / "bash_env"),
        }
        self.files: dict[str, ShownFile] = {}
        self.earlier: list[ShownFile] = []
        self.python: list[set[int]] = []
        self.reached: set[int] = set()
        self._read = 0

    def show(self, name: str, block: Block, text: str, first_line: int | None = None, kind: str | None = None) -> None:
        """Begin to follow a file that the page shows, and has the reader save under that name.

        Args:
            name: its path in the page's folder.
            block: where it is shown.
            text: what it holds.
            first_line: the page's line of its first line, where the page has it line by line.
            kind: what it is for, if its name does not say it.

        Raises:
            Failure: it replaces a file that nothing has used.
        """
        name = os.path.normpath(name)
        if before := self.files.get(name):
            if not before.used:
                raise _unused(before, f"before the block on line {block.line} replaces it")
            self.earlier.append(before)
        if "consumer" in block.options and kind_of(name) == CODE:
            kind = DATA  # a launch script that needs GPUs: the program's parser has judged it
        self.files[name] = ShownFile(name, block, text, first_line, kind or kind_of(name))

    def ran(self, block: Block) -> None:
        """Say that a block has been judged: what it has saved and used is found out.

        Raises:
            Failure: as `show`.
        """
        if "file" not in block.options:
            for name, text, line in _saved_by(block, self.directory):
                # A script that a command writes may be there to be looked into.
                loose = DATA if PurePath(name).suffix != ".py" and kind_of(name) == CODE else None
                self.show(name, block, text, line, loose)
            if block.language == "python":
                self.python.append(executable_lines(block.source, block.source_line))
                self._names_in_python(block.source)
            # Where commands are parsed, not run, the parser reads the configurations that they name.
            kinds = {CODE, DATA, CONFIGURATION} if "consumer" in block.options else {CODE, DATA}
            for text in _commands(block):
                self._names_in_commands(text, kinds)
        self.poll()

    def only_shown(self, block: Block) -> None:
        """Say that a block stands on the page with a reason not to run it: what it would configure is used by it."""
        for text in _commands(block):
            self._names_in_commands(text, {CONFIGURATION})

    def _names_in_commands(self, text: str, kinds: set[str]) -> None:
        for kind, name in used_by_commands(text):
            for file in self.files.values():
                fits = kind == CODE or file.kind != CODE
                if file.kind in kinds and fits and _ends_with(os.path.normpath(name), file.name):
                    file.used = True

    def poll(self) -> None:
        """Take in what has been noted since the last call."""
        if not self.notes.exists():
            return
        with self.notes.open("rb") as notes:
            notes.seek(self._read)
            rows = notes.read()
            self._read = notes.tell()
        for row in rows.decode(errors="surrogateescape").split("\n"):
            kind, _, rest = row.partition("\t")
            path, _, more = rest.partition("\t")
            if kind == "line" and path == PAGE:
                self.reached.add(int(more))
            elif kind:
                self._note(kind, path, more)

    def _note(self, kind: str, path: str, more: str) -> None:
        path = os.path.normpath(Path(more, path) if kind == "run" else path)
        file = self.files.get(os.path.relpath(path, self.directory))
        if file is None:
            return
        if kind == "line":
            file.reached.add(int(more))
        elif kind == "run" or file.kind != CODE:
            file.used = True
            if file.kind == CODE:
                self._names_in_python(file.text)

    def _names_in_python(self, source: str) -> None:
        """Data that Python hands to a library which opens files on its own is known by its name in the code."""
        for text in _strings(source):
            for file in self.files.values():
                if file.kind == DATA and _ends_with(text, file.name):
                    file.used = True


@dataclass
class Found:
    """What all readings of a page together have made of its files and its Python.

    Attributes:
        files: each shown file, by the line of its block and its name: whether a reading has used it.
        shown: the page's lines of Python that have been given to an interpreter.
        reached: those that have run.
    """

    files: dict[tuple[int, str], ShownFile] = field(default_factory=dict)
    shown: set[int] = field(default_factory=set)
    reached: set[int] = field(default_factory=set)

    def take(self, uses: Uses) -> None:
        """Add what one reading has come to, at its end."""
        uses.poll()
        for lines in uses.python:
            self.shown |= lines
            self.reached |= lines & uses.reached
        for file in (*uses.earlier, *uses.files.values()):
            known = self.files.setdefault((file.block.line, file.name), file)
            known.used |= file.used
            if PurePath(file.name).suffix == ".py" and file.first_line is not None:
                self.shown |= executable_lines(file.text, file.first_line)
                self.reached |= {line + file.first_line - 1 for line in file.reached}

    def refuse_unused(self) -> None:
        """Fail on a file that nothing used.

        Raises:
            Failure: with the line of its block.
        """
        for file in self.files.values():
            if not file.used:
                raise _unused(file, "on this page")

    def lines(self, blocks: Sequence[Block]) -> Lines:
        """The lines of Python that the page's ``blocks`` show, and which of them never ran."""
        only_shown = [block for block in blocks if block.language == "python" and "shown" in block.options]
        shown = self.shown.union(*(executable_lines(block.source, block.source_line) for block in only_shown))
        return Lines(len(shown), tuple(sorted(shown - self.reached)))


#: How the page's own process calls the page in its notes.
PAGE = "page"


def _unused(file: ShownFile, until: str) -> Failure:
    does = "runs" if file.kind == CODE else "reads"
    return Failure(
        f"the page shows the file {file.name}, but nothing {does} it {until}: what is never used is never tested. "
        "A comment, `ls` or `cat` is no use of it: let a program use it, or leave it out",
        file.block.line,
    )


def _ends_with(text: str, name: str) -> bool:
    """Whether a text ends with a file's name, and not just with the end of a longer one."""
    return bool(re.search(rf"(?<![\w.-]){re.escape(name)}\Z", text))


def kind_of(name: str) -> str:
    """What a file of that name is for."""
    return KINDS.get(PurePath(name).suffix, DATA)


def executable_lines(source: str, first_line: int = 1) -> set[int]:
    """The lines with code of a Python text whose first line is ``first_line``; none where it is no Python."""
    try:
        code = compile(source, "<shown>", "exec", dont_inherit=True)
    except SyntaxError:
        return set()
    return {line + first_line - 1 for line in _lines_of(code)}


def _lines_of(code: CodeType) -> Iterator[int]:
    yield from (line for _, _, line in code.co_lines() if line)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines_of(constant)


def _strings(source: str) -> Iterator[str]:
    """The texts of a Python program; a text that stands alone, such as a docstring, is none of them."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def _saved_by(block: Block, directory: Path) -> Iterator[tuple[str, str, int | None]]:
    """Files that a block's commands or Python write with text that stands in the block, with the page's line of it."""
    if block.language in ("console", "bash"):
        written = (re.sub("['\"]", "", found["name"]) for found in _WRITTEN_BY_SHELL.finditer(block.source))
        names = [name for name in written if PurePath(name).suffix]
    elif block.language == "python":
        names = [text for text in _strings(block.source) if PurePath(text).suffix in KINDS and "\n" not in text]
    else:
        return
    for name in dict.fromkeys(names):
        path = directory / name
        if kind_of(name) == DATA or not path.is_file() or path.stat().st_size > 1 << 16:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        rows = [row.strip() for row in text.split("\n") if row.strip()]
        if rows and all(row in block.source or _is_expanded(row, block.source) for row in rows):
            at = block.source.find(text)
            yield name, text, block.source_line + block.source.count("\n", 0, at) if at >= 0 else None


def _is_expanded(row: str, source: str) -> bool:
    """Whether bash has made a line of a file from one of a here-document, with something else for its variables."""
    for found in _HERE_DOCUMENT.finditer(source):
        for line in () if found[1] else found[0].split("\n")[1:-1]:
            kept = _EXPANDED.split(line.strip())
            if len(kept) > 1 and "".join(kept).strip() and re.fullmatch(".*".join(map(re.escape, kept)), row):
                return True
    return False


def _commands(block: Block) -> list[str]:
    """The commands of a shell's block, without what here-documents hold."""
    if block.language == "bash":
        return [_HERE_DOCUMENT.sub("", block.source)]
    if block.language == "console":
        return [_HERE_DOCUMENT.sub("", command.text) for command in commands_of(block)]
    return []


def used_by_commands(text: str) -> Iterator[tuple[str, str]]:
    """What the programs of shell commands use: `CODE` with a script that a shell runs, `DATA` with a file's name.

    A program that only shows files uses none, unless another one or a file takes what it prints.
    """
    for line in _joined(text):
        words = list(_words(line))
        start, shown = 0, list[str]()
        for at, word in enumerate([*words, ";"]):
            if word in _BETWEEN_COMMANDS:
                piped = word in ("|", "|&")
                yield from _used_by_command(words[start:at], piped, shown)
                shown = words[start + 1 : at] if piped and words[start:at][:1] == ["cat"] else []
                start = at + 1


def _joined(text: str) -> Iterator[str]:
    """Lines of commands, each with those on which a backslash continues it."""
    yield from text.replace("\\\n", " ").split("\n")


def _words(line: str) -> Iterator[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        yield from lexer
    except ValueError:  # a quote over several lines
        return


def _used_by_command(words: list[str], piped: bool, shown: list[str]) -> Iterator[tuple[str, str]]:
    """What one command uses: ``piped`` says whether another takes what it prints, ``shown`` what `cat` pipes to it."""
    while words and (words[0] in _BEFORE_A_COMMAND or re.match(r"\w+=", words[0])):
        before, words = words[0], words[1:]
        while words and words[0].startswith("-"):
            if words[0] in _THEIR_VALUES.get(before, ()):
                yield from ((DATA, word) for word in words[1:2])
                words = words[1:]
            words = words[1:]
        if before == "timeout":
            words = words[1:]
    if not words:
        return
    program, arguments = words[0], words[1:]
    if program in SHELLS or program == "bash" or _PYTHON.fullmatch(program):
        yield from ((CODE, name) for name in _scripts(program, arguments, shown))
    if program in SHELLS:
        return
    if "/" in program:
        yield CODE, program
    kept = piped or any(word.startswith(">") for word in arguments)
    for before, word in zip([program, *arguments], arguments, strict=False):
        if before.startswith(">") or _REDIRECT.match(word):
            continue
        if program not in VIEWERS or kept or before == "<":
            yield DATA, word.partition("=")[2] or word


def _scripts(program: str, arguments: list[str], shown: list[str]) -> Iterator[str]:
    """The scripts of a shell or a Python that it does not note itself."""
    flags, rest = "", iter(arguments)
    for word in rest:
        if word in (("-W", "-X") if _PYTHON.fullmatch(program) else ("-o", "-O", "+o", "+O")):
            next(rest, None)
        elif word in ("-c", "-m"):
            return
        elif word == "<":
            yield next(rest, "")
            return
        elif word.startswith("-"):
            flags += "" if word.startswith("--") else word
            if "n" in flags and not _PYTHON.fullmatch(program):  # the shell only reads it
                return
        else:
            if program in SHELLS or (_PYTHON.fullmatch(program) and "S" in flags):
                yield word
            return
    yield from shown
