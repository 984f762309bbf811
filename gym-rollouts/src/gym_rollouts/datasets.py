"""Data of any shape as rows: CSV, JSON, JSON Lines, Parquet and Arrow files, and the folders that datasets come in.

A reader gives every row of a file with its number, from 1, or `Unusable`. A format is a function, and an entry in
`READERS` under the suffix of a file's name, of which what says that it is compressed is left out.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gym_rollouts.errors import Fault, Unusable
from gym_rollouts.files import Source, open_sources, reason_of, same
from gym_rollouts.lines import ranges, read
from gym_rollouts.taskrows import QUESTIONS, Unreadable

Row = dict[str, Any]
Rows = Iterator[tuple[int, Row | Unusable]]
Reader = Callable[[Path, Path], Rows]
STEP = "unreadable"
REJECT = {"file", "line", "step", "reason"}
NAMES = "train|validation|valid|val|dev|test|eval"
SPLIT = re.compile(rf"^({NAMES})(?:[-_.].*)?$")
#: A file may also have its split at the end of its name: `quiz_train.jsonl`, `quiz-train-00000-of-00002.parquet`.
SPLIT_AT_END = re.compile(rf"^[^.]*[-_.]({NAMES})(?:[-_]\d+)?(?:-of-\d+)?(?:\.[a-z0-9]+)*$")


def _plain(path: Path, spool: Path) -> Source:
    (source,) = open_sources([path], spool)
    if source.damage:
        raise Fault(f"{path}: {source.damage}")
    return source


def read_jsonl(path: Path, spool: Path) -> Rows:
    """One JSON object a line."""
    source = _plain(path, spool)
    number = 0
    for span in ranges([source]):
        for _, line in read(span, source.start):
            number += 1
            yield number, _row(line)


def _row(line: bytes) -> Row | Unusable:
    if not line.strip():
        return Unusable("blank", "a blank line")
    try:
        row = json.loads(line, object_pairs_hook=_once)
    except Unusable as problem:
        return problem
    except RecursionError:
        return Unusable(STEP, "nested too deeply to be read")
    except UnicodeDecodeError:
        return Unusable(STEP, "not UTF-8")
    except ValueError as error:
        return Unusable(STEP, f"not JSON: {error}")
    return row if isinstance(row, dict) else Unusable(STEP, "expected a JSON object")


def read_json(path: Path, spool: Path) -> Rows:
    """A JSON array of objects; or an object that has one, and no other array; or JSON Lines by another name."""
    source = _plain(path, spool)
    data = source.path.read_bytes()[source.start :]
    try:
        # What is no Unicode becomes half of a surrogate pair, so that only its row is rejected.
        found = json.loads(data.decode("utf-8", "surrogateescape"), object_pairs_hook=_marked)
    except (RecursionError, ValueError) as error:
        if b"\n{" in data.strip():
            yield from read_jsonl(path, spool)
            return
        raise Fault(f"{path}: not JSON: {error}") from None
    if isinstance(found, dict):
        found = _rows_within(found, path)
    if not isinstance(found, list):
        raise Fault(f"{path}: expected a list of objects")
    for number, row in enumerate(found, 1):
        if twice := _mark_in(row):
            yield number, Unusable(STEP, twice.reason)
        else:
            yield number, row if isinstance(row, dict) else Unusable(STEP, "expected a JSON object")


def _once(pairs: list[tuple[str, Any]]) -> Row:
    """An object, whose keys are read differently by different readers if one stands twice."""
    row = dict(pairs)
    if len(row) < len(pairs):
        key = next(key for number, (key, _) in enumerate(pairs) if key in dict(pairs[:number]))
        raise Unusable(STEP, f"the key {key!r} stands twice in one object")
    return row


def _marked(pairs: list[tuple[str, Any]]) -> Row:
    """An object of a file that is one value, in which a fault must not end the reading of all rows."""
    try:
        return _once(pairs)
    except Unusable as problem:
        return {pairs[0][0]: Unreadable(problem.reason)}


def _mark_in(value: Any) -> Unreadable | None:
    """The first fault that was marked in a row."""
    todo = [value]
    while todo:
        one = todo.pop()
        if isinstance(one, Unreadable):
            return one
        if isinstance(one, dict):
            todo += one.values()
        elif isinstance(one, list):
            todo += one
    return None


def _rows_within(found: Row, path: Path) -> list[Any]:
    """The rows of an object: the list of objects in it, unless the object is itself a row."""
    lists = [value for value in found.values() if isinstance(value, list)]
    talk = any(isinstance(each, dict) and ("role" in each or "from" in each) for value in lists for each in value[:1])
    asked = any(isinstance(found.get(name), str) for name in QUESTIONS)
    if talk or asked or isinstance(found.get("responses_create_params"), dict):
        return [found]
    if len(lists) > 1:
        raise Fault(f"{path}: expected one list of rows, found {len(lists)}. Write the one that you mean as a file")
    return lists[0] if lists and all(isinstance(each, dict) for each in lists[0]) else [found]


def read_csv(path: Path, spool: Path, encoding: str = "utf-8") -> Rows:
    """A table as text: its first line names the columns. A row's number is that of the line that it begins on."""
    strange = f"not {encoding.upper()}. If the file has another encoding, name it: --encoding cp1252"
    source = _plain(path, spool)
    csv.field_size_limit(1 << 30)
    with source.path.open("rb") as raw:
        raw.seek(source.start)
        head = raw.readline().decode(encoding, "replace")
        mark = "\t" if suffix_of(path) == ".tsv" else max("\t;|,", key=head.count) if head.strip() else ","
        raw.seek(source.start)
        text = io.TextIOWrapper(raw, encoding=encoding, errors="surrogateescape", newline="")
        lines = csv.reader(text, delimiter=mark, strict=True)
        names = _header(path, lines)
        if any(map(_undecoded, names)):
            raise Fault(f"{path}: the first line is {strange}")
        while True:
            number = lines.line_num + 1
            try:
                cells = next(lines)
            except StopIteration:
                return
            except csv.Error as error:
                last = lines.line_num
                open_quote = "a quote opens and is never closed" if "unexpected end" in str(error) else str(error)
                reason = f"not CSV: {open_quote}" + (f" (lines {number:,} to {last:,})" if last > number else "")
                yield number, Unusable(STEP, reason)
                # What the quote holds may be rows: each line is named, so that none is missed in silence.
                for swallowed in range(number + 1, last + 1):
                    yield swallowed, Unusable(STEP, f"not CSV: inside of what a quote on line {number:,} opens")
                continue
            if not cells:
                yield number, Unusable("blank", "a blank line")
            elif len(cells) != len(names):
                yield number, Unusable(STEP, f"{len(cells)} cells, where the first line names {len(names)} columns")
            elif any(map(_undecoded, cells)):
                yield number, Unusable(STEP, strange)
            else:
                yield number, dict(zip(names, cells, strict=True))


