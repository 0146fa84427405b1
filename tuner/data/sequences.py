"""Numeric sequences of varying length: laid end to end, standardised, and resampled to one length."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuner.data.encoded import Encoded, to_offsets
from tuner.errors import DataError, Fault
from tuner.space.configuration import is_finite_number

_KIND = "standardiser"
MOST = 1e300
"""The largest size of a raw value. Sums of larger ones would not fit into 64-bit floating point."""

_FARTHEST = 1e6
"""Values are clipped at this many standard deviations. Larger values could make a model's 32-bit sums infinite."""
_PARTS = ("mean", "scale", "origin")


@dataclass(frozen=True, eq=False)
class Sequences:
    """Rows of numeric sequences laid end to end: row i is `values[offsets[i]:offsets[i + 1]]`.

    `values` (steps of all rows, channels) is float64 as read, so that 1,700,000,001 is not 1,700,000,000, and float32 once
    standardised. `offsets` is int64 (rows + 1,), from 0.
    """

    values: NDArray[np.floating[Any]]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @classmethod
    def of(cls, rows: Iterable[ArrayLike]) -> Sequences:
        """Lay rows end to end. Each is (steps, channels), or (steps,) for one channel.

        NaN in all channels at either end of a row is padding, and is cut off. Raises ValueError if there is no row, if rows
        differ in their channels, or if a row is empty or has a value that is not a number, infinite or too large. Row
        numbers in messages start at 1.
        """
        arrays = [_as_steps(row, number) for number, row in enumerate(rows, 1)]
        if len({array.shape[1] for array in arrays}) != 1:
            channels = ", ".join(map(str, sorted({array.shape[1] for array in arrays}))) or "no row"
            raise ValueError(f"all rows must have the same number of channels, but there are: {channels}")
        return cls(values=np.concatenate(arrays), offsets=to_offsets(np.array([len(array) for array in arrays])))

    @property
    def channels(self) -> int:
        """The number of values per step."""
        return int(self.values.shape[1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps per row, shape (rows,)."""
        return np.diff(self.offsets)

    def row(self, number: int) -> NDArray[np.floating[Any]]:
        """Return one row, (steps, channels), without copying it."""
        return self.values[self.offsets[number] : self.offsets[number + 1]]

    def take(self, positions: NDArray[np.integer]) -> Sequences:
        """Return the rows at `positions` (n,), in that order. Positions may repeat."""
        offsets = to_offsets(self.lengths[positions])
        first_moves = np.repeat(self.offsets[:-1][positions] - offsets[:-1], np.diff(offsets))
        return Sequences(values=self.values[np.arange(offsets[-1]) + first_moves], offsets=offsets)


def _as_steps(row: ArrayLike, number: int) -> NDArray[np.float64]:
    try:
        steps = np.asarray(row, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"row {number} is not a list of numbers, or of steps of equally many numbers") from error
    except OverflowError as error:  # a whole number with hundreds of digits
        raise ValueError(f"row {number} has a value above {MOST:g}") from error
    if steps.ndim not in (1, 2):
        raise ValueError(f"row {number} must be (steps,) or (steps, channels), but has {steps.ndim} dimensions")
    if not steps.size:
        raise ValueError(f"row {number} is empty")
    steps = steps[:, None] if steps.ndim == 1 else steps
    filled = np.flatnonzero(~np.isnan(steps).all(axis=1))
    if not len(filled):
        raise ValueError(f"row {number} has only NaN")
    steps = steps[filled[0] : filled[-1] + 1]
    if np.isnan(steps).any():
        raise ValueError(f"row {number} has NaN before its end, or in some channels only")
    if (np.abs(steps) > MOST).any():
        raise ValueError(f"row {number} has a value that is infinite, or above {MOST:g}")
    return steps


@dataclass(frozen=True, eq=False)
class Standardiser:
    """Shift and scale every channel to mean 0 and standard deviation 1 over all steps of the training rows.

    All are float64 (channels,). A value becomes (value - origin - mean) / scale. `origin` is a value of the channel: so a
    constant added to whole numbers changes no bit of the result, which the rounding of their mean would. A channel that is
    constant in training has scale 1.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    origin: NDArray[np.float64]

    @classmethod
    def fit(cls, sequences: Sequences) -> Standardiser:
        """Fit on the training rows only. They must have at least one step."""
        values = sequences.values
        middle = len(values) // 2
        origin = np.partition(values, middle, axis=0)[middle].astype(np.float64)
        moved = values - origin
        mean = moved.mean(axis=0)
        moved -= mean
        farthest = np.abs(moved).max(axis=0)
        is_constant = values.min(axis=0) == values.max(axis=0)  # rounding may give it a deviation above 0
        largest = np.where(is_constant | (farthest == 0), 1.0, farthest)
        moved /= largest  # before they are squared: the square of 1e200 is infinite
        scale = largest * np.sqrt((moved**2).mean(axis=0))
        return cls(mean=mean, scale=np.where(is_constant | (scale == 0), 1.0, scale), origin=origin)

    def standardise(self, sequences: Sequences) -> Sequences:
        """Return the rows with standardised values in float32, clipped at 1e6 from the mean.

        Raises DataError if the rows do not have as many channels as the training rows.
        """
        if sequences.channels != len(self.mean):
            what = f"the number of channels is {sequences.channels}, but {len(self.mean)} in the training data"
            raise DataError([Fault("sequences", what, "give sequences with the same channels, in the same order")])
        with np.errstate(over="ignore"):  # infinite values are clipped too
            standardised = sequences.values - self.origin
            standardised -= self.mean
            standardised /= self.scale
        np.clip(standardised, -_FARTHEST, _FARTHEST, out=standardised)
        return Sequences(values=standardised.astype(np.float32), offsets=sequences.offsets)

    def encode(self, inputs: tuple[str, ...] | Sequences) -> Encoded:
        """Standardise rows and return them as models read them: steps float32 (total, channels). Raises DataError."""
        if not isinstance(inputs, Sequences):
            raise DataError([Fault("inputs", "they are texts, but the training data are sequences", "give sequences")])
        standardised = self.standardise(inputs)
        return Encoded(steps=standardised.values, offsets=standardised.offsets)

    def to_bytes(self) -> bytes:
        """Return JSON from which `from_json` restores the same standardiser, bit for bit."""
        return json.dumps({"kind": _KIND, **{name: getattr(self, name).tolist() for name in _PARTS}}).encode()

    @classmethod
    def from_json(cls, described: Any) -> Standardiser:
        """Rebuild what `to_bytes` described, or an older one without `origin`. Raises ValueError for anything else."""
        if not isinstance(described, dict) or described.get("kind") != _KIND:
            raise ValueError(f"this does not describe a {_KIND}")
        if isinstance(described.get("mean"), list):
            described.setdefault("origin", [0.0] * len(described["mean"]))
        lists = [described.get(name) for name in _PARTS]
        if set(described) != {"kind", *_PARTS} or not all(map(_is_list_of_numbers, lists)):
            raise ValueError("origin, mean and scale are not lists of finite numbers, or there are other keys")
        mean, scale, origin = (np.array(values, dtype=np.float64) for values in lists)
        if not mean.size or mean.shape != scale.shape or mean.shape != origin.shape or (scale <= 0).any():
            raise ValueError("origin, mean and scale need one number per channel, and every scale must be above 0")
        return cls(mean=mean, scale=scale, origin=origin)


def _is_list_of_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(map(is_finite_number, values))


def resampled(sequences: Sequences, steps: int) -> NDArray[np.float32]:
    """Return every row at `steps` evenly spaced points from its first step to its last: (rows, steps x channels).

    Values between two steps are interpolated linearly. A single point lies in the middle. Rows must not be empty.
    """
    spacing = np.linspace(0, 1, steps) if steps > 1 else np.array([0.5])
    points = (sequences.lengths - 1)[:, None] * spacing  # (rows, steps), in steps from the row's first
    before = points.astype(np.int64)
    weights = (points - before).astype(np.float32)[:, :, None]
    first = sequences.offsets[:-1, None] + before
    last = np.minimum(first + 1, sequences.offsets[1:, None] - 1)
    mixed = (1 - weights) * sequences.values[first] + weights * sequences.values[last]  # (rows, steps, channels)
    return np.asarray(mixed.reshape(len(sequences), steps * sequences.channels), dtype=np.float32)
