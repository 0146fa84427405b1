"""Weights that lift rare labels in a loss, from how many training rows have them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.errors import did_you_mean
from tuner.space.settings import Task

Targets = NDArray[np.integer]
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LabelCounts:
    """How many of the training `rows` have each of `labels`: `counts` (labels,)."""

    labels: tuple[str, ...]
    counts: Values
    rows: int
    task: Task

    @property
    def is_mixed(self) -> NDArray[np.bool_]:
        """Which labels some training row has; with several labels a row, also some has not. Others have weight 1."""
        if self.task == "multilabel":
            return (self.counts > 0) & (self.counts < self.rows)
        return self.counts > 0


WeightRule = Callable[[LabelCounts], Values]


def count_labels(targets: Targets, labels: tuple[str, ...], task: Task) -> LabelCounts:
    """Count each label in targets: (rows,) class numbers, or (rows, labels) of 0 and 1 for several labels a row."""
    if task == "multilabel":
        counts = targets.sum(0, dtype=np.float64)
    else:
        counts = np.bincount(targets, minlength=len(labels)).astype(np.float64)
    return LabelCounts(labels, counts, len(targets), task)


def no_weights() -> WeightRule:
    """Every label counts alike."""
    return lambda counts: np.ones(len(counts.labels))


def balanced_weights() -> WeightRule:
    """In full proportion to rarity: each label's two sides, or each class, weigh the same in all."""
    return _ratios


def root_weights() -> WeightRule:
    """In proportion to the square root of rarity: half of the correction, on a log scale."""
    return lambda counts: np.sqrt(_ratios(counts))


def effective_number_weights(*, beta: float) -> WeightRule:
    """In proportion to one over the effective number of rows, (1 - beta^n) / (1 - beta) (Cui et al. 2019).

    With `beta` near 1 that is n, and the weights are the balanced ones; with `beta` near 0 it is 1, and so are they.
    """

    def effective(rows: Values) -> Values:
        # 1 - beta^n by way of expm1, which keeps its digits where beta is near 1.
        number: Values = -np.expm1(np.maximum(rows, 1) * np.log(beta)) / (1 - beta)
        return number

    return lambda counts: _ratios(counts, effective)


def explicit_weights(**weights: float) -> WeightRule:
    """As given, by the label's name; a label that is not named has 1. A ValueError where there is no such label."""

    def weigh(counts: LabelCounts) -> Values:
        for label in weights:
            if label not in counts.labels:
                raise ValueError(f"{label!r} has a weight, but is no label; {did_you_mean(label, counts.labels)}")
        return np.array([weights.get(label, 1.0) for label in counts.labels])

    return weigh


def _ratios(counts: LabelCounts, size_of: Callable[[Values], Values] = lambda rows: rows) -> Values:
    """How many rows a label is up against, over its own rows.

    Several labels a row: those without it. One label a row: the mean over the classes that have rows.
    """
    own = size_of(np.maximum(counts.counts, 1))
    against = size_of(counts.rows - counts.counts) if counts.task == "multilabel" else own[counts.is_mixed].mean()
    return np.where(counts.is_mixed, against / own, 1.0)
