"""Turn a table into inputs and labels, and name every row that cannot be used.

Labels may be written as:
- one label per row: text, whole numbers (also as floats) or booleans ("false", "true");
- one column of lists of these, or of text: a JSON list such as ["a", "b"], or labels separated by bars, a|b. An empty text
  is a row without labels; a row whose list is null cannot be used;
- several columns of 0 and 1, or of false and true.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.dataset import Columns, Positions, RowInputs, take_inputs
from tuner.data.name_lists import name_rows
from tuner.data.sequence_column import holds_sequences, is_list, list_lengths, read_sequences, read_written_sequences
from tuner.data.sequences import Sequences
from tuner.errors import Fault

_WORDS_FOR_NONE = {"nan", "NaN", "NAN", "null", "NULL", "None", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaT"}
"""How other programs write a missing value. Each may also be a label (nan is a language), so we only note it."""


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """The rows of one source. Labels are pairs: the row at position `owners[i]` has the label `names[codes[i]]`."""

    source: str
    inputs: RowInputs
    rows: Positions  # (rows,), row numbers in the source, from 1
    names: tuple[str, ...]
    owners: Positions  # (pairs,), ascending
    codes: Positions  # (pairs,)
    groups: list[str | None]
    parts: list[str | None]

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
        )


@dataclass
class Findings:
    """Results of reading: faults of columns, unusable rows by reason, and notes for people.

    `are_options` is true if command options name the columns, and false if settings of a space name them.
    """

    faults: list[Fault] = field(default_factory=list)
    unusable: dict[str, Positions] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    are_options: bool = False

    def setting(self, name: str) -> str:
        """Return the setting or option that names a column, such as data.label_columns or --label-columns."""
        return f"--{name.replace('_', '-')}" if self.are_options else f"data.{name}"

    def refuse_column(self, source: str, column: str, what: str, remedy: str) -> None:
        """Record a fault of a whole column."""
        self.faults.append(Fault(f"{source}: column {column!r}", what, remedy))

    def add_unusable(self, reason: str, mask: pa.Array | pa.ChunkedArray | NDArray[np.bool_]) -> None:
        """Record the rows where `mask` (rows,) is true as unusable for this reason; null counts as false."""
        if not isinstance(mask, np.ndarray):
            mask = pc.fill_null(mask, False).to_numpy(zero_copy_only=False)
        positions = np.flatnonzero(mask)
        if len(positions):
            self.unusable[reason] = positions


def to_labelled_rows(table: pa.Table, source: str, columns: Columns, findings: Findings) -> LabelledRows | None:
    """Read inputs, labels, groups and parts, and add to `findings`. Return None if a whole column cannot be used.

    The result still contains unusable rows: `without_unusable` removes them.
    """
    n_faults = len(findings.faults)
    inputs = _inputs(table, columns, source, findings)
    names, owners, codes = _labels(table, source, columns, findings)
    groups = _values(table, columns.group, source, findings)
    parts = _values(table, columns.split, source, findings)
    if columns.split is not None:
        findings.add_unusable(
            f"column {columns.split!r} is empty", np.array([part is None for part in parts], dtype=bool)
        )
    if len(findings.faults) > n_faults:
        return None
    rows = np.arange(1, table.num_rows + 1, dtype=np.int64)
    return LabelledRows(source, inputs, rows, names, owners, codes, groups, parts)


def without_unusable(rows: LabelledRows, findings: Findings, *, skip: bool) -> LabelledRows:
    """Leave out the unusable rows. Each reason becomes a note if `skip`, and a fault otherwise."""
    if not findings.unusable:
        return rows
    is_usable = np.ones(len(rows), dtype=bool)
    for reason, positions in findings.unusable.items():
        is_usable[positions] = False
        named = name_rows(rows.rows[positions].tolist())
        if skip:
            findings.notes.append(f"{rows.source}: {named} left out, as {reason}")
        else:
            setting = "--skip-unusable" if findings.are_options else "data.skip_unusable: true"
            remedy = f"fix them, or leave them out with {setting}"
            findings.faults.append(Fault(f"{rows.source}: {named}", reason, remedy))
    if not is_usable.any():
        findings.faults.append(Fault(rows.source, "no row can be used", "check which columns are named"))
    return rows.take(is_usable)


# --- one column -----------------------------------------------------------------------------------------------------


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """Return whole numbers, booleans, dates and text as text, and NaN as null. Return None for any other kind of value."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_text(column.cast(kind.value_type))
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
        try:
            return column.cast(pa.int64()).cast(pa.string())
        except pa.ArrowInvalid:  # some are not whole
            return None
    is_named = _is_text(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_temporal(kind)
    return column.cast(pa.string()) if is_named else None


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(is_text or pa.types.is_null(kind))


def _inputs(table: pa.Table, columns: Columns, source: str, findings: Findings) -> RowInputs:
    if columns.sequence is not None:
        return _sequences(table.column(columns.sequence), columns.sequence, source, findings)
    assert columns.text is not None  # the settings and the columns of a bundle guarantee it
    return _texts(table.column(columns.text), columns.text, source, findings)


def _texts(column: pa.ChunkedArray, name: str, source: str, findings: Findings) -> tuple[str, ...]:
    if not _is_text(column.type):
        remedy = f"name the column of texts as {findings.setting('text')}"
        if holds_sequences(column.type) and not findings.are_options:
            remedy = f"name it as data.sequence: {name}"
        findings.refuse_column(source, name, f"it holds {column.type}, not text", remedy)
        return ()
    column = column.cast(pa.string())
    findings.add_unusable(f"the text in column {name!r} is null", column.is_null())
    is_empty = pc.equal(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0)
    findings.add_unusable(f"the text in column {name!r} is empty", is_empty)
    return tuple(column.fill_null("").to_pylist())


def _sequences(column: pa.ChunkedArray, name: str, source: str, findings: Findings) -> Sequences:
    if _is_text(column.type):
        read = read_written_sequences(column.cast(pa.string()), name)
    elif holds_sequences(column.type):
        read = read_sequences(column, name)
    else:
        what = f"it holds {column.type}, not lists of numbers or lists of steps (lists of numbers)"
        remedy = f"name a column of such lists as {findings.setting('sequence')}"
        if not findings.are_options:
            remedy += ", or the column of texts as data.text"
        findings.refuse_column(source, name, what, remedy)
        return Sequences(values=np.zeros((0, 1), np.float32), offsets=np.zeros(1, np.int64))
    for reason, mask in read.unusable.items():
        findings.add_unusable(reason, mask)
    return read.sequences


def _values(table: pa.Table, name: str | None, source: str, findings: Findings) -> list[str | None]:
    """Return a column of groups or split names as text. A value is None if it is null or empty, or if no column is named."""
    nothing: list[str | None] = [None] * table.num_rows
    if name is None:
        return nothing
    column = _as_text(table.column(name))
    if column is None:
        what = f"it holds {table.column(name).type}, not text or whole numbers"
        findings.refuse_column(source, name, what, "name another column")
        return nothing
    return [value or None for value in column.to_pylist()]


# --- labels ---------------------------------------------------------------------------------------------------------

Pairs = tuple[tuple[str, ...], Positions, Positions]  # names, owners, codes
_NO_PAIRS: Pairs = ((), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def _labels(table: pa.Table, source: str, columns: Columns, findings: Findings) -> Pairs:
    if columns.label is not None:
        return _single_labels(table.column(columns.label), columns.label, source, findings)
    if columns.label_columns is not None:
        return _label_columns(table, columns.label_columns, source, findings)
    if columns.labels is None:
        return _NO_PAIRS
    column = table.column(columns.labels)
    if _is_text(column.type):
        return _written_lists(column.cast(pa.string()), columns.labels, source, findings)
    return _listed_labels(column, columns.labels, source, findings)


def _encode(names: pa.ChunkedArray, owners: Positions, *, column: str, source: str, findings: Findings) -> Pairs:
    """Encode names (without nulls), one per owner. Note a name that often means a missing value."""
    encoded = names.combine_chunks().dictionary_encode()
    known, codes = tuple(encoded.dictionary.to_pylist()), encoded.indices.to_numpy().astype(np.int64)
    for code, name in enumerate(known):
        if name in _WORDS_FOR_NONE:
            rows = name_rows((owners[codes == code] + 1).tolist())
            note = f"{name!r} in column {column!r} is read as a label of that name; leave unknown labels empty"
            findings.notes.append(f"{source}: {rows}: {note}")
    return known, owners, codes


def _single_labels(column: pa.ChunkedArray, name: str, source: str, findings: Findings) -> Pairs:
    names = _as_text(column)
    if names is None:
        remedy = f"name a column of text or whole numbers as {findings.setting('label')}"
        if is_list(column.type) and not findings.are_options:
            remedy = f"with task: multilabel, name it as data.labels: {name}"
        what = f"it holds {column.type} values, which cannot be labels"
        if pa.types.is_floating(column.type):
            what = f"it holds fractions ({column.type}), which cannot be labels"
        findings.refuse_column(source, name, what, remedy)
        return _NO_PAIRS
    findings.add_unusable(f"the label in column {name!r} is null or NaN", names.is_null())
    findings.add_unusable(f"the label in column {name!r} is empty", pc.equal(names, ""))
    is_given = pc.fill_null(pc.not_equal(names, ""), False)
    owners = np.flatnonzero(is_given.to_numpy(zero_copy_only=False))
    return _encode(names.filter(is_given), owners, column=name, source=source, findings=findings)


def _listed_labels(column: pa.ChunkedArray, name: str, source: str, findings: Findings) -> Pairs:
    if not is_list(column.type):
        remedy = f"name a column of lists as {findings.setting('labels')}"
        if not findings.are_options:
            remedy += ", or use data.label for one label per row"
        findings.refuse_column(source, name, f"it holds {column.type}, not lists of labels", remedy)
        return _NO_PAIRS
    findings.add_unusable(f"the list in column {name!r} is null", column.is_null())
    owners = np.repeat(np.arange(len(column)), list_lengths(column))
    names = _as_text(pc.list_flatten(column))
    if names is None:
        what = f"its lists hold {column.type.value_type} values, which cannot be labels"
        findings.refuse_column(source, name, what, "write labels as text or whole numbers")
        return _NO_PAIRS
    is_given = pc.fill_null(pc.not_equal(names, ""), False).to_numpy(zero_copy_only=False)
    is_faulty = np.zeros(len(column), dtype=bool)
    is_faulty[owners[~is_given]] = True
    findings.add_unusable(f"a label in column {name!r} is null or empty", is_faulty)
    kept = names.filter(pa.array(is_given))
    return _encode(kept, owners[is_given], column=name, source=source, findings=findings)


def _written_lists(column: pa.ChunkedArray, name: str, source: str, findings: Findings) -> Pairs:
    lists: list[list[str] | None] = []
    is_broken = np.zeros(len(column), dtype=bool)
    empty: list[int] = []
    may_hold_several: list[int] = []
    is_separated = False
    for position, value in enumerate(column.to_pylist()):
        labels = [] if value is None else _parse_list(value)
        is_broken[position] = labels is None
        if value is not None:
            if not value.strip():
                empty.append(position + 1)
            is_separated |= "|" in value or value.lstrip().startswith("[")
            if "," in value or ";" in value:
                may_hold_several.append(position + 1)
        lists.append(None if value is None else labels or [])
    if empty:
        findings.notes.append(f"{source}: {name_rows(empty)}: column {name!r} is empty, read as no label")
    if may_hold_several and not is_separated:
        note = f"{column[may_hold_several[0] - 1].as_py()!r} in column {name!r} is read as one label"
        remedy = 'if it means several, separate them with | or write a JSON list such as ["a", "b"]'
        findings.notes.append(f"{source}: {name_rows(may_hold_several)}: {note}; {remedy}")
    reason = f'column {name!r} is not a JSON list such as ["a", "b"] (a Python list has other quotes)'
    findings.add_unusable(reason, is_broken)
    return _listed_labels(pa.chunked_array([pa.array(lists, pa.list_(pa.string()))]), name, source, findings)


def _parse_list(text: str) -> list[str] | None:
    """Return the labels of `["a", "b"]` or `a|b`, or None for a text that starts like JSON but is not a list of labels."""
    text = text.strip()
    if not text.startswith("["):
        return [label.strip() for label in text.split("|")] if text else []
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return None
    labels = [str(label).lower() if isinstance(label, bool) else label for label in parsed]
    return [str(label) for label in labels] if all(isinstance(label, str | int) for label in labels) else None


_TRUE, _FALSE = pa.array(["1", "1.0", "true"]), pa.array(["0", "0.0", "false"])


def _label_columns(table: pa.Table, names: Sequence[str], source: str, findings: Findings) -> Pairs:
    columns = []
    for name in names:
        column = table.column(name)
        values = column.cast(pa.string()) if pa.types.is_floating(column.type) else _as_text(column)
        if values is None:
            what = f"it holds {column.type}, not 0 and 1"
            findings.refuse_column(source, name, what, "name columns of 0 and 1")
            continue
        is_true = pc.is_in(pc.utf8_lower(values), _TRUE).to_numpy()
        is_known = is_true | pc.is_in(pc.utf8_lower(values), _FALSE).to_numpy()
        unknown = values.filter(pa.array(~is_known))
        if len(unknown):
            example = unknown[0].as_py()
            shown = "null" if example is None else example or "empty"
            findings.add_unusable(f"column {name!r} is neither 0 nor 1, but {shown} in the first of them", ~is_known)
        columns.append(is_true)
    if len(columns) < len(names):
        return _NO_PAIRS
    owners, codes = np.nonzero(np.stack(columns, axis=1))
    return tuple(names), owners.astype(np.int64), codes.astype(np.int64)
