"""Whether the gate's bounds carry over: chosen on the trials of one set, judged on those of another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median_low

from curves.replay import Outcome, replay, thinned
from curves.table import Curve
from tuner.scoring.gate import GateSettings

MOST_KILLED, LEAST_STOPPED = 0.01, 0.9
GRID = {
    "chance_auc": (0.5, 0.52, 0.55, 0.58),
    "least_auc": (0.55, 0.58, 0.6, 0.62, 0.65),
    "low_logit_spread": (0.05, 0.08, 0.1, 0.12, 0.15),
    "wild_logit_spread": (1.0, 1.5, 2.0, 3.0),
    "auc_rise": (0.005, 0.01, 0.02),
    "spread_growth": (1.5, 2.0, 3.0),
}


@dataclass(frozen=True)
class Rungs:
    """Where the first rung is, and how often trials report."""

    grace_epochs: float
    reports_per_epoch: int

    def __str__(self) -> str:
        return f"grace {self.grace_epochs:g}, {self.reports_per_epoch} an epoch"


def outcomes(
    curves: Sequence[Curve], rungs: Sequence[Rungs], settings: GateSettings, *, recorded: int
) -> list[Outcome]:
    """Replay one set's curves, that have `recorded` reports an epoch, under each of the rungs."""
    return [
        replay(
            [thinned(curve, recorded // each.reports_per_epoch) for curve in curves],
            grace_epochs=each.grace_epochs,
            settings=settings,
        )[0]
        for each in rungs
    ]


def holds(found: Sequence[Outcome]) -> bool:
    """Whether at most 1 % of the best are killed and at least 90 % of the collapsed stopped under all rungs."""
    return all(each.killed_share <= MOST_KILLED and each.stopped_share >= LEAST_STOPPED for each in found)


def holding(curves: Sequence[Curve], rungs: Sequence[Rungs], *, recorded: int) -> list[GateSettings]:
    """Return the bounds of the grid that hold on one set."""
    return [each for each in candidates() if holds(outcomes(curves, rungs, each, recorded=recorded))]


def middle(settings: Sequence[GateSettings]) -> GateSettings:
    """The median of each bound: well inside what holds, where the best on one set would lie at its edge."""
    return GateSettings(**{name: median_low(getattr(each, name) for each in settings) for name in GRID})


def candidates() -> Iterator[GateSettings]:
    """Yield every combination of bounds in the grid that makes sense."""
    for values in itertools.product(*GRID.values()):
        settings = GateSettings(**dict(zip(GRID, values, strict=True)))
        if settings.chance_auc <= settings.least_auc:
            yield settings
