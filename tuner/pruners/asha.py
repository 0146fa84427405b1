"""ASHA's rungs: which trials go on, decided report by report. Pure: reports in, decisions out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import numpy as np


class Rungs:
    """Asynchronous successive halving (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", MLSys).

    `levels` are the amounts of training at which trials are compared, rising. A trial whose score is strictly below the
    quantile 1 - 1 / `reduction_factor` of the scores that came to the same rung before it is to be stopped, as in Ray.

    A score enters a rung only with the report that reaches it, the first at or past its level: later scores follow more
    training and would raise the bar for others. A report that reaches several rungs at once enters the last of them.
    """

    def __init__(self, levels: Sequence[float], *, reduction_factor: float) -> None:
        self._levels = tuple(levels)
        self._percent = (1 - 1 / reduction_factor) * 100
        self.scores: dict[float, list[float]] = {level: [] for level in self._levels}
        self._passed: dict[int, float] = {}

    def goes_on(self, trial: int, reached: float, score: float | None) -> bool:
        """Take in the report of a trial after so much training; return whether the trial goes on.

        Without a score, as where the gate watches the trial, it passes the rungs that it has reached and leaves nothing in them.
        """
        level = max(takewhile(lambda each: each <= reached, self._levels), default=None)
        if level is None or level <= self._passed.get(trial, -np.inf):
            return True
        self._passed[trial] = level
        if score is None:
            return True
        before = self.scores[level]
        is_above = not before or score >= np.percentile(before, self._percent)
        before.append(score)
        return bool(is_above)

    def forget(self, trial: int) -> None:
        """Forget which rungs a trial has passed, for it has ended; its scores stay."""
        self._passed.pop(trial, None)


def rung_epochs(*, grace_epochs: float, reduction_factor: float, max_epochs: float) -> tuple[float, ...]:
    """Return the epochs at which a trial is compared with others, rising; the full budget, where it ends, is none of them.

    The first is at `grace_epochs`, and each `reduction_factor` times as far as the one before, as in ASHA (Li et al. 2020,
    "A System for Massively Parallel Hyperparameter Tuning").
    """
    epochs, found = grace_epochs, []
    while epochs < max_epochs * (1 - 1e-9):  # a product of floats may fall a little short of the budget
        found.append(epochs)
        epochs *= reduction_factor
    return tuple(found)


def rung_examples(*, grace_epochs: float, reduction_factor: float, max_epochs: float, rows: int) -> tuple[int, ...]:
    """Return the same in training examples, of which an epoch has `rows`: reports come at numbers rounded in the same way."""
    epochs = rung_epochs(grace_epochs=grace_epochs, reduction_factor=reduction_factor, max_epochs=max_epochs)
    return tuple(round(each * rows) for each in epochs)
