"""Learning-rate schedules: the share of a trial's full budget that is spent, in [0, 1], to a factor on the learning rate.

A schedule spans the full budget, so a trial that ASHA stops early was on the same path as one that runs to the end.
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[float], float]


def constant() -> Schedule:
    """Keep the learning rate as it is."""
    return lambda _: 1.0


def cosine(*, warm_up: float) -> Schedule:
    """Rise linearly over the first `warm_up` share, then fall to 0 along half a cosine (Loshchilov and Hutter 2017)."""

    def factor(spent: float) -> float:
        if spent < warm_up:
            return max(spent / warm_up, 1e-3)
        return 0.5 * (1 + math.cos(math.pi * (spent - warm_up) / (1 - warm_up)))

    return factor


def one_cycle(*, warm_up: float) -> Schedule:
    """Rise from 1/25 to 1 along a cosine, then fall to 1/25,000 along another (Smith and Topin 2018)."""

    def factor(spent: float) -> float:
        if spent < warm_up:
            return _along_cosine(1 / 25, 1.0, spent / warm_up)
        return _along_cosine(1.0, 1 / 25_000, (spent - warm_up) / (1 - warm_up))

    return factor


def _along_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


SCHEDULES: dict[str, Callable[..., Schedule]] = {"constant": constant, "cosine": cosine, "one_cycle": one_cycle}
