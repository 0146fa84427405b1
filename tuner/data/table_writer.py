"""Write tables as Parquet, CSV or JSON Lines, to a local path or any `pyarrow.fs` URI, or as JSON Lines to stdout."""

from __future__ import annotations

import base64
import json
import math
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from tuner.errors import Fault, UsageError, did_you_mean
from tuner.storage import Folder, errors_named, extension, locate, split

Write: TypeAlias = Callable[[pa.Table], None]
"""Writes the next batch of a table. All batches have one schema."""

FORMATS = (".parquet", ".csv", ".jsonl")


def check_output(uri: str, *, source: str, is_forced: bool = False) -> None:
    """Raise InputError, before any work is done, if a table cannot be written to `uri` or would overwrite `source`.

    Unless `is_forced`, it may overwrite no other file either.
    """
    kind = extension(uri)
    if kind not in FORMATS:
        what = (
            f"the extension {kind!r} names no format" if kind else "the name has no extension, which names the format"
        )
        raise UsageError([Fault(f"--out {uri}", what, did_you_mean(kind, FORMATS))])
    if _is_same_file(uri, source):
        what = f"this is {source}, the input file, which would be overwritten"
        raise UsageError([Fault(f"--out {uri}", what, "name another file")])
    check_place(uri)
    folder, name = split(uri)
    if not is_forced and Folder.at(folder).exists(name):
        what = "there is a file of this name already, and it is not overwritten"
        raise UsageError([Fault(f"--out {uri}", what, "name another file, or add --force")])


def check_place(uri: str) -> None:
    """Raise InputError, before any work is done, if no file can be written at `uri`."""
    folder, name = split(uri)
    place = Folder.at(folder)
    if place.is_local and not place.exists():  # other stores have no folders of their own
        what = f"there is no folder {place}"
        raise UsageError([Fault(f"--out {uri}", what, "create it first, or name an existing folder")])
    place.check_writable()
    if place.below(name).is_folder():
        raise UsageError([Fault(f"--out {uri}", "this is a folder, not a file", "name a file in it")])


def _is_same_file(uri: str, other: str) -> bool:
    """Return whether two names refer to the same file."""
    (files, path), (other_files, other_path) = locate(uri), locate(other)
    if isinstance(files, LocalFileSystem) and isinstance(other_files, LocalFileSystem):
        with suppress(OSError, ValueError):  # missing or unreadable files
            return Path(path).samefile(other_path)
        return False
    return files == other_files and path == other_path


def write_table(table: pa.Table, uri: str | None) -> None:
    """Write a whole table, as `open_table` does. Raises StorageError."""
    with open_table(uri) as write:
        write(table)


@contextmanager
def open_table(uri: str | None) -> Iterator[Write]:
    """Return a function that writes a table batch by batch: as JSON Lines to stdout if `uri` is None.

    The extension decides the format. The file appears under its name when the block ends, complete; if the block fails, nothing
    appears. CSV has no lists, so a list is written as JSON there. Raises StorageError.
    """
    if uri is None:
        yield _write_lines(sys.stdout)
        return
    folder, name = split(uri)
    place = Folder.at(folder)
    with ExitStack() as stack:
        where = f"{folder.removesuffix('/')}/{name}" if place.is_local else uri
        path = stack.enter_context(_draft(place, name, where))
        with errors_named(where, "cannot be written"), _WRITERS[extension(uri)](path) as write:
            yield write


@contextmanager
def _draft(place: Folder, name: str, where: str) -> Iterator[Path]:
    """Return where to write a file, on this machine. Put it in its place when the block ends, unless it fails."""
    target = place.below(name).path
    mark = uuid.uuid4().hex[:8]
    draft = Path(f"{target}.{mark}.draft") if place.is_local else Path(tempfile.gettempdir(), f"tuner-{mark}.draft")
    try:
        yield draft
        with errors_named(where, "cannot be written"):
            if place.is_local:
                draft.replace(target)
            else:
                with pa.memory_map(str(draft)) as file:
                    place.write(name, file.read_buffer())
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


@contextmanager
def _parquet_file(path: Path) -> Iterator[Write]:
    with ExitStack() as stack:
        writers: list[pq.ParquetWriter] = []

        def write(table: pa.Table) -> None:
            if not writers:
                writers.append(stack.enter_context(pq.ParquetWriter(path, table.schema)))
            writers[0].write_table(table)

        yield write


@contextmanager
def _csv_file(path: Path) -> Iterator[Write]:
    with ExitStack() as stack:
        writers: list[pa.csv.CSVWriter] = []

        def write(table: pa.Table) -> None:
            table = _flat(table)
            if not writers:
                writers.append(stack.enter_context(pa.csv.CSVWriter(path, table.schema)))
            writers[0].write_table(table)

        yield write


@contextmanager
def _json_file(path: Path) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
        yield _write_lines(file)


_WRITERS = {".parquet": _parquet_file, ".csv": _csv_file, ".jsonl": _json_file}


def _write_lines(file: TextIO) -> Write:
    def write(table: pa.Table) -> None:
        for batch in table.to_batches(max_chunksize=1000):
            for row in batch.to_pylist():
                file.write(_to_json(row) + "\n")

    return write


def _flat(table: pa.Table) -> pa.Table:
    """Return the table with everything that CSV has no form for, such as lists, as JSON."""
    for place, field in enumerate(table.schema):
        if pa.types.is_nested(field.type) or not _is_plain(field.type):
            texts = [None if value is None else _to_json(value) for value in table.column(place).to_pylist()]
            table = table.set_column(place, field.name, pa.array(texts, pa.string()))
    return table


def _is_plain(kind: pa.DataType) -> bool:
    """Return whether pyarrow writes values of this type to CSV."""
    is_ = pa.types
    return bool(
        is_.is_boolean(kind)
        or is_.is_integer(kind)
        or is_.is_floating(kind)
        or is_.is_decimal(kind)
        or is_.is_string(kind)
        or is_.is_large_string(kind)
        or is_.is_date(kind)
        or is_.is_time(kind)
        or is_.is_timestamp(kind)
    )


def _to_json(value: Any) -> str:
    """Return a value as JSON: without NaN, which JSON has no form for, and with dates and the like as texts."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_as_text)
    except ValueError:
        return json.dumps(_without_nan(value), ensure_ascii=False, default=_as_text)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
