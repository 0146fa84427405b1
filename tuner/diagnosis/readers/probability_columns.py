"""Read probabilities from one column per label, from one column of lists, or for two labels from one column."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tuner.data.labels.cells import Cells, open_cells
from tuner.data.labels.forms import read_numbers
from tuner.data.name_lists import list_names, name_rows
from tuner.data.text_values import is_text
from tuner.errors import DataError, Fault
from tuner.scoring.ranking import Probabilities
from tuner.show_value import show_count
from tuner.space.task import Task

_PERCENT = r"^\d+(\.\d+)?\s*%$"


def read_probabilities(
    uri: str, table: pa.Table, columns: Sequence[str], task: Task, labels: Sequence[str], notes: list[str]
) -> Probabilities | None:
    """Return the probabilities (rows, labels) in the named columns; None if none is named.

    Adds assumptions to `notes`. Raises DataError with every fault.
    """
    if not columns:
        return None
    faults: list[Fault] = []
    cells = open_cells(table.column(columns[0])) if len(columns) == 1 else None
    in_lists = cells is not None and cells.writing in ("lists", "separated")
    if cells is not None and in_lists:
        values = _from_lists(uri, cells, columns[0], len(labels), faults)
        notes.append(f"{uri}: the probabilities in column {columns[0]!r} are read as {listed(labels)}, in this order")
    else:
        written = {name: table.column(name) for name in columns}
        given = {name: _without_percent_signs(column) for name, column in written.items()}
        signed = [name for name, column in given.items() if column is not written[name]]
        if signed:
            notes.append(f"{uri}: column {listed(signed)}: 37 % is read as 0.37")
        arrays = [_numbers(uri, column, name, faults) for name, column in given.items()]
        values = None if faults else np.column_stack(arrays)
    if values is not None:
        faults += _range_faults(uri, values, columns)
    if values is not None and not faults and not in_lists:
        values = _by_label(uri, values, columns, task, labels, notes, faults)
    if faults or values is None:
        raise DataError(faults)
    return values


def refuse_fractions(uri: str, table: pa.Table, pred: Sequence[str], truth: Sequence[str]) -> None:
    """Raise DataError if a column of decisions holds fractions, and no column of the truth does."""
    of_truth = [_find_fractions(table.column(name)) for name in truth]
    found = {name: fractions for name in pred if (fractions := _find_fractions(table.column(name)))}
    if not found or any(of_truth):
        return
    name, fractions = next(iter(found.items()))
    where, holds = f"{uri}: column {name!r}", f"it holds fractions such as {fractions.example}"
    if not fractions.are_probabilities:
        remedy = "give decisions, or give probabilities from 0 to 1 with --probability: a sigmoid or softmax of logits"
        raise DataError([Fault(where, f"{holds}, which are neither decisions nor probabilities", remedy)])
    remedy = f"give them as {' '.join(f'--probability {shlex.quote(column)}' for column in pred)}"
    if fractions.odd is not None:
        remedy = f"{fractions.odd}: leave out the rows without a prediction, then {remedy}"
    raise DataError([Fault(where, f"{holds}, which look like probabilities and not like decisions", remedy)])


@dataclass(frozen=True)
class _Fractions:
    """Numbers in a column of decisions. `example` is a value that is not whole, `odd` says why some rows have no number."""

    example: object
    are_probabilities: bool
    odd: str | None


def _find_fractions(column: pa.ChunkedArray) -> _Fractions | None:
    """Return the fractions in a column, alone or in lists, or None if most values are no numbers or all are whole."""
    cells = open_cells(column)
    items = pc.drop_null(column if cells is None else cells.items)
    kind = items.type
    if is_text(kind):
        items = items.filter(pc.not_equal(items.cast(pa.string()), ""))
        values = read_numbers(_without_percent_signs(items).cast(pa.string()))
    elif pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        items = items.filter(pc.is_finite(items.cast(pa.float64())))
        values = items.cast(pa.float64()).to_numpy()
    else:
        return None
    is_number = np.isfinite(values)
    is_fraction = is_number & (np.mod(values, 1, where=is_number, out=np.zeros(len(values))) != 0)
    if not is_fraction.any() or 2 * is_number.sum() <= len(values):
        return None
    numbers = values[is_number]
    are_probabilities = bool(((numbers >= 0) & (numbers <= 1)).all())
    if is_text(kind) and not are_probabilities and 2 * is_fraction.sum() <= len(numbers):
        return None  # such as 4.5 among stars
    has_empty = column.null_count > 0 or (cells is not None and cells.is_empty.any())
    odd = "some cells are empty" if has_empty else None
    if not is_number.all():
        odd = f"{items[int((~is_number).argmax())].as_py()!r} is no number"
    return _Fractions(items[int(is_fraction.argmax())], are_probabilities, odd)


def _from_lists(uri: str, cells: Cells, name: str, n_labels: int, faults: list[Fault]) -> Probabilities | None:
    odd = np.flatnonzero((cells.lengths != n_labels) | ~cells.is_readable)
    if len(odd):
        message = (
            f"{show_count(int(cells.lengths[odd[0]]), 'probability', 'probabilities')}, but there are {n_labels} labels"
        )
        where = f"{uri}: column {name!r}, {name_rows((odd + 1).tolist())}"
        faults.append(Fault(where, message, "give one for each label"))
        return None
    flat = _numbers(uri, cells.items, name, faults, per_row=n_labels)
    return None if flat is None else np.asarray(flat.reshape(-1, n_labels))


def _numbers(uri: str, column: pa.ChunkedArray, name: str, faults: list[Fault], *, per_row: int = 1) -> Any:
    """Return numbers, with NaN for null. Add a fault that names the first value that is no number."""
    where = f"{uri}: --probability {name}"
    try:
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        values = column.to_pylist()
        place = next(place for place, value in enumerate(values) if value is not None and not _is_number(value))
        message = f"not a column of numbers: row {place // per_row + 1} has {values[place]!r}"
        faults.append(Fault(where, message, "name columns of probabilities"))
    except pa.ArrowNotImplementedError:
        faults.append(Fault(where, f"the column holds {column.type}, not numbers", "name columns of probabilities"))
    return None


def _without_percent_signs(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return percentages such as "37 %" as fractions; return any other column as it is."""
    if not is_text(column.type):
        return column
    texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
    is_percent = pc.match_substring_regex(texts, _PERCENT)
    if not len(pc.drop_null(texts)) or not pc.all(is_percent).as_py():
        return column
    return pc.divide(pc.utf8_trim_whitespace(pc.replace_substring(texts, "%", "")).cast(pa.float64()), 100.0)


