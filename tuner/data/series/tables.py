"""Turn tables with a column or a row for each step of a series into tables with one row, and one list, for each series."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.columns.patterns import columns_like, numbered_columns
from tuner.data.dataset import Columns, Positions
from tuner.data.encoded import to_offsets
from tuner.data.findings import Findings
from tuner.data.name_lists import list_names, number_of_rows
from tuner.data.series.column import Origin, combined, holds_sequences, is_list
from tuner.data.series.number_columns import NumberCells, line_that_orders, read_cells, read_order
from tuner.data.series.written_lists import read_number_lists
from tuner.data.text_values import as_text, is_text

_MOST_NAMED = 2  # columns that a message names; of more, the first and the last


@dataclass(frozen=True, eq=False)
class SeriesTable:
    """A table with one row for each text or series, and the columns to read from it.

    `rows` (rows,) are the row numbers in the source, from 1: of a series, its first row there. `origin` is None if the
    source has the inputs as they are.
    """

    table: pa.Table
    columns: Columns
    rows: Positions
    origin: Origin | None = None


def gather_series(table: pa.Table, columns: Columns, source: str, findings: Findings) -> SeriesTable | None:
    """Return a table with a list for each series. Add to `findings`, and return None, if whole columns cannot be used.

    Tables of texts, and those that have lists already, stay as they are.
    """
    others = {name for name in columns.names if name not in columns.sequences}
    available = [name for name in table.column_names if name not in others]
    named = {name: columns_like(name, available) for name in columns.sequences}
    if columns.sequence_id is not None:
        names = list(dict.fromkeys(name for group in named.values() for name in group))
        return _from_rows(table, columns, names, source, findings)
    unchanged = SeriesTable(table, columns, np.arange(1, table.num_rows + 1, dtype=np.int64))
    if (isinstance(columns.sequence, str) and named[columns.sequence] == [columns.sequence]) or not named:
        return unchanged
    return _from_columns(unchanged, named, available, source, findings)


# --- a column for each step -----------------------------------------------------------------------------------------


def _from_columns(
    whole: SeriesTable, named: dict[str, list[str]], available: Sequence[str], source: str, findings: Findings
) -> SeriesTable | None:
    names = [name for group in named.values() for name in group]
    lists = [_as_lists(whole.table.column(name)) for name in names]
    if all(column is not None for column in lists):
        return _from_lists(whole, names, [combined(column) for column in lists if column is not None], findings)
    is_pattern = [group != [name] for name, group in named.items()]
    if any(is_pattern) and not all(is_pattern):
        what = f"{list_names([repr(name) for name in named])} mix patterns of columns with single columns"
        remedy = "name a pattern for each channel, such as [x_*, y_*], or each column of one channel"
        findings.refuse_column(source, next(iter(named)), what, remedy)
        return None
    channels = list(named.values()) if all(is_pattern) else [names]
    if not _have_same_steps(named, available, source, findings, is_checked=all(is_pattern)):
        return None
    cells = read_cells(whole.table, names, source, findings)
    if cells is None:
        return None
    values = cells.values.reshape(-1, len(channels), len(channels[0])).transpose(0, 2, 1)  # (rows, steps, channels)
    column = _nested(values.reshape(-1, len(channels)), np.full(len(values), values.shape[1]))
    _add_bad_cells(cells, None, findings)
    findings.notes.append(f"{source}: {_describe(channels)}{_uneven_steps(named, available)}")
    fill = _fill_columns(channels[0]) if len(channels) == 1 else None
    return replace(_with_lists(whole, column, names), origin=Origin(shown=_show_columns(names), fill=fill))


def _have_same_steps(
    named: dict[str, list[str]], available: Sequence[str], source: str, findings: Findings, *, is_checked: bool
) -> bool:
    """Refuse patterns of several channels that do not have the same numbers."""
    if not is_checked:
        return True
    steps = {name: [number for number, _ in numbered_columns(name, available)] for name in named}
    (first, expected), *rest = steps.items()
    for name, numbers in rest:
        if numbers != expected:
            what = f"{first!r} stands for {len(expected)} columns and {name!r} for {len(numbers)}"
            if odd := sorted({*expected} ^ {*numbers}):
                what += f", and only one of them has number {odd[0]:g}"
            findings.refuse_column(source, name, what, "give every channel the same steps")
            return False
    return True


def _describe(channels: list[list[str]]) -> str:
    n_steps, first = len(channels[0]), channels[0]
    steps = f"{n_steps:,} columns, {first[0]} to {first[-1]}, are read as the steps of a series"
    return steps if len(channels) == 1 else f"{steps} with {len(channels)} channels"


def _uneven_steps(named: dict[str, list[str]], available: Sequence[str]) -> str:
    """Say where the numbers of the columns leave steps out."""
    numbered = numbered_columns(next(iter(named)), available)
    gaps = np.diff([number for number, _ in numbered])
    wide = np.flatnonzero(gaps > 1.5 * gaps.min()) if len(gaps) else gaps
    if not len(wide):
        return ""
    return f", although nothing is between {numbered[wide[0]][1]} and {numbered[wide[0] + 1][1]}"


def _fill_columns(names: list[str]) -> str:
    return f"c = {names}; df[c] = df[c].interpolate(axis=1, limit_area='inside')"


def _as_lists(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return a column of lists of numbers, also if they are written as JSON. Return None for anything else."""
    if is_text(column.type):
        return read_number_lists(column.cast(pa.string()))
    return column if holds_sequences(column.type) and not is_list(column.type.value_type) else None


