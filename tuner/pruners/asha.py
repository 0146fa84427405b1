"""ASHA's rungs: which trials go on, decided one measurement at a time. Pure: measurements in, decisions out.

Source: Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", MLSys.
"""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Sequence
from itertools import takewhile


class Rungs:
    """Asynchronous successive halving.

    `levels` are the amounts of training at which trials are compared, in rising order. A trial must stop if its score is
    strictly below the quantile 1 - 1 / `reduction_factor` of the scores that reached the same rung before it, as in Ray.

    Only the first measurement at or past a rung's level enters the rung. Later scores follow more training and would raise
    the bar for other trials. A measurement that reaches several rungs at once enters the last of them.
    """

    def __init__(self, levels: Sequence[float], *, reduction_factor: float) -> None:
        self._levels = tuple(levels)
        self._percent = (1 - 1 / reduction_factor) * 100
        self.scores: dict[float, list[float]] = {level: [] for level in self._levels}  # in ascending order
        self._passed: dict[int, float] = {}

    def goes_on(self, trial: int, reached: float, score: float | None) -> bool:
        """Take in a trial's measurement after `reached` training. Return whether the trial goes on.

        If the gate watches the trial, the score is None: the trial passes its rungs and leaves nothing in them.
        """
        level = max(takewhile(lambda level: level <= reached, self._levels), default=None)
        if level is None or level <= self._passed.get(trial, -math.inf):
            return True
        self._passed[trial] = level
        if score is None:
            return True
        earlier_scores = self.scores[level]
        is_above = not earlier_scores or score >= _percentile(earlier_scores, self._percent)
        insort(earlier_scores, score)
        return is_above

    def forget(self, trial: int) -> None:
        """Forget which rungs a trial has passed, because it has ended. Its scores stay."""
        self._passed.pop(trial, None)


def _percentile(ascending: Sequence[float], percent: float) -> float:
    """Return what np.percentile does, to the last bit, without going through all numbers."""
    place = (len(ascending) - 1) * (percent / 100)
    share = place - int(place)
    low, high = ascending[int(place)], ascending[math.ceil(place)]
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def rung_epochs(*, grace_epochs: float, reduction_factor: float, max_epochs: float) -> tuple[float, ...]:
    """Return the epochs at which trials are compared, in rising order. The full budget is not one of them: trials end there.

    The first rung is at `grace_epochs`; each next one is at `reduction_factor` times the epochs of the one before.
    """
    epochs, rungs = grace_epochs, []
    while epochs < max_epochs * (1 - 1e-9):  # a product of floats may fall just short of the budget
        rungs.append(epochs)
        epochs *= reduction_factor
    return tuple(rungs)


def rung_examples(*, grace_epochs: float, reduction_factor: float, max_epochs: float, rows: int) -> tuple[int, ...]:
    """Return the rungs in training examples, with `rows` examples per epoch. Measurements are rounded in the same way."""
    epochs = rung_epochs(grace_epochs=grace_epochs, reduction_factor=reduction_factor, max_epochs=max_epochs)
    return tuple(round(rung * rows) for rung in epochs)
