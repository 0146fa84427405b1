"""Masks of rows and of values: what is true of which."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Mask: TypeAlias = NDArray[np.bool_]


def to_mask(values: pa.Array | pa.ChunkedArray) -> Mask:
    """Return booleans (n,); null counts as false."""
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), dtype=bool)


def any_in_row(is_marked: Mask, owners: NDArray[np.int64], n_rows: int) -> Mask:
    """Return the rows (n_rows,) that have a marked item. `owners` (items,) is the row of each item."""
    has_any = np.zeros(n_rows, dtype=bool)
    has_any[owners[is_marked]] = True
    return has_any
