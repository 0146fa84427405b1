"""Replay the gate on recorded curves: which trials it would have killed, and how many epochs it would have cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from experiments.curves.table import TrialCurve
from tuner.pruners.gate import GateSettings, Grace, Signs, grace_of, judge

CONSTANT_PENALTY = 0.5  # a trial with a higher final penalty counts as constant


@dataclass(frozen=True, kw_only=True)
class ReplayOutcome:
    """What the gate did to the trials of one set. Trials are identified by their index.

    `best`: the quarter with the best scores. `killed`: those of them that the gate ended. `collapsed`: the trials that
    collapsed without a gate. `stopped`: those of them that the gate ended by their first rung, which is the first measurement at
    which it may end a trial. `epochs` and `epochs_collapsed`: the epochs that all trials and the collapsed ones trained until
    the gate ended them, or until their budget was spent.
    """

    set_name: str
    best: tuple[int, ...]
    killed: tuple[int, ...]
    collapsed: tuple[int, ...]
    stopped: tuple[int, ...]
    epochs: float
    epochs_collapsed: float

    @property
    def killed_share(self) -> float:
        """The share of the best quarter that the gate killed."""
        return len(self.killed) / len(self.best)

    @property
    def stopped_share(self) -> float:
        """The share of the collapsed trials that the gate stopped by the first rung."""
        return len(self.stopped) / len(self.collapsed)


def replay(curves: Sequence[TrialCurve], *, grace_epochs: float, settings: GateSettings) -> list[ReplayOutcome]:
    """Return what the gate would have done, set by set, in searches with a grace of `grace_epochs`."""
    return [
        _replay_set(name, [curve for curve in curves if curve.set_name == name], grace_epochs, settings)
        for name in dict.fromkeys(curve.set_name for curve in curves)
    ]


def best_score(curve: TrialCurve) -> float:
    """Return the score by which a search ranks a trial: that of its best measurement."""
    return max((signs.score for signs in curve.signs if is_sound(signs)), default=-math.inf)


def best_quarter(curves: Sequence[TrialCurve]) -> list[TrialCurve]:
    """Return the best quarter of one set's trials by `best_score`, best first. The number is rounded down, but at least 1."""
    return sorted(curves, key=lambda curve: -best_score(curve))[: max(1, len(curves) // 4)]


def has_collapsed(curve: TrialCurve) -> bool:
    """Return whether the last measurement of a full training is no better than a constant rule.

    That is: its macro-F1 is not above that of the best constant rule, or its decisions are nearly constant, or a number was
    not finite.
    """
    last = curve.signs[-1]
    return not is_sound(last) or last.skill <= 0 or last.constant_penalty >= CONSTANT_PENALTY


def is_sound(signs: Signs) -> bool:
    """Return whether all numbers of a measurement were finite."""
    return signs.is_finite and math.isfinite(signs.score)


def grace(curve: TrialCurve, *, grace_epochs: float, settings: GateSettings) -> Grace:
    """Return the grace of a trial in a search on the rows of its set."""
    return grace_of(grace_epochs=grace_epochs, max_epochs=curve.max_epochs, rows=curve.rows, settings=settings)


def ended_at(curve: TrialCurve, *, grace: Grace, settings: GateSettings) -> int | None:
    """Return the position of the measurement at which the gate ends a trial, or None."""
    for position in range(len(curve.signs)):
        judgement = judge(curve.signs[: position + 1], grace=grace, settings=settings)
        if judgement in ("collapsed", "diverged"):
            return position
    return None


def first_rung(curve: TrialCurve, grace: Grace) -> int:
    """Return the position of the first measurement at which the gate may end a collapsed trial, or of the last measurement.

    That is the first measurement at or after the grace that follows another one or is late enough to be judged alone.
    """
    reached = (
        place
        for place, signs in enumerate(curve.signs)
        if signs.epochs >= (grace.epochs if place else grace.alone_epochs) - 1e-6
    )
    return next(reached, len(curve.signs) - 1)


def thinned(curve: TrialCurve, every: int) -> TrialCurve:
    """Return the curve with every second, third, … measurement only, as with fewer per epoch. The last one stays."""
    last = len(curve.signs) - 1
    kept = tuple(signs for place, signs in enumerate(curve.signs) if (place + 1) % every == 0 or place == last)
    return replace(curve, signs=kept)


def _replay_set(name: str, curves: Sequence[TrialCurve], grace_epochs: float, settings: GateSettings) -> ReplayOutcome:
    graces = {curve.index: grace(curve, grace_epochs=grace_epochs, settings=settings) for curve in curves}
    ends = {curve.index: ended_at(curve, grace=graces[curve.index], settings=settings) for curve in curves}
    best, collapsed = best_quarter(curves), [curve for curve in curves if has_collapsed(curve)]
    spent = {curve.index: curve.signs[-1 if (end := ends[curve.index]) is None else end].epochs for curve in curves}
    return ReplayOutcome(
        set_name=name,
        best=tuple(curve.index for curve in best),
        killed=tuple(curve.index for curve in best if ends[curve.index] is not None),
        collapsed=tuple(curve.index for curve in collapsed),
        stopped=tuple(
            curve.index
            for curve in collapsed
            if (end := ends[curve.index]) is not None and end <= first_rung(curve, graces[curve.index])
        ),
        epochs=sum(spent.values()),
        epochs_collapsed=sum(spent[curve.index] for curve in collapsed),
    )