def _from_lists(whole: SeriesTable, names: list[str], lists: list[pa.Array], findings: Findings) -> SeriesTable:
    """Join columns of lists, one for each channel."""
    lengths = np.stack([pc.fill_null(pc.list_value_length(each), 0).to_numpy(zero_copy_only=False) for each in lists])
    is_uneven = (lengths != lengths[0]).any(axis=0)
    findings.add_unusable(f"columns {list_names(names)} have different numbers of steps", is_uneven)
    even = pa.array(~is_uneven)
    numbers = [pc.list_flatten(each.filter(even)).cast(pa.float64(), safe=False) for each in lists]
    values = np.stack([pc.fill_null(each, np.nan).to_numpy(zero_copy_only=False) for each in numbers], axis=1)
    read = _with_lists(whole, _nested(values, np.where(is_uneven, 0, lengths[0])), names)
    return replace(read, origin=Origin(shown=_show_columns(names)))


def _with_lists(whole: SeriesTable, column: pa.Array, names: list[str]) -> SeriesTable:
    """Add a column of lists, and read it in place of the columns that it comes from."""
    name = _joined_name(names)
    table = whole.table.drop_columns([name]) if name in whole.table.column_names else whole.table
    return replace(whole, table=table.append_column(name, column), columns=replace(whole.columns, sequence=name))


