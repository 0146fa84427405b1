"""Recorded curves through the gate, and through ASHA's rungs: what would have been killed, and what it would have cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from experiments.curves.table import Curve
from tuner.pruners.gate import GateSettings, Grace, Signs, grace_of, judge

CONSTANT_PENALTY = 0.5  # of what ends as good as constant


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the gate did to the trials of one set; trials are named by their index.

    `best`: the quarter with the best scores; `killed`: those of them that it ended. `collapsed`: the trials that collapsed
    when they were left alone; `stopped`: those of them that it had ended by their first rung, which is the first report at which
    it may end one. `epochs` and
    `epochs_collapsed`: what all trials and the collapsed ones trained until the gate ended them, or to their budget.
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
        """The share of the best quarter that the gate ended."""
        return len(self.killed) / len(self.best)

    @property
    def stopped_share(self) -> float:
        """The share of the collapsed trials that the gate had ended by the first rung."""
        return len(self.stopped) / len(self.collapsed)


def replay(curves: Sequence[Curve], *, grace_epochs: float, settings: GateSettings) -> list[Outcome]:
    """Return what the gate would have done, set by set, in searches whose grace is `grace_epochs`."""
    return [
        _replay_set(name, [curve for curve in curves if curve.set_name == name], grace_epochs, settings)
        for name in dict.fromkeys(curve.set_name for curve in curves)
    ]


def best_score(curve: Curve) -> float:
    """The score that a search ranks a trial by: that of its best report."""
    return max((signs.score for signs in curve.signs if is_sound(signs)), default=-math.inf)


def best_quarter(curves: Sequence[Curve]) -> list[Curve]:
    """The best quarter of one set's trials by `best_score`, best first; with no whole quarter one fewer, and at least one."""
    return sorted(curves, key=lambda curve: -best_score(curve))[: max(1, len(curves) // 4)]


def has_collapsed(curve: Curve) -> bool:
    """Whether the last report of a whole training is no better than a constant rule.

    That is: its macro-F1 is not above that of the best constant rule, or its decisions are as good as constant, or a number
    was not finite.
    """
    last = curve.signs[-1]
    return not is_sound(last) or last.skill <= 0 or last.constant_penalty >= CONSTANT_PENALTY


def is_sound(signs: Signs) -> bool:
    """Whether all numbers of a report were finite."""
    return signs.is_finite and math.isfinite(signs.score)


def grace(curve: Curve, *, grace_epochs: float, settings: GateSettings) -> Grace:
    """The grace of a trial in a search on its set's rows."""
    return grace_of(grace_epochs=grace_epochs, max_epochs=curve.max_epochs, rows=curve.rows, settings=settings)


def ended_at(curve: Curve, *, grace: Grace, settings: GateSettings) -> int | None:
    """The position of the report at which the gate ends a trial, or None."""
    for position in range(len(curve.signs)):
        judgement = judge(curve.signs[: position + 1], grace=grace, settings=settings)
        if judgement in ("collapsed", "diverged"):
            return position
    return None


def first_rung(curve: Curve, grace: Grace) -> int:
    """The position of the first report at which the gate may end a trial that has collapsed; the last where none is.

    That is the first report at or after the grace, with one before it or late enough to be judged alone.
    """
    reached = (
        place
        for place, signs in enumerate(curve.signs)
        if signs.epochs >= (grace.epochs if place else grace.alone_epochs) - 1e-6
    )
    return next(reached, len(curve.signs) - 1)


def thinned(curve: Curve, every: int) -> Curve:
    """The curve with every second, third, … report only, as with fewer reports an epoch; the last one stays."""
    last = len(curve.signs) - 1
    kept = tuple(signs for place, signs in enumerate(curve.signs) if (place + 1) % every == 0 or place == last)
    return replace(curve, signs=kept)


def _replay_set(name: str, curves: Sequence[Curve], grace_epochs: float, settings: GateSettings) -> Outcome:
    graces = {curve.index: grace(curve, grace_epochs=grace_epochs, settings=settings) for curve in curves}
    ends = {curve.index: ended_at(curve, grace=graces[curve.index], settings=settings) for curve in curves}
    best, collapsed = best_quarter(curves), [curve for curve in curves if has_collapsed(curve)]
    spent = {curve.index: curve.signs[-1 if (end := ends[curve.index]) is None else end].epochs for curve in curves}
    return Outcome(
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
