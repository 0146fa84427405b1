"""Tables to files: Parquet, CSV and JSON Lines, to a local path or any `pyarrow.fs` URI, or JSON Lines to stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from tuner.errors import Fault, UsageError, did_you_mean
from tuner.storage import Folder

FORMATS = (".parquet", ".csv", ".jsonl")


def check_output(uri: str) -> None:
    """Raise UsageError for a file name whose extension names no format, before any work is done."""
    if _extension(uri) not in FORMATS:
        what = f"the extension {_extension(uri)!r} names no format that can be written"
        raise UsageError([Fault(uri, what, did_you_mean(_extension(uri), FORMATS))])


def write_table(table: pa.Table, uri: str | None) -> None:
    """Write a table in the format of its file's extension; without a file, as JSON lines to stdout.

    CSV has no lists, so there a list is written as its JSON.
    """
    if uri is None:
        for line in _json_lines(table):
            sys.stdout.write(line)
        return
    folder, _, name = uri.rpartition("/")
    extension = _extension(uri)
    sink = pa.BufferOutputStream()
    if extension == ".parquet":
        pq.write_table(table, sink)
    elif extension == ".csv":
        pa.csv.write_csv(_lists_as_json(table), sink)
    else:
        sink.write("".join(_json_lines(table)).encode())
    Folder.at(folder or ".").write(name, sink.getvalue())


def _extension(uri: str) -> str:
    return PurePosixPath(uri).suffix.lower()


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
