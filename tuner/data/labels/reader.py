"""Read the labels of a table, as pairs of row and name.

Labels may be written as:
- one label per row: text, whole numbers (also as floats) or booleans ("false", "true"); or a list, vector or object with one
  label on every row;
- one column in any form that `tuner.data.labels.forms` knows. An empty text is a row without labels; a row whose list is null
  cannot be used;
- several columns of 0 and 1, of false and true, or of no and yes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tuner.data.dataset import Columns, Positions
from tuner.data.findings import Findings
from tuner.data.labels.cells import Cells, open_cells, read_zero_one
from tuner.data.labels.forms import LabelForm, form_of
from tuner.data.labels.separators import NEVER, WORDS
from tuner.data.name_lists import list_names, name_rows, number_of_rows
from tuner.data.row_masks import Mask, any_in_row, to_mask
from tuner.data.series.column import is_list
from tuner.data.text_values import as_text, is_text
from tuner.space.assignment import set_option

_WORDS_FOR_NONE = {"nan", "NaN", "NAN", "null", "NULL", "None", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaT"}
"""How other programs write a missing value. Each may also be a label (nan is a language), so we only note it."""

NO_NUMBERS = "tuner sorts rows into classes and predicts no numbers"
INTO_CLASSES = "put them into a few classes, such as low and high"


def _no_positions() -> Positions:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels as pairs: the row at position `owners[i]` has the label `names[codes[i]]`.

    `declared` are labels that the columns or the places of vectors name, whether or not a row has them. `form` is how a single
    column was read.
    """

    names: tuple[str, ...] = ()
    owners: Positions = field(default_factory=_no_positions)
    codes: Positions = field(default_factory=_no_positions)
    declared: tuple[str, ...] = ()
    form: LabelForm | None = None


@dataclass(frozen=True)
class _Column:
    """A column of labels with the place that messages name."""

    name: str
    source: str
    findings: Findings

    def refuse(self, what: str, remedy: str) -> Labels:
        self.findings.refuse_column(self.source, self.name, what, remedy)
        return Labels()

    def note(self, text: str, rows: Sequence[int] = ()) -> None:
        where = f"{self.source}: {name_rows(rows)}" if rows else self.source
        self.findings.notes.append(f"{where}: {text}")


def read_labels(table: pa.Table, source: str, columns: Columns, findings: Findings) -> Labels:
    """Return the labels of a table, and add to `findings`."""
    if columns.label is not None:
        return _single_labels(table.column(columns.label), _Column(columns.label, source, findings), columns)
    if columns.label_columns is not None:
        return _label_columns(table, columns.label_columns, source, findings)
    if columns.labels is None:
        return Labels()
    return _several_labels(table.column(columns.labels), _Column(columns.labels, source, findings), columns)


def _encode(names: pa.ChunkedArray, owners: Positions, at: _Column) -> Labels:
    """Encode names (without nulls), one per owner. Note a name that often means a missing value."""
    encoded = names.combine_chunks().dictionary_encode()
    known, codes = tuple(encoded.dictionary.to_pylist()), encoded.indices.to_numpy().astype(np.int64)
    for code, name in enumerate(known):
        if name in _WORDS_FOR_NONE:
            rows = (owners[codes == code] + 1).tolist()
            at.note(f"{name!r} in column {at.name!r} is read as a label of that name; leave unknown labels empty", rows)
    return Labels(known, owners, codes)


# --- one label per row ------------------------------------------------------------------------------------------------------


def _single_labels(column: pa.ChunkedArray, at: _Column, columns: Columns) -> Labels:
    cells = open_cells(column, NEVER if columns.label_separator == NEVER else None)
    if cells is not None and _holds_lists(column, cells):
        return _only_labels(cells, at, columns)
    if cells is not None and columns.label_form is None:
        _note_several(column, cells, at)
    names = as_text(column)
    if names is None:
        return _refuse_type(column, at, f"name a column of text or whole numbers as {at.findings.setting('label')}")
    is_empty = pc.equal(names, "")
    remedy = "fix them"
    if cells is not None and cells.separator not in (None, NEVER) and not at.findings.are_options:
        remedy += f", or, if a text means several labels: {_as_several(at)}"
    at.findings.add_unusable(f"the label in column {at.name!r} is null or NaN", names.is_null(), remedy)
    at.findings.add_unusable(f"the label in column {at.name!r} is empty", is_empty, remedy)
    is_given = pc.fill_null(pc.invert(is_empty), False)
    owners = np.flatnonzero(is_given.to_numpy(zero_copy_only=False))
    found = _encode(names.filter(is_given), owners, at)
    return replace(found, form=LabelForm("names", len(found.names), is_several=False))


