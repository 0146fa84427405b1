"""Read the labels of a table, as pairs of row and name.

Labels may be written as:
- one label per row: text, whole numbers (also as floats) or booleans ("false", "true");
- one column of lists of these, or of text: a JSON list such as ["a", "b"], or labels separated by bars, a|b. An empty text
  is a row without labels; a row whose list is null cannot be used;
- several columns of 0 and 1, or of false and true.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tuner.data.dataset import Columns, Positions
from tuner.data.findings import Findings
from tuner.data.name_lists import name_rows
from tuner.data.sequence_column import is_list, list_lengths
from tuner.data.text_values import as_text, is_text

_WORDS_FOR_NONE = {"nan", "NaN", "NAN", "null", "NULL", "None", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaT"}
"""How other programs write a missing value. Each may also be a label (nan is a language), so we only note it."""

Pairs = tuple[tuple[str, ...], Positions, Positions]  # names, owners, codes
_NO_PAIRS: Pairs = ((), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))


def read_labels(table: pa.Table, source: str, columns: Columns, findings: Findings) -> Pairs:
    """Return the labels of a table, and add to `findings`."""
    if columns.label is not None:
        return _single_labels(table.column(columns.label), columns.label, source, findings)
    if columns.label_columns is not None:
        return _label_columns(table, columns.label_columns, source, findings)
    if columns.labels is None:
        return _NO_PAIRS
    column = table.column(columns.labels)
    if is_text(column.type):
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
    names = as_text(column)
    if names is None:
        remedy = f"name a column of text or whole numbers: {findings.paste(label='COLUMN')}"
        if is_list(column.type) and not findings.are_options:
            remedy = (
                f"read them as several labels per row: --set task=multilabel {findings.paste(label=None, labels=name)}"
            )
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
        remedy = f"name a column of lists: {findings.paste(labels='COLUMN')}"
        if not findings.are_options:
            single = findings.paste(labels=None, label=name)
            remedy += f"; or read them as one label per row: --set task=multiclass {single}"
        findings.refuse_column(source, name, f"it holds {column.type}, not lists of labels", remedy)
        return _NO_PAIRS
    findings.add_unusable(f"the list in column {name!r} is null", column.is_null())
    owners = np.repeat(np.arange(len(column)), list_lengths(column))
    names = as_text(pc.list_flatten(column))
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
        values = column.cast(pa.string()) if pa.types.is_floating(column.type) else as_text(column)
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
