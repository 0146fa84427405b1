"""What the readers of files of series share: numbers in texts, and columns of series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tuner.data.encoded import to_offsets
from tuner.errors import data_error

Steps = NDArray[np.float64]  # (steps, channels)


def read_steps(where: str, channels: Sequence[str]) -> Steps:
    """Return the steps of a series from the text of each channel, numbers with commas. Raises DataError."""
    numbers = [read_numbers(where, channel.split(",") if channel.strip() else []) for channel in channels]
    lengths = sorted({len(each) for each in numbers})
    if len(lengths) != 1:
        what = f"the {len(channels)} channels have different numbers of values, from {lengths[0]} to {lengths[-1]}"
        raise data_error(where, what, "give all channels of a series as many, with ? for unknown ones")
    return np.stack(numbers, axis=1)


def read_numbers(where: str, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the numbers in texts, NaN for a question mark. Raises DataError."""
    numbers = np.empty(len(texts))
    for place, text in enumerate(texts):
        try:
            numbers[place] = np.nan if text.strip() == "?" else float(text)
        except ValueError:
            remedy = "separate numbers with commas, and write ? for an unknown one"
            raise data_error(where, f"{text.strip()[:40]!r} is not a number", remedy) from None
    return numbers


def to_lists(series: Sequence[Steps]) -> pa.Array:
    """Return one list of steps for each series."""
    lengths, channels = (np.array([each.shape[axis] for each in series], np.int64) for axis in (0, 1))
    numbers = np.concatenate([each.ravel() for each in series])
    steps = pa.LargeListArray.from_arrays(pa.array(to_offsets(np.repeat(channels, lengths))), pa.array(numbers))
    return pa.LargeListArray.from_arrays(pa.array(to_offsets(lengths)), steps)
