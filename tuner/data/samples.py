"""Samples of rows that are enough to see what all of them are like."""

from __future__ import annotations

import numpy as np

from tuner.data.dataset import Positions


def spread_positions(n_rows: int, most: int) -> Positions:
    """Return the positions of up to `most` rows, evenly spread over all, in ascending order."""
    return np.linspace(0, n_rows - 1, min(n_rows, most)).astype(np.int64)
