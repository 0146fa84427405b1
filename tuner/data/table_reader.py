"""Read tables from files of all formats, on a local path or any `pyarrow.fs` URI, and from the built-in sets.

Row numbers count data rows from 1: the header and blank lines of a CSV are not rows. Rows of several files are numbered through.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
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
from tuner.data.formats.ts_format import read_ts
from tuner.data.formats.value_names import with_value_names
from tuner.data.source_files import Part, Source, locate_file, locate_source
from tuner.data.wanted_columns import WantedColumns
from tuner.errors import data_error
from tuner.machine import available_bytes

_READERS = {"parquet": read_parquet, "arrow": read_arrow, "json": read_json, "ts": read_ts, "arff": read_arff}
_USUAL_SEPARATORS = {"csv": ",", "tsv": "\t"}
_OF_BYTES = ("parquet", "arrow")  # the other formats are text


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
    source = locate_source(uri, reading)
    tables = [_read_part(source, part, partial(wanted.choose, part.uri), reading) for part in source.parts]
    table = _joined(source, tables)
    if table.num_rows == 0:
        what = "the file has no rows" if len(tables) == 1 else f"the {len(tables):,} files have no rows"
        raise data_error(uri, what, "give a file with rows")
    return table


def _read_part(source: Source, part: Part, choose: Choose, reading: Reading) -> pa.Table:
    uri, format_name, codec = part.uri, format_of(part.uri), codec_of(part.uri)
    try:
        with source.files.open_input_file(part.path) as file:
            if file.size() == 0:
                if len(source.parts) == 1:
                    raise data_error(uri, "the file is empty (0 bytes)", "give a file with rows")
                reading.note(f"{uri}: the file is empty (0 bytes), and is left out")
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
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # Parquet column names may not be UTF-8
        raise data_error(
            uri, f"cannot be read as {format_name} ({first_line(error)})", REMEDIES[format_name]
        ) from error


def _joined(source: Source, tables: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of all files one after another. Raises DataError if a column has several kinds of values."""
    filled = [number for number, table in enumerate(tables) if table.num_columns]
    joined = tables[filled[0] if filled else 0]
    for number in filled[1:]:
        part = tables[number].select(joined.column_names)
        try:
            joined = pa.concat_tables([joined, part], promote_options="permissive")
        except pa.ArrowException as error:
            name = next(name for name in joined.column_names if part[name].type != joined[name].type)
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
    names = (part.uri.rpartition("/")[2] for part in source.parts)
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
