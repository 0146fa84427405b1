"""Read CSV. Row numbers count data rows from 1: the header and blank lines are not rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pyarrow as pa
import pyarrow.csv

from tuner.data.formats.content import BLOCK_BYTES, REMEDIES, Choose, read_utf8
from tuner.data.name_lists import name_rows
from tuner.errors import data_error


def read_csv(uri: str, file: pa.NativeFile, choose: Choose) -> pa.Table:
    """Read every column as text, because CSV has no types. Raises DataError."""
    content = read_utf8(uri, file)
    bad: list[tuple[int, str]] = []
    options = pa.csv.ReadOptions(
        use_threads=False, block_size=BLOCK_BYTES
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
        raise data_error(f"{uri}:1", f"the header cannot be read ({error})", REMEDIES["csv"]) from error


def _remember(bad: list[tuple[int, str]]) -> Callable[[pa.csv.InvalidRow], str]:
    """Return a handler that skips rows with the wrong number of values and appends them to `bad`."""

    def handle(row: pa.csv.InvalidRow) -> str:
        values = "1 value" if row.actual_columns == 1 else f"{row.actual_columns} values"
        bad.append((row.number - 1, f"{values} where the header has {row.expected_columns}, as in {row.text[:60]!r}"))
        return "skip"

    return handle
