"""Encoded rows: token numbers or values, laid end to end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Encoded:
    """Rows of steps laid end to end: row i is `steps[offsets[i]:offsets[i + 1]]`.

    `steps` are token numbers, int32 (total,), or the values of numeric sequences, float32 (total, channels). `offsets` are
    int64 (rows + 1,).
    """

    steps: NDArray[np.int32] | NDArray[np.float32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Steps per row, shape (rows,)."""
        return np.diff(self.offsets)


def to_offsets(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return where rows of these lengths (rows,) begin when laid end to end, and where the last one ends: (rows + 1,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