def _refuse_type(column: pa.ChunkedArray, at: _Column, remedy: str) -> Labels:
    """Refuse a column whose values cannot be labels. Fractions may be what a person wants to predict."""
    if pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        what = f"it holds fractions ({column.type}), which cannot be labels: {NO_NUMBERS}"
        return at.refuse(what, f"{INTO_CLASSES}, or {remedy}")
    return at.refuse(f"it holds {column.type} values, which cannot be labels here", remedy)


def _holds_lists(column: pa.ChunkedArray, cells: Cells) -> bool:
    """Return whether all values are lists, objects, or vectors with exactly one 1."""
    if cells.writing == "names" or not is_text(column.type):
        return cells.writing != "names"
    if not cells.is_bare:
        return bool(pc.all(pc.match_substring_regex(column.cast(pa.string()), r"^\s*(?:[\[{(].*)?$")).as_py())
    form = form_of(cells)
    return form.kind == "vectors" and not form.is_several


def _note_several(column: pa.ChunkedArray, cells: Cells, at: _Column) -> None:
    """Say that texts which look like several labels are read as one, with the settings for the other reading."""
    is_sure = cells.separator not in (None, NEVER)
    rows = np.flatnonzero(cells.lengths > 1) if is_sure else _rows_with(cells.likely, cells)
    if not len(rows) or at.findings.are_options:
        return
    several = _as_several(at) if is_sure else f"{_as_several(at)} {set_option('data.label_separator', cells.likely)}"
    note = (
        f"{column[int(rows[0])].as_py()!r} in column {at.name!r} is read as one label; if it means several: {several}"
    )
    at.note(note + at.findings.or_else("label_separator", NEVER, meaning="to settle it as one"), (rows + 1).tolist())


def _rows_with(separator: str | None, cells: Cells) -> Positions:
    """Return the rows with a text that has this separator inside."""
    if separator is None:
        return np.empty(0, np.int64)
    has = np.array([separator in (text or "").strip() for text in cells.items.to_pylist()], dtype=bool)
    return np.flatnonzero(any_in_row(has, cells.owners, len(cells.lengths)))


def _as_several(at: _Column) -> str:
    """Return the settings that read the column as several labels per row."""
    settings = {"task": "multilabel", "data.label": None, "data.labels": at.name}
    return " ".join(set_option(key, value) for key, value in settings.items())


def _only_labels(cells: Cells, at: _Column, columns: Columns) -> Labels:
    """Read a column that has one label on every row, though each row is a list, a vector or an object."""
    form = form_of(cells)
    if form.kind in ("fractions", "other") and not cells.unreadable:
        return _refuse_items(form, cells, at)
    found = _pairs(cells, form, at, columns)
    counts = np.bincount(found.owners, minlength=len(cells.lengths))
    is_odd = (counts != 1) & cells.is_readable
    first = int(is_odd.argmax())
    if 2 * is_odd.sum() > len(is_odd):
        remedy = "name a column with one label on every row"
        if not at.findings.are_options:
            remedy = f"if that is meant: {_as_several(at)}"
            if cells.is_written:
                remedy += at.findings.or_else("label_separator", NEVER, meaning="if each text is one label")
        return at.refuse(f"it holds {_what(form)}, and row {first + 1} has {counts[first]} labels", remedy)
    if is_odd.any():
        at.findings.add_unusable(
            f"column {at.name!r} has not one label, but {counts[first]} in the first of them", is_odd
        )
        kept = ~is_odd[found.owners]
        found = replace(found, owners=found.owners[kept], codes=found.codes[kept])
    return replace(found, declared=())


# --- several labels per row -------------------------------------------------------------------------------------------------


def _several_labels(column: pa.ChunkedArray, at: _Column, columns: Columns) -> Labels:
    cells = open_cells(column, columns.label_separator)
    is_single = cells is not None and cells.writing == "names" and not is_text(column.type)
    if cells is None or (
        is_single and at.findings.are_options
    ):  # for a space, `tuner.search.task_check` judges single labels
        return _refuse_type(column, at, f"name a column of lists as {at.findings.setting('labels')}")
    if cells.is_empty.any():
        at.note(f"column {at.name!r} is empty, read as no label", (np.flatnonzero(cells.is_empty) + 1).tolist())
    form = form_of(cells)
    if form.kind in ("fractions", "other") and not cells.unreadable and not _is_name_column(column, cells):
        return _refuse_items(form, cells, at)
    return _pairs(cells, form, at, columns)


def _is_name_column(column: pa.ChunkedArray, cells: Cells) -> bool:
    return is_text(column.type) and cells.writing == "names"


