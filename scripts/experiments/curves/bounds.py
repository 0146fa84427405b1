"""Whether the gate's bounds carry over: choose them on the trials of some sets, judge them on those of others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from statistics import median_low

from experiments.curves.replay import ReplayOutcome, replay
from experiments.curves.sets import SETS
from experiments.curves.table import TrialCurve
from tuner.pruners.gate import GateSettings

MOST_KILLED, LEAST_STOPPED = 0.01, 0.9
GRID: Mapping[str, Sequence[float]] = {
    "least_examples": (0, 1000, 2000, 4000, 5000, 6000, 8000),
    "least_share": (0.1, 0.2, 0.3, 0.4, 0.5),
    "chance_auc": (0.52, 0.55, 0.58),
    "least_auc": (0.58, 0.6, 0.62),
    "auc_rise": (0.01, 0.015, 0.02),
    "reversed_auc": (0.0, 0.45, 0.47, 0.5),
    "low_logit_spread": (0.08, 0.12),
}


def outcomes(curves: Sequence[TrialCurve], settings: GateSettings) -> list[ReplayOutcome]:
    """Replay the curves of each set with the grace that a search on it would have."""
    return [
        replay(
            [curve for curve in curves if curve.set_name == name],
            grace_epochs=SETS[name].grace_epochs,
            settings=settings,
        )[0]
        for name in dict.fromkeys(curve.set_name for curve in curves)
    ]


def holds(outcome: ReplayOutcome) -> bool:
    """Return whether the gate kills at most 1 % of the best and stops at least 90 % of the collapsed trials."""
    return outcome.killed_share <= MOST_KILLED and outcome.stopped_share >= LEAST_STOPPED


def holding(curves: Sequence[TrialCurve]) -> list[GateSettings]:
    """Return the bounds of the grid that hold on every set."""
    by_set = [[curve for curve in curves if curve.set_name == name] for name in {curve.set_name for curve in curves}]
    # a set on which the bounds fail saves the replay of the others
    return [each for each in candidates() if all(holds(outcomes(one, each)[0]) for one in by_set)]


def middle(settings: Sequence[GateSettings]) -> GateSettings:
    """Return the median of each bound. It lies well inside what holds; the best bounds on some sets lie at the edge."""
    return GateSettings(**{name: median_low(getattr(each, name) for each in settings) for name in GRID})


def candidates() -> Iterator[GateSettings]:
    """Yield every combination of bounds in the grid that makes sense."""
    for values in itertools.product(*GRID.values()):
        settings = GateSettings(**dict(zip(GRID, values, strict=True)))
        if settings.chance_auc <= settings.least_auc:
            yield settings
