"""Read a column of lists as numeric sequences, and find out why some rows cannot be used.

A row is a list of numbers (one channel), or a list of steps, each a list with one number per channel. In a column of text,
such as any column of a CSV, a row is that list written as JSON, or as Python prints it. Steps of only null or NaN at either
end of a row are padding, and are cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.encoded import to_offsets
from tuner.data.findings import Findings
from tuner.data.row_masks import Mask, any_in_row
from tuner.data.sequences import MOST, Sequences
from tuner.data.series.padding import find_padding, padding_notes
from tuner.data.series.written_lists import CUT, EXACT, is_python_list, parse_steps, separator_of

_AS_LISTS = pa.list_(pa.list_(pa.float64()))
_SAMPLE = 100  # rows that show how a column is written
_FILLED = ".interpolate(limit_area='inside').dropna(how='all').ffill().bfill().to_numpy().tolist()"


@dataclass(frozen=True)
class Rounding:
    """How many different numbers a column has, and how many are left of them in 64-bit floating point."""

    given: int
    left: int

    remedy: ClassVar[str] = "subtract the same number from all of them first, in every file"

    def __str__(self) -> str:
        digits = "64-bit floating point keeps 15 to 17 digits of a number"
        return f"{digits}, so its {self.given:,} different values became {self.left:,}"

    def add_to(self, findings: Findings, source: str, name: str) -> None:
        """Note it, or refuse the column if most differences are lost."""
        if self.left < self.given / 2:
            findings.refuse_column(source, name, str(self), self.remedy)
        else:
            findings.notes.append(f"{source}: column {name!r}: {self}; {self.remedy}")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where series come from, if not from a column of lists: the columns as messages show them, and whether each series
    comes from several rows. `fill` is a line of Python that fills gaps there; None if it depends on the data.
    """

    shown: str
    fill: str | None = None
    are_steps: bool = False


@dataclass(frozen=True, eq=False)
class SequenceColumn:
    """The rows of one column, and a mask (rows,) for each reason why a row cannot be used.

    Most rows decide the number of channels. A row that does not fit is empty in `sequences`. `remedies` has one for some of
    the reasons. `notes` say what was cut off, or may be padding.
    """

    sequences: Sequences
    unusable: Mapping[str, Mask]
    remedies: Mapping[str, str]
    notes: tuple[str, ...]
    rounding: Rounding | None


@dataclass(frozen=True, eq=False)
class _Lists:
    """The parts of a column: steps per row, channels per step, and all numbers, with NaN for null.

    `is_null_step` (steps,) is true where a step is null rather than a list.
    """

    lengths: NDArray[np.int64]
    channels: NDArray[np.int64]
    numbers: NDArray[np.float64]
    is_null: Mask
    is_null_step: Mask
    rounding: Rounding | None


def is_list(kind: pa.DataType) -> bool:
    """Return whether a column's values are lists of any kind."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def holds_sequences(kind: pa.DataType) -> bool:
    """Return whether a column's values are lists of numbers, or lists of such lists."""
    inner = kind.value_type if is_list(kind) else None
    inner = inner.value_type if inner is not None and is_list(inner) else inner
    return inner is not None and is_number(inner)


def read_sequences(column: pa.ChunkedArray, name: str, *, origin: Origin | None = None) -> SequenceColumn:
    """Read a column that satisfies `holds_sequences`. `origin` is where its lists were made from."""
    if origin is None:
        fill = f"df[{name!r}] = [pd.DataFrame(list(row), dtype=float){_FILLED} for row in df[{name!r}]]"
        origin = Origin(shown=f"column {name!r}", fill=fill)
    return _assemble(_take_apart(combined(column)), origin)


def read_written_sequences(column: pa.ChunkedArray, name: str) -> SequenceColumn:
    """Read a column of text with a list in each value, as JSON or as Python prints it; an empty text is an empty list."""
    large: set[int] = set()
    texts = [text or "" for text in column.to_pylist()]
    parsed = [parse_steps(text, large) for text in texts]
    is_broken = np.array([row is None for row in parsed], dtype=bool)
    is_cut = is_broken & np.array([CUT in text for text in texts], dtype=bool)
    is_null = column.is_null().to_numpy()
    lists = [None if is_null[number] else row or [] for number, row in enumerate(parsed)]
    taken = replace(
        _take_apart(pa.array(lists, _AS_LISTS)), rounding=_rounding(len(large), len({float(value) for value in large}))
    )
    row = "json.loads(row.replace('nan', 'NaN'))"
    fill = f"import json; df[{name!r}] = [pd.DataFrame({row}, dtype=float){_FILLED} for row in df[{name!r}]]"
    is_plain = all(map(is_python_list, filter(None, texts[:_SAMPLE])))
    origin = Origin(shown=f"column {name!r}", fill=fill if is_plain else None)
    read = _assemble(taken, origin, has_reason=is_broken)
    broken = f"column {name!r} is not a JSON list of numbers or of steps (lists of numbers)"
    cut = f"column {name!r} has {CUT} where numpy left numbers out"
    remedies = {
        cut: f"write all numbers: df[{name!r}] = [row.tolist() for row in df[{name!r}]] before you save the table"
    }
    example = next((text for row, text in enumerate(texts) if is_broken[row] and not is_cut[row]), "")
    if (separator := separator_of(example)) is not None:
        line = f"df[{name!r}] = [[float(v) for v in row.split({separator!r})] for row in df[{name!r}]]"
        remedies[broken] = f"if {separator!r} separates numbers, write lists, in pandas: {line}"
    return replace(
        read,
        unusable={broken: is_broken & ~is_cut, cut: is_cut, **read.unusable},
        remedies={**read.remedies, **remedies},
    )


