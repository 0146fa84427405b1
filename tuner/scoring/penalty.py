"""The constant penalty: how nearly a predictor decides the same on every row."""

from __future__ import annotations

import numpy as np

from tuner.scoring.f1 import Indicator, Reals
from tuner.space.settings import Task

FREE_IMPURITY = 0.1
"""Share of the truth's impurity at which decisions carry no penalty any more."""


def decision_impurity(indicator: Indicator, task: Task) -> Reals:
    """Return the Gini impurity `1 - sum of q squared` of each decision column.

    A multi-label indicator (rows, labels) has a column per label, each with the classes yes and no: shape (labels,).
    A binary or multi-class one has a single column whose classes are the labels: shape (1,).
    """
    rates = indicator.mean(axis=0)
    if task == "multilabel":
        return np.asarray(2 * rates * (1 - rates))
    return np.asarray([1 - (rates**2).sum()])


def constant_penalty(decisions: Indicator, truth: Indicator, task: Task) -> float:
    """Return the mean over decision columns of `max(0, 1 - g / 0.1)`, g being decisions' impurity over the truth's.

    1 for a constant predictor and 0 for one that decides as often as the truth does. A column whose truth is constant
    carries no penalty and is left out of the mean; if every column's is, the penalty is 0.
    """
    true_impurity = decision_impurity(truth, task)
    # one odd row in a billion has an impurity of 2e-9, while rounding leaves a constant one at 1e-16
    varies = true_impurity > 1e-12
    if not varies.any():
        return 0.0
    ratio = decision_impurity(decisions, task)[varies] / true_impurity[varies]
    return float(np.maximum(0.0, 1 - ratio / FREE_IMPURITY).mean())
