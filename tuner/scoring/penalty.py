"""The constant penalty: how nearly a predictor decides the same on every row."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.scoring.f1 import Indicator, Numbers, Reals, f1_from_counts, mean_over_present
from tuner.space.settings import Task

FREE_IMPURITY = 0.1
"""Share of the truth's impurity at which decisions carry no penalty any more."""


def constant_penalty(decisions: Indicator, truth: Indicator, task: Task) -> float:
    """Return how nearly `decisions` are constant, from 0 to 1; both arguments are (rows, labels).

    See `constant_penalty_from_counts`.
    """
    counts = ((decisions & truth).sum(axis=0), decisions.sum(axis=0), truth.sum(axis=0))
    return float(constant_penalty_from_counts(*counts, len(truth), task))


def constant_penalty_from_counts(hits: Numbers, decided: Numbers, support: Numbers, rows: Any, task: Task) -> Reals:
    """Return the constant penalty from counts of hits, decisions and true rows, shape (..., labels) to (...).

    Let g be the impurity of the decisions over that of the truth, summed over the decision columns, where no column counts for
    more than its truth has. The penalty is `p = max(0, 1 - g / 0.1)`: 1 for a constant predictor, 0 for one that decides as often
    as the truth does. If the truth is constant everywhere, it is 0.

    In multi-label a column that is nearly constant by itself may still earn F1, by being decided nearly always. What such
    columns add to macro-F1, each in proportion to its own penalty, is taken off too: `p + (1 - p) * unearned`. That a column is
    never decided costs nothing more, for its F1 is 0 already. A mean over columns charged that, and with 200 labels of Zipf
    frequencies it ranked chance above learning: `scripts/bench trust`.
    """
    true_impurity, impurity = (impurity_from_counts(counts, rows, task) for counts in (support, decided))
    penalty = _penalty(np.minimum(impurity, true_impurity).sum(axis=-1), true_impurity.sum(axis=-1))
    if task != "multilabel":
        return penalty
    earned_by_constancy = _penalty(impurity, true_impurity) * f1_from_counts(hits, decided, support)
    return np.asarray(penalty + (1 - penalty) * mean_over_present(earned_by_constancy, support))


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


def _penalty(impurity: Reals, true_impurity: Reals) -> Reals:
    share = np.divide(impurity, true_impurity, out=np.ones_like(true_impurity), where=true_impurity > 0)
    return np.maximum(0.0, 1 - share / FREE_IMPURITY)
