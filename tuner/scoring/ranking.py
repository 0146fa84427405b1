"""Rows ranked by probability, label by label. Thresholds, AUC and average precision all use the same ranking.

One sort serves all three, for all labels at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.f1 import Reals
from tuner.scoring.indicator import Indicator

Probabilities = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Ranking:
    """Every label's rows by falling probability; arrays are (labels, rows) except `support` (labels,).

    `hits` counts the true rows up to and including each rank. `is_cut` is true where the next probability is smaller, so that a
    threshold fits between the two. `support` counts all true rows.
    """

    probabilities: Reals
    hits: NDArray[np.int64]
    is_cut: Indicator
    support: NDArray[np.int64]


def rank_rows(probabilities: Probabilities, truth: Indicator) -> Ranking:
    """Rank the rows of every column; both arguments are (rows, labels), probabilities finite."""
    # Negate in float64: float32 values keep their order, and ties stay ties.
    falling = -np.ascontiguousarray(probabilities.T, dtype=np.float64)
    order = falling.argsort(axis=1)
    ordered = -np.take_along_axis(falling, order, axis=1)
    hits = np.take_along_axis(truth.T, order, axis=1).cumsum(axis=1)
    is_cut = np.ones(ordered.shape, dtype=bool)
    is_cut[:, :-1] = ordered[:, 1:] < ordered[:, :-1]
    return Ranking(ordered, hits, is_cut, truth.sum(axis=0))


def auc_per_label(ranking: Ranking) -> Reals:
    """Return the area under each label's ROC curve, ties counting half; NaN if only one class is present."""
    hits, misses = _counts_at_cuts(ranking)
    new_misses = np.diff(misses, axis=1, prepend=0)
    pairs = new_misses * (hits + np.concatenate([np.zeros_like(hits[:, :1]), hits[:, :-1]], axis=1)) / 2
    negatives = ranking.hits.shape[1] - ranking.support
    return _ratio(pairs.sum(axis=1), ranking.support * negatives)


def average_precision_per_label(ranking: Ranking) -> Reals:
    """Return the average precision of each label, as scikit-learn defines it; NaN if only one class is present."""
    hits, misses = _counts_at_cuts(ranking)
    new_hits = np.diff(hits, axis=1, prepend=0)
    steps = new_hits * hits / np.maximum(hits + misses, 1)
    has_both = ranking.support < ranking.hits.shape[1]
    return _ratio(steps.sum(axis=1), ranking.support * has_both)


def rank_auc(probabilities: Probabilities, truth: Indicator) -> float:
    """Return the mean AUC over labels that have both classes; NaN if none has. Arguments are (rows, labels)."""
    return mean_of_known(auc_per_label(rank_rows(probabilities, truth)))


def mean_of_known(values: Reals) -> float:
    """Return the mean of the values that are not NaN; NaN if there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def _counts_at_cuts(ranking: Ranking) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the counts of true and false rows at each rank; a rank inside a tie repeats the counts of the cut before it."""
    misses = np.arange(1, ranking.hits.shape[1] + 1) - ranking.hits
    # Both grow with the rank, so a running maximum carries the last cut's counts forward.
    hits_at_cuts = np.maximum.accumulate(np.where(ranking.is_cut, ranking.hits, 0), axis=1)
    return hits_at_cuts, np.maximum.accumulate(np.where(ranking.is_cut, misses, 0), axis=1)


def _ratio(part: Reals, whole: NDArray[np.int64]) -> Reals:
    return np.asarray(np.divide(part, whole, out=np.full(len(part), np.nan), where=whole > 0))
