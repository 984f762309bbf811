"""JSON Lines, plain or compressed."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from gym_rollouts.standard import zstd
from gym_rollouts.writing.layout import Layout

COPIED = 1 << 22


class JsonLines:
    """One JSON object a line, in UTF-8."""

    def check(self, layout: Layout, option: str) -> None:
        """JSON Lines hold every layout."""

    def encode(self, lines: list[bytes], layout: Layout, place: Path) -> None:
        """Write some rows as a piece."""
        with place.open("wb") as out:
            out.writelines(lines)

    def join(self, pieces: Iterable[Path], layout: Layout, place: Path) -> None:
        """Put pieces together."""
        with self.open(place) as out:
            for piece in pieces:
                with piece.open("rb") as file:
                    shutil.copyfileobj(file, out, COPIED)

    def fields(self, place: Path) -> list[str]:
        """The fields of a file's first row."""
        with self.read(place) as file:
            line = file.readline()
        return list(json.loads(line)) if line.strip() else []

    @contextmanager
    def open(self, place: Path) -> Iterator[IO[bytes]]:
        """Open a file for lines."""
        with place.open("wb") as out:
            yield out

    def read(self, place: Path) -> IO[bytes]:
        """Open a file of lines."""
        return place.open("rb")


class GzipJsonLines(JsonLines):
    """JSON Lines, compressed with gzip."""

    @contextmanager
    def open(self, place: Path) -> Iterator[IO[bytes]]:
        """Open a file for lines. No name and no time go into it: the same rows are the same file."""
        with place.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as out:
            yield cast("IO[bytes]", out)

    def read(self, place: Path) -> IO[bytes]:
        """Open a file of lines."""
        return cast("IO[bytes]", gzip.open(place, "rb"))


class ZstdJsonLines(JsonLines):
    """JSON Lines, compressed with Zstandard."""

    @contextmanager
    def open(self, place: Path) -> Iterator[IO[bytes]]:
        """Open a file for lines."""
        with zstd.ZstdFile(place, "w") as out:
            yield cast("IO[bytes]", out)

    def read(self, place: Path) -> IO[bytes]:
        """Open a file of lines."""
        return cast("IO[bytes]", zstd.ZstdFile(place))
