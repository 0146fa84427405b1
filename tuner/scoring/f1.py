"""F1 per label, its macro mean, and what decisions earn that know nothing of the input: constant ones and chance.

Truth and decisions are bool indicators of shape (rows, labels) for every task: one-hot for binary (two columns) and
multi-class. Functions of counts take arrays whose last axis is the labels, so that a bootstrap can pass many at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.space.settings import Task

Indicator = NDArray[np.bool_]
Reals = NDArray[np.float64]
Numbers = NDArray[np.number[Any]]


def as_indicator(targets: NDArray[Any], n_labels: int) -> Indicator:
    """Return a bool indicator (rows, labels) of targets: class indices (rows,) or a 0/1 matrix (rows, labels)."""
    if targets.ndim == 2:
        return targets.astype(bool)
    return np.asarray(targets[:, None] == np.arange(n_labels))


def f1_from_counts(hits: Numbers, decided: Numbers, support: Numbers) -> Reals:
    """Return F1 from counts of true positives, of decisions and of true rows; 0 where nothing is decided or true."""
    total = np.asarray(decided + support, dtype=np.float64)
    return np.asarray(np.divide(2.0 * hits, total, out=np.zeros_like(total), where=total > 0))


def mean_over_present(values: Numbers, support: Numbers) -> Reals:
    """Return the mean over the last axis of the labels with at least one true row; 0 where there is none."""
    is_present = support > 0
    return np.asarray((values * is_present).sum(axis=-1) / np.maximum(is_present.sum(axis=-1), 1))


def macro_f1_from_counts(hits: Numbers, decided: Numbers, support: Numbers) -> Reals:
    """Return macro-F1 from counts for each label, shape (..., labels) to (...)."""
    return mean_over_present(f1_from_counts(hits, decided, support), support)


def constant_f1_from_counts(support: Numbers, rows: Any, task: Task) -> Reals:
    """Return each label's F1 under the best constant rule, shape (..., labels); `rows` broadcasts against `support`.

    Multi-label: every label all-positive, which no all-negative rule beats. Otherwise: the majority class on every row.
    """
    if task == "multilabel":
        return f1_from_counts(support, support * 0 + rows, support)
    is_majority = np.arange(support.shape[-1]) == support.argmax(axis=-1)[..., None]
    return f1_from_counts(support * is_majority, rows * is_majority, support)


def chance_f1_from_counts(decided: Numbers, support: Numbers, rows: Any) -> Reals:
    """Return the F1 of each label that decisions would have on average if they were dealt to the rows at random.

    `decided` and `support` count the decisions and the true rows of each label, shape (..., labels); `rows` broadcasts against
    them. F1 is linear in the hits while those two stay as they are, and of `decided` rows drawn at random
    `decided * support / rows` are hits. So the mean is exact, and that of a constant rule is its own F1.
    """
    return f1_from_counts(decided * (support / rows), decided, support)


def f1_per_label(decisions: Indicator, truth: Indicator) -> Reals:
    """Return F1 of each label, shape (labels,), 0 where a label is neither decided nor true."""
    return f1_from_counts((decisions & truth).sum(axis=0), decisions.sum(axis=0), truth.sum(axis=0))


def macro_f1(decisions: Indicator, truth: Indicator) -> float:
    """Return the unweighted mean F1 over the labels with at least one true row; 0 if there is none."""
    return float(mean_over_present(f1_per_label(decisions, truth), truth.sum(axis=0)))


def constant_macro_f1(truth: Indicator, task: Task) -> float:
    """Return the macro-F1 of the best rule that answers the same on every row: per label in multi-label, else one class."""
    support = truth.sum(axis=0)
    return float(mean_over_present(constant_f1_from_counts(support, len(truth), task), support))


def chance_macro_f1(decisions: Indicator, truth: Indicator) -> float:
    """Return the mean macro-F1 of the same decisions, dealt to the rows at random.

    So a constant rule is not above chance at all, and decisions that know nothing of the truth are not on average. Of the best
    constant rule one cannot say that: answers drawn at random beat the majority class, by 0.17 for two classes of equal size,
    and in multi-label they stay below all-positive, by 0.04 for labels true on a fifth of the rows.
    """
    support = truth.sum(axis=0)
    return float(mean_over_present(chance_f1_from_counts(decisions.sum(axis=0), support, len(truth)), support))
