"""Write tables as Parquet, CSV or JSON Lines, to a local path or any `pyarrow.fs` URI, or as JSON Lines to stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pyarrow.fs import LocalFileSystem

from tuner.errors import Fault, UsageError, did_you_mean
from tuner.storage import Folder, extension, locate, split

FORMATS = (".parquet", ".csv", ".jsonl")


def check_output(uri: str, *, source: str) -> None:
    """Raise InputError, before any work is done, if a table cannot be written to `uri` or would overwrite `source`."""
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
    """Write a table in the format of the file's extension, or as JSON lines to stdout if `uri` is None.

    CSV has no lists, so a list is written as JSON there. Raises StorageError.
    """
    if uri is None:
        for line in _json_lines(table):
            sys.stdout.write(line)
        return
    folder, name = split(uri)
    kind = extension(uri)
    sink = pa.BufferOutputStream()
    if kind == ".parquet":
        pq.write_table(table, sink)
    elif kind == ".csv":
        pa.csv.write_csv(_lists_as_json(table), sink)
    else:
        sink.write("".join(_json_lines(table)).encode())
    Folder.at(folder).write(name, sink.getvalue())


def _json_lines(table: pa.Table) -> Iterator[str]:
    for batch in table.to_batches(max_chunksize=1000):
        for row in batch.to_pylist():
            yield json.dumps(row, ensure_ascii=False) + "\n"


def _lists_as_json(table: pa.Table) -> pa.Table:
    for place, field in enumerate(table.schema):
        if pa.types.is_list(field.type):
            texts = [json.dumps(value, ensure_ascii=False) for value in table.column(place).to_pylist()]
            table = table.set_column(place, field.name, pa.array(texts, pa.string()))
    return table
