"""Tables from files: Parquet, CSV and JSON Lines, on a local path or any `pyarrow.fs` URI, and the built-in sets.

Row numbers count the rows of data from 1: a CSV's header and blank lines are not rows.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq
from pyarrow import fs

from tuner.data.builtin import Say, builtin_fingerprint, builtin_table, is_builtin
from tuner.errors import DataError, Fault, did_you_mean

_FORMATS = {".parquet": "parquet", ".csv": "csv", ".jsonl": "json", ".ndjson": "json", ".json": "json"}
_EXTENSIONS = "known are .parquet, .csv and .jsonl (also .ndjson and .json)"
_REMEDIES = {
    "parquet": "make the file again, or fetch it again",
    "csv": "mend the file, or give it the extension of its format",
    "json": "mend the file, or give it the extension of its format",
}
_BLOCK_BYTES = 1 << 26  # one line of text may be long: pyarrow needs a line to fit into a block or two
_MAX_KNOWN = 20  # names listed where none is near the one given


def read_table(uri: str, columns: Sequence[str] | None = None, say: Say | None = None) -> pa.Table:
    """Read the named columns (None: all) of a file or built-in set, in the order of its rows.

    The format is told by the extension. In a CSV, which has no types, every column is read as text. `say` hears of slow
    work. Raises DataError for a file that is missing, empty, not in its format or without a named column.
    """
    if is_builtin(uri):
        table = builtin_table(uri, say)
        _check_columns(uri, table.column_names, columns)
        return table if columns is None else table.select(list(columns))
    format_name = _format(uri)
    files, path = _locate(uri)
    try:
        with files.open_input_file(path) as file:
            if file.size() == 0:
                raise _refusal(uri, "the file is empty (0 bytes)", "give a file with rows")
            table = _READERS[format_name](uri, file, columns)
            table.validate(full=True)  # the lazy checks, such as text that is not UTF-8
    except (OSError, pa.ArrowException) as error:
        raise _refusal(
            uri, f"cannot be read as {format_name} ({_first_line(error)})", _REMEDIES[format_name]
        ) from error
    if table.num_rows == 0:
        raise _refusal(uri, "the file has no rows", "give a file with rows")
    return table


def fingerprint(uri: str) -> str:
    """Return the sha256 of a file's bytes, or of what a built-in set is made from; DataError if it does not exist."""
    if is_builtin(uri):
        return builtin_fingerprint(uri)
    files, path = _locate(uri)
    digest = hashlib.sha256()
    with files.open_input_stream(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _refusal(where: str, what: str, remedy: str) -> DataError:
    return DataError([Fault(where, what, remedy)])


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return did_you_mean's remedy, with a list that is cut where nothing is near and there is much to choose from."""
    names = sorted(known)
    if len(names) > _MAX_KNOWN and not difflib.get_close_matches(word, names):
        return f"known: {', '.join(names[:_MAX_KNOWN])} and {len(names) - _MAX_KNOWN} more"
    return did_you_mean(word, names)


def _check_columns(uri: str, names: Sequence[str], columns: Sequence[str] | None) -> None:
    counts = Counter(names)
    faults = []
    for column in columns or ():
        if counts[column] == 0:
            faults.append(Fault(uri, f"there is no column {column!r}", nearest(column, names)))
        elif counts[column] > 1:
            faults.append(Fault(uri, f"there are {counts[column]} columns {column!r}", "give each its own name"))
    if faults:
        raise DataError(faults)


# --- where a file is ------------------------------------------------------------------------------------------------


def _format(uri: str) -> str:
    extension = PurePosixPath(uri).suffix.lower()
    if extension in _FORMATS:
        return _FORMATS[extension]
    if uri.endswith("/") or ("://" not in uri and Path(uri).expanduser().is_dir()):
        raise _refusal(uri, "this is a folder, not a file", "name one file in it")
    told = f"the extension {extension!r} names no format" if extension else "the name has no extension"
    raise _refusal(uri, f"{told}, so its format is unknown", _EXTENSIONS)


def _locate(uri: str) -> tuple[fs.FileSystem, str]:
    """Return the file system and the path in it of a file that exists."""
    try:
        if "://" in uri:
            files, path = fs.FileSystem.from_uri(uri)
        else:
            files, path = fs.LocalFileSystem(), str(Path(uri).expanduser().absolute())
        kind = files.get_file_info(path).type
    except (OSError, pa.ArrowException) as error:
        remedy = "check the address, the network and the credentials"
        raise _refusal(uri, f"cannot be reached ({_first_line(error)})", remedy) from error
    if kind == fs.FileType.Directory:
        raise _refusal(uri, "this is a folder, not a file", "name one file in it")
    if kind == fs.FileType.NotFound:
        raise _refusal(uri, f"there is no file {path}", _neighbours(files, PurePosixPath(path)))
    return files, path


def _neighbours(files: fs.FileSystem, path: PurePosixPath) -> str:
    try:
        inside = files.get_file_info(fs.FileSelector(str(path.parent)))
    except (OSError, pa.ArrowException):
        return f"there is no folder {path.parent} either"
    readable = [info.base_name for info in inside if PurePosixPath(info.base_name).suffix.lower() in _FORMATS]
    return nearest(path.name, readable) if readable else f"no file in {path.parent} has a known format ({_EXTENSIONS})"


# --- the formats ----------------------------------------------------------------------------------------------------


def _read_parquet(uri: str, file: pa.NativeFile, columns: Sequence[str] | None) -> pa.Table:
    parquet = pq.ParquetFile(file)
    _check_columns(uri, parquet.schema_arrow.names, columns)
    return parquet.read(columns=None if columns is None else list(columns))


def _read_csv(uri: str, file: pa.NativeFile, columns: Sequence[str] | None) -> pa.Table:
    content = _utf8(uri, file)
    bad: list[tuple[int, str]] = []
    options = pa.csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES)  # without threads rows have their numbers
    names = _csv_header(content, options)
    _check_columns(uri, names, columns)
    table = pa.csv.read_csv(
        io.BytesIO(content),
        read_options=options,
        parse_options=pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=_remember(bad)),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), include_columns=list(names if columns is None else columns)
        ),
    )
    if bad:
        where = f"{uri}: {name_rows([row for row, _ in bad])}"
        remedy = "quote values that hold a comma or a line break, double the quotes in them, and close every quote"
        raise _refusal(where, bad[0][1], remedy)
    return table


