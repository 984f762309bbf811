"""Inputs, opened whatever they are compressed or encoded with; outputs, whole or not at all.

An input becomes a `Source`: a plain UTF-8 file that byte ranges can be read of. What is compressed, in another encoding
or comes through a pipe is first written to the spool as such a file. How a file is compressed its first bytes say, not
its name. `Outputs` refuses to write where it would destroy something, and puts all files in place at the end.
"""

from __future__ import annotations

import bz2
import codecs
import gzip
import io
import lzma
import os
import re
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from gym_rollouts.errors import Fault
from gym_rollouts.standard import zstd

STDIN = Path("-")
CHUNK = 1 << 20


#: What the first bytes of a compressed file say, and what reads it.
COMPRESSIONS: dict[bytes, tuple[str, Callable[[BinaryIO], IO[bytes]]]] = {
    b"\x1f\x8b": ("gzip", lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file))),
    b"\x28\xb5\x2f\xfd": ("zstd", lambda file: cast("IO[bytes]", zstd.ZstdFile(file))),
    b"BZh": ("bzip2", bz2.BZ2File),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMAFile),
}
#: Files that are no lines of JSON, with what to do.
FOREIGN = {
    b"PAR1": "is a Parquet file: give the JSON Lines file that NeMo Gym wrote",
    b"PK\x03\x04": "is a zip archive: unpack it and name the files in it",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive: unpack it and name the files in it",
}
#: Byte-order marks, the longest first.
MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
DAMAGE = (EOFError, OSError, zlib.error, lzma.LZMAError, zstd.ZstdError)


@dataclass(frozen=True)
class Source:
    """An input that byte ranges can be read of: `path` is plain UTF-8 from the byte `start` on.

    `name` is what the user called it. `damage` says why its end is missing, if it is. `same_as` is the number of an
    earlier input that is the same file.
    """

    name: str
    path: Path
    start: int = 0
    size: int = 0
    damage: str | None = None
    same_as: int | None = None


def open_sources(paths: Iterable[Path], spool: Path) -> list[Source]:
    """Open the inputs. Whatever is no plain UTF-8 file is written to `spool` as one.

    Raises:
        Fault: an input is not there, is a folder or a foreign file, or cannot be read.
    """
    sources: list[Source] = []
    seen: dict[tuple[int, int], int] = {}
    for number, path in enumerate(paths):
        if path != STDIN:
            found = check_input(path)
            key = (found.st_dev, found.st_ino)
            if key in seen and stat.S_ISREG(found.st_mode):
                first = sources[seen[key]]
                sources.append(Source(str(path), first.path, first.start, first.size, first.damage, seen[key]))
                continue
            seen[key] = number
        elif any(source.name == "-" for source in sources):
            raise Fault("standard input can be read once only: name '-' once")
        sources.append(_open(path, spool / f"input-{number}"))
    return sources


def open_whole(paths: Iterable[Path], spool: Path, option: str) -> list[Source]:
    """Open files that others are held against, as `open_sources` does.

    Raises:
        Fault: as there; or the end of one is missing: what is not there could not be found in the others.
    """
    sources = open_sources(paths, spool)
    for source in sources:
        if source.damage:
            raise Fault(f"{option} {source.name}: {source.damage}. Fetch the file again: what is missing counts, too")
    return sources


