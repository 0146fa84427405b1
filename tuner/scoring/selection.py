"""The choice of the champion: every finalist's mean score over seeds has a lower bound, and the highest bound wins."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from scipy.special import stdtrit

from tuner.scoring.f1 import Reals

Key = TypeVar("Key")

CONFIDENCE = 0.9


@dataclass(frozen=True)
class Bound:
    """A finalist's mean score over `seeds` runs, the `spread` of the runs, and the `lower` bound of the mean.

    `spread` is the standard deviation of single scores that the bound uses. If no finalist has a second seed, it is NaN and
    `lower` is the mean.
    """

    mean: float
    spread: float
    lower: float
    seeds: int


def lower_bounds(scores: Mapping[Key, Sequence[float]], confidence: float = CONFIDENCE) -> dict[Key, Bound]:
    """Return each finalist's one-sided lower bound, `mean - t * spread / sqrt(seeds)`, from its finite scores.

    Two seeds say next to nothing about a variance. So half of it is the finalist's own, and half is pooled over all finalists; t
    has the pooled degrees of freedom. Raises ValueError for a finalist without scores, or with a score that is not finite. The
    caller must leave out such finalists.
    """
    runs = {key: np.asarray(values, dtype=np.float64) for key, values in scores.items()}
    for key, values in runs.items():
        if not values.size or not np.isfinite(values).all():
            raise ValueError(f"finalist {key!r} has scores {values.tolist()}, but needs at least one, all finite")
    freedom = sum(len(values) - 1 for values in runs.values())
    if not freedom:
        return {key: Bound(float(values[0]), math.nan, float(values[0]), 1) for key, values in runs.items()}
    pooled = sum(float(((values - values.mean()) ** 2).sum()) for values in runs.values()) / freedom
    quantile = float(stdtrit(freedom, confidence))
    return {key: _bound(values, pooled, quantile) for key, values in runs.items()}


def choose_champion(bounds: Mapping[Key, Bound]) -> Key:
    """Return the finalist with the highest lower bound, then the higher mean, then the first in order."""
    return max(bounds, key=lambda key: (bounds[key].lower, bounds[key].mean))


def _bound(values: Reals, pooled: float, quantile: float) -> Bound:
    variance = float(values.var(ddof=1)) if len(values) > 1 else pooled
    spread = math.sqrt((variance + pooled) / 2)
    mean = float(values.mean())
    return Bound(mean, spread, mean - quantile * spread / math.sqrt(len(values)), len(values))