def _undecoded(text: str) -> bool:
    """Say whether a text has bytes that its encoding does not know."""
    return any("\udc80" <= each <= "\udcff" for each in text if each > "\ud7ff")


def _header(path: Path, lines: Any) -> list[str]:
    try:
        names = [str(name).strip() for name in next(lines, [])]
    except csv.Error as error:
        raise Fault(f"{path}: the first line is not CSV: {error}") from None
    if not names:
        raise Fault(f"{path}: is empty: expected a first line that names the columns")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Fault(f"{path}: two columns are called {twice!r}. Rename one")
    return names


def read_parquet(path: Path, spool: Path) -> Rows:
    """A Parquet file."""
    try:
        file = pq.ParquetFile(path)
        _see_names(path, file.schema_arrow.names)
        yield from _batches(file.iter_batches(1024))
    except (pa.ArrowException, OSError) as error:
        raise Fault(f"{path}: cannot be read as Parquet: {reason_of(error).splitlines()[0]}") from None


def read_arrow(path: Path, spool: Path) -> Rows:
    """An Arrow file, as `datasets` saves it: a stream, or a file with an index."""
    try:
        with pa.memory_map(str(path)) as source:
            try:
                stream = pa.ipc.open_stream(source)
            except pa.ArrowInvalid:
                file = pa.ipc.open_file(source)
                _see_names(path, file.schema.names)
                yield from _batches(file.get_batch(n) for n in range(file.num_record_batches))
            else:
                _see_names(path, stream.schema.names)
                yield from _batches(iter(stream))
    except (pa.ArrowException, OSError) as error:
        raise Fault(f"{path}: cannot be read as Arrow: {reason_of(error).splitlines()[0]}") from None


def _see_names(path: Path, names: list[str]) -> None:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Fault(f"{path}: two columns are called {twice!r}. Rename one")


