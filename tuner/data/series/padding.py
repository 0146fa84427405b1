"""Padding at the ends of numeric sequences: cut off and counted if it is NaN, and only noted if it may be zeros."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.data.encoded import to_offsets
from tuner.data.name_lists import number_of_rows
from tuner.data.row_masks import Mask
from tuner.data.sequences import Sequences

Counts = NDArray[np.int64]

_FEWEST_ROWS = 20  # fewer rows may end in zeros by chance
_RARE = 0.1  # with a larger share of zeros before the end of rows, zeros are values like others


@dataclass(frozen=True, eq=False)
class Ends:
    """The steps of padding at the ends of rows: how many before and after (rows,), and a mask (steps,) of all others.

    A row of nothing but padding is blank, and counts as neither.
    """

    before: Counts
    after: Counts
    is_blank: Mask
    is_kept: Mask


def find_padding(lengths: Counts, is_void: Mask) -> Ends:
    """Find the steps at both ends of each row that hold nothing. `lengths` is (rows,), `is_void` (steps,)."""
    if not is_void.any():  # as in most data, and the rest takes memory
        none = np.zeros(len(lengths), np.int64)
        return Ends(none, none, none > 0, ~is_void)
    offsets, filled = to_offsets(lengths), np.flatnonzero(~is_void)
    places = np.searchsorted(filled, offsets)  # of each row's first filled step in `filled`
    is_blank = places[1:] == places[:-1]
    filled = np.append(filled, len(is_void))  # blank rows at the end look one place too far
    first = np.where(is_blank, offsets[1:], filled[places[:-1]])
    last = np.where(is_blank, offsets[1:], filled[places[1:] - 1])
    step = np.arange(len(is_void))
    return Ends(
        before=np.where(is_blank, 0, first - offsets[:-1]),
        after=np.where(is_blank, 0, offsets[1:] - 1 - last),
        is_blank=is_blank & (lengths > 0),
        is_kept=(step >= np.repeat(first, lengths)) & (step <= np.repeat(last, lengths)),
    )


def padding_notes(ends: Ends, sequences: Sequences, column: str, *, are_steps: bool = False) -> list[str]:
    """Say how many rows were cut at their ends, and whether zeros at the end of `sequences` may be padding too.

    If the rows of the source `are_steps`, its series are counted.
    """

    def count(number: int) -> str:
        return f"{number:,} series" if are_steps else number_of_rows(number)

    is_used = sequences.lengths > 0
    notes = []
    for verb, steps in (("begin", ends.before), ("end", ends.after)):
        cut = steps[is_used & (steps > 0)]
        if len(cut):
            rows = f"{count(len(cut))} of {column} {verb}{'s' if len(cut) == 1 else ''} in NaN or null"
            notes.append(f"{rows} ({_range(cut)}): read as padding and cut off")
    for verb, runs in _runs_of_zeros(sequences).items() if not notes else ():
        every = "series" if are_steps else "rows"
        rows = f"{count(len(runs))} of {column} {verb} in zeros ({_range(runs)}), and all {every} have the same length"
        notes.append(f"{rows}; if this is padding, write NaN in place of those zeros, and it is cut off")
    return notes


def _range(steps: Counts) -> str:
    fewest, most = int(steps.min()), int(steps.max())
    unit = "step" if most == 1 else "steps"
    return f"{most} {unit}" if fewest == most else f"{fewest} to {most} {unit}"


def _runs_of_zeros(sequences: Sequences) -> dict[str, Counts]:
    """Return the lengths of the runs of zeros that most rows begin or end in, if zeros are rare in the rest of the rows."""
    lengths = sequences.lengths[sequences.lengths > 0]
    if len(lengths) < _FEWEST_ROWS or lengths.min() != lengths.max():
        return {}
    is_zero = (sequences.values == 0).all(axis=1).reshape(len(lengths), -1)  # (rows, steps)
    is_zero = is_zero[~is_zero.all(axis=1)]
    found = {}
    for verb, turned in (("begin", is_zero), ("end", is_zero[:, ::-1])):
        runs = np.argmin(turned, axis=1)
        rest = turned.size - runs.sum()
        padded = runs[runs > 0]
        if len(padded) > len(runs) / 2 and len(np.unique(padded)) > 2 and turned.sum() - runs.sum() < _RARE * rest:
            found[verb] = padded
    return found
