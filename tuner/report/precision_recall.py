"""Precision–recall curves from predictions, with few enough points for a page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.scoring.indicator import indicator_from_lists
from tuner.scoring.ranking import average_precision_per_label, rank_rows

MOST_POINTS = 80


@dataclass(frozen=True)
class Curve:
    """One label's curve: recall and precision (points,), recall rising; `average_precision` is of the whole curve."""

    label: int
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    average_precision: float


def probabilities_and_truth(
    predictions: pa.Table, model: str, n_labels: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]] | None:
    """Return a model's probabilities and truth, both (rows, labels), from a table of predictions; None if it has none."""
    own = predictions.filter(pc.equal(predictions["model"], model))
    if not len(own) or own["probabilities"].null_count:
        return None
    probabilities = np.asarray(pc.list_flatten(own["probabilities"])).reshape(len(own), -1).astype(np.float64)
    truth = indicator_from_lists(own["truth"], n_labels)
    if probabilities.shape != truth.shape:
        return None
    return probabilities, truth


def precision_recall(probabilities: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[Curve, ...]:
    """Return a curve for every label that has a true row; both arguments are (rows, labels)."""
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
    """Return the places of at most MOST_POINTS recalls, about evenly along it; of each where it begins and where it ends.

    Between the two the recall stays and the precision falls, which is what a curve of fewer points would smooth away.
    """
    values = np.unique(recall)
    if len(values) > MOST_POINTS:
        kept = np.searchsorted(values, np.linspace(0, 1, MOST_POINTS)).clip(max=len(values) - 1)
        values = np.unique([values[0], *values[kept]])
    first, last = np.searchsorted(recall, values, side="left"), np.searchsorted(recall, values, side="right") - 1
    return np.unique([*first, *last])
