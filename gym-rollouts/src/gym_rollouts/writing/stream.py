"""Rows to a file as they come, for the few outputs whose rows are no layout's: JSON Lines, or Parquet of one schema."""

from __future__ import annotations

from types import TracebackType
from typing import Any, BinaryIO

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

#: So many rows of Parquet are held in memory, and written as one group.
GROUP = 1000


class JsonStream:
    """Writes rows as lines of JSON."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def __enter__(self) -> JsonStream:
        return self

    def __exit__(self, *raised: object) -> None:
        return None

    def write(self, row: dict[str, Any], schema: pa.Schema | None) -> None:
        """Write one row; the schema is Parquet's to read."""
        self._out.write(msgspec.json.encode(row) + b"\n")


class ParquetStream:
    """Writes rows as Parquet. The schema of the first row is that of all; a file without rows has no column."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._rows: list[dict[str, Any]] = []
        self._writer: pq.ParquetWriter | None = None
        self._schema = pa.schema([])

    def __enter__(self) -> ParquetStream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def write(self, row: dict[str, Any], schema: pa.Schema | None) -> None:
        """Take one row, whose fields ``schema`` names with their types."""
        if schema is not None and self._writer is None:
            self._schema = schema
        self._rows.append(row)
        if len(self._rows) == GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._out, self._schema, compression="zstd")
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []
