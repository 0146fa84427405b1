"""Read a column of lists as rows of tokens: words, or whole numbers that stand for words.

In a column of text, such as any column of a CSV, a row is that list written as JSON or as Python writes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.encoded import to_offsets
from tuner.data.literals import parse_literal
from tuner.data.name_lists import number_of_rows
from tuner.data.row_masks import Mask, any_in_row, to_mask
from tuner.data.series.column import is_list, list_lengths
from tuner.data.text_values import as_text, is_text
from tuner.data.token_lists import SEPARATOR

_MOSTLY = 0.95  # the share of written lists from which a column of text holds lists, and other rows are mistakes
_FEWEST_ROWS = 20  # fewer rows may end alike by chance
_PADDED = (
    0.3  # the share of rows with two equal tokens at one end, the same in all of them, from which these may be padding
)
_FIRST = 1000  # rows that are looked at first, because few columns of text hold lists


@dataclass(frozen=True, eq=False)
class TokenColumn:
    """The rows of one column as `tuner.data.token_lists` holds them, and a mask (rows,) for each reason against a row.

    `notes` say which tokens may be padding.
    """

    rows: tuple[str, ...]
    unusable: Mapping[str, Mask]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class WrittenLists:
    """A column of text whose values are lists: the parsed values, None for a value that is no list of `kind`."""

    kind: str  # "tokens", or "numbers" if some are not whole
    values: tuple[list[Any] | None, ...]


def holds_tokens(kind: pa.DataType) -> bool:
    """Return whether a column's values are lists of texts or of whole numbers."""
    return is_list(kind) and (is_text(kind.value_type) or pa.types.is_integer(kind.value_type))


def read_token_lists(column: pa.ChunkedArray, name: str) -> TokenColumn:
    """Read a column that satisfies `holds_tokens`."""
    combined = pa.concat_arrays(column.chunks)
    lengths = list_lengths(combined)
    return _assemble(as_text(pa.chunked_array([pc.list_flatten(combined)])), lengths, to_mask(combined.is_null()), name)


def read_written_tokens(written: WrittenLists, is_null: Mask, name: str) -> TokenColumn:
    """Read the lists in a column of text. An empty text is an empty list."""
    lists = [value or [] for value in written.values]
    tokens = pa.chunked_array([pa.array([_as_token(token) for row in lists for token in row], pa.string())])
    is_other = np.array([value is None for value in written.values], dtype=bool) & ~is_null
    read = _assemble(tokens, np.array([len(row) for row in lists], np.int64), is_null, name, has_reason=is_other)
    return TokenColumn(
        read.rows, {f"the text in column {name!r} is not a list of tokens": is_other, **read.unusable}, read.notes
    )


def find_written_lists(texts: pa.ChunkedArray) -> WrittenLists | None:
    """Return the lists in a column of text, or None if its values are not lists.

    Nearly all values that are not empty must be lists of texts and whole numbers, or else of numbers.
    """
    if not (_are_bracketed(texts.slice(0, _FIRST)) and _are_bracketed(texts)):
        return None
    trimmed = pc.utf8_trim_whitespace(texts)
    filled = _filled(trimmed)
    parsed = [[] if not text else _parse(text) for text in trimmed.to_pylist()]
    for kind, types in (("tokens", str | int | None), ("numbers", int | float | None)):
        values = tuple(row if row is not None and _holds(row, types) else None for row in parsed)
        lists = sum(value is not None for value in values) - (len(texts) - filled)
        if any(values) and lists >= _MOSTLY * filled:
            return WrittenLists(kind, values)
    return None


def _are_bracketed(texts: pa.ChunkedArray) -> bool:
    """Return whether nearly all texts that are not empty stand in square brackets."""
    trimmed = pc.utf8_trim_whitespace(texts)
    is_bracketed = pc.and_(pc.starts_with(trimmed, "["), pc.ends_with(trimmed, "]"))
    return int(pc.sum(is_bracketed).as_py() or 0) >= _MOSTLY * _filled(trimmed)


def _filled(trimmed: pa.ChunkedArray) -> int:
    """Return how many texts are neither null nor empty."""
    return int(pc.sum(pc.greater(pc.utf8_length(trimmed), 0)).as_py() or 0)


def _assemble(
    tokens: pa.ChunkedArray | None,
    lengths: NDArray[np.int64],
    is_null: Mask,
    name: str,
    *,
    has_reason: Mask | None = None,
) -> TokenColumn:
    """Join the tokens, which lie end to end, to rows of these lengths. Rows where `has_reason` is true are known already."""
    assert tokens is not None  # texts and whole numbers can be read as text
    owners = np.repeat(np.arange(len(lengths)), lengths)
    is_broken = any_in_row(to_mask(pc.or_kleene(tokens.is_null(), pc.equal(tokens, ""))), owners, len(lengths))
    is_split = any_in_row(to_mask(pc.match_substring(tokens, SEPARATOR)), owners, len(lengths))
    joined = pc.binary_join_element_wise("", tokens.fill_null(""), SEPARATOR)
    values = pa.concat_arrays(joined.chunks or [pa.array([], pa.string())])
    lists = pa.LargeListArray.from_arrays(to_offsets(lengths), values)
    rows = pc.fill_null(pc.binary_join(lists, ""), "").to_pylist()
    known = is_null if has_reason is None else is_null | has_reason
    return TokenColumn(
        tuple(row or SEPARATOR for row in rows),
        {
            f"the list of tokens in column {name!r} is null": is_null,
            f"the list of tokens in column {name!r} is empty": (lengths == 0) & ~known,
            f"a token in column {name!r} is null or empty": is_broken,
            f"a token in column {name!r} contains U+001F, which separates tokens": is_split,
        },
        tuple(_padding_notes(tokens, lengths, name)),
    )


def _padding_notes(tokens: pa.ChunkedArray, lengths: NDArray[np.int64], name: str) -> list[str]:
    """Return a note if the lists have one length and many of them begin or end in a run of the same token."""
    if len(lengths) < _FEWEST_ROWS or lengths.min() < 3 or lengths.min() != lengths.max():
        return []
    steps = int(lengths[0])
    encoded = pa.chunked_array(tokens.chunks, pa.string()).combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(len(encoded.dictionary)).to_numpy(zero_copy_only=False).reshape(-1, steps)
    notes = []
    for verb, ends in (("begin", codes[:, :2]), ("end", codes[:, -2:])):
        token = int(np.bincount(ends[:, 0]).argmax())
        is_padded = (ends == token).all(axis=1)
        if is_padded.mean() >= _PADDED and not (codes == token).all() and token < len(encoded.dictionary):
            shown = encoded.dictionary[token].as_py()
            rows = f"{number_of_rows(int(is_padded.sum()))} of column {name!r} {verb} in {shown!r} twice or more"
            line = f"df[{name!r}] = df[{name!r}].map(lambda row: [token for token in row if str(token) != {shown!r}])"
            notes.append(f"{rows}, and all have the same length; if this is padding, cut it off, in pandas: {line}")
    return notes


def _parse(text: str) -> list[Any] | None:
    """Return the list that a text writes, None if it writes something else."""
    value = parse_literal(text)
    return value if isinstance(value, list) else None


def _holds(row: list[Any], types: Any) -> bool:
    return all(isinstance(item, types) and not isinstance(item, bool) for item in row)


def _as_token(item: Any) -> str | None:
    return None if item is None else str(item)
