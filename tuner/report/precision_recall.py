"""Precision–recall curves from predictions, with a limited number of points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tuner.ledger.predictions import predictions_of
from tuner.scoring.ranking import average_precision_per_label, rank_rows

MOST_POINTS = 80


@dataclass(frozen=True)
class Curve:
    """The curve of one label: recall, ascending, and precision (points,). `average_precision` is measured on the full curve."""

    label: int
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    average_precision: float


def probabilities_and_truth(
    predictions: pa.Table, model: str, n_labels: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """Return a model's probabilities and truth, both (rows, labels), or None if it has no probabilities."""
    read = predictions_of(model, predictions, n_labels)
    if read.probabilities is None or read.probabilities.shape != read.truth.shape:
        return None
    return read.probabilities, read.truth


def precision_recall(probabilities: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[Curve, ...]:
    """Return a curve for every label with at least one true row; both arguments are (rows, labels)."""
    ranking = rank_rows(probabilities, truth)
    average_precision = average_precision_per_label(ranking)
    curves = []
    for label, support in enumerate(ranking.support):
        if support:
            cuts = np.flatnonzero(ranking.is_cut[label])
            hits = ranking.hits[label, cuts]
            recall, precision = hits / support, hits / (cuts + 1)
            kept = _spread(recall)
            curves.append(Curve(label, recall[kept], precision[kept], float(average_precision[label])))
    return tuple(curves)


def _spread(recall: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the first and the last place of at most MOST_POINTS recall values, spread about evenly.

    Between the two places, recall stays the same and precision falls. One point per recall value would hide that.
    """
    values = np.unique(recall)
    if len(values) > MOST_POINTS:
        kept = np.searchsorted(values, np.linspace(0, 1, MOST_POINTS)).clip(max=len(values) - 1)
        values = np.unique([values[0], *values[kept]])
    first, last = np.searchsorted(recall, values, side="left"), np.searchsorted(recall, values, side="right") - 1
    return np.unique([*first, *last])