def _is_number(value: str) -> bool:
    try:
        pa.scalar(value).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _by_label(
    uri: str,
    values: Probabilities,
    columns: Sequence[str],
    task: Task,
    labels: Sequence[str],
    notes: list[str],
    faults: list[Fault],
) -> Probabilities | None:
    """Order the columns by labels, matching the ends of their names; columns that match no label keep their order."""
    if task == "binary" and len(columns) == 1:
        positive = next((n for n, label in enumerate(labels) if columns[0].endswith(f"_{label}")), 1)
        notes.append(f"{uri}: column {columns[0]!r} is read as the probability of {labels[positive]!r}")
        second = values[:, 0] if positive == 1 else 1 - values[:, 0]
        return np.column_stack([1 - second, second])
    if len(columns) != len(labels):
        message = f"{len(columns)} columns of probabilities, but {len(labels)} labels: {listed(labels)}"
        faults.append(Fault(f"{uri}: --probability", message, "name one column for each label"))
        return None
    places = [_place_of(label, columns) for label in labels]
    if None not in places and len(set(places)) == len(places):
        return values[:, [place for place in places if place is not None]]
    known = [place for place in places if place is not None]
    if len(set(known)) < len(known):
        places, known = [None] * len(labels), []
    others = iter([place for place in range(len(columns)) if place not in known])
    order = [next(others) if place is None else place for place in places]
    notes.append(
        f"{uri}: columns {listed([columns[place] for place in order])} are read as {listed(labels)}, in this order"
    )
    return values[:, order]


def _place_of(label: str, columns: Sequence[str]) -> int | None:
    for wanted in (label, f"p_{label}"):
        if wanted in columns:
            return columns.index(wanted)
    ends = [n for n, name in enumerate(columns) if name.endswith(label)]
    return ends[0] if len(ends) == 1 else None


def _range_faults(uri: str, values: Probabilities, columns: Sequence[str]) -> list[Fault]:
    where = f"{uri}: --probability {listed(columns)}"
    odd = ~np.isfinite(values).all(axis=1)
    if odd.any():
        rows = name_rows((np.flatnonzero(odd) + 1).tolist())
        remedy = "leave these rows out; a model that predicts NaN has diverged"
        return [Fault(where, f"{rows}: null, NaN or infinite", remedy)]
    odd = ((values < -1e-6) | (values > 1 + 1e-6)).any(axis=1)
    if odd.any():
        row = int(odd.argmax())
        worst = values[row][np.abs(values[row] - 0.5).argmax()]
        remedy = "give probabilities; apply a sigmoid to logits, or a softmax if each row has one label"
        return [Fault(where, f"{worst:.4g} in row {row + 1} is not between 0 and 1", remedy)]
    return []


def listed(names: Sequence[str], most: int = 6) -> str:
    """List the first names, and say how many more there are."""
    return list_names([repr(name) for name in names], most=most)
