"""Read tables from files of all formats, on a local path or any `pyarrow.fs` URI, and from the built-in sets.

Row numbers count data rows from 1: the header and blank lines of a CSV are not rows. Rows of several files are numbered through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

import pyarrow as pa
from pyarrow import fs

from tuner.data.builtin import Say, builtin_fingerprint, builtin_table, is_builtin
from tuner.data.formats.arff_format import read_arff
from tuner.data.formats.arrow_format import read_arrow
from tuner.data.formats.compression import unpack
from tuner.data.formats.content import REMEDIES, Choose, Reading, first_line
from tuner.data.formats.csv_format import read_csv
from tuner.data.formats.encodings import read_utf8
from tuner.data.formats.json_format import read_json
from tuner.data.formats.names import codec_of, format_of
from tuner.data.formats.parquet_format import read_parquet
from tuner.data.formats.pieces import arrow_pieces, csv_pieces, json_pieces, parquet_pieces
from tuner.data.formats.ts_format import read_ts
from tuner.data.formats.value_names import with_value_names
from tuner.data.source_files import Part, Source, locate_file, locate_source
from tuner.data.wanted_columns import WantedColumns
from tuner.errors import data_error
from tuner.machine import available_bytes
from tuner.storage import name_of

_READERS: Mapping[str, Callable[[str, pa.NativeFile, Choose], pa.Table]] = {
    "parquet": read_parquet,
    "arrow": read_arrow,
    "json": read_json,
    "ts": read_ts,
    "arff": read_arff,
}
_USUAL_SEPARATORS = {"csv": ",", "tsv": "\t"}
_OF_BYTES = ("parquet", "arrow")  # the other formats are text
_PIECES: Mapping[str, Callable[[str, pa.NativeFile, Choose, Reading, int], Iterator[pa.Table]]] = {
    "parquet": parquet_pieces,
    "arrow": arrow_pieces,
    "json": json_pieces,
    "csv": csv_pieces,
    "tsv": partial(csv_pieces, usual=_USUAL_SEPARATORS["tsv"]),
}


def read_table(
    uri: str,
    columns: Sequence[str] | None = None,
    say: Say | None = None,
    *,
    named_by: Mapping[str, str] | None = None,
    optional: Collection[str] = (),
    patterns: Collection[str] = (),
    reading: Reading | None = None,
) -> pa.Table:
    """Read the named columns (None: all) of a file, a folder of files, a pattern or a built-in set, in the order of its rows.

    The extension decides the format. CSV has no types, so every column is read as text. `say` gets lines about slow work.
    `named_by` maps a column to the setting (data.text) or option (--text) that names it, for the message about a missing
    column. Columns in `optional` may be missing. Those in `patterns` may have a * for the numbers of several.
    Raises DataError for a file that is missing, empty, not in its format, or lacks a named column.
    """
    wanted = WantedColumns(columns=columns, named_by=named_by or {}, optional=optional, patterns=patterns)
    if is_builtin(uri):
        table = builtin_table(uri, say)
        chosen = wanted.choose(uri, table.column_names)
        return table if chosen is None else table.select(chosen)
    reading = reading or Reading()
    return read_whole(uri, locate_source(uri, reading), wanted, reading)


def read_whole(uri: str, source: Source, wanted: WantedColumns, reading: Reading) -> pa.Table:
    """Read the wanted columns of all files of the source at `uri`. Raises DataError as `read_table` does."""
    tables = [_read_part(source, part, partial(wanted.choose, part.uri), reading) for part in source.parts]
    table = _joined(source, tables)
    if table.num_rows == 0:
        what = "the file has no rows" if len(tables) == 1 else f"the {len(tables):,} files have no rows"
        raise data_error(uri, what, "give a file with rows")
    return table


def read_pieces(source: Source, wanted: WantedColumns, reading: Reading, *, piece_bytes: int) -> Iterator[pa.Table]:
    """Yield the rows of a source in pieces of about `piece_bytes`, so that it need not fit into memory.

    Files of series (.ts, .arff), arrays of JSON and compressed Parquet are read as a whole. Raises DataError.
    """
    for part in source.parts:
        format_name, codec = _format_of(part, reading), codec_of(part.uri)
        choose = partial(wanted.choose, part.uri)
        if format_name not in _PIECES or (codec is not None and format_name in _OF_BYTES):
            yield _read_part(source, part, choose, reading)
            continue
        with _opened(source, part, reading) as file:
            if file is not None:
                content = file if codec is None else pa.CompressedInputStream(file, codec)
                for table in _PIECES[format_name](part.uri, content, choose, reading, piece_bytes):
                    table.validate(full=True)
                    yield with_value_names(part.uri, table)


def _read_part(source: Source, part: Part, choose: Choose, reading: Reading) -> pa.Table:
    uri, format_name, codec = part.uri, _format_of(part, reading), codec_of(part.uri)
    with _opened(source, part, reading) as file:
        if file is None:
            return pa.table({})
        content = file if codec is None else unpack(uri, file, codec, most_bytes=available_bytes())
        if format_name not in _OF_BYTES:
            content = pa.BufferReader(read_utf8(uri, content, reading))
        if format_name in _USUAL_SEPARATORS:
            table = read_csv(uri, content, choose, reading, usual=_USUAL_SEPARATORS[format_name])
        else:
            table = _READERS[format_name](uri, content, choose)
        table.validate(full=True)  # runs the checks that pyarrow postpones, such as for UTF-8
        return with_value_names(uri, table)


def _format_of(part: Part, reading: Reading) -> str:
    return reading.format_name or format_of(part.uri)


@contextmanager
def _opened(source: Source, part: Part, reading: Reading) -> Iterator[pa.NativeFile | None]:
    """Return an open file, None if it is empty and there are others. Errors of reading become a DataError that names it."""
    format_name = _format_of(part, reading)
    try:
        with source.files.open_input_file(part.path) as file:
            if file.size() or len(source.parts) == 1:
                if not file.size():
                    raise data_error(part.uri, "the file is empty (0 bytes)", "give a file with rows")
                yield file
                return
        reading.note(f"{part.uri}: the file is empty (0 bytes), and is left out")
        yield None
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # Parquet column names may not be UTF-8
        raise data_error(
            part.uri, f"cannot be read as {format_name} ({first_line(error)})", REMEDIES[format_name]
        ) from error


def _joined(source: Source, tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of all files one after another. Raises DataError if a column has several kinds of values."""
    filled = [number for number, table in enumerate(tables) if table.num_columns]
    joined = tables[filled[0] if filled else 0]
    for number in filled[1:]:
        part = tables[number]
        try:
            joined = pa.concat_tables([joined, part], promote_options="permissive")
        except pa.ArrowException as error:
            shared = [name for name in joined.column_names if name in part.column_names]
            name = next(name for name in shared if part[name].type != joined[name].type)
            what = f"column {name!r} holds {part[name].type}, but {joined[name].type} in the files before"
            raise data_error(source.parts[number].uri, what, "write one kind of value in each column") from error
    return joined


def fingerprint(uri: str) -> str:
    """Return the sha256 of a file, or the fingerprint of a built-in set. Raises DataError for a missing file.

    The fingerprint of a folder or pattern covers the names and the content of its files.
    """
    if is_builtin(uri):
        return builtin_fingerprint(uri)
    source = locate_source(uri, Reading())
    digests = [_digest(source.files, part.path) for part in source.parts]
    if len(digests) == 1:
        return digests[0]
    names = (name_of(part.uri) for part in source.parts)
    return hashlib.sha256("".join(map("{}\0{}\n".format, names, digests)).encode()).hexdigest()


def _digest(files: fs.FileSystem, path: str) -> str:
    digest = hashlib.sha256()
    with files.open_input_stream(path, compression=None) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_readable(uri: str) -> None:
    """Raise DataError if no file of any format exists at `uri`, or if it cannot be opened."""
    files, path = locate_file(uri, None)
    try:
        files.open_input_stream(path).close()
    except (OSError, pa.ArrowException) as error:
        raise data_error(uri, f"cannot be read ({first_line(error)})", "ask for permission to read it") from error
