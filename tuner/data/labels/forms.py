"""Find out in which form a column holds labels: names, lists, vectors of 0 and 1, separated texts, or objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.labels.cells import Cells, open_cells, read_zero_one
from tuner.data.text_values import as_text, is_text

Kind = Literal["names", "lists", "vectors", "separated", "objects", "fractions", "other"]
_DECIMAL = r"^-?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$"
_LARGEST_SHARE = 0.9
"""The share of rows that must have the commonest length, for others to be broken vectors."""


@dataclass(frozen=True)
class LabelForm:
    """How a column is read as labels.

    - names: one label per row.
    - lists: a list of labels per row, also written as text.
    - vectors: 0 and 1 for each label by position; `places` is their length.
    - separated: texts with `separator` between labels.
    - objects: labels as keys, with 0 and 1 as values.
    - fractions: numbers between whole numbers, such as probabilities, alone or in lists.
    - other: values that cannot be labels.

    `labels` counts the different labels. `is_several` says whether a row may have several, or none. `is_sure` is false if vectors
    may also be lists of the labels 0 and 1. `is_vector_like` stays true if sure vectors are read as lists by request.
    """

    kind: Kind
    labels: int
    is_several: bool
    places: int | None = None
    separator: str | None = None
    is_sure: bool = True
    is_vector_like: bool = False

    @property
    def is_settling(self) -> bool:
        """Return whether another column of the same labels is best read in this form."""
        return (self.kind == "vectors" and self.is_sure) or self.kind == "separated"


def find_form(column: pa.ChunkedArray) -> LabelForm:
    """Return how a column is read as labels."""
    cells = open_cells(column)
    if cells is None:
        kind: Kind = "fractions" if pa.types.is_floating(column.type) else "other"
        return LabelForm(kind, pc.count_distinct(column).as_py() if kind == "fractions" else 0, is_several=False)
    return form_of(cells)


def form_of(cells: Cells) -> LabelForm:
    """Return the form of a column that has been taken apart."""
    if cells.unreadable and not cells.is_readable.any():
        return LabelForm("other", 0, is_several=False)
    lengths = cells.lengths[cells.is_readable & ~cells.is_empty]
    if cells.writing == "names":
        is_fraction = is_text(cells.items.type) and _are_probabilities(cells.items)
        return LabelForm("fractions" if is_fraction else "names", _count(cells.items), is_several=False)
    if cells.writing != "objects" and (vectors := _vectors(cells, lengths)) is not None:
        return vectors
    is_several = bool((lengths != 1).any() or cells.is_empty.any())
    if cells.writing in ("lists", "separated") and _hold_fractions(cells.items):
        return LabelForm("fractions", _count(cells.items), is_several)
    names = as_text(cells.items)
    if names is None:
        return LabelForm("other", 0, is_several)
    return LabelForm(cells.writing, _count(names), is_several, separator=cells.separator)


def _vectors(cells: Cells, lengths: np.ndarray) -> LabelForm | None:
    """Return the form if lists of one length hold only 0 and 1. A few lists may have another length, if a list repeats 0 or 1."""
    if not len(lengths):
        return None
    is_one, is_zero = read_zero_one(cells.items)
    if not (is_one | is_zero | cells.items.is_null().to_numpy()).all():
        return None
    counts = np.bincount(lengths)
    places = int(counts.argmax())
    if places < 2 or counts[places] < _LARGEST_SHARE * len(lengths):
        return None
    owners = cells.owners
    ones = np.bincount(owners[is_one], minlength=len(cells.lengths))
    zeros = np.bincount(owners[is_zero], minlength=len(cells.lengths))
    repeats = bool(((ones > 1) | (zeros > 1)).any())
    if counts[places] < len(lengths) and not repeats:
        return None
    is_whole = cells.lengths == places
    is_several = bool((ones[is_whole & cells.is_readable] != 1).any())
    return LabelForm("vectors", places, is_several, places, cells.separator, repeats, is_vector_like=repeats)


def _hold_fractions(items: pa.ChunkedArray) -> bool:
    if is_text(items.type):
        return _are_probabilities(items)
    return bool(pa.types.is_floating(items.type)) and as_text(items) is None


def _are_probabilities(texts: pa.ChunkedArray) -> bool:
    """Return whether all texts are decimal numbers from 0 to 1, and some lie between."""
    given = pc.drop_null(texts.cast(pa.string()))
    values = read_numbers(given)
    is_within = bool(len(given)) and bool(((values >= 0) & (values <= 1)).all())
    return is_within and bool((np.mod(values, 1) != 0).any())


def read_numbers(texts: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return decimal numbers written as text, with NaN for a null and for any other text."""
    trimmed = pc.utf8_trim_whitespace(texts.cast(pa.string()))
    numbers = pc.if_else(pc.match_substring_regex(trimmed, _DECIMAL), trimmed, None).cast(pa.float64())
    return np.asarray(numbers.to_numpy(zero_copy_only=False), dtype=np.float64)


def _count(items: pa.ChunkedArray) -> int:
    return int(pc.count_distinct(items).as_py())
