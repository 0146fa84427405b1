"""How much of some rows a model reads: which rows are longer than it reads, and in which it knows no token."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuner.bundle.model_bundle import Bundle
from tuner.data.dataset import Positions
from tuner.data.encoded import Encoded
from tuner.data.tokenisers import UNKNOWN


@dataclass(frozen=True, eq=False)
class Coverage:
    """Positions (n,) of the rows that are cut, and of those in which no token is known. `unknown` is None for sequences."""

    cut: Positions
    unknown: Positions | None


def cover(bundle: Bundle, encoded: Encoded) -> Coverage:
    """Compare rows, as the leading member encodes them, with what it reads and knows. Tokens that are cut off count as well."""
    cut = np.flatnonzero(encoded.lengths > bundle.max_length)
    if bundle.vocabulary is None:
        return Coverage(cut, None)
    is_known = (encoded.steps > UNKNOWN) & (encoded.steps < bundle.vocabulary)
    known_before = np.append(0, np.cumsum(is_known))[encoded.offsets]
    return Coverage(cut, np.flatnonzero(known_before[1:] == known_before[:-1]))