def _joined_name(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _show_columns(names: list[str]) -> str:
    if len(names) <= _MOST_NAMED:
        return f"column{'s' * (len(names) > 1)} {list_names([repr(name) for name in names])}"
    return f"columns {names[0]!r} to {names[-1]!r}"


def _nested(values: NDArray[np.float64], lengths: NDArray[np.int64]) -> pa.Array:
    """Return lists of steps from all steps (steps, channels) and the steps of each list."""
    steps = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    return pa.LargeListArray.from_arrays(pa.array(to_offsets(lengths)), steps)


def _add_bad_cells(cells: NumberCells, codes: Positions | None, findings: Findings) -> None:
    """Record the series with a cell that is not a number. `codes` (rows,) is the series of each row; None: one each."""
    if not cells.bad:
        return
    rows = np.array(sorted(cells.bad))
    is_bad = np.zeros(len(cells.columns[0]) if codes is None else int(codes.max()) + 1, dtype=bool)
    is_bad[rows if codes is None else codes[rows]] = True
    cell = cells.bad[int(rows[0])]
    remedy = "if the comma is a decimal point, read it as one in pandas: pd.read_csv(…, decimal=',')"
    has_comma = re.match(r"'[-+]?\d+,\d+'", cell) is not None
    findings.add_unusable(
        f"a value is not a number: {cell} of row {rows[0] + 1}", is_bad, remedy if has_comma else "fix them"
    )


# --- a row for each step --------------------------------------------------------------------------------------------


def _from_rows(
    table: pa.Table, columns: Columns, names: list[str], source: str, findings: Findings
) -> SeriesTable | None:
    assert columns.sequence_id is not None
    ids = as_text(table.column(columns.sequence_id))
    if ids is None:
        what = f"it holds {table.column(columns.sequence_id).type}, not text or whole numbers"
        findings.refuse_column(
            source, columns.sequence_id, what, "name the column that says which rows belong together"
        )
        return None
    series = _Series.of(combined(ids))
    if len(series.names) < len(series.lengths):
        nameless = number_of_rows(int(series.lengths[-1]))
        reason = f"column {columns.sequence_id!r} is empty in {nameless}, of which this is the first"
        findings.add_unusable(reason, series.is_nameless)
    turn = _turn_of_rows(table, columns, series, source, findings)
    if turn is None:
        return None
    single = combined(table.column(names[0]))
    if len(names) == 1 and holds_sequences(single.type) and not is_list(single.type.value_type):
        steps = single.take(pa.array(turn))  # every row lists its channels
        column = pa.LargeListArray.from_arrays(pa.array(to_offsets(series.lengths)), steps)
    else:
        cells = read_cells(table, names, source, findings)
        if cells is None:
            return None
        _add_bad_cells(cells, series.codes, findings)
        column = _nested(cells.values[turn], series.lengths)
    findings.notes.append(
        f"{source}: {len(series.names):,} series from {number_of_rows(table.num_rows)}, by column {columns.sequence_id!r}"
    )
    constant = {
        name: _one_value_each(combined(table.column(name)), name, series, source, findings)
        for name in replace(columns, sequence_id=None, order=None, sequence=None).names
        if name not in names
    }
    name = _joined_name(names)
    read = replace(columns, sequence=name, sequence_id=None, order=None)
    origin = Origin(shown=_show_columns(names), fill=_fill_rows(columns, names), are_steps=True)
    return SeriesTable(pa.table({**constant, name: column}), read, series.first + 1, origin)


@dataclass(frozen=True, eq=False)
class _Series:
    """The series of each row (rows,), and for each series its name, first row and number of rows. Rows count from 0."""

    codes: Positions
    names: list[str]
    first: Positions
    lengths: Positions

    @classmethod
    def of(cls, ids: pa.Array) -> _Series:
        """Number the series in the order of their first rows. Rows without an id are one more series, without a name."""
        named = pc.if_else(pc.equal(ids, ""), None, ids).dictionary_encode()
        names = named.dictionary.to_pylist()
        codes = named.indices.fill_null(len(names)).to_numpy(zero_copy_only=False).astype(np.int64)
        _, first, lengths = np.unique(codes, return_index=True, return_counts=True)
        return cls(codes, names, first, lengths)

    def name(self, row: int) -> str:
        """Return the name of the series that a row (from 0) is of, as messages show it."""
        code = int(self.codes[row])
        return repr(self.names[code]) if code < len(self.names) else "without a name"

    @property
    def is_nameless(self) -> NDArray[np.bool_]:
        return np.arange(len(self.lengths)) >= len(self.names)

    def mark(self, is_marked: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the series (series,) that have a row where `is_marked` (rows,) is true."""
        has = np.zeros(len(self.lengths), dtype=bool)
        has[self.codes[is_marked]] = True
        return has


def _turn_of_rows(
    table: pa.Table, columns: Columns, series: _Series, source: str, findings: Findings
) -> Positions | None:
    """Return all rows by series, and in a series by order. None if the column of the order cannot be used."""
    if columns.order is None:
        apart = int((np.diff(series.codes) != 0).sum()) + 1 - len(series.lengths)
        note = "the steps of a series are in the order of the file, as no column is named as"
        mixed = ", although the rows of some series are apart" if apart else ""
        findings.notes.append(f"{source}: {note} {findings.setting('order')}{mixed}")
        return np.argsort(series.codes, kind="stable")
    read = read_order(table.column(columns.order))
    if read is None:
        _refuse_order(table.column(columns.order), columns.order, source, findings)
        return None
    order, is_missing = read
    findings.add_unusable(f"column {columns.order!r} is empty in a row of the series", series.mark(is_missing))
    turn = np.lexsort((order, series.codes))
    is_tie = (np.diff(order[turn]) == 0) & (np.diff(series.codes[turn]) == 0)
    if is_tie.any():
        n_series = len(np.unique(series.codes[turn][1:][is_tie]))
        note = (
            f"rows of {n_series:,} series with the same value in column {columns.order!r} stay in the order of the file"
        )
        findings.notes.append(f"{source}: {note}")
    return turn


def _refuse_order(column: pa.ChunkedArray, name: str, source: str, findings: Findings) -> None:
    if not is_text(column.type):
        what = f"it holds {column.type} values, which are neither numbers nor dates nor times"
        findings.refuse_column(source, name, what, f"name another column as {findings.setting('order')}")
        return
    example = next(iter(pc.drop_null(column).slice(0, 1).to_pylist()), "")
    what = f"its texts, such as {example!r}, are neither all numbers nor all times such as 2026-01-31 08:00:00"
    findings.refuse_column(source, name, what, f"write such, for example in pandas: {line_that_orders(column, name)}")


def _one_value_each(column: pa.Array, name: str, series: _Series, source: str, findings: Findings) -> pa.Array:
    """Return the one value that each series has in a column of labels, groups or splits. Series with two cannot be used."""
    values = _comparable(column)
    is_given = values.indices.is_valid().to_numpy(zero_copy_only=False)
    codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(is_given)
    known, first = np.unique(series.codes[rows], return_index=True)
    chosen = series.first.copy()
    chosen[known] = rows[first]
    is_other = is_given & (codes != codes[chosen[series.codes]]) & ~series.is_nameless[series.codes]
    if is_other.any():
        row = int(np.flatnonzero(is_other)[0])
        one = int(chosen[series.codes[row]])
        shown = [f"{column[place].as_py()!r} in row {place + 1}" for place in (one, row)]
        reason = f"column {name!r} must be the same in all rows of a series, but series {series.name(row)} has"
        findings.add_unusable(f"{reason} {shown[0]} and {shown[1]}", series.mark(is_other))
    is_partly = series.mark(~is_given) & series.mark(is_given)
    if is_partly.any():
        note = f"some rows of {int(is_partly.sum()):,} series are empty in column {name!r}, and take the value of the others"
        findings.notes.append(f"{source}: {note}")
    return column.take(pa.array(chosen))


def _comparable(column: pa.Array) -> pa.DictionaryArray:
    """Number the values of a column, with null for NaN and empty texts."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_nested(column.type):
        column = pa.array([None if value is None else repr(value) for value in column.to_pylist()], pa.string())
    elif pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)
    elif is_text(column.type):
        column = column.cast(pa.string())
        column = pc.if_else(pc.equal(column, ""), None, column)
    return column.dictionary_encode()


def _fill_rows(columns: Columns, names: list[str]) -> str:
    first = f"df = df.sort_values({[columns.sequence_id, columns.order]}); " if columns.order is not None else ""
    edges = "limit_area='inside'" if len(names) == 1 else "limit_direction='both'"
    return (
        f"{first}df[{names}] = df.groupby({columns.sequence_id!r})[{names}].transform(lambda x: x.interpolate({edges}))"
    )
