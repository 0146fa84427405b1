"""Labels in the columns of a predictions file, and the task that follows from them.

Labels may be written as in training data; see `tuner.data.labels.reader`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tuner.data.dataset import Columns
from tuner.data.findings import Findings
from tuner.data.labelled_rows import to_labelled_rows
from tuner.data.labels.cells import open_cells
from tuner.data.labels.forms import LabelForm, find_form
from tuner.data.labels.spellings import join_spellings
from tuner.data.name_lists import list_names, name_rows, number_of_rows
from tuner.diagnosis.readers.probability_columns import listed
from tuner.errors import DataError, Fault
from tuner.scoring.indicator import Indicator, indicator_from_pairs
from tuner.space.task import Task

_STAND_IN = "\0input"  # the label reader needs an input in each row; no file has a column of this name


@dataclass(frozen=True, eq=False)
class RowLabels:
    """Labels as pairs of row (`owners`) and name (`codes` into `names`).

    `missing` maps a reason to the positions of rows without a readable label. `form` is the form of a single column.
    `is_several` says whether a row may have several labels.
    """

    names: tuple[str, ...]
    owners: NDArray[np.int64]
    codes: NDArray[np.int64]
    rows: int
    missing: Mapping[str, NDArray[np.int64]]
    is_several: bool
    form: LabelForm | None
    notes: tuple[str, ...]

    @classmethod
    def read(
        cls, uri: str, table: pa.Table, columns: Sequence[str], *, option: str, like: RowLabels | None = None
    ) -> RowLabels:
        """Read one column of labels, or one column of 0 and 1 per label. `option` names the columns.

        A single column is read in the form of `like` if that is given. Raises DataError.
        """
        form = find_form(table.column(columns[0])) if len(columns) == 1 else None
        is_several = (
            len(columns) > 1 or (form is not None and form.is_several) or (like is not None and like.is_several)
        )
        roles = Columns(text=_STAND_IN, label_columns=tuple(columns) if len(columns) > 1 else None)
        if len(columns) == 1:
            named = replace(roles, labels=columns[0]) if is_several else replace(roles, label=columns[0])
            roles = _written_like(like, named)
        selected = table.select(list(columns)).append_column(_STAND_IN, pa.array(["-"] * table.num_rows))
        findings = Findings(are_options=True)
        rows = to_labelled_rows(selected, uri, roles, findings)
        if rows is None:
            remedy = f"name another column with {option}"
            raise DataError([Fault(fault.where, fault.what, remedy) for fault in findings.faults])
        names = _without_common_start(rows.names) if len(columns) > 1 else rows.names
        notes = tuple(findings.notes)
        return cls(names, rows.owners, rows.codes, table.num_rows, findings.unusable, is_several, rows.form, notes)

    def indicator(self, labels: Sequence[str]) -> Indicator:
        """Return bool (rows, labels)."""
        place = {name: number for number, name in enumerate(labels)}
        columns = [place[self.names[code]] for code in self.codes]
        return indicator_from_pairs(self.owners, columns, shape=(self.rows, len(labels)))

    def count_names(self) -> Counter[str]:
        """Count the rows of each label that a row has."""
        return Counter(self.names[code] for code in self.codes.tolist())

    def rename(self, names: Mapping[str, str]) -> RowLabels:
        """Return the same rows with other names."""
        return replace(self, names=tuple(names.get(name, name) for name in self.names))


def align(
    uri: str, table: pa.Table, true: RowLabels, decided: RowLabels, *, truth: Sequence[str], pred: Sequence[str]
) -> tuple[RowLabels, RowLabels]:
    """Read both in one form, as lists if either is a list, and give both the same names.

    `truth` and `pred` name their columns. Raises DataError if they have no label in common.
    """
    if len(truth) == 1 and _is_settled_by(true, decided):
        true = RowLabels.read(uri, table, truth, option="--truth", like=decided)
    elif len(pred) == 1 and _is_settled_by(decided, true):
        decided = RowLabels.read(uri, table, pred, option="--pred", like=true)
    if len(truth) > 1 and len(pred) > 1:
        if len(truth) != len(pred):
            message = f"--truth names {len(truth)} columns, but --pred names {len(pred)}"
            raise DataError([Fault(uri, message, "name one column for each label, in the same order")])
        return true, decided.rename(dict(zip(decided.names, true.names, strict=True)))
    joined = join_spellings([true.count_names(), decided.count_names()], is_single=not true.is_several)
    true = replace(true.rename(joined.names), notes=(*true.notes, *(f"{uri}: {note}" for note in joined.notes())))
    decided = decided.rename(joined.names)
    if set(decided.count_names()) == {"-1", "1"} and set(true.count_names()) == {"0", "1"}:
        decided = replace(decided.rename({"-1": "0"}), notes=(*decided.notes, f"{uri}: the decision -1 is read as 0"))
    if true.names and decided.names and not set(true.names) & set(decided.names):
        _refuse_unreadable(uri, table, [*pred, *truth])
        message = f"decisions are {_describe(decided)}, but the truth is {_describe(true)}: no label in common"
        where = f"{uri}: columns {listed(pred)} and {listed(truth)}"
        raise DataError([Fault(where, message, "use the same label names in both, or name other columns")])
    known = true.count_names()
    if odd := {name: rows for name, rows in decided.count_names().items() if name not in known}:
        shown = list_names([f"{name!r} ({number_of_rows(rows)})" for name, rows in odd.items()])
        note = f"{uri}: no row of the truth has these labels, which are decided: {shown}"
        decided = replace(decided, notes=(*decided.notes, note))
    return true, decided


def _refuse_unreadable(uri: str, table: pa.Table, names: Sequence[str]) -> None:
    """Raise DataError with the reason if texts in one of the columns look like lists or objects, and cannot be read."""
    for name in names:
        cells = open_cells(table.column(name))
        for reason, mask in {} if cells is None else cells.unreadable.items():
            where = f"{uri}: column {name!r}, {name_rows((np.flatnonzero(mask) + 1).tolist())}"
            remedy = "write labels, or give probabilities with --probability, as JSON lists or one column per label"
            raise DataError([Fault(where, f"it {reason}", remedy)])


def _is_settled_by(one: RowLabels, other: RowLabels) -> bool:
    """Return whether the form of the other column settles that of this one."""
    if one.form is not None and one.form.kind == "vectors" and other.form is None:
        return True  # the other has a column for each place
    if one.is_several != other.is_several:
        return not one.is_several
    return other.form is not None and (one.form is None or other.form.kind != one.form.kind) and other.form.is_settling


def _written_like(like: RowLabels | None, columns: Columns) -> Columns:
    """Return the columns with the form of other labels."""
    if like is None:
        return columns
    if like.form is None:
        return replace(columns, label_names=like.names)
    separator = like.form.separator if columns.labels is not None else None
    if like.form.kind != "vectors":
        return replace(columns, label_separator=separator)
    return replace(columns, label_form="vectors", label_names=like.names, label_separator=separator)


def _describe(labels: RowLabels) -> str:
    if labels.form is not None and labels.form.kind == "vectors":
        return f"vectors of 0 and 1 with {labels.form.places} places, labels {listed(labels.names)}"
    return listed(labels.names)


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
    if len(labels) * 2 > max(true.rows, 20):
        message = f"{len(labels):,} different values on {true.rows:,} rows cannot be labels"
        raise DataError([Fault(where, message, "name the column of labels with --truth")])
    return ("binary" if len(labels) == 2 else "multiclass"), labels


def _without_common_start(names: Sequence[str]) -> tuple[str, ...]:
    """Strip a common prefix: columns true_a and true_b hold the labels a and b."""
    parts = [name.partition("_") for name in names]
    is_common = len({start for start, _, _ in parts}) == 1 and all(rest for _, _, rest in parts)
    return tuple(rest for _, _, rest in parts) if is_common else tuple(names)


def _order(name: str) -> tuple[int, float, str]:
    """Return a sort key: numbers by size, then words by letters. In a pair such as yes and no, yes comes last."""
    if re.fullmatch(r"-?\d+", name):
        return 0, float(name), name
    return 1, float(name.lower() in ("true", "yes", "positive", "pos")), name
