"""Parquet: a column for each field of a layout.

A column has one type. The parameters of two tools have two, so `tools` are JSON text. Where a content has parts, such
as an image, all contents are lists of parts.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from gym_rollouts.errors import Fault
from gym_rollouts.writing.layout import FIELDS, Layout

TEXT = pa.string()
PART = pa.struct({"type": TEXT, "text": TEXT, "image_url": pa.struct({"url": TEXT, "detail": TEXT})})
CALL = pa.struct({"id": TEXT, "function": pa.struct({"name": TEXT, "arguments": TEXT}), "type": TEXT})


class Parquet:
    """Parquet, compressed with Zstandard."""

    def check(self, layout: Layout, option: str) -> None:
        """See that the layout has one type for each column.

        Raises:
            Fault: arguments are objects, which have as many types as there are tools.
        """
        if layout.template.arguments == "object":
            raise Fault(
                f"{option}: a Parquet column has one type, and the arguments of two tools have two: "
                "write .jsonl, or leave --arguments at text"
            )

    def schema(self, layout: Layout) -> pa.Schema:
        """The columns of a layout."""
        content = pa.list_(PART) if layout.parts else TEXT
        fields = {"role": TEXT, "content": content}
        if layout.template.reasoning:
            fields[layout.template.reasoning] = TEXT
        messages = pa.list_(pa.struct(fields | {"tool_calls": pa.list_(CALL), "tool_call_id": TEXT}))
        types = {"messages": messages, "json": TEXT, "number": pa.float64(), "index": pa.int64()}
        return pa.schema({name: types[kind] for name, kind in FIELDS[layout.kind].items()})

    def encode(self, lines: list[bytes], layout: Layout, place: Path) -> None:
        """Write some rows as a piece."""
        schema = self.schema(layout)
        rows = [msgspec.json.decode(line) for line in lines]
        for name, kind in FIELDS[layout.kind].items():
            for row in rows:
                if kind == "json":
                    row[name] = None if row[name] is None else msgspec.json.encode(row[name]).decode()
                elif kind == "messages" and layout.parts:
                    for message in row[name]:
                        message["content"] = _as_parts(message["content"])
        with pa.OSFile(str(place), "wb") as file, pa.ipc.new_file(file, schema) as out:
            out.write_table(pa.Table.from_pylist(rows, schema))

    def join(self, pieces: Iterable[Path], layout: Layout, place: Path) -> None:
        """Put pieces together, each as a row group."""
        with pq.ParquetWriter(place, self.schema(layout), compression="zstd") as out:
            for piece in pieces:
                with pa.OSFile(str(piece), "rb") as file:
                    out.write_table(pa.ipc.open_file(file).read_all())

    def fields(self, place: Path) -> list[str]:
        """The columns of a file."""
        return list(pq.read_schema(place).names)


def _as_parts(content: str | list[Any] | None) -> list[Any] | None:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
