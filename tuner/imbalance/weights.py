"""Weights that raise rare labels in a loss, from the number of training rows that have them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.errors import did_you_mean
from tuner.imbalance.training_pass import Targets
from tuner.space.task import Task

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """The number of training rows with each label: `counts` (labels,), out of `rows`."""

    labels: tuple[str, ...]
    counts: Values
    rows: int
    task: Task

    @property
    def is_mixed(self) -> NDArray[np.bool_]:
        """Which labels (labels,) are on a training row and, in multi-label, missing on another. Others have weight 1."""
        if self.task == "multilabel":
            return (self.counts > 0) & (self.counts < self.rows)
        return self.counts > 0


WeightRule = Callable[[LabelCounts], Values]


def count_labels(targets: Targets, labels: tuple[str, ...], task: Task) -> LabelCounts:
    """Count each label in targets: (rows,) class numbers, or (rows, labels) of 0 and 1 in multi-label."""
    if task == "multilabel":
        counts = targets.sum(0, dtype=np.float64)
    else:
        counts = np.bincount(targets, minlength=len(labels)).astype(np.float64)
    return LabelCounts(labels, counts, len(targets), task)


def no_weights() -> WeightRule:
    """Weigh every label 1."""
    return lambda counts: np.ones(len(counts.labels))


def balanced_weights() -> WeightRule:
    """Weigh in full proportion to rarity: both sides of a label, or all classes, weigh the same in total."""
    return _ratios


def root_weights() -> WeightRule:
    """Weigh in proportion to the square root of rarity: half of the correction, on a log scale."""
    return lambda counts: np.sqrt(_ratios(counts))


def effective_number_weights(*, beta: float) -> WeightRule:
    """Weigh in inverse proportion to the effective number of rows, (1 - beta^n) / (1 - beta) (Cui et al. 2019).

    With `beta` near 1, this number is n, and the weights are the balanced weights. With `beta` near 0, the number is 1, and
    all weights are 1.
    """

    def effective(rows: Values) -> Values:
        # expm1 keeps the digits of 1 - beta^n for beta near 1.
        number: Values = -np.expm1(np.maximum(rows, 1) * np.log(beta)) / (1 - beta)
        return number

    return lambda counts: _ratios(counts, effective)


def explicit_weights(**weights: float) -> WeightRule:
    """Use the given weights by label name, and 1 for other labels. The rule raises ValueError for an unknown label."""

    def weigh(counts: LabelCounts) -> Values:
        for label in weights:
            if label not in counts.labels:
                raise ValueError(f"{label!r} has a weight, but is not a label; {did_you_mean(label, counts.labels)}")
        return np.array([weights.get(label, 1.0) for label in counts.labels])

    return weigh


def _ratios(counts: LabelCounts, size_of: Callable[[Values], Values] = lambda rows: rows) -> Values:
    """Return how many rows a label competes with, divided by its own rows.

    In multi-label these are the rows without the label; otherwise the mean over the classes that have rows.
    """
    with_label = size_of(np.maximum(counts.counts, 1))
    is_mixed = counts.is_mixed
    others = size_of(counts.rows - counts.counts) if counts.task == "multilabel" else with_label[is_mixed].mean()
    return np.where(is_mixed, others / with_label, 1.0)
