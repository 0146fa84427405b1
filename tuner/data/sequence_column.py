"""Read a column of lists as numeric sequences, and find out why some rows cannot be used.

A row is a list of numbers (one channel), or a list of steps, each a list with one number per channel. In a column of text,
such as any column of a CSV, a row is that list written as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.encoded import to_offsets
from tuner.data.sequences import Sequences

Mask = NDArray[np.bool_]
_AS_LISTS = pa.list_(pa.list_(pa.float64()))


@dataclass(frozen=True, eq=False)
class SequenceColumn:
    """The rows of one column, and a mask (rows,) for each reason why a row cannot be used.

    Most rows decide the number of channels. A row that does not fit is empty in `sequences`.
    """

    sequences: Sequences
    unusable: Mapping[str, Mask]


@dataclass(frozen=True, eq=False)
class _Lists:
    """The parts of a column: steps per row, channels per step, and all numbers, with NaN for null."""

    lengths: NDArray[np.int64]
    channels: NDArray[np.int64]
    numbers: NDArray[np.float64]
    is_null: Mask


def is_list(kind: pa.DataType) -> bool:
    """Return whether a column's values are lists of any kind."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def holds_sequences(kind: pa.DataType) -> bool:
    """Return whether a column's values are lists of numbers, or lists of such lists."""
    inner = kind.value_type if is_list(kind) else None
    inner = inner.value_type if inner is not None and is_list(inner) else inner
    return inner is not None and _is_number(inner)


def read_sequences(column: pa.ChunkedArray, name: str) -> SequenceColumn:
    """Read a column that satisfies `holds_sequences`."""
    return _assemble(_take_apart(_combined(column)), name)


def read_written_sequences(column: pa.ChunkedArray, name: str) -> SequenceColumn:
    """Read a column of text with a JSON list in each value; an empty text is an empty list."""
    parsed = [[] if text is None else _parse(text) for text in column.to_pylist()]
    is_broken = np.array([row is None for row in parsed], dtype=bool)
    is_null = column.is_null().to_numpy()
    lists = [None if is_null[number] else row or [] for number, row in enumerate(parsed)]
    read = _assemble(_take_apart(pa.array(lists, _AS_LISTS)), name, has_reason=is_broken)
    reason = f"column {name!r} is not a JSON list of numbers or of steps (lists of numbers)"
    return SequenceColumn(read.sequences, {reason: is_broken, **read.unusable})


def _is_number(kind: pa.DataType) -> bool:
    is_real = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    return bool(is_real or pa.types.is_null(kind))


def _combined(column: pa.ChunkedArray) -> pa.Array:
    combined = column.combine_chunks()  # still a chunked array above 2 GiB
    return pa.concat_arrays(combined.chunks) if isinstance(combined, pa.ChunkedArray) else combined


def _take_apart(rows: pa.Array) -> _Lists:
    steps = pc.list_flatten(rows)
    if is_list(steps.type):
        channels, numbers = list_lengths(steps), pc.list_flatten(steps)
    else:
        channels, numbers = np.ones(len(steps), np.int64), steps
    return _Lists(
        lengths=list_lengths(rows),
        channels=channels,
        numbers=pc.fill_null(numbers.cast(pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False),
        is_null=rows.is_null().to_numpy(zero_copy_only=False),
    )


def list_lengths(lists: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """Return how many values `list_flatten` gives for each list (rows,). A null gives none, even if it has values in memory."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)


def _assemble(lists: _Lists, name: str, *, has_reason: Mask | None = None) -> SequenceColumn:
    """Lay the regular rows end to end. Rows where `has_reason` is true are already known to be unusable."""
    n_rows = len(lists.lengths)
    owners = np.repeat(np.arange(n_rows), lists.lengths)  # the row of each step
    first_step = np.minimum(to_offsets(lists.lengths)[:-1], max(len(owners) - 1, 0))
    is_empty = lists.lengths == 0
    channels = np.where(is_empty, 0, lists.channels[first_step] if len(owners) else 0)  # of each row's first step
    is_ragged = _any_in_row(lists.channels != channels[owners], owners, n_rows) | (~is_empty & (channels == 0))
    common = _commonest(channels[~is_empty & ~is_ragged])
    is_other = ~is_empty & ~is_ragged & (channels != common)
    is_regular = ~(is_empty | is_ragged | is_other)

    of_number = np.repeat(owners, lists.channels)  # the row of each number
    with np.errstate(
        over="ignore", invalid="ignore"
    ):  # too large numbers become infinite or NaN, and are reported below
        numbers = lists.numbers.astype(np.float32)
    offsets = to_offsets(np.where(is_regular, lists.lengths, 0))
    values = numbers[is_regular[of_number]].reshape(-1, max(common, 1))
    is_explained = lists.is_null if has_reason is None else lists.is_null | has_reason
    column = f"column {name!r}"
    return SequenceColumn(
        Sequences(values=values, offsets=offsets),
        {
            f"the sequence in {column} is null": lists.is_null,
            f"the sequence in {column} is empty": is_empty & ~is_explained,
            f"the sequence in {column} has steps with different numbers of channels, or with none": is_ragged,
            f"the sequence in {column} does not have {common} channels as most rows do": is_other,
            f"the sequence in {column} has a null or NaN": _any_in_row(np.isnan(numbers), of_number, n_rows),
            f"the sequence in {column} has a value that is infinite or too large for 32 bits": _any_in_row(
                np.isinf(numbers), of_number, n_rows
            ),
        },
    )


def _any_in_row(is_true: Mask, owners: NDArray[np.int64], n_rows: int) -> Mask:
    has_any = np.zeros(n_rows, dtype=bool)
    has_any[owners[is_true]] = True
    return has_any


def _commonest(channels: NDArray[np.int64]) -> int:
    """Return the most frequent number of channels above 0, or 0 if there is none."""
    counts = np.bincount(channels, minlength=1)
    counts[0] = 0
    return int(counts.argmax()) if counts.any() else 0


def _parse(text: str) -> list[list[float]] | None:
    """Return the steps in a text, with NaN for null. Return None if it is not a list of numbers or of lists of numbers."""
    if not text.strip():
        return []
    try:
        parsed: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, list):
        return None
    is_nested = any(isinstance(step, list) for step in parsed)
    if is_nested:
        parsed = [[] if step is None else step for step in parsed]
    steps = parsed if is_nested else [[value] for value in parsed]
    if not all(isinstance(step, list) and all(map(_is_json_number, step)) for step in steps):
        return None
    return [[_to_float(value) for value in step] for step in steps]


def _is_json_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _to_float(value: float | None) -> float:
    try:
        return np.nan if value is None else float(value)
    except OverflowError:  # a whole number with hundreds of digits
        return np.inf
