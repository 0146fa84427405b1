"""Columns of single numbers: the cells of tables with a column, or a row, for each step of a series."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.findings import Findings
from tuner.data.row_masks import Mask
from tuner.data.series.column import combined, is_number, to_float64
from tuner.data.series.written_lists import NO_NUMBER
from tuner.data.text_values import is_text

_TIMES = (pa.timestamp("ns"), pa.timestamp("us"), pa.timestamp("us", "UTC"))
_ANY_DAY = "1970-01-01 "
_MISSING = pa.array(sorted({*NO_NUMBER, "?"}), pa.string())


@dataclass(eq=False)
class NumberCells:
    """Columns of numbers (rows, columns) in float64, with NaN for empty cells, and where a cell is not a number."""

    columns: list[NDArray[np.float64]] = field(default_factory=list)
    bad: dict[int, str] = field(default_factory=dict)
    """Row (from 0) -> its first cell that is not a number, and its column."""

    @property
    def values(self) -> NDArray[np.float64]:
        return np.stack(self.columns, axis=1)


def read_cells(table: pa.Table, names: list[str], source: str, findings: Findings) -> NumberCells | None:
    """Read columns of numbers, or of texts of numbers. Add to `findings`, and return None, if a column cannot be read."""
    cells, n_faults = NumberCells(), len(findings.faults)
    for name in names:
        column = combined(table.column(name))
        bad: dict[int, str] = {}
        if is_text(column.type):
            column, bad = _parse(column)
            for row, text in bad.items():
                cells.bad.setdefault(row, f"{text!r} in column {name!r}")
        if not is_number(column.type):
            findings.refuse_column(source, name, f"it holds {column.type}, not numbers", "name columns of numbers")
            continue
        values, rounding = to_float64(column)
        values = values.copy()  # Arrow's memory cannot be written to
        if rounding is not None:
            rounding.add_to(findings, source, name)
        values[list(bad)] = 0.0  # so that a cell has one fault, and not also a gap
        cells.columns.append(values)
    return cells if len(findings.faults) == n_faults else None


def single_numbers(column: pa.ChunkedArray) -> str | None:
    """Return what a column holds if every value is one number, not a list; None if not, or if there is no number."""
    if column.null_count == len(column):
        return None
    if not is_text(column.type):
        return f"it holds single numbers ({column.type})" if is_number(column.type) else None
    numbers, bad = _parse(combined(column))
    return "its texts are single numbers" if not bad and numbers.null_count < len(numbers) else None


def read_order(column: pa.ChunkedArray) -> tuple[NDArray[np.int64] | NDArray[np.float64], Mask] | None:
    """Return values (rows,) that sort as numbers, dates or times do, and where they are missing. Return None for other values."""
    values = combined(column)
    if is_text(values.type):
        texts = _without_missing(values)
        numbers, bad = _parse(texts)
        values = numbers if not bad else _as_times(texts)
    if values is None:
        return None
    if pa.types.is_temporal(values.type):
        width = pa.int32() if values.type.bit_width == 32 else pa.int64()
        values = values.cast(width)
    elif not is_number(values.type):
        return None
    if pa.types.is_integer(values.type) and not pa.types.is_uint64(values.type):
        is_missing = values.is_null().to_numpy(zero_copy_only=False)
        return values.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False), is_missing
    floats, _ = to_float64(values)
    return floats, np.isnan(floats)


def line_that_orders(column: pa.ChunkedArray, name: str) -> str:
    """Return the line of Python that makes the texts of a column sortable: numbers if each text has one, else dates."""
    if not pc.any(pc.match_substring_regex(column.cast(pa.string()), r"\d\D+\d")).as_py():
        return f"df[{name!r}] = df[{name!r}].str.extract(r'(\\d+)', expand=False).astype(int)"
    return f"df[{name!r}] = pd.to_datetime(df[{name!r}]), with dayfirst=True if the day comes before the month"


def _as_times(texts: pa.Array) -> pa.Array | None:
    of_day = pc.binary_join_element_wise(_ANY_DAY, texts, "")  # for times without a date
    for values, kind in [*((texts, kind) for kind in _TIMES), (of_day, pa.timestamp("ns"))]:
        try:
            return values.cast(kind)
        except pa.ArrowInvalid:
            continue
    return None


def _without_missing(column: pa.Array) -> pa.Array:
    """Return texts without spaces around them, with null for words that stand for no number."""
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.is_in(pc.utf8_lower(texts), _MISSING), None, texts)


def _parse(column: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    """Return the numbers in texts, null for a missing one, and by row (from 0) the texts that are not numbers."""
    texts = _without_missing(column)
    for kind in (pa.int64(), pa.float64()):
        try:
            return texts.cast(kind), {}
        except pa.ArrowInvalid:
            continue
    numbers = [None if text is None else _number(text) for text in texts.to_pylist()]
    bad = {row: text for row, text in enumerate(texts.to_pylist()) if text is not None and numbers[row] is None}
    return pa.array(numbers, pa.float64()), bad


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None
