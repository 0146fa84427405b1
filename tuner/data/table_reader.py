"""Read tables from Parquet, CSV and JSON Lines files, on a local path or any `pyarrow.fs` URI, and from the built-in sets.

Row numbers count data rows from 1: the header and blank lines of a CSV are not rows.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import shlex
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import pyarrow as pa
import pyarrow.csv
import pyarrow.json

from tuner.data.builtin import Say, builtin_fingerprint, builtin_table, is_builtin
from tuner.data.column_patterns import columns_like, suggest_patterns
from tuner.data.formats.arff_format import read_arff
from tuner.data.formats.content import REMEDIES, first_line
from tuner.data.formats.csv_format import read_csv
from tuner.data.formats.json_format import read_json
from tuner.data.formats.parquet_format import read_parquet
from tuner.data.formats.ts_format import read_ts
from tuner.data.name_lists import MOST_NAMES, list_names, suggest_name
from tuner.data.source_files import FORMATS, format_of, locate_file
from tuner.errors import DataError, Fault, data_error
from tuner.space.assignment import set_option, yaml_value

_READERS = {"parquet": read_parquet, "csv": read_csv, "json": read_json, "ts": read_ts, "arff": read_arff}
_OTHER_SEPARATOR = re.compile(r"[;\t|]")
_OF_STEPS = ("data.sequence", "--sequence")
_OF_SEVERAL = ("data.label_columns", "--label-columns")  # settings that name more than one column
_WHEN_NOT_NEEDED = {
    "data.group": "if no rows belong together, no such column is needed",
    "data.sequence_id": "if each row is a whole series, no such column is needed",
    "--sequence-id": "if each row is a whole series, no such column is needed",
    "--order": "if the rows are in order, no such column is needed",
    "data.order": "if the rows are in order, no such column is needed",
    "data.split_column": "if the rows are not divided yet, no such column is needed",
}


def read_table(
    uri: str,
    columns: Sequence[str] | None = None,
    say: Say | None = None,
    *,
    named_by: Mapping[str, str] | None = None,
    optional: Collection[str] = (),
    patterns: Collection[str] = (),
) -> pa.Table:
    """Read the named columns (None: all) of a file or built-in set, in the order of its rows.

    The extension decides the format. CSV has no types, so every column is read as text. `say` gets lines about slow work.
    `named_by` maps a column to the setting (data.text) or option (--text) that names it, for the message about a missing
    column. Columns in `optional` may be missing. Those in `patterns` may have a * for the numbers of several.
    Raises DataError for a file that is missing, empty, not in its format, or lacks a named column.
    """

    def choose(names: Sequence[str]) -> list[str] | None:
        """Return the existing columns to read; None for all."""
        if columns is None:
            return None
        meant = [
            name for column in columns for name in (columns_like(column, names) if column in patterns else [column])
        ]
        wanted = [column for column in dict.fromkeys(meant) if column in names or column not in optional]
        _check_columns(uri, names, wanted, named_by or {})
        return wanted

    if is_builtin(uri):
        table = builtin_table(uri, say)
        chosen = choose(table.column_names)
        return table if chosen is None else table.select(chosen)
    format_name = format_of(uri)
    files, path = locate_file(uri, FORMATS)
    try:
        with files.open_input_file(path) as file:
            if file.size() == 0:
                raise data_error(uri, "the file is empty (0 bytes)", "give a file with rows")
            table = _READERS[format_name](uri, file, choose)
            table.validate(full=True)  # runs the checks that pyarrow postpones, such as for UTF-8
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:  # Parquet column names may not be UTF-8
        raise data_error(
            uri, f"cannot be read as {format_name} ({first_line(error)})", REMEDIES[format_name]
        ) from error
    if table.num_rows == 0:
        raise data_error(uri, "the file has no rows", "give a file with rows")
    return table


def fingerprint(uri: str) -> str:
    """Return the sha256 of a file, or the fingerprint of a built-in set. Raises DataError for a missing file."""
    if is_builtin(uri):
        return builtin_fingerprint(uri)
    files, path = locate_file(uri, FORMATS)
    digest = hashlib.sha256()
    with files.open_input_stream(path) as file:
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
    existing = f"the columns are {list_names([repr(name) for name in names], most=MOST_NAMES)}"
    named = "" if naming.startswith("--") else f", which {naming} names"  # the person may not have given the option
    what = f"there is no column {column!r}{named}; {existing}"
    if naming in _OF_STEPS and (patterns := suggest_patterns(names)):
        value = patterns[0] if len(patterns) == 1 else patterns
        is_option = naming.startswith("--")
        change = f"{naming} {shlex.quote(yaml_value(value))}" if is_option else set_option(naming, value)
        return Fault(uri, what, f"if these columns are the steps of a series, {change}")
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
        without = f"{naming} ''" if naming.startswith("--") else f"--set {naming}=null"
        remedy = f"{_WHEN_NOT_NEEDED[naming]}: {without}; otherwise {remedy}"
    return Fault(uri, what, remedy)