def _csv_header(content: bytes, options: pa.csv.ReadOptions) -> list[str]:
    skipping = pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=_remember([]))
    with pa.csv.open_csv(io.BytesIO(content), read_options=options, parse_options=skipping) as reader:
        return list(reader.schema.names)


def _remember(bad: list[tuple[int, str]]) -> Callable[[pa.csv.InvalidRow], str]:
    """Return a handler that skips rows with the wrong number of values and appends them to `bad`."""

    def handle(row: pa.csv.InvalidRow) -> str:
        values = "1 value" if row.actual_columns == 1 else f"{row.actual_columns} values"
        bad.append((row.number - 1, f"{values} where the header has {row.expected_columns}, as in {row.text[:60]!r}"))
        return "skip"

    return handle


def _read_json(uri: str, file: pa.NativeFile, columns: Sequence[str] | None) -> pa.Table:
    content = _utf8(uri, file)
    try:
        table = pa.json.read_json(io.BytesIO(content), pa.json.ReadOptions(block_size=_BLOCK_BYTES))
    except pa.ArrowInvalid as error:
        raise _json_refusal(uri, content, error) from error
    _check_columns(uri, table.column_names, columns)
    return table if columns is None else table.select(list(columns))


def _json_refusal(uri: str, content: bytes, error: pa.ArrowInvalid) -> DataError:
    """Look for the first line at fault: pyarrow tells rows relative to its blocks only."""
    if content.lstrip().startswith(b"["):
        remedy = 'write one object a line, as {"text": "…", "label": "…"}'
        return _refusal(uri, "this is one JSON array, not JSON Lines", remedy)
    kinds: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{uri}:{number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as broken:
            told = f"the line is not JSON ({broken.msg} at character {broken.colno})"
            return _refusal(where, told, "write one JSON object a line")
        except (ValueError, RecursionError) as broken:  # a number too long, brackets too deep
            return _refusal(where, f"the line cannot be read ({_first_line(broken)})", "write it shorter")
        if not isinstance(row, dict):
            return _refusal(where, f"the line holds {_json_kind(row)}, not an object", "write one JSON object a line")
        for key, value in row.items():
            kind, first = kinds.setdefault(key, (_json_kind(value), number)) if value not in (None, []) else ("", 0)
            if kind and kind != _json_kind(value):
                told = f"{key!r} is {_json_kind(value)}, but {kind} in line {first}"
                return _refusal(where, told, "write one kind of value in each column")
    return _refusal(uri, f"cannot be read as JSON Lines ({_first_line(error)})", _REMEDIES["json"])


def _json_kind(value: object) -> str:
    if isinstance(value, list) and any(isinstance(item, list) for item in value):
        return "a list of lists"
    kinds = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return kinds.get(type(value), "null")


def _utf8(uri: str, file: pa.NativeFile) -> bytes:
    """Return the whole content, or refuse what is not UTF-8."""
    content: bytes = file.read()
    remedy = "save the file as UTF-8"
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refusal(f"{uri}:{line}", f"byte {content[error.start]:#04x} is not UTF-8 text", remedy) from error
    if not content.strip():
        raise _refusal(uri, "the file is empty but for blank lines", "give a file with rows")
    if b"\0" in content:
        raise _refusal(uri, "there are zero bytes, so this is not UTF-8 text", remedy)
    return content


_READERS = {"parquet": _read_parquet, "csv": _read_csv, "json": _read_json}


def name_rows(rows: Sequence[int]) -> str:
    """Name up to five row numbers: "row 3", "rows 3 and 9", "rows 3, 9, 12, 15 and 20 (17 in all)"."""
    if len(rows) == 1:
        return f"row {rows[0]}"
    shown = [str(row) for row in rows[:5]]
    text = f"rows {', '.join(shown[:-1])} and {shown[-1]}"
    return text if len(rows) == len(shown) else f"{text} ({len(rows):,} in all)"
