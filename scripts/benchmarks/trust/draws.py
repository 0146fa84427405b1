"""Simulated predictors with a known true macro-F1, from which the simulations of intervals and tests draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Indicator = NDArray[np.bool_]
Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Classes:
    """Rows with one class each: `shares` (classes,), decided rightly with probability `right` (classes,), else by `guess`."""

    shares: Reals
    right: Reals
    guess: Reals
    task: Any = "multiclass"

    @property
    def macro_f1(self) -> float:
        """The macro-F1 on infinitely many rows."""
        table = (1 - self.right)[:, None] * self.guess + np.diag(self.right)
        joint = self.shares[:, None] * table
        return float(np.mean(2 * np.diag(joint) / (joint.sum(axis=0) + joint.sum(axis=1))))

    def truth(self, rows: int, generator: np.random.Generator) -> Indicator:
        """Draw the classes of rows."""
        drawn = generator.choice(len(self.shares), size=rows, p=self.shares)
        return np.asarray(drawn[:, None] == np.arange(len(self.shares)))

    def decide(self, truth: Indicator, generator: np.random.Generator) -> Indicator:
        """Draw decisions for rows."""
        labels = truth.argmax(axis=1)
        guessed = generator.choice(len(self.shares), size=len(truth), p=self.guess)
        decided = np.where(generator.random(len(truth)) < self.right[labels], labels, guessed)
        return np.asarray(decided[:, None] == np.arange(len(self.shares)))


@dataclass(frozen=True)
class Labels:
    """Rows with several labels. A label is true at its rate in `rates`, and decided at that in `recall` if true, else `false`."""

    rates: Reals
    recall: Reals
    false: Reals
    task: Any = "multilabel"

    @property
    def macro_f1(self) -> float:
        """The macro-F1 on infinitely many rows."""
        hits = self.rates * self.recall
        return float(np.mean(2 * hits / (hits + (1 - self.rates) * self.false + self.rates)))

    def truth(self, rows: int, generator: np.random.Generator) -> Indicator:
        """Draw the labels of rows."""
        return np.asarray(generator.random((rows, len(self.rates))) < self.rates)

    def decide(self, truth: Indicator, generator: np.random.Generator) -> Indicator:
        """Draw decisions for rows."""
        return np.asarray(generator.random(truth.shape) < np.where(truth, self.recall, self.false))


def zipf(labels: int) -> Reals:
    """Return shares that fall as 1, 1/2, 1/3, ... and sum to 1."""
    shares = 1 / np.arange(1, labels + 1)
    return np.asarray(shares / shares.sum())


def binary(positive: float, right: float) -> Classes:
    """Return two classes. The positive one has a share `positive`; each row is decided rightly with probability `right`."""
    return Classes(np.array([1 - positive, positive]), np.full(2, right), np.full(2, 0.5), task="binary")


def even(classes: int, right: float) -> Classes:
    """Return classes of equal size."""
    return Classes(np.full(classes, 1 / classes), np.full(classes, right), np.full(classes, 1 / classes))


def uneven(classes: int, right: float) -> Classes:
    """Return classes of Zipf sizes."""
    return Classes(zipf(classes), np.full(classes, right), zipf(classes))


def many_labels(labels: int, recall: float, last: float | None = None) -> Labels:
    """Return labels true on 30 %, 15 %, 10 %, ... of the rows, found as often as given; the last one at `last`, if given."""
    rates = 0.3 / np.arange(1, labels + 1)
    return Labels(rates, np.linspace(recall, recall if last is None else last, labels), rates * 0.4)