def _refuse_items(form: LabelForm, cells: Cells, at: _Column) -> Labels:
    if form.kind == "fractions":
        given = pc.drop_null(cells.items)
        example = next((value for value in given.to_pylist() if not float(value).is_integer()), given[0])
        what = f"its lists hold {given.type} values such as {example}, which cannot be labels"
        return at.refuse(what, "write labels as text, whole numbers, or 0 and 1 for each label")
    what = f"its lists hold {cells.items.type} values, which cannot be labels"
    return at.refuse(what, "write labels as text or whole numbers")


def _pairs(cells: Cells, form: LabelForm, at: _Column, columns: Columns) -> Labels:
    at.findings.add_unusable(f"the list in column {at.name!r} is null", cells.is_null)
    for reason, mask in cells.unreadable.items():
        at.findings.add_unusable(f"column {at.name!r} {reason}", mask)
    is_vector = form.kind == "vectors" if columns.label_form is None else _is_vector(columns, cells)
    if is_vector:
        return _vectors(cells, form, at, columns)
    return _lists(cells, form, at, columns)


def _is_vector(columns: Columns, cells: Cells) -> bool:
    """Return whether the given form holds. Another file may have the names of a vector's places instead."""
    if columns.label_form != "vectors":
        return False
    is_one, is_zero = read_zero_one(cells.items)
    return bool((is_one | is_zero).any())


def _vectors(cells: Cells, form: LabelForm, at: _Column, columns: Columns) -> Labels:
    places = form.places or int(np.bincount(cells.lengths[cells.is_readable]).argmax())
    names = columns.label_names or tuple(map(str, range(places)))
    if len(names) != places:
        what = f"its vectors have {places} places, but there are {len(names)} labels: {list_names(names)}"
        other = "" if at.findings.are_options else ", or give as many names in data.label_names"
        return at.refuse(what, f"write one place for each label{other}")
    if columns.label_form is None:
        note = f"column {at.name!r} is read as vectors of {places} places"
        if columns.label_names is None and not at.findings.are_options:
            note += f", labels {names[0]!r} to {names[-1]!r}; name them with data.label_names: [NAME, …]"
        if not form.is_sure:
            note += at.findings.or_else("label_form", "lists", meaning="if 0 and 1 are the labels themselves")
            note += at.findings.or_else("label_form", "vectors", meaning="to settle it as vectors")
        if cells.is_bare:
            note += at.findings.or_else("label_separator", NEVER, meaning="if each text is one label")
        at.note(note)
    is_one, is_zero = read_zero_one(cells.items)
    owners = cells.owners
    is_other_length = cells.is_readable & (cells.lengths != places)
    if is_other_length.any():
        length = int(cells.lengths[is_other_length.argmax()])
        reason = f"the vector in column {at.name!r} has not {places} places, but {length} in the first of them"
        at.findings.add_unusable(reason, is_other_length)
    is_odd = any_in_row(~(is_one | is_zero), owners, len(cells.lengths)) & ~is_other_length
    if is_odd.any():
        odd = cells.items[int(np.flatnonzero(~(is_one | is_zero) & is_odd[owners])[0])].as_py()
        shown = "null" if odd is None else odd
        reason = f"the vector in column {at.name!r} holds values other than 0 and 1: {shown} in the first of them"
        at.findings.add_unusable(reason, is_odd)
    place = np.arange(len(owners)) - np.repeat(np.cumsum(cells.lengths) - cells.lengths, cells.lengths)
    kept = is_one & ~(is_odd | is_other_length)[owners]
    settled = replace(form, kind="vectors", places=places)
    return Labels(names, owners[kept], place[kept].astype(np.int64), declared=names, form=settled)


def _lists(cells: Cells, form: LabelForm, at: _Column, columns: Columns) -> Labels:
    names = as_text(cells.items)
    if names is None:
        return _refuse_items(form, cells, at)
    owners = cells.owners
    is_given = pc.fill_null(pc.not_equal(names, ""), False).to_numpy(zero_copy_only=False)
    at.findings.add_unusable(
        f"a label in column {at.name!r} is null or empty", any_in_row(~is_given, owners, len(cells.lengths))
    )
    found = _encode(names.filter(pa.array(is_given)), owners[is_given], at)
    _, first = np.unique(found.owners * max(len(found.names), 1) + found.codes, return_index=True)
    if len(first) < len(found.codes):
        repeated = np.bincount(found.owners, minlength=len(cells.lengths)) - np.bincount(
            found.owners[first], minlength=len(cells.lengths)
        )
        rows = np.flatnonzero(repeated) + 1
        if columns.label_form is None and 2 * len(rows) > len(cells.lengths):
            return _refuse_repeats(cells, int(rows[0]), at)
        at.note(f"a list in column {at.name!r} names a label twice, read as once", rows.tolist())
        kept = np.sort(first)
        found = replace(found, owners=found.owners[kept], codes=found.codes[kept])
    _note_separator(cells, found, at, columns)
    return replace(found, form=form if form.kind != "vectors" else replace(form, kind="lists", places=None))


