"""The rows that a model reads: an encoding, cut to the length and the vocabulary of the model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.encoded import Encoded
from tuner.data.tokenisers import UNKNOWN
from tuner.training.batches import Rows


def make_rows(
    encoded: Encoded, targets: NDArray[Any], *, vocabulary: int | None, max_length: int, truncation: str
) -> Rows:
    """Cut an encoding to a maximum length, and tokens to a vocabulary size: rarer ones become the unknown token.

    `truncation` is the side to cut off, "end" or "start".
    """
    steps = encoded.steps
    if vocabulary is not None and (is_rarer := steps >= vocabulary).any():
        steps = steps.copy()  # all workers share the original memory
        np.putmask(steps, is_rarer, UNKNOWN)
    lengths = np.minimum(encoded.lengths, max_length)
    starts = encoded.offsets[1:] - lengths if truncation == "start" else encoded.offsets[:-1]
    return Rows(steps=steps, starts=starts, lengths=lengths, targets=targets)
