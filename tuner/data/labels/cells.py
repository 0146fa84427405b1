"""Take a column of labels apart: every row becomes a list of items, whatever it was written as."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.labels.boolean_words import NO, YES
from tuner.data.labels.separators import NEVER, find_separator, split_labels
from tuner.data.labels.written import Items, Unreadable, Written, odd_value, read_written
from tuner.data.row_masks import Mask, to_mask
from tuner.data.series.column import is_list, list_lengths
from tuner.data.text_values import as_text, is_text

Writing = Literal["names", "lists", "separated", "objects"]

_VECTOR_WORDS = ("1", "1.0", "1.", "true"), ("0", "0.0", "0.", "false")
"""Words in a vector. A list of yes and no is a list of labels with these names."""

_DIGITS = re.compile("[01]{3,}")


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
    is_written: bool = False  # as text
    is_bare: bool = False  # as text without brackets

    @property
    def owners(self) -> NDArray[np.int64]:
        """The row of each item, (items,)."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @property
    def is_readable(self) -> Mask:
        is_readable = ~self.is_null
        for mask in self.unreadable.values():
            is_readable &= ~mask
        return is_readable


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
        if pa.types.is_uint64(kind):
            values = values.cast(pa.float64(), safe=False)  # Arrow compares it as int64, which may be too small
        is_one, is_zero = pc.equal(values, 1), pc.equal(values, 0)
    elif is_text(kind):
        words = pc.utf8_lower(pc.utf8_trim_whitespace(values.cast(pa.string())))
        ones, zeros = (tuple(YES), tuple(NO)) if has_words else _VECTOR_WORDS
        is_one, is_zero = pc.is_in(words, pa.array(ones)), pc.is_in(words, pa.array(zeros))
    else:
        nothing = np.zeros(len(values), dtype=bool)
        return nothing, nothing
    return to_mask(is_one), to_mask(is_zero)


def _open_texts(column: pa.ChunkedArray, separator: str | None) -> Cells:
    """Read each different text once."""
    encoded = pc.utf8_trim_whitespace(column).combine_chunks().dictionary_encode()
    texts: list[str] = encoded.dictionary.to_pylist()
    are_bracketed = all(text.startswith("[") for text in texts if text)
    read: list[Written] = list(texts)
    if separator != NEVER:
        read = [read_written(text, has_bare=are_bracketed) for text in texts]
    plain = [text for text in read if isinstance(text, str) and text]
    found, likely = (None, None) if separator == NEVER else find_separator(plain)
    chosen = separator or found
    are_digits = separator is None and _are_digits(plain)
    rows = [_labels_in(written, chosen, are_digits=are_digits) for written in read]
    starts = {text[0] for text, written in zip(texts, read, strict=True) if text and isinstance(written, list)}
    is_bare = not starts and (are_digits or chosen not in (None, NEVER))
    writing: Writing = "separated" if is_bare else "names" if not starts else "lists"
    if starts == {"{"} and any(":" in text for text in texts):
        writing = "objects"
    codes = pc.fill_null(encoded.indices, -1).to_numpy().astype(np.int64)
    lengths = np.array([*map(len, rows), 0], np.int64)[codes]  # a null has the code -1
    return Cells(
        writing,
        pa.chunked_array([pc.list_flatten(pa.array(rows, pa.list_(pa.string())).take(encoded.indices))]),
        lengths,
        is_null=codes < 0,
        is_empty=np.isin(codes, [n for n, text in enumerate(texts) if not text]),
        unreadable=_unreadable(read, codes),
        separator=chosen,
        likely=likely,
        is_written=True,
        is_bare=is_bare,
    )


def _are_digits(texts: list[str]) -> bool:
    """Return whether texts such as 0110 are vectors: all have one length and no other character."""
    return bool(texts) and len(set(map(len, texts))) == 1 and all(map(_DIGITS.fullmatch, texts))


def _labels_in(written: Written, separator: str | None, *, are_digits: bool) -> Items:
    if isinstance(written, list):
        return written
    if isinstance(written, Unreadable) or not written:
        return []
    if are_digits:
        return list(written)
    return [written] if separator in (None, NEVER) else [*split_labels(written, str(separator))]


def _unreadable(read: list[Written], codes: NDArray[np.int64]) -> dict[str, Mask]:
    """Return a mask for each reason, named with the example of its first row."""
    faults = {n: written for n, written in enumerate(read) if isinstance(written, Unreadable)}
    masks = {}
    for reason in sorted({fault.reason for fault in faults.values()}):
        alike = [n for n, fault in faults.items() if fault.reason == reason]  # in the order of their first rows
        masks[reason + faults[alike[0]].example] = np.isin(codes, alike)
    return masks


def _open_struct(column: pa.ChunkedArray) -> Cells:
    """Read a struct as the labels of its fields with 1. A null field is a label that the row lacks."""
    fields = column.combine_chunks().flatten()
    names = [column.type.field(place).name for place in range(column.type.num_fields)]
    is_null = column.is_null().to_numpy()
    has, is_faulty, fault = [], np.zeros(len(column), dtype=bool), None
    for name, values in zip(names, fields, strict=True):
        is_one, is_zero = read_zero_one(pa.chunked_array([values]), has_words=True)
        odd = ~is_one & ~is_zero & ~values.is_null().to_numpy(zero_copy_only=False)
        if odd.any() and fault is None:
            fault = odd_value(name, values[int(odd.argmax())].as_py())
        is_faulty |= odd
        has.append(is_one & ~is_null)
    owners, places = np.nonzero(np.stack(has, axis=1)) if has else (np.empty(0, np.int64),) * 2
    items = pa.chunked_array([pa.array(names, pa.string()).take(pa.array(places))])
    return _of_objects(items, np.bincount(owners, minlength=len(column)), is_null, fault, is_faulty)


def _open_map(column: pa.ChunkedArray) -> Cells:
    """Read a map as the labels of its keys with 1."""
    pairs = column.combine_chunks()
    is_null = column.is_null().to_numpy()
    lengths = np.where(is_null, 0, np.diff(pairs.offsets.to_numpy()))
    start, end = pairs.offsets[0].as_py(), pairs.offsets[-1].as_py()
    keys, values = (pa.chunked_array([part.slice(start, end - start)]) for part in (pairs.keys, pairs.items))
    owners = np.repeat(np.arange(len(column)), lengths)
    is_one, is_zero = read_zero_one(values, has_words=True)
    odd = ~is_one & ~is_zero & ~values.is_null().to_numpy()
    first = int(odd.argmax()) if odd.any() else None
    fault = None if first is None else odd_value(keys[first].as_py(), values[first].as_py())
    is_faulty = np.bincount(owners[odd], minlength=len(column)) > 0
    items = keys.filter(pa.array(is_one)).cast(pa.string())
    return _of_objects(items, np.bincount(owners[is_one], minlength=len(column)), is_null, fault, is_faulty)


def _of_objects(
    items: pa.ChunkedArray, lengths: NDArray[np.int64], is_null: Mask, fault: Unreadable | None, is_faulty: Mask
) -> Cells:
    unreadable = {} if fault is None else {fault.reason + fault.example: is_faulty}
    return Cells("objects", items, lengths.astype(np.int64), is_null, np.zeros_like(is_null), unreadable)
