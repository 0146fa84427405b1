"""Log-odds of probabilities, and back. `scipy.special` has both, but takes 0.15 s to import, and every verb needs them."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.scoring.f1 import Reals


def log_odds(probabilities: Any) -> Reals:
    """Return log(p / (1 - p)) of probabilities above 0 and below 1, of any shape."""
    values = np.asarray(probabilities, np.float64)
    return np.asarray(np.log(values) - np.log1p(-values))


def from_log_odds(values: Any) -> Reals:
    """Return the probabilities with these log-odds, the reverse of `log_odds`."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(values, np.float64))))
