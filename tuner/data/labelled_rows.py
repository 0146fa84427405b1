"""Turn a table into rows with inputs and labels, and name every row that cannot be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tuner.data.dataset import Columns, Positions, RowInputs, take_inputs
from tuner.data.findings import Findings
from tuner.data.input_columns import read_input_columns
from tuner.data.labels.forms import LabelForm
from tuner.data.labels.reader import read_labels
from tuner.data.name_lists import name_rows
from tuner.data.series.tables import gather_series
from tuner.data.text_values import as_text
from tuner.errors import Fault
from tuner.space.assignment import set_options


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """The rows of one source. Labels are pairs: the row at position `owners[i]` has the label `names[codes[i]]`."""

    source: str
    inputs: RowInputs
    rows: Positions  # (rows,), row numbers in the source, from 1; of a series in several rows, its first
    names: tuple[str, ...]
    owners: Positions  # (pairs,), ascending
    codes: Positions  # (pairs,)
    groups: list[str | None]
    parts: list[str | None]
    declared: tuple[str, ...] = ()  # labels that the columns name, whether or not a row has them
    form: LabelForm | None = None  # of a single column

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, is_taken: NDArray[np.bool_]) -> LabelledRows:
        """Return the rows where `is_taken` (rows,) is true, in their order; `names` keeps every label."""
        kept = np.flatnonzero(is_taken)
        new_position = np.cumsum(is_taken) - 1
        is_kept_pair = is_taken[self.owners]
        return LabelledRows(
            source=self.source,
            inputs=take_inputs(self.inputs, kept),
            rows=self.rows[kept],
            names=self.names,
            owners=new_position[self.owners[is_kept_pair]],
            codes=self.codes[is_kept_pair],
            groups=[self.groups[i] for i in kept],
            parts=[self.parts[i] for i in kept],
            declared=self.declared,
            form=self.form,
        )

    def rename(self, names: Mapping[str, str]) -> LabelledRows:
        """Return the rows with other names for their labels; two that get the same name become one label."""
        renamed = [names.get(name, name) for name in self.names]
        distinct = {name: code for code, name in enumerate(dict.fromkeys(renamed))}
        codes = np.array([distinct[name] for name in renamed], dtype=np.int64)[self.codes]
        pairs = (
            np.unique(np.stack([self.owners, codes]), axis=1) if len(distinct) < len(renamed) else (self.owners, codes)
        )
        return replace(self, names=tuple(distinct), owners=pairs[0], codes=pairs[1])

    def part(self, parts: Mapping[str, Sequence[str]]) -> LabelledRows:
        """Return the rows with several labels in place of one: `parts` has them for some names."""
        replaced = [parts.get(name, [name]) for name in self.names]
        distinct = {name: code for code, name in enumerate(dict.fromkeys(name for names in replaced for name in names))}
        pairs = [
            (owner, distinct[name])
            for owner, code in zip(self.owners, self.codes, strict=True)
            for name in replaced[code]
        ]
        owners, codes = np.unique(np.array(pairs, dtype=np.int64).reshape(-1, 2), axis=0).T
        return replace(self, names=tuple(distinct), owners=owners, codes=codes)

    def count_names(self) -> Counter[str]:
        """Count the rows of each label that a row has."""
        counts = np.bincount(self.codes, minlength=len(self.names))
        return Counter({name: int(count) for name, count in zip(self.names, counts, strict=True) if count})


def to_labelled_rows(table: pa.Table, source: str, columns: Columns, findings: Findings) -> LabelledRows | None:
    """Read inputs, labels, groups and parts, and add to `findings`. Return None if a whole column cannot be used.

    The result still contains unusable rows: `without_unusable` removes them.
    """
    n_faults = len(findings.faults)
    series = gather_series(table, columns, source, findings)
    if series is None:
        return None
    table, columns = series.table, series.columns
    inputs = read_input_columns(table, columns, source, findings, origin=series.origin)
    labels = read_labels(table, source, columns, findings)
    groups = _values(table, columns.group, source, findings)
    parts = _values(table, columns.split, source, findings)
    if columns.split is not None:
        findings.add_unusable(
            f"column {columns.split!r} is empty", np.array([part is None for part in parts], dtype=bool)
        )
    if len(findings.faults) > n_faults:
        return None
    return LabelledRows(
        source,
        inputs,
        series.rows,
        labels.names,
        labels.owners,
        labels.codes,
        groups,
        parts,
        labels.declared,
        labels.form,
    )


def without_unusable(rows: LabelledRows, findings: Findings, *, skip: bool) -> LabelledRows:
    """Leave out the unusable rows. Each reason becomes a note if `skip`, and a fault otherwise."""
    return rows.take(find_usable(rows.source, rows.rows, findings, skip=skip))


def find_usable(source: str, rows: Positions, findings: Findings, *, skip: bool) -> NDArray[np.bool_]:
    """Return which of the rows with these numbers can be used, (rows,). Each reason becomes a note or a fault, as above."""
    is_usable = np.ones(len(rows), dtype=bool)
    if not findings.unusable:
        return is_usable
    is_usable[np.concatenate(list(findings.unusable.values()))] = False
    setting = "--skip-unusable" if findings.are_options else set_options(skip_unusable=True)
    others = f", or leave them out with {setting}" if is_usable.any() else ""
    for reason, positions in findings.unusable.items():
        named = name_rows(rows[positions].tolist())
        if skip:
            findings.notes.append(f"{source}: {named} left out, as {reason}")
        else:
            findings.faults.append(Fault(f"{source}: {named}", reason, findings.remedies[reason] + others))
    if not is_usable.any():
        findings.faults.append(Fault(source, "no row can be used", "check which columns are named"))
    return is_usable


def _values(table: pa.Table, name: str | None, source: str, findings: Findings) -> list[str | None]:
    """Return a column of groups or split names as text. A value is None if it is null or empty, or if no column is named."""
    nothing: list[str | None] = [None] * table.num_rows
    if name is None:
        return nothing
    column = as_text(table.column(name))
    if column is None:
        what = f"it holds {table.column(name).type}, not text or whole numbers"
        findings.refuse_column(source, name, what, "name another column")
        return nothing
    return [value or None for value in column.to_pylist()]