def check_input(path: Path) -> os.stat_result:
    """See that an input is a file that can be read.

    Raises:
        Fault: it is not there, is a folder, or may not be read.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise Fault(f"{path}: there is no such file. Check the name, and the folder that you run in") from None
    except (OSError, ValueError) as error:
        raise Fault(f"{path}: cannot be read: {reason_of(error)}") from None
    if stat.S_ISDIR(found.st_mode):
        raise Fault(f"{path}: is a folder. Name the files in it, such as {path}/*.jsonl")
    if not os.access(path, os.R_OK):
        raise Fault(f"{path}: may not be read. Ask its owner for the right to read it")
    return found


def _open(path: Path, spooled: Path) -> Source:
    try:
        with _binary(path) as file:
            seekable = path != STDIN and stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            head = file.peek(8)[:8] if isinstance(file, io.BufferedReader) else b""
            for magic, advice in FOREIGN.items():
                if head.startswith(magic):
                    raise Fault(f"{path}: {advice}")
            known = next((entry for magic, entry in COMPRESSIONS.items() if head.startswith(magic)), None)
            encoding, mark = encoding_of(head)
            if seekable and not known and encoding == "utf-8":
                size = os.fstat(file.fileno()).st_size
                return Source(str(path), path.absolute(), mark, size)
            plain = known[1](file) if known else cast("IO[bytes]", file)
            damage = _spool(plain, spooled, known[0] if known else "")
    except OSError as error:
        raise Fault(f"{path}: cannot be read: {reason_of(error)}") from None
    with spooled.open("rb") as again:
        _, mark = encoding_of(again.read(8))
    return Source(str(path), spooled, mark, spooled.stat().st_size, damage)


@contextmanager
def _binary(path: Path) -> Iterator[BinaryIO]:
    if path == STDIN:
        yield cast("BinaryIO", sys.stdin.buffer)
        return
    with path.open("rb", buffering=CHUNK) as file:
        yield file


def encoding_of(head: bytes) -> tuple[str, int]:
    """The encoding that the first bytes of a file show, and how many of them are its mark."""
    for mark, name in MARKS.items():
        if head.startswith(mark):
            return name, len(mark)
    if len(head) >= 4:  # JSON begins with two characters of ASCII
        zeros = "".join("0" if byte == 0 else "x" for byte in head[:4])
        guesses = {
            "x0x0": "utf-16-le",
            "0x0x": "utf-16-be",
            "x000": "utf-32-le",
            "000x": "utf-32-be",
        }
        return guesses.get(zeros, "utf-8"), 0
    return "utf-8", 0


def _spool(plain: IO[bytes], spooled: Path, compression: str) -> str | None:
    """Write a stream as a UTF-8 file. Returns why its end is missing, if it is."""
    damage = None
    with spooled.open("wb", buffering=CHUNK) as out:
        decoder: codecs.IncrementalDecoder | None = None
        first = True
        # What was unpacked before the damage counts: a read of a whole chunk would lose it.
        piece = getattr(plain, "read1", plain.read)
        while True:
            chunk = b""
            try:
                chunk = piece(CHUNK)
                while first and chunk and len(chunk) < 8 and (more := piece(CHUNK)):
                    chunk += more
            except DAMAGE as error:
                if not compression:
                    raise
                damage = f"the {compression} data is damaged or ends too early: {reason_of(error)}"
            if first:
                first = False
                encoding, _ = encoding_of(chunk[:8])
                if encoding != "utf-8":
                    # What no UTF can hold becomes a byte that no UTF-8 can hold: its line is rejected, no other.
                    decoder = codecs.getincrementaldecoder(encoding)(errors="surrogateescape")
                    decoder.errors = "gym-rollouts-broken"
            out.write(_utf8(decoder.decode(chunk)) if decoder else chunk)
            if damage or not chunk:
                break
        if decoder:
            out.write(_utf8(decoder.decode(b"", final=True)))
    return damage


def _broken(error: UnicodeError) -> tuple[str, int]:
    """Stand in for what cannot be decoded with half a surrogate pair, which no valid text holds."""
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


codecs.register_error("gym-rollouts-broken", _broken)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def reason_of(error: BaseException) -> str:
    """What an error says, without numbers and paths."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


# --------------------------------------------------------------------------------------------------------- outputs


def shard_names(target: Path, count: int) -> list[Path]:
    """The names of an output's shards, as the Hugging Face Hub has them; the name itself for one."""
    if count == 1:
        return [target]
    stem, suffix = split_suffix(target)
    return [target.with_name(f"{stem}-{n:05}-of-{count:05}{suffix}") for n in range(count)]


def split_suffix(path: Path) -> tuple[str, str]:
    """A name in its stem and its suffixes: `sft.jsonl.gz` is `sft` and `.jsonl.gz`."""
    found = re.fullmatch(r"(.+?)((?:\.[A-Za-z]\w*)?(?:\.(?:gz|zst|bz2|xz))?)", path.name)
    return (found[1], found[2]) if found else (path.name, "")


