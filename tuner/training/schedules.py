"""Learning-rate schedules: they turn the spent share of the budget, in [0, 1], into a factor on the learning rate.

A schedule spans the full budget. So a trial that ASHA stops early has followed the same path as a trial that runs to the end.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

from tuner.training.state import State

_FIRST_FACTOR = 1e-3  # a rise from 0 would waste its first step


class Schedule(ABC):
    """The factor on the learning rate. Each model in training has its own schedule, because some remember scores."""

    @abstractmethod
    def factor(self, spent: float) -> float:
        """Return the factor, in [0, 1], after the share `spent` of the budget."""

    def observe(self, score: float) -> None:  # noqa: ARG002  (used by subclasses)
        """Take note of a validation score; most schedules ignore it."""
        return


class _Curve(Schedule):
    """A schedule that depends only on the share of the budget that is spent."""

    def __init__(self, curve: Callable[[float], float]) -> None:
        self._curve = curve

    def factor(self, spent: float) -> float:
        return self._curve(spent)


class _Plateau(Schedule):
    def __init__(self, patience: int, factor: float) -> None:
        self._patience, self._fall = patience, factor
        self._now, self._best, self._waited = 1.0, -math.inf, 0

    def factor(self, spent: float) -> float:  # noqa: ARG002  (other schedules use it)
        return self._now

    def observe(self, score: float) -> None:
        if score > self._best:
            self._best, self._waited = score, 0
            return
        self._waited += 1
        if self._waited >= self._patience:
            self._now, self._waited = self._now * self._fall, 0

    def state(self) -> State:
        return {"now": self._now, "best": self._best, "waited": self._waited}

    def restore(self, state: State) -> None:
        self._now, self._best, self._waited = state["now"], state["best"], state["waited"]


def constant() -> Schedule:
    """Keep the learning rate as it is."""
    return _Curve(lambda _: 1.0)


def warm_up(*, share: float) -> Schedule:
    """Rise linearly over the first `share` of the budget, then stay constant (Goyal et al. 2017)."""
    return _Curve(lambda spent: _rise(spent, share) if spent < share else 1.0)


def linear(*, warm_up: float) -> Schedule:
    """Rise linearly over the first `warm_up` share, then fall linearly to 0."""
    return _Curve(lambda spent: _rise(spent, warm_up) if spent < warm_up else (1 - spent) / (1 - warm_up))


def step(*, every: float, factor: float) -> Schedule:
    """Multiply by `factor` each time another share `every` of the budget is spent."""
    # Without the small addition, 0.3 / 0.1 would count as two steps.
    return _Curve(lambda spent: factor ** math.floor(spent / every + 1e-9))


def cosine(*, warm_up: float) -> Schedule:
    """Rise linearly over the first `warm_up` share, then fall to 0 along half a cosine (Loshchilov and Hutter 2017)."""

    def curve(spent: float) -> float:
        if spent < warm_up:
            return _rise(spent, warm_up)
        return 0.5 * (1 + math.cos(math.pi * (spent - warm_up) / (1 - warm_up)))

    return _Curve(curve)


def one_cycle(*, warm_up: float) -> Schedule:
    """Rise from 1/25 to 1 along a cosine, then fall to 1/25,000 along another (Smith and Topin 2018)."""

    def curve(spent: float) -> float:
        if spent < warm_up:
            return _along_cosine(1 / 25, 1.0, spent / warm_up)
        return _along_cosine(1.0, 1 / 25_000, (spent - warm_up) / (1 - warm_up))

    return _Curve(curve)


def plateau(*, patience: int, factor: float) -> Schedule:
    """Multiply by `factor` after `patience` measurements in a row without a better score, then count again."""
    return _Plateau(patience, factor)


def _rise(spent: float, share: float) -> float:
    return max(spent / share, _FIRST_FACTOR)


def _along_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))
