"""Recognise tables with a row for each step of a series: which column names the series, which orders it, which are channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tuner.data.columns.facts import ColumnFacts
from tuner.data.columns.names import LITERAL, LITERAL_LABELS, ORDER, OTHER, SERIES, USUAL, is_group, is_id, rank_of
from tuner.data.name_lists import list_names
from tuner.data.series.column import combined
from tuner.data.series.number_columns import read_order
from tuner.data.text_values import as_text
from tuner.space.assignment import set_options

Codes = NDArray[np.int64]

STEPS = 3
"""A series has at least so many rows, on average."""
_SERIES_PER_LABEL = 2
NUMBERS = ("number", "fraction")


@dataclass(frozen=True)
class StepRows:
    """One reading of a table: the column that names the series, the one that orders its steps (None: the file's order),
    the channels, and the columns that may be labels because they never change within a series.
    """

    series: str
    order: str | None
    channels: tuple[str, ...]
    constant: frozenset[str]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns of which the series are made."""
        return (self.series, *([] if self.order is None else [self.order]), *self.channels)

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the data section."""
        order = {} if self.order is None else {"order": self.order}
        sequence = self.channels[0] if len(self.channels) == 1 else list(self.channels)
        return {"sequence_id": self.series, **order, "sequence": sequence}

    @property
    def option(self) -> str:
        """The options that choose this reading, ready to paste."""
        return set_options(**self.settings)

    @property
    def shown(self) -> str:
        """How a message describes the reading."""
        order = "in the order of the file" if self.order is None else f"ordered by {self.order!r}"
        channels = list_names([repr(name) for name in self.channels])
        return f"sequence {channels} (a row for each step; series {self.series!r}, {order})"


def is_called_series(name: str) -> bool:
    """Return whether a column's name says that its values are those of a series, such as "unit" or "patient_id"."""
    return is_id(name) or is_group(name) or rank_of(name, frozenset(), SERIES) <= USUAL


def find_step_rows(table: pa.Table, columns: Sequence[ColumnFacts], given: Mapping[str, Any]) -> list[StepRows]:
    """Return the readings of a table as a row for each step that fit best; none if it does not look like one.

    `columns` describes all of them. What `given` settings of the data section name is kept as it is.
    """
    readings = []
    for each in columns:
        named = given.get("sequence_id")
        if each.name == named or (named is None and _may_name_series(each, table.num_rows)):
            readings += _read(table, columns, each.name, given)
    best = [each for each in readings if is_called_series(each.series)]
    return best or readings


def _may_name_series(facts: ColumnFacts, n_rows: int) -> bool:
    is_other = rank_of(facts.name, LITERAL_LABELS, ORDER) <= USUAL
    has_steps = facts.filled == n_rows and n_rows >= STEPS * facts.distinct > STEPS
    return facts.kind in ("text", "number") and has_steps and not is_other


def _read(table: pa.Table, columns: Sequence[ColumnFacts], series: str, given: Mapping[str, Any]) -> list[StepRows]:
    """Return the reading with this column of series, if there is one."""
    codes = number_values(table.column(series))
    taken = {str(name) for value in given.values() for name in (value if isinstance(value, list) else [value])}
    others = [each for each in columns if each.name != series]
    constant = {each.name for each in others if is_constant(codes, number_values(table.column(each.name)))}
    labels = [each for each in others if each.name in constant and each.distinct > 1]
    n_series = len(np.unique(codes))
    if not any(_SERIES_PER_LABEL * each.distinct <= n_series for each in labels):
        return []
    changing = [each for each in others if each.name not in constant | taken]
    if any(rank_of(each.name, LITERAL_LABELS, frozenset()) == LITERAL for each in changing):
        return []  # a label for each step
    order = given.get("order") or _find_order(table, changing, codes, must_differ=not is_called_series(series))
    are_apart = np.count_nonzero(np.diff(codes)) >= n_series
    if order is None and (are_apart or not is_called_series(series)):
        return []
    free = [each.name for each in changing if each.kind in NUMBERS and each.name != order and not is_id(each.name)]
    channels = free if given.get("sequence") is None else [given["sequence"]]
    return [StepRows(series, order, tuple(channels), frozenset(constant))] if channels else []


def _find_order(table: pa.Table, columns: Sequence[ColumnFacts], codes: Codes, *, must_differ: bool) -> str | None:
    """Return the column of numbers, dates or times that is different in all rows of each series. Its name, or even gaps,
    must tell it from a channel. Unless rows `must_differ`, a column that is called so, or has dates, is enough.
    """
    found: list[tuple[bool, int, str]] = []
    for each in columns:
        rank = rank_of(each.name, frozenset(), ORDER)
        is_time = each.kind == "date" or rank <= USUAL
        read = read_order(table.column(each.name)) if each.kind in (*NUMBERS, "date") else None
        gaps = np.zeros(1)
        if read is not None and not read[1].any():
            turn = np.lexsort((read[0], codes))
            gaps = np.diff(read[0][turn])[np.diff(codes[turn]) == 0]
        differs = bool((gaps > 0).all())
        is_even = len(gaps) > 0 and np.allclose(gaps, gaps[0])
        if (differs and (rank < OTHER or is_time or is_even)) or (is_time and not must_differ):
            found.append((not differs, rank, each.name))
    best = [name for *fit, name in found if fit == [*min(found)[:2]]]
    return best[0] if len(best) == 1 else None


def number_values(column: pa.ChunkedArray) -> Codes:
    """Number the different values of a column; a missing one is a value too. Values that are no text are all different."""
    texts = as_text(column)
    if texts is None and pa.types.is_nested(column.type):
        return np.arange(len(column))
    values = combined(column if texts is None else texts)
    indices = values.dictionary_encode(null_encoding="encode").indices
    return np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def is_constant(series: Codes, values: Codes) -> bool:
    """Return whether a column has one value in each series."""
    return len(np.unique(np.stack([series, values]), axis=1)[0]) == len(np.unique(series))
