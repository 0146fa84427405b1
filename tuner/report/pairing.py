"""The counts that a comparison of two models is made of, on rows and on resamples of the same rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuner.scoring.bootstrap import SAMPLES, resample_counts
from tuner.scoring.f1 import Indicator, Reals


@dataclass(frozen=True, eq=False)
class PairedCounts:
    """True rows, and each model's decisions and hits, shape (labels,), or (samples, labels) of resamples of `rows` rows."""

    rows: int
    support: Reals
    a_decided: Reals
    a_hits: Reals
    b_decided: Reals
    b_hits: Reals

    @classmethod
    def of(cls, truth: Indicator, a: Indicator, b: Indicator) -> PairedCounts:
        """Count the rows themselves; truth and decisions are (rows, labels)."""
        return cls(len(truth), *(column.sum(axis=0).astype(np.float64) for column in _columns(truth, a, b)))


def resampled_counts(
    truth: Indicator, a: Indicator, b: Indicator, *, seed: int, samples: int = SAMPLES
) -> PairedCounts:
    """Count in `samples` draws of as many rows with replacement, both models on the rows of each draw."""
    counts = resample_counts(_columns(truth, a, b), seed=seed, samples=samples)
    return PairedCounts(len(truth), *(column.astype(np.float64) for column in counts))


def _columns(truth: Indicator, a: Indicator, b: Indicator) -> list[Indicator]:
    return [truth, a, a & truth, b, b & truth]