def _refuse_repeats(cells: Cells, row: int, at: _Column) -> Labels:
    start = int(cells.lengths[: row - 1].sum())
    items = cells.items[start : start + int(cells.lengths[row - 1])].to_pylist()
    shown = f"[{', '.join(map(str, items[:8]))}{', …' if len(items) > 8 else ''}]"
    what = f"most lists name a label twice, such as {shown} in row {row}: neither labels nor vectors of 0 and 1"
    is_one, is_zero = read_zero_one(cells.items)
    places = int(np.bincount(cells.lengths[cells.is_readable]).argmax())
    is_odd = cells.is_readable & (cells.lengths != places)
    if (is_one | is_zero).all() and is_odd.any():
        odd = name_rows((np.flatnonzero(is_odd) + 1).tolist())
        what = f"its vectors of 0 and 1 have {places} places in most rows, but another number in {odd}"
    remedy = "write 0 or 1 for each label, in lists of one length"
    return at.refuse(what, remedy + at.findings.or_else("label_form", "lists", meaning="if they are lists of labels"))


def _note_separator(cells: Cells, found: Labels, at: _Column, columns: Columns) -> None:
    """Say which separator was found, or which may be meant, with the setting for the other reading."""
    is_asked = columns.label_separator not in (None, NEVER) and columns.label_form is None
    if is_asked and not cells.is_written and not at.findings.are_options:
        at.note(f"column {at.name!r} holds {cells.writing}, so data.label_separator separates nothing there")
    if columns.label_separator is not None:
        return
    if cells.separator not in (None, "|"):
        several = cells.lengths > 1
        parted = f"{number_of_rows(int(several.sum()))} with several"
        note = f"column {at.name!r} is read as labels separated by {WORDS[str(cells.separator)]}"
        other = at.findings.or_else("label_separator", NEVER, meaning="if each text is one label")
        at.note(f"{note}: {len(found.names):,} labels, {parted}{other}")
    elif cells.likely is not None:
        rows = _rows_with(cells.likely, cells)
        text = next(text for text in cells.items.to_pylist() if cells.likely in (text or "").strip())
        note = f"{text!r} in column {at.name!r} is read as one label"
        other = at.findings.or_else("label_separator", cells.likely, meaning="if it means several")
        other += at.findings.or_else("label_separator", NEVER, meaning="to settle it as one")
        at.note(f"{note}{other or '; if it means several, write a JSON list'}", (rows + 1).tolist())


def _what(form: LabelForm) -> str:
    return {"vectors": f"vectors of {form.places} places", "objects": "objects", "names": "one name per row"}.get(
        form.kind, "lists of labels"
    )


# --- columns of 0 and 1 -----------------------------------------------------------------------------------------------------


def _label_columns(table: pa.Table, names: Sequence[str], source: str, findings: Findings) -> Labels:
    columns = [table.column(name) for name in names]
    nested = [name for name in names if is_list(kind := table.column(name).type) or pa.types.is_nested(kind)]
    for name in nested:
        what = f"it holds {table.column(name).type}, not 0 and 1"
        findings.refuse_column(source, name, what, "name columns of 0 and 1")
    if nested:
        return Labels()
    masks = [read_zero_one(column, has_words=True) for column in columns]
    if any(is_one.any() for is_one, _ in masks) and not any(is_zero.any() for _, is_zero in masks):
        minus = [_is_minus_one(column) for column in columns]
        if any(is_minus.any() for is_minus in minus):
            masks = [(is_one, is_minus) for (is_one, _), is_minus in zip(masks, minus, strict=True)]
            findings.notes.append(f"{source}: label columns hold 1 and -1: -1 is read as 0")
    for name, column, (is_one, is_zero) in zip(names, columns, masks, strict=True):
        is_known = is_one | is_zero
        if not is_known.all():
            example = column.filter(pa.array(~is_known))[0].as_py()
            shown = "null" if example is None else "empty" if example == "" else example
            findings.add_unusable(f"column {name!r} is neither 0 nor 1, but {shown} in the first of them", ~is_known)
    owners, codes = np.nonzero(np.stack([is_one for is_one, _ in masks], axis=1))
    return Labels(tuple(names), owners.astype(np.int64), codes.astype(np.int64), declared=tuple(names))


def _is_minus_one(column: pa.ChunkedArray) -> Mask:
    names = as_text(column)
    if names is None:
        return np.zeros(len(column), dtype=bool)
    return to_mask(pc.is_in(pc.utf8_trim_whitespace(names), pa.array(["-1", "-1.0"])))