def _batches(batches: Iterator[Any]) -> Rows:
    number = 0
    for batch in batches:
        columns = {name: _values(column) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
        for place in range(batch.num_rows):
            number += 1
            yield number, {name: values[place] for name, values in columns.items()}


def _values(column: Any) -> list[Any]:
    """The values of a column; in place of one that Python cannot hold, why: it is no matter unless it is used."""
    try:
        values: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, pa.ArrowException):
        return [_value(each) for each in column]
    return values


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, pa.ArrowException) as error:
        return Unreadable(f"a value of the type {scalar.type} that cannot be read: {reason_of(error).splitlines()[0]}")


READERS: dict[str, Reader] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
}


def rows_of(path: Path, spool: Path, encoding: str | None = None) -> Rows:
    """The rows of a file by its format. `encoding` is that of a table as text; none is UTF-8, or what its mark shows.

    Raises:
        Fault: the file cannot be read, Python does not know the encoding, or the format has one of its own.
    """
    reader = READERS[suffix_of(path)]
    if encoding is None:
        return reader(path, spool)
    if reader is not read_csv:
        raise Fault(f"--encoding is for .csv and .tsv: {path} has the encoding of its format. Leave it out")
    try:
        "".encode(encoding)
    except LookupError:
        raise Fault(
            f"--encoding {encoding}: not known to Python. Examples: cp1252, cp1251, shift_jis, gb18030"
        ) from None
    known = codecs.lookup(encoding).name
    # What has a mark, or is UTF-16 or UTF-32, is UTF-8 by now.
    return read_csv(path, spool, "utf-8" if known.startswith("utf") else known)


def suffix_of(path: Path) -> str:
    """The suffix that tells the format of a file: `.csv` of `a.csv.gz`."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    while suffixes and suffixes[-1] in (".gz", ".zst", ".bz2", ".xz"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def expand(paths: list[Path], split: str | None, written: Sequence[Path] = ()) -> list[Path]:
    """The files of what the user named: a folder is a dataset, and of its splits one is meant.

    `written` is what the command writes: what an earlier run of it left in a folder is no data.

    Raises:
        Fault: a file of no known format, a folder without data, or with several splits and none named.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            files += _of_folder(path, split, written)
        elif suffix_of(path) in READERS:
            if split is not None and path.exists() and _split_of(path, path.parent) != split:
                raise Fault(f"--split {split}: {path} is a file, which has no splits. Leave --split out")
            files.append(path)
        else:
            raise Fault(f"{path}: the end of the name tells the format: it must be one of {', '.join(READERS)}")
    return files


def _of_folder(folder: Path, split: str | None, written: Sequence[Path]) -> list[Path]:
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and suffix_of(path) in READERS
        and path.name not in ("state.json", "dataset_info.json", "dataset_dict.json", "dataset_infos.json")
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not path.name.startswith("cache-")
        and not (any(same(path, output) for output in written) and _is_ours(path))
    )
    if not found:
        raise Fault(f"{folder}: holds no file of a known format: {', '.join(READERS)}")
    splits: dict[str, list[Path]] = {}
    for path in found:
        splits.setdefault(_split_of(path, folder), []).append(path)
    if split is not None:
        if split not in splits:
            raise Fault(f"--split {split}: {folder} has no such split. It has: {', '.join(sorted(splits))}")
        found = splits[split]
    elif len(splits) > 1:
        raise Fault(f"{folder}: has several splits: {', '.join(sorted(splits))}. Name one with --split")
    else:
        split = next(iter(splits))
    configs = sorted({_config_of(path, folder) for path in found}) if split != "all" else []
    if len(configs) > 1:
        raise Fault(
            f"{folder}: has several datasets with the split {split}: {', '.join(configs)}. Name the folder of one, or "
            "the files of all"
        )
    return found


def _is_ours(path: Path) -> bool:
    """Say whether a file holds what `tasks` writes: task rows, or rejects. A user's own file is never passed over."""
    try:
        with path.open("rb") as file:
            row = json.loads(file.readline() or b"{}")
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(row, dict) and (not row or "responses_create_params" in row or row.keys() == REJECT)


def _config_of(path: Path, folder: Path) -> str:
    """The folder that a file is the split of: datasets with several configurations have one for each."""
    parts = [part for part in path.relative_to(folder).parent.parts if not SPLIT.match(part)]
    return "/".join(parts) or "."


def _split_of(path: Path, folder: Path) -> str:
    """The split that a file's name, or the name of a folder above it, tells; `all` where none does."""
    if found := SPLIT.match(path.name) or SPLIT_AT_END.match(path.name):
        return found[1]
    for name in reversed(path.relative_to(folder).parent.parts):
        if found := SPLIT.match(name):
            return found[1]
    return "all"
