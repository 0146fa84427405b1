"""F1 per label, its macro mean, and the F1 of decisions that ignore the input: constant ones and random ones.

Truth and decisions are bool indicators (rows, labels). Functions of counts take arrays with the labels on the last axis, so
a bootstrap can pass many samples at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.indicator import Indicator
from tuner.space.task import Task

Reals = NDArray[np.float64]
Numbers = NDArray[np.number[Any]]


def f1_from_counts(hits: Numbers, decided: Numbers, support: Numbers) -> Reals:
    """Return F1 from counts of true positives, decisions and true rows; 0 where nothing is decided or true."""
    total = np.asarray(decided + support, dtype=np.float64)
    return np.asarray(np.divide(2.0 * hits, total, out=np.zeros_like(total), where=total > 0))


def mean_over_present(values: Numbers, support: Numbers) -> Reals:
    """Return the mean over the last axis of the labels with at least one true row; 0 if there is none."""
    is_present = support > 0
    return np.asarray((values * is_present).sum(axis=-1) / np.maximum(is_present.sum(axis=-1), 1))


def macro_f1_from_counts(hits: Numbers, decided: Numbers, support: Numbers) -> Reals:
    """Return macro-F1 from counts for each label, shape (..., labels) to (...)."""
    return mean_over_present(f1_from_counts(hits, decided, support), support)


def constant_f1_from_counts(support: Numbers, rows: Any, task: Task) -> Reals:
    """Return each label's F1 under the best constant rule, shape (..., labels); `rows` broadcasts against `support`.

    In multi-label the best rule is all-positive for every label: all-negative never beats it. Otherwise it is the majority
    class on every row.
    """
    if task == "multilabel":
        return f1_from_counts(support, support * 0 + rows, support)
    is_majority = np.arange(support.shape[-1]) == support.argmax(axis=-1)[..., None]
    return f1_from_counts(support * is_majority, rows * is_majority, support)


def chance_f1_from_counts(decided: Numbers, support: Numbers, rows: Any) -> Reals:
    """Return the expected F1 of each label if its decisions were dealt to the rows at random.

    `decided` and `support` count each label's decisions and true rows, shape (..., labels); `rows` broadcasts against them.
    The result is exact: F1 is linear in the hits while the other two counts stay fixed, and of `decided` rows drawn at random
    `decided * support / rows` are expected to be hits. For a constant rule the result is the rule's own F1.
    """
    return f1_from_counts(decided * (support / rows), decided, support)


def f1_per_label(decisions: Indicator, truth: Indicator) -> Reals:
    """Return F1 of each label, shape (labels,); 0 where a label is neither decided nor true."""
    return f1_from_counts((decisions & truth).sum(axis=0), decisions.sum(axis=0), truth.sum(axis=0))


def macro_f1(decisions: Indicator, truth: Indicator) -> float:
    """Return the unweighted mean F1 over the labels with at least one true row; 0 if there is none."""
    return float(mean_over_present(f1_per_label(decisions, truth), truth.sum(axis=0)))


def constant_macro_f1(truth: Indicator, task: Task) -> float:
    """Return the macro-F1 of the best constant rule: one answer per label in multi-label, one class otherwise."""
    support = truth.sum(axis=0)
    return float(mean_over_present(constant_f1_from_counts(support, len(truth), task), support))


def chance_macro_f1(decisions: Indicator, truth: Indicator) -> float:
    """Return the expected macro-F1 of the same decisions dealt to the rows at random.

    A constant rule scores exactly this much, and decisions that ignore the truth score this much on average. The best constant
    rule is not a substitute. Random answers beat the majority class by 0.17 for two classes of equal size. In multi-label, they
    stay 0.04 below all-positive for labels that are true on a fifth of the rows.
    """
    support = truth.sum(axis=0)
    return float(mean_over_present(chance_f1_from_counts(decisions.sum(axis=0), support, len(truth)), support))