def is_number(kind: pa.DataType) -> bool:
    """Return whether values of this type are numbers; nulls alone may be."""
    is_real = pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_decimal(kind)
    return bool(is_real or pa.types.is_null(kind))


def combined(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array."""
    array = column.combine_chunks()  # still a chunked array above 2 GiB
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _take_apart(rows: pa.Array) -> _Lists:
    steps = pc.list_flatten(rows)
    is_nested = is_list(steps.type)
    channels = list_lengths(steps) if is_nested else np.ones(len(steps), np.int64)
    numbers = pc.list_flatten(steps) if is_nested else steps
    values, rounding = to_float64(numbers)
    return _Lists(
        lengths=list_lengths(rows),
        channels=channels,
        numbers=values,
        is_null=rows.is_null().to_numpy(zero_copy_only=False),
        is_null_step=steps.is_null().to_numpy(zero_copy_only=False),
        rounding=rounding,
    )


def to_float64(numbers: pa.Array) -> tuple[NDArray[np.float64], Rounding | None]:
    """Return numbers with NaN for null, and what happened if different numbers became equal."""
    values = pc.fill_null(numbers.cast(pa.float64(), safe=False), np.nan).to_numpy(zero_copy_only=False)
    is_decimal = pa.types.is_decimal(numbers.type)
    if not (is_decimal or (pa.types.is_integer(numbers.type) and (np.abs(values) > EXACT).any())):
        return values, None
    return values, _rounding(pc.count_distinct(numbers).as_py(), len(np.unique(values[~np.isnan(values)])))


def _rounding(given: int, left: int) -> Rounding | None:
    return Rounding(given, left) if left < given else None


def list_lengths(lists: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """Return how many values `list_flatten` gives for each list (rows,). A null gives none, even if it has values in memory."""
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)


def _assemble(lists: _Lists, origin: Origin, *, has_reason: Mask | None = None) -> SequenceColumn:
    """Lay the regular rows end to end, without padding. Rows where `has_reason` is true are already known to be unusable."""
    n_rows = len(lists.lengths)
    is_empty = lists.lengths == 0
    ends = find_padding(lists.lengths, _void_steps(lists))
    lists = _cut(lists, ends.is_kept)
    owners = np.repeat(np.arange(n_rows), lists.lengths)  # the row of each step
    first_step = np.minimum(to_offsets(lists.lengths)[:-1], max(len(owners) - 1, 0))
    is_left = lists.lengths > 0
    channels = np.where(is_left, lists.channels[first_step] if len(owners) else 0, 0)  # of each row's first step
    is_odd_step = (lists.channels != channels[owners]) & ~lists.is_null_step
    is_ragged = any_in_row(is_odd_step, owners, n_rows) | (is_left & (channels == 0))
    common = _commonest(channels[is_left & ~is_ragged])
    is_other = is_left & ~is_ragged & (channels != common)
    has_null_step = any_in_row(lists.is_null_step, owners, n_rows)
    is_regular = is_left & ~is_ragged & ~is_other & ~has_null_step

    of_number = np.repeat(owners, lists.channels)  # the row of each number
    values = lists.numbers[is_regular[of_number]].reshape(-1, max(common, 1))
    sequences = Sequences(values=values, offsets=to_offsets(np.where(is_regular, lists.lengths, 0)))
    is_explained = lists.is_null if has_reason is None else lists.is_null | has_reason
    column, fill = origin.shown, origin.fill
    gap = f"the sequence in {column} has a null or NaN in the middle, or in some of a step's channels only"
    return SequenceColumn(
        sequences,
        {
            f"the sequence in {column} is null": lists.is_null,
            f"the sequence in {column} is empty": is_empty & ~is_explained,
            f"the sequence in {column} has only null or NaN": ends.is_blank,
            f"the sequence in {column} has steps with different numbers of channels, or with none": is_ragged,
            f"the sequence in {column} does not have {common} channels as most rows do": is_other,
            gap: any_in_row(np.isnan(lists.numbers), of_number, n_rows) | (has_null_step & ~is_ragged),
            f"the sequence in {column} has a value that is infinite, or above {MOST:g}": any_in_row(
                np.abs(lists.numbers) > MOST, of_number, n_rows
            ),
        },
        remedies={gap: "fill it" if fill is None else f"fill it, for example in pandas: {fill}"},
        notes=tuple(padding_notes(ends, sequences, column, are_steps=origin.are_steps)),
        rounding=lists.rounding,
    )


def _void_steps(lists: _Lists) -> Mask:
    """Return which steps (steps,) are null, or have only null or NaN."""
    is_nan = np.isnan(lists.numbers)
    if not is_nan.any():
        return lists.is_null_step
    has_number = np.zeros(len(lists.channels), dtype=bool)
    has_number[np.repeat(np.arange(len(has_number)), lists.channels)[~is_nan]] = True
    return ~has_number & ((lists.channels > 0) | lists.is_null_step)


def _cut(lists: _Lists, is_kept: Mask) -> _Lists:
    """Keep the steps where `is_kept` (steps,) is true."""
    if is_kept.all():
        return lists
    owners = np.repeat(np.arange(len(lists.lengths)), lists.lengths)
    return replace(
        lists,
        lengths=np.bincount(owners[is_kept], minlength=len(lists.lengths)),
        channels=lists.channels[is_kept],
        numbers=lists.numbers[np.repeat(is_kept, lists.channels)],
        is_null_step=lists.is_null_step[is_kept],
    )


def _commonest(channels: NDArray[np.int64]) -> int:
    """Return the most frequent number of channels above 0, or 0 if there is none."""
    counts = np.bincount(channels, minlength=1)
    counts[0] = 0
    return int(counts.argmax()) if counts.any() else 0
