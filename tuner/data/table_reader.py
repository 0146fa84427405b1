"""Read tables from Parquet, CSV and JSON Lines files, on a local path or any `pyarrow.fs` URI, and from the built-in sets.

Row numbers count data rows from 1: the header and blank lines of a CSV are not rows.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import hashlib
import io
import json
import re
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeAlias

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
from pyarrow import fs

from tuner.data.builtin import Say, builtin_fingerprint, builtin_table, is_builtin
from tuner.data.name_lists import MOST_NAMES, list_names, name_rows, suggest_name
from tuner.errors import DataError, Fault, StorageError, data_error
from tuner.storage import extension, locate

_FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "json", ".ndjson": "json", ".json": "json"}
_EXTENSIONS = "known are .parquet, .csv and .jsonl (also .ndjson and .json)"
_REMEDIES = {
    "parquet": "write the file again, or fetch it again",
    "csv": "fix the file, or give it the extension of its format",
    "json": "fix the file, or give it the extension of its format",
}
_BLOCK_BYTES = 1 << 26  # a line may be long, and must fit into one or two of pyarrow's blocks
_MAX_DEPTH = 64
_NESTED = re.compile(rb"[\[{](?:[^\[\]{}\n]*+[\[{]){%d}" % _MAX_DEPTH)  # this many brackets opened, none closed
_DEEP_RUNS = (b"[" * 8, b"]" * 8, b"}" * 8)
_JSON_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"')
_OTHER_SEPARATOR = re.compile(r"[;\t|]")
_OF_SEVERAL = ("data.label_columns", "--label-columns")  # settings that name more than one column
_WHEN_NOT_NEEDED = {
    "data.group": "if no rows belong together, no such column is needed",
    "data.split_column": "if the rows are not divided yet, no such column is needed",
}


def read_table(
    uri: str,
    columns: Sequence[str] | None = None,
    say: Say | None = None,
    *,
    named_by: Mapping[str, str] | None = None,
    optional: Collection[str] = (),
) -> pa.Table:
    """Read the named columns (None: all) of a file or built-in set, in the order of its rows.

    The extension decides the format. CSV has no types, so every column is read as text. `say` gets lines about slow work.
    `named_by` maps a column to the setting (data.text) or option (--text) that names it, for the message about a missing
    column. Columns in `optional` may be missing. Raises DataError for a file that is missing, empty, not in its format, or
    lacks a named column.
    """

    def choose(names: Sequence[str]) -> list[str] | None:
        """Return the existing columns to read; None for all."""
        if columns is None:
            return None
        wanted = [column for column in columns if column in names or column not in optional]
        _check_columns(uri, names, wanted, named_by or {})
        return wanted

    if is_builtin(uri):
        table = builtin_table(uri, say)
        chosen = choose(table.column_names)
        return table if chosen is None else table.select(chosen)
    format_name = _format(uri)
    files, path = _locate(uri, _FORMATS)
    try:
        with files.open_input_file(path) as file:
            if file.size() == 0:
                raise data_error(uri, "the file is empty (0 bytes)", "give a file with rows")
            table = _READERS[format_name](uri, file, choose)
            table.validate(full=True)  # runs the checks that pyarrow postpones, such as for UTF-8
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # Parquet column names may not be UTF-8
        raise data_error(
            uri, f"cannot be read as {format_name} ({_first_line(error)})", _REMEDIES[format_name]
        ) from error
    if table.num_rows == 0:
        raise data_error(uri, "the file has no rows", "give a file with rows")
    return table


def fingerprint(uri: str) -> str:
    """Return the sha256 of a file, or the fingerprint of a built-in set. Raises DataError for a missing file."""
    if is_builtin(uri):
        return builtin_fingerprint(uri)
    files, path = _locate(uri, _FORMATS)
    digest = hashlib.sha256()
    with files.open_input_stream(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_readable(uri: str) -> None:
    """Raise DataError if no file of any format exists at `uri`, or if it cannot be opened."""
    files, path = _locate(uri, None)
    try:
        files.open_input_stream(path).close()
    except (OSError, pa.ArrowException) as error:
        raise data_error(uri, f"cannot be read ({_first_line(error)})", "ask for permission to read it") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200]


def _check_columns(uri: str, names: Sequence[str], columns: Sequence[str], named_by: Mapping[str, str]) -> None:
    if columns and len(names) == 1 and names[0] not in columns and (separator := _OTHER_SEPARATOR.search(names[0])):
        what = f"its values are separated by {separator[0]!r}, not by commas: there is one column, {names[0]!r}"
        raise data_error(uri, what, "save it with commas")
    counts = Counter(names)
    faults = []
    for column in columns:
        if counts[column] == 0:
            faults.append(_missing_column(uri, column, names, named_by.get(column)))
        elif counts[column] > 1:
            faults.append(Fault(uri, f"there are {counts[column]} columns {column!r}", "give each its own name"))
    if faults:
        raise DataError(faults)


def _missing_column(uri: str, column: str, names: Sequence[str], naming: str | None) -> Fault:
    """Say which setting or option names the missing column, which columns exist, and how to name another."""
    if naming is None:
        return Fault(uri, f"there is no column {column!r}", suggest_name(column, names))
    near = difflib.get_close_matches(column, names, n=1)
    other = near[0] if near else "COLUMN"
    if naming in _OF_SEVERAL:
        change = f"correct {naming}"
    elif naming.startswith("--"):
        change = f"{naming} {shlex.quote(other)}"
    else:
        change = f"--set {shlex.quote(f'{naming}={other}')}"
    remedy = f"did you mean {other!r}? Then {change}" if near else f"name another: {change}"
    if naming in _WHEN_NOT_NEEDED:
        remedy = f"{_WHEN_NOT_NEEDED[naming]}: --set {naming}=null; otherwise {remedy}"
    existing = f"the columns are {list_names([repr(name) for name in names], most=MOST_NAMES)}"
    named = "" if naming.startswith("--") else f", which {naming} names"  # the person may not have given the option
    return Fault(uri, f"there is no column {column!r}{named}; {existing}", remedy)


# --- where a file is ------------------------------------------------------------------------------------------------


def _format(uri: str) -> str:
    kind = extension(uri)
    if kind in _FORMATS:
        return _FORMATS[kind]
    if uri.endswith("/") or ("://" not in uri and _is_folder(uri)):
        raise data_error(uri, "this is a folder, not a file", "name one file in it")
    what = f"the extension {kind!r} names no format" if kind else "the name has no extension"
    raise data_error(uri, f"{what}, so its format is unknown", _EXTENSIONS)


def _is_folder(path: str) -> bool:
    try:
        return Path(path).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):  # opening an impossible path reports it
        return False


def _locate(uri: str, extensions: Collection[str] | None) -> tuple[fs.FileSystem, str]:
    """Return the file system of an existing file and its path there. Suggested names have one of `extensions` (None: any)."""
    try:
        files, path = locate(uri)
    except StorageError as error:
        raise DataError(error.faults) from error
    try:
        kind = files.get_file_info(path).type
    except (OSError, pa.ArrowException, ValueError) as error:
        remedy = "check the address, the network and the credentials" if "://" in uri else "check the path"
        raise data_error(uri, f"cannot be reached ({_first_line(error)})", remedy) from error
    if kind == fs.FileType.Directory:
        raise data_error(uri, "this is a folder, not a file", "name one file in it")
    if kind == fs.FileType.NotFound:
        raise data_error(uri, f"there is no file {path}", _missing_file_remedy(files, PurePosixPath(path), extensions))
    return files, path


def _missing_file_remedy(files: fs.FileSystem, path: PurePosixPath, extensions: Collection[str] | None) -> str:
    try:
        inside = files.get_file_info(fs.FileSelector(str(path.parent)))
    except (OSError, pa.ArrowException):
        return f"there is no folder {path.parent} either"
    names = [info.base_name for info in inside if extensions is None or extension(info.base_name) in extensions]
    if names:
        return suggest_name(path.name, names)
    return f"no file in {path.parent} has a known format ({_EXTENSIONS})" if extensions else "check the path"


# --- the formats ----------------------------------------------------------------------------------------------------

_Choose: TypeAlias = Callable[[Sequence[str]], list[str] | None]


def _read_parquet(_uri: str, file: pa.NativeFile, choose: _Choose) -> pa.Table:
    parquet = pq.ParquetFile(file)
    return parquet.read(columns=choose(parquet.schema_arrow.names))


def _read_csv(uri: str, file: pa.NativeFile, choose: _Choose) -> pa.Table:
    content = _utf8(uri, file)
    bad: list[tuple[int, str]] = []
    options = pa.csv.ReadOptions(
        use_threads=False, block_size=_BLOCK_BYTES
    )  # only without threads are row numbers known
    names = _csv_header(uri, content)
    chosen = choose(names)
    table = pa.csv.read_csv(
        io.BytesIO(content),
        read_options=options,
        parse_options=pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=_remember(bad)),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), include_columns=list(names if chosen is None else chosen)
        ),
    )
    if bad:
        where = f"{uri}: {name_rows([row for row, _ in bad])}"
        remedy = "quote values with a comma or a line break, double the quotes inside them, and close every quote"
        raise data_error(where, bad[0][1], remedy)
    return table


def _csv_header(uri: str, content: bytes) -> list[str]:
    """Return the names of the columns.

    pyarrow's streaming reader leaves a thread behind, which may crash the process while Python shuts down.
    """
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
    try:
        return next(filter(None, csv.reader(text)))
    except csv.Error as error:
        raise data_error(f"{uri}:1", f"the header cannot be read ({error})", _REMEDIES["csv"]) from error


def _remember(bad: list[tuple[int, str]]) -> Callable[[pa.csv.InvalidRow], str]:
    """Return a handler that skips rows with the wrong number of values and appends them to `bad`."""

    def handle(row: pa.csv.InvalidRow) -> str:
        values = "1 value" if row.actual_columns == 1 else f"{row.actual_columns} values"
        bad.append((row.number - 1, f"{values} where the header has {row.expected_columns}, as in {row.text[:60]!r}"))
        return "skip"

    return handle


def _read_json(uri: str, file: pa.NativeFile, choose: _Choose) -> pa.Table:
    content = _utf8(uri, file)
    _refuse_depth(uri, content)
    read = pa.json.ReadOptions(block_size=_BLOCK_BYTES)
    try:
        table = pa.json.read_json(io.BytesIO(content), read)
    except pa.ArrowInvalid as error:
        raise _json_refusal(uri, content, error) from error
    as_written = [(field.name, kind) for field in table.schema if (kind := _without_dates(field.type)) != field.type]
    if as_written:  # a value like a date may be a group or a label, and other files have it as text
        parse = pa.json.ParseOptions(explicit_schema=pa.schema(as_written))
        table = pa.json.read_json(io.BytesIO(content), read, parse)
    chosen = choose(table.column_names)
    return table if chosen is None else table.select(chosen)


def _without_dates(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind):
        return pa.list_(_without_dates(kind.value_type))
    return pa.string() if pa.types.is_temporal(kind) else kind


def _refuse_depth(uri: str, content: bytes) -> None:
    """Refuse deeply nested lists. pyarrow would take minutes, because its time grows with the square of the depth."""
    if not any(run in content for run in _DEEP_RUNS):  # a fast check, so that almost no file needs the slow one
        return
    for match in _NESTED.finditer(content):
        line = content[content.rfind(b"\n", 0, match.start()) + 1 :].split(b"\n", 1)[0]
        if _NESTED.search(_JSON_TEXT.sub(b"", line)):  # not only within a text
            number = content.count(b"\n", 0, match.start()) + 1
            raise data_error(
                f"{uri}:{number}",
                f"the line is nested more than {_MAX_DEPTH} levels deep",
                "write numbers, texts or plain lists",
            )


def _json_refusal(uri: str, content: bytes, error: pa.ArrowInvalid) -> DataError:
    """Find the first faulty line: pyarrow reports row numbers within its own blocks only."""
    if content.lstrip().startswith(b"["):
        remedy = 'write one object per line, such as {"text": "…", "label": "…"}'
        return data_error(uri, "this is one JSON array, not JSON Lines", remedy)
    kinds: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{uri}:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as broken:
            what = f"the line is not JSON ({broken.msg} at character {broken.colno})"
            return data_error(where, what, "write one JSON object per line")
        except (ValueError, RecursionError) as broken:  # a number is too long, or brackets are too deep
            return data_error(where, f"the line cannot be read ({_first_line(broken)})", "write it shorter")
        if not isinstance(row, dict):
            return data_error(
                where, f"the line holds {_json_kind(row)}, not an object", "write one JSON object per line"
            )
        for key, value in row.items():
            kind, first = kinds.setdefault(key, (_json_kind(value), number)) if value not in (None, []) else ("", 0)
            if kind and kind != _json_kind(value):
                what = f"{key!r} is {_json_kind(value)}, but {kind} in line {first}"
                return data_error(where, what, "write one kind of value in each column")
    return data_error(uri, f"cannot be read as JSON Lines ({_first_line(error)})", _REMEDIES["json"])


def _json_kind(value: object) -> str:
    if isinstance(value, list) and any(isinstance(item, list) for item in value):
        return "a list of lists"
    kinds = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "null")


def _utf8(uri: str, file: pa.NativeFile) -> bytes:
    """Return the whole content. Raises DataError if it is blank or not UTF-8."""
    content: bytes = file.read()
    remedy = "save the file as UTF-8"
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise data_error(f"{uri}:{line}", f"byte {content[error.start]:#04x} is not UTF-8 text", remedy) from error
    if not content.removeprefix(codecs.BOM_UTF8).strip():
        raise data_error(uri, "the file has only blank lines", "give a file with rows")
    if b"\0" in content:
        raise data_error(uri, "the file contains zero bytes, so this is not UTF-8 text", remedy)
    return content


_READERS = {"parquet": _read_parquet, "csv": _read_csv, "json": _read_json}
