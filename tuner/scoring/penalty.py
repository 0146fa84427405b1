"""The constant penalty: how close a predictor is to deciding the same on every row."""

from __future__ import annotations

from typing import Any

import numpy as np

from tuner.scoring.f1 import Numbers, Reals, f1_from_counts, mean_over_present
from tuner.scoring.indicator import Indicator
from tuner.space.task import Task

FREE_IMPURITY = 0.1
"""From this share of the truth's impurity on, decisions carry no penalty."""


def constant_penalty(decisions: Indicator, truth: Indicator, task: Task) -> float:
    """Return how close `decisions` are to constant, from 0 to 1; both arguments are (rows, labels).

    See `constant_penalty_from_counts`.
    """
    counts = ((decisions & truth).sum(axis=0), decisions.sum(axis=0), truth.sum(axis=0))
    return float(constant_penalty_from_counts(*counts, len(truth), task))


def constant_penalty_from_counts(hits: Numbers, decided: Numbers, support: Numbers, rows: Any, task: Task) -> Reals:
    """Return the constant penalty from counts of hits, decisions and true rows, shape (..., labels) to (...).

    Let g be the impurity of the decisions over the impurity of the truth, both summed over the decision columns. A column counts
    for at most the impurity of its truth. The penalty is `p = max(0, 1 - g / 0.1)`: 1 for a constant predictor, 0 for one that
    decides as often as the truth does. If the truth is constant in every column, the penalty is 0.

    In multi-label a nearly constant column can still earn F1 if it is nearly always decided. The penalty also removes what such
    columns add to macro-F1, each in proportion to its own penalty: `p + (1 - p) * unearned`. A column that is never decided costs
    nothing more, because its F1 is already 0. A mean over columns also charged for these columns. With 200 labels of Zipf
    frequencies, it ranked chance above learning: `scripts/bench trust`.
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
    of one column, and rows in none of `counts` form one more class: shape (..., 1). `rows` broadcasts against `counts`.
    """
    rates = np.asarray(counts, dtype=np.float64) / rows
    if task == "multilabel":
        return np.asarray(2 * rates * (1 - rates))
    total = rates.sum(axis=-1)
    # in this form the result is exactly 0 if one class has every row
    return np.asarray((rates * (1 - rates)).sum(axis=-1) + (1 - total) * total)[..., None]


def is_nearly_constant(decision_rate: float, prevalence: float, *, penalty: float) -> bool:
    """Return whether a label's own penalty is above `penalty`, given the shares of rows where it is decided and true."""
    share = (decision_rate * (1 - decision_rate)) / (prevalence * (1 - prevalence))
    return share < FREE_IMPURITY * (1 - penalty)


def _penalty(impurity: Reals, true_impurity: Reals) -> Reals:
    share = np.divide(impurity, true_impurity, out=np.ones_like(true_impurity), where=true_impurity > 0)
    return np.maximum(0.0, 1 - share / FREE_IMPURITY)