def older_outputs(target: Path, keep: Iterable[Path]) -> list[Path]:
    """What an earlier run left of an output under names that this run does not write."""
    stem, suffix = split_suffix(target)
    pattern = re.compile(re.escape(stem) + r"-\d{5}-of-\d{5}" + re.escape(suffix))
    kept = set(keep)
    if not target.parent.is_dir():
        return []
    candidates = [path for path in target.parent.iterdir() if pattern.fullmatch(path.name)]
    return sorted(path for path in [*candidates, target] if path not in kept and path.is_file())


class Outputs:
    """The files that a command writes. They get their names together, at the end; after a fault none does.

    Use it as a context manager: `claim` every name before anything is read, write to `path_for` it.
    """

    def __init__(self, inputs: Iterable[Path]) -> None:
        """Take the inputs, which no output may be."""
        self.inputs = [path for path in inputs if path != STDIN]
        #: The place of each output: the option that named it, and where it is written until it is whole.
        self.claimed: dict[Path, tuple[str, Path]] = {}
        self.folders: dict[Path, Path] = {}
        self.obsolete: list[Path] = []

    def __enter__(self) -> Outputs:
        """Start."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Put all files in place, or, after an error, remove what was written."""
        try:
            if kind is None:
                self._place()
        finally:
            for folder in self.folders.values():
                shutil.rmtree(folder, ignore_errors=True)

    def claim(
        self, target: Path, option: str, shards: int = 1, ours: Callable[[Path], bool] | None = None
    ) -> list[Path]:
        """Reserve the name of an output, and those of its shards. Returns where to write them until they are whole.

        Args:
            target: the name.
            option: the option that named it.
            shards: how many files there will be.
            ours: whether an earlier run wrote a file. Where it is given, the output may have shards, and what an
                earlier run left of it under other names is removed: readers would take it for a part of this run's.

        Raises:
            Fault: it is an input, or another output, no file can be written there, or a file that looks like another
                shard of it is of somebody else.
        """
        names = shard_names(target, shards)
        obsolete = older_outputs(target, names) if ours else []
        for path in (*names, *obsolete):
            self._refuse(path, option)
        if foreign := [path for path in obsolete if ours and not ours(path)]:
            raise Fault(
                f"{option} {target}: readers would take {foreign[0]} for a part of it, and this tool did not write "
                "that file. Move it, or name another file to write"
            )
        places = []
        for path in map(real, names):
            if path.parent not in self.folders:
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    self.folders[path.parent] = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=path.parent))
                except OSError as error:
                    raise Fault(f"{option} {target}: no file can be written there: {reason_of(error)}") from None
            places.append(self.folders[path.parent] / path.name)
            self.claimed[path] = (option, places[-1])
        self.obsolete += obsolete
        return places

    def _refuse(self, path: Path, option: str) -> None:
        if path.is_dir():
            raise Fault(f"{option} {path}: is a folder. Name a file in it, such as {path / 'rows.jsonl'}")
        if path.exists() and not path.is_file():
            raise Fault(f"{option} {path}: is no regular file. Name a file to write")
        if any(same(path, given) for given in self.inputs):
            raise Fault(f"{option} {path}: is an input too, and would be lost. Name another file to write")
        if other := next((name for claimed, (name, _) in self.claimed.items() if same(path, claimed)), None):
            raise Fault(f"{option} {path}: is written by {other} too. Name two files")

    def _place(self) -> None:
        for path in self.obsolete:
            path.unlink(missing_ok=True)
        for path, (_, unfinished) in self.claimed.items():
            unfinished.replace(path)


def real(path: Path) -> Path:
    """A path without links, also where nothing is there yet."""
    return Path(os.path.realpath(path))


def same(one: Path, other: Path) -> bool:
    """Say whether two paths name one file, by links or by their spelling too."""
    if real(one) == real(other):
        return True
    try:
        return one.samefile(other)
    except OSError:
        # On a file system without case a name that is not there yet may be the other's in other letters.
        return False
