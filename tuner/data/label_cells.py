"""Take a column of labels apart: every row becomes a list of items, whatever it was written as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.label_separators import NEVER, find_separator, split_labels
from tuner.data.sequence_column import is_list, list_lengths
from tuner.data.text_values import as_text, is_text
from tuner.data.written_labels import NO, YES, Unreadable, Written, odd_value, read_written

Mask: TypeAlias = NDArray[np.bool_]
Writing = Literal["names", "lists", "separated", "objects"]

_DIGITS = ("1", "1.0", "1.", "true"), ("0", "0.0", "0.", "false")
"""Words in a vector. A list of yes and no is a list of labels with these names."""


@dataclass(frozen=True, eq=False)
class Cells:
    """The items of all rows one after another, and how many each row has.

    `unreadable` maps the end of a sentence about the column to a mask (rows,). `likely` is a separator that may be meant, though
    the texts were not split at it.
    """

    writing: Writing
    items: pa.ChunkedArray
    lengths: NDArray[np.int64]  # (rows,)
    is_null: Mask
    is_empty: Mask  # texts without a character
    unreadable: Mapping[str, Mask] = field(default_factory=dict)
    separator: str | None = None
    likely: str | None = None

    @property
    def is_readable(self) -> Mask:
        return ~self.is_null & ~np.any([np.zeros_like(self.is_null), *self.unreadable.values()], axis=0)


def open_cells(column: pa.ChunkedArray, separator: str | None = None) -> Cells | None:
    """Take a column apart. `separator` separates labels in texts; None: find it. Return None for types that hold no labels."""
    if is_text(column.type):
        return _open_texts(column.cast(pa.string()), separator)
    if pa.types.is_struct(column.type):
        return _open_struct(column)
    if pa.types.is_map(column.type):
        return _open_map(column)
    nothing = np.zeros(len(column), dtype=bool)
    if is_list(column.type):
        is_null = column.is_null().to_numpy()
        return Cells("lists", pc.list_flatten(column), list_lengths(column), is_null, nothing)
    names = as_text(column)
    if names is None:
        return None
    return Cells("names", names, np.ones(len(column), np.int64), nothing, nothing)


def read_zero_one(values: pa.ChunkedArray, *, has_words: bool = False) -> tuple[Mask, Mask]:
    """Return which values (n,) are 1 and which are 0, whatever their type. With `has_words`, yes is 1 and no is 0 too."""
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    values = values.cast(kind)
    if pa.types.is_boolean(kind):
        is_one, is_zero = values, pc.invert(values)
    elif pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind):
        is_one, is_zero = pc.equal(values, 1), pc.equal(values, 0)
    elif is_text(kind):
        words = pc.utf8_lower(pc.utf8_trim_whitespace(values.cast(pa.string())))
        ones, zeros = (tuple(YES), tuple(NO)) if has_words else _DIGITS
        is_one, is_zero = pc.is_in(words, pa.array(ones)), pc.is_in(words, pa.array(zeros))
    else:
        nothing = np.zeros(len(values), dtype=bool)
        return nothing, nothing
    return _as_mask(is_one), _as_mask(is_zero)


def _as_mask(values: pa.ChunkedArray) -> Mask:
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=bool)


def _open_texts(column: pa.ChunkedArray, separator: str | None) -> Cells:
    """Read each different text once."""
    encoded = pc.utf8_trim_whitespace(column).combine_chunks().dictionary_encode()
    texts: list[str] = encoded.dictionary.to_pylist()
    read: list[Written] = list(texts) if separator == NEVER else [read_written(text) for text in texts]
    plain = [text for text, written in zip(texts, read, strict=True) if isinstance(written, str) and text]
    found, likely = (None, None) if separator == NEVER else find_separator(plain)
    chosen = separator or found
    writing: Writing = "names"
    rows: list[list[str | None]] = []
    for text, written in zip(texts, read, strict=True):
        if isinstance(written, list):
            writing = "objects" if text.startswith("{") and ":" in text else "lists"
            rows.append(written)
        elif isinstance(written, Unreadable) or not text:
            rows.append([])
        else:
            rows.append(list(split_labels(text, chosen)) if chosen not in (None, NEVER) else [text])
    if writing == "names" and chosen not in (None, NEVER):
        writing = "separated"
    codes = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
    reasons = {written.reason for written in read if isinstance(written, Unreadable)}
    unreadable = {
        reason: np.isin(codes, [n for n, written in enumerate(read) if written == Unreadable(reason)])
        for reason in sorted(reasons)
    }
    lists = pa.array(rows, pa.list_(pa.string())).take(encoded.indices)
    return Cells(
        writing,
        pa.chunked_array([pc.list_flatten(lists)]),
        np.array([len(row) for row in rows], np.int64)[codes] * (codes >= 0)
        if texts
        else np.zeros(len(codes), np.int64),
        is_null=codes < 0,
        is_empty=np.isin(codes, [n for n, text in enumerate(texts) if not text]),
        unreadable=unreadable,
        separator=chosen,
        likely=likely,
    )


def _open_struct(column: pa.ChunkedArray) -> Cells:
    """Read a struct as the labels of its fields with 1. A null field is a label that the row lacks."""
    fields = column.combine_chunks().flatten() if column.num_chunks else []
    names = [column.type.field(place).name for place in range(column.type.num_fields)]
    is_null = column.is_null().to_numpy()
    has, unreadable = [], {}
    for name, values in zip(names, fields, strict=True):
        is_one, is_zero = read_zero_one(pa.chunked_array([values]), has_words=True)
        odd = ~is_one & ~is_zero & ~values.is_null().to_numpy(zero_copy_only=False)
        if odd.any():
            unreadable[odd_value(name, values[int(odd.argmax())].as_py()).reason] = odd
        has.append(is_one & ~is_null)
    owners, places = np.nonzero(np.stack(has, axis=1)) if has else (np.empty(0, np.int64),) * 2
    items = pa.array(names, pa.string()).take(pa.array(places))
    return _of_objects(items, np.bincount(owners, minlength=len(column)), is_null, unreadable)


def _open_map(column: pa.ChunkedArray) -> Cells:
    """Read a map as the labels of its keys with 1."""
    pairs = column.combine_chunks()
    keys = pa.chunked_array([pairs.keys]).cast(pa.string())
    owners = np.repeat(np.arange(len(column)), list_lengths(column.cast(pa.list_(column.type.field(0).type))))
    is_one, is_zero = read_zero_one(pa.chunked_array([pairs.items]), has_words=True)
    odd = ~is_one & ~is_zero & ~pairs.items.is_null().to_numpy(zero_copy_only=False)
    unreadable = {}
    if odd.any():
        first = int(odd.argmax())
        is_faulty = np.zeros(len(column), dtype=bool)
        is_faulty[owners[odd]] = True
        unreadable[odd_value(keys[first].as_py(), pairs.items[first].as_py()).reason] = is_faulty
    lengths = np.bincount(owners[is_one], minlength=len(column))
    return _of_objects(keys.filter(pa.array(is_one)), lengths, column.is_null().to_numpy(), unreadable)


def _of_objects(
    items: pa.Array | pa.ChunkedArray, lengths: NDArray[np.int64], is_null: Mask, unreadable: Mapping[str, Mask]
) -> Cells:
    chunks = items if isinstance(items, pa.ChunkedArray) else pa.chunked_array([items])
    return Cells("objects", chunks, lengths.astype(np.int64), is_null, np.zeros_like(is_null), unreadable)
