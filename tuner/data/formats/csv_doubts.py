"""Find quoted values that may hold rows of the file: a mark opens in one row, and a mark many rows below closes it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.formats.csv_quotes import Places
from tuner.data.formats.csv_source import CsvSource

_MOST_LINES = 20  # of one value that are compared with the rows
_SEEN = 0.5  # the share of a value's lines that must look like rows
_MANY = 5  # values of several lines: stray marks would hardly open and close so many by chance
_LONG, _TIMES = 10, 4  # then a value is in doubt if it has more line breaks than this, and times their median


@dataclass(frozen=True)
class Doubt:
    """A quoted value that spans lines, by its line numbers from 1. `is_sure` if its lines have values of other rows.

    `count` is the number of such values.
    """

    first: int
    last: int
    count: int
    is_sure: bool


def find_doubt(source: CsvSource, rows: Callable[[], pa.Table]) -> Doubt | None:
    """Return the first quoted value whose lines are surely rows of the file. If there is none, return the longest doubtful one.

    A line is surely a row if it has the right number of values, and another column has one of them, unless the rest of the
    file shows that such values are texts. `rows` reads all columns.
    """
    lines, n_columns = source.lines, len(source.names)
    first = np.searchsorted(lines.ends, source.values.opens)
    last = np.searchsorted(lines.ends, source.values.closes)
    is_row = lines.separators == n_columns - 1
    rows_before = np.append(0, np.cumsum(is_row))
    n_rows, n_breaks = rows_before[last + 1] - rows_before[first], last - first
    likely = np.flatnonzero((n_breaks > 0) & (n_rows >= _SEEN * n_breaks))
    if len(likely) and n_columns > 1:
        table = rows()
        texts = [_read_text(source, int(each), int(first[each]), int(last[each]), is_row) for each in likely]
        held = likely[_hold_rows(texts, table)]
        if (n_breaks > 0).sum() >= _MANY or _is_every_row_quoted(source, first[held], int(n_rows[held].sum())):
            sure = held[n_breaks[held] > max(_LONG, _TIMES * np.median(n_breaks[n_breaks > 0]))]
        else:
            sure = held
        if len(sure):
            return Doubt(int(first[sure[0]]) + 1, int(last[sure[0]]) + 1, len(sure), is_sure=True)
        likely = held if len(held) else likely[(n_rows == n_breaks + 1)[likely]]
    if not len(likely):
        return None
    longest = likely[np.argmax(n_breaks[likely])]
    return Doubt(int(first[longest]) + 1, int(last[longest]) + 1, len(likely), is_sure=False)


def _is_every_row_quoted(source: CsvSource, held: Places, n_lines: int) -> bool:
    """Return whether every other row has a quoted value, so that a line without one is no row.

    `held` are the first lines of the values in doubt, which have `n_lines` lines. Fewer other rows say nothing.
    """
    records = source.record_lines(is_plain=False)
    opened = np.searchsorted(source.values.opens, np.append(source.lines.starts[records], len(source.content)))
    has_quoted = np.diff(opened) > 0
    is_other = np.ones(len(records), dtype=bool)
    is_other[[0, *(np.searchsorted(records, held, side="right") - 1)]] = False
    return int(is_other.sum()) >= n_lines and bool(has_quoted[is_other].all())


@dataclass(frozen=True)
class _Text:
    """A quoted value: the number of its column, its line breaks, and the values of the lines that may be rows, by column."""

    column: int
    n_breaks: int
    lines: tuple[dict[int, str], ...]


def _read_text(source: CsvSource, position: int, first: int, last: int, is_row: NDArray[np.bool_]) -> _Text:
    """Return the quoted value at this position, which spans the lines `first` to `last`, from 0.

    What stands before it in its first line, and after it in its last line, belongs to its own row and is left out.
    """
    lines = source.lines
    before = source.content[lines.starts[first] : source.values.opens[position]].decode("utf-8", "replace")
    column = len(next(csv.reader([f"{before}x"], delimiter=source.separator))) - 1
    found = []
    shown = range(first, min(last, first + _MOST_LINES) + 1)
    for line in shown:
        if is_row[line]:
            written = source.content[lines.starts[line] : lines.ends[line]].decode("utf-8", "replace")
            parts = dict(enumerate(part.strip('" \r') for part in written.split(source.separator)))
            found.append({n: part for n, part in parts.items() if part and _is_within(n, column, line, first, last)})
    return _Text(column, len(shown) - 1, tuple(found))


def _is_within(number: int, column: int, line: int, first: int, last: int) -> bool:
    return number != column and (line > first or number > column) and (line < last or number < column)


def _hold_rows(texts: Sequence[_Text], table: pa.Table) -> NDArray[np.bool_]:
    """Return which texts have lines with values that other columns hold too, (texts,)."""
    known = []
    for number, column in enumerate(table.columns):
        words = {line[number] for text in texts for line in text.lines if number in line}
        asked = pa.array(sorted(words), pa.string())
        known.append(set(asked.filter(pc.is_in(asked, value_set=column.combine_chunks())).to_pylist()))
    seen = [sum(any(part in known[n] for n, part in line.items()) for line in text.lines) for text in texts]
    return np.array([count >= _SEEN * text.n_breaks for count, text in zip(seen, texts, strict=True)], dtype=bool)
