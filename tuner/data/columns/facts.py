"""Describe each column of a table: does it hold texts, numbers, dates or sequences, and how would it read as labels?

A CSV has no types, so a column of text counts as numbers, dates or sequences if nearly all of its values are written so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tuner.data.labels.boolean_words import PAIRS
from tuner.data.labels.forms import LabelForm, find_form
from tuner.data.labels.spellings import join_spellings
from tuner.data.samples import spread_positions
from tuner.data.scripts import count_unspaced_letters
from tuner.data.series.column import holds_sequences, is_list
from tuner.data.series.written_lists import CUT, parse_steps, separator_of
from tuner.data.text_values import as_text, is_text

Kind = Literal["text", "number", "fraction", "date", "address", "sequence", "words", "nested", "constant", "other"]

MOST_VALUES = 200
"""The most distinct values that a column of labels usually has."""

_SAMPLE = 2_000  # rows that are enough to see how values are written
_LARGE_SAMPLE = 10_000  # rows that are enough to see whether a value holds several labels
_NEARLY_ALL = 0.9
_FLAGS = (("0", "1", "0.0", "1.0"), *(pair for pair in PAIRS if pair != ("0", "1")))
_WRITTEN: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("number", re.compile(r"\s*[-+]?\d+(\.0*)?\s*")),
    ("fraction", re.compile(r"\s*([-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?|nan)\s*", re.IGNORECASE)),
    ("date", re.compile(r".{0,24}(\d\d?:\d\d|\d{4}[-/.]\d\d?[-/.]\d\d?|\d\d?[-/.]\d\d?[-/.](\d\d){1,2}).{0,24}")),
    ("date", re.compile(r"(\w{3,9},? )?(\w{3,9}\.? \d\d?|\d\d? \w{3,9}\.?),? (19|20)\d\d")),
    ("address", re.compile(r"\s*((https?://|www\.)\S+|[^\s@]+@\S+\.\w+)\s*")),
    ("sequence", re.compile(r"\s*\[[\[\],\s\d.eE+-]*((nan|null)[\[\],\s\d.eE+-]*)*\]\s*", re.IGNORECASE)),
)
_BETWEEN = re.compile(r"[\s,;|]+")
_FEWEST_BARE = 4  # separators; fewer may part the digits of one number, or a place
_LETTERS_PER_WORD = 2  # of a script that is written without spaces


@dataclass(frozen=True)
class ColumnFacts:
    """What one column holds.

    `distinct` counts different values, and `filled` the rows that have one. `values` are the distinct values of a column
    with few. `words` is the median number of words. `form` says how the column reads as labels, and `labels`
    how many there are.
    """

    name: str
    kind: Kind
    distinct: int
    filled: int
    values: frozenset[str]
    words: float
    form: LabelForm
    labels: int

    @property
    def is_list(self) -> bool:
        """Whether a value may hold several labels, as in a list."""
        return self.form.kind in ("lists", "vectors", "separated", "objects")

    @property
    def flag(self) -> int | None:
        """How the two values of a flag are written, such as 0 and 1, or yes and no; None for other columns."""
        words = {value.strip().lower() for value in self.values}
        return next((number for number, writing in enumerate(_FLAGS) if len(words) > 1 and words <= {*writing}), None)

    @property
    def written_as(self) -> str:
        """How a flag is written: "0 and 1"."""
        return " and ".join(_FLAGS[self.flag or 0][:2])


def describe_columns(table: pa.Table) -> list[ColumnFacts]:
    """Describe every column of a table whose name occurs once."""
    names = table.column_names
    return [_describe(name, table.column(name)) for name in names if names.count(name) == 1]


def _describe(name: str, column: pa.ChunkedArray) -> ColumnFacts:
    form = _find_form(column)
    texts = as_text(column)
    if texts is None:
        filled = len(column) - column.null_count
        kind = _kind_of_values(column.type, form)
        return ColumnFacts(name, kind, form.labels, filled, frozenset(), 0.0, form, form.labels)
    given = texts.filter(pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(texts), ""), False))
    distinct = pc.unique(given)
    sample = _sample(given, _SAMPLE).to_pylist()
    values = Counter(distinct.to_pylist()) if len(distinct) <= MOST_VALUES else Counter()
    names = set(join_spellings([values]).names.values()) if values else range(len(distinct))
    return ColumnFacts(
        name=name,
        kind=_kind_of_texts(column.type, sample, len(distinct), form),
        distinct=len(distinct),
        filled=len(given),
        values=frozenset(values),
        words=float(np.median([_count_words(text) for text in sample])) if sample else 0.0,
        form=form,
        labels=len(names) if form.kind == "names" else form.labels,
    )


def _find_form(column: pa.ChunkedArray) -> LabelForm:
    """Return the form of a column as labels. One name per row is seen in a sample; the whole may take seconds."""
    form = find_form(_sample(column, _LARGE_SAMPLE))
    return find_form(column) if form.kind != "names" and len(column) > _LARGE_SAMPLE else form


def _sample(column: pa.ChunkedArray, size: int) -> pa.ChunkedArray:
    """Return up to `size` values, evenly spread over the column."""
    return column.take(spread_positions(len(column), size))


def _kind_of_values(kind: pa.DataType, form: LabelForm) -> Kind:
    """Return the kind of a column of fractions or of lists."""
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return "fraction"
    if is_list(kind) and is_text(kind.value_type):
        return "words"
    if holds_sequences(kind) and form.kind != "vectors":
        return "sequence"
    return "nested" if is_list(kind) and is_list(kind.value_type) else "other"


def _kind_of_texts(kind: pa.DataType, sample: Sequence[str], n_distinct: int, form: LabelForm) -> Kind:
    """Return the kind of a column that reads as text."""
    if n_distinct < 2:
        return "constant"
    if pa.types.is_temporal(kind):
        return "date"
    if not is_text(kind):
        return "number"
    if form.kind == "vectors":
        return "other"
    if sum(map(_is_series, sample)) >= _NEARLY_ALL * len(sample) and any("." in text for text in sample):
        return "sequence"
    if form.kind == "lists":
        return "words"
    for written, pattern in _WRITTEN:
        if sum(pattern.fullmatch(text) is not None for text in sample) >= _NEARLY_ALL * len(sample):
            return written
    return "text"


def _is_series(text: str) -> bool:
    """Return whether a text is a list of numbers, also one that numpy cut, or several numbers without brackets."""
    is_bare = not text.lstrip().startswith(("[", "(", "array", "np.", "numpy."))
    if is_bare and len(_BETWEEN.findall(text.strip())) < _FEWEST_BARE:
        return False
    return separator_of(text) is not None or bool(parse_steps(text.replace(CUT, " "), set()))


def _count_words(text: str) -> float:
    return max(len(text.split()), count_unspaced_letters(text) / _LETTERS_PER_WORD)
