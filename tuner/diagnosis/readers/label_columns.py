"""Labels in the columns of a predictions file, and the task that follows from them.

Labels may be written as in training data; see `tuner.data.labelled_rows`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.dataset import Columns
from tuner.data.findings import Findings
from tuner.data.labelled_rows import to_labelled_rows
from tuner.data.sequence_column import is_list
from tuner.diagnosis.readers.probability_columns import listed
from tuner.errors import DataError, Fault
from tuner.scoring.indicator import Indicator, indicator_from_pairs
from tuner.space.settings import Task

_STAND_IN = "\0input"  # the label reader needs an input in each row; no file has a column of this name


@dataclass(frozen=True, eq=False)
class RowLabels:
    """Labels as pairs of row (`owners`) and name (`codes` into `names`).

    `missing` (rows,) marks rows without a readable label. `is_several` says whether a row may have several labels.
    """

    names: tuple[str, ...]
    owners: NDArray[np.int64]
    codes: NDArray[np.int64]
    missing: NDArray[np.bool_]
    is_several: bool

    @classmethod
    def read(cls, uri: str, table: pa.Table, columns: Sequence[str], *, as_lists: bool = False) -> RowLabels:
        """Read one column of labels, or one column of 0 and 1 per label. Raises DataError."""
        is_several = len(columns) > 1 or as_lists or _holds_lists(table.column(columns[0]))
        if len(columns) > 1:
            roles = Columns(text=_STAND_IN, label_columns=tuple(columns))
        elif is_several:
            roles = Columns(text=_STAND_IN, labels=columns[0])
        else:
            roles = Columns(text=_STAND_IN, label=columns[0])
        selected = pa.table({name: _whole_numbers(table.column(name)) for name in columns})
        selected = selected.append_column(_STAND_IN, pa.array(["-"] * table.num_rows))
        findings = Findings()
        rows = to_labelled_rows(selected, uri, roles, findings)
        if rows is None:
            raise DataError([Fault(fault.where, fault.what, "name another column") for fault in findings.faults])
        missing = np.zeros(table.num_rows, dtype=bool)
        for positions in findings.unusable.values():
            missing[positions] = True
        names = _without_common_start(rows.names) if len(columns) > 1 else rows.names
        return cls(names, rows.owners, rows.codes, missing, is_several)

    def indicator(self, labels: Sequence[str]) -> Indicator:
        """Return bool (rows, labels)."""
        place = {name: number for number, name in enumerate(labels)}
        columns = [place[self.names[code]] for code in self.codes]
        return indicator_from_pairs(self.owners, columns, shape=(len(self.missing), len(labels)))

    def renamed(self, names: Sequence[str]) -> RowLabels:
        """Return the same rows with new names, given in the order of the old ones."""
        return RowLabels(tuple(names), self.owners, self.codes, self.missing, self.is_several)


def align(
    uri: str, table: pa.Table, true: RowLabels, decided: RowLabels, *, truth: Sequence[str], pred: Sequence[str]
) -> tuple[RowLabels, RowLabels]:
    """Read both as lists if either is a list, and give both the same names.

    `truth` and `pred` name their columns. Raises DataError if they have no label in common.
    """
    if true.is_several != decided.is_several:
        if not true.is_several:
            true = RowLabels.read(uri, table, truth, as_lists=True)
        else:
            decided = RowLabels.read(uri, table, pred, as_lists=True)
    if len(truth) > 1 and len(pred) > 1:
        if len(truth) != len(pred):
            message = f"--truth names {len(truth)} columns, but --pred names {len(pred)}"
            raise DataError([Fault(uri, message, "name one column for each label, in the same order")])
        return true, decided.renamed(true.names)
    for one, other in ((true, decided), (decided, true)):
        if {name.lower() for name in one.names} <= {"true", "false"} and set(other.names) <= {"0", "1"}:
            as_numbers = one.renamed(["1" if name.lower() == "true" else "0" for name in one.names])
            return (as_numbers, decided) if one is true else (true, as_numbers)
    if true.names and decided.names and not set(true.names) & set(decided.names):
        message = f"decisions are {listed(decided.names)}, but the truth is {listed(true.names)}: no label in common"
        where = f"{uri}: columns {listed(pred)} and {listed(truth)}"
        raise DataError([Fault(where, message, "use the same label names in both, or name other columns")])
    return true, decided


def task_and_labels(
    uri: str, true: RowLabels, decided: RowLabels | None, *, truth: Sequence[str]
) -> tuple[Task, tuple[str, ...]]:
    """Return the task, and all labels in order; `truth` names the columns of the truth. Raises DataError."""
    names = {*true.names, *(decided.names if decided is not None else ())}
    labels = tuple(sorted(names, key=_order))
    where = f"{uri}: column {listed(truth)}"
    if true.is_several:
        if not labels:
            raise DataError([Fault(where, "no row has a label", "name another column with --truth")])
        return "multilabel", labels
    if len(labels) < 2:
        message = f"every row is {labels[0]!r}" if labels else "no row has a label"
        raise DataError(
            [Fault(where, f"{message}, so there is nothing to predict", "give rows of at least two labels")]
        )
    if len(labels) * 2 > max(len(true.missing), 20):
        message = f"{len(labels):,} different values on {len(true.missing):,} rows cannot be labels"
        raise DataError([Fault(where, message, "name the column of labels with --truth")])
    return ("binary" if len(labels) == 2 else "multiclass"), labels


def _without_common_start(names: Sequence[str]) -> tuple[str, ...]:
    """Strip a common prefix: columns true_a and true_b hold the labels a and b."""
    parts = [name.partition("_") for name in names]
    is_common = len({start for start, _, _ in parts}) == 1 and all(rest for _, _, rest in parts)
    return tuple(rest for _, _, rest in parts) if is_common else tuple(names)


def _holds_lists(column: pa.ChunkedArray) -> bool:
    """Whether a row may have several labels: the column holds lists, or text written as lists."""
    if is_list(column.type):
        return True
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    is_written_as_list = pc.match_substring_regex(column.cast(pa.string()), r"^\s*\[|\|")
    return bool(pc.any(is_written_as_list).as_py())


def _whole_numbers(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn text such as "1.0", as some programs write class numbers, into "1"."""
    if not pa.types.is_string(column.type):
        return column
    values = pc.drop_null(column)
    is_whole = len(values) and pc.all(pc.match_substring_regex(values, r"^-?\d+(\.0+)?$")).as_py()
    return pc.replace_substring_regex(column, r"\.0+$", "") if is_whole else column


def _order(name: str) -> tuple[int, float, str]:
    """Return a sort key: numbers by size, then words by letters. In a pair such as yes and no, yes comes last."""
    if re.fullmatch(r"-?\d+", name):
        return 0, float(name), name
    return 1, float(name.lower() in ("true", "yes", "positive", "pos")), name
