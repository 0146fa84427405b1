"""The constant penalty: how nearly a predictor decides the same on every row."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.scoring.f1 import Indicator, Numbers, Reals
from tuner.space.settings import Task

FREE_IMPURITY = 0.1
"""Share of the truth's impurity at which decisions carry no penalty any more."""


def constant_penalty(decisions: Indicator, truth: Indicator, task: Task) -> float:
    """Return how nearly `decisions` are constant, from 0 to 1; both arguments are (rows, labels).

    See `constant_penalty_from_counts`.
    """
    return float(constant_penalty_from_counts(decisions.sum(axis=0), truth.sum(axis=0), len(truth), task))


def constant_penalty_from_counts(decided: Numbers, support: Numbers, rows: Any, task: Task) -> Reals:
    """Return the constant penalty from counts of decisions and of true rows, shape (..., labels) to (...).

    A decision column's penalty is `max(0, 1 - g / 0.1)`, where g is the impurity of its decisions over that of its truth. The
    result is the mean over columns, each weighted by the impurity of its truth: 1 for a constant predictor, 0 for one that
    decides as often as the truth does. A column whose truth is constant has no weight; if no column has any, the result is 0.

    An unweighted mean charges silence on a label with one true row as much as silence on the commonest label. With 200 labels
    of Zipf frequencies it ranked chance above learning: `scripts/bench trust`.
    """
    true_impurity = impurity_from_counts(support, rows, task)
    short = np.maximum(0.0, true_impurity - impurity_from_counts(decided, rows, task) / FREE_IMPURITY).sum(axis=-1)
    total = true_impurity.sum(axis=-1)
    return np.asarray(np.divide(short, total, out=np.zeros_like(total), where=total > 0))


def impurity_from_counts(counts: Numbers, rows: Any, task: Task) -> Reals:
    """Return the Gini impurity `1 - sum of q squared` of each decision column, from counts of shape (..., labels).

    In multi-label each label is a column with the classes yes and no: shape (..., labels). Otherwise the labels are the classes
    of one column, and rows that are in none of `counts` are one more class: shape (..., 1). `rows` broadcasts against `counts`.
    """
    rates = np.asarray(counts, dtype=np.float64) / rows
    if task == "multilabel":
        return np.asarray(2 * rates * (1 - rates))
    total = rates.sum(axis=-1)
    # written so that it is exactly 0 where one class has every row
    return np.asarray((rates * (1 - rates)).sum(axis=-1) + (1 - total) * total)[..., None]
