"""Which of the models that a search has kept becomes the champion: never a collapsed one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuner.pruners.gate import GateSettings, Signs, sign_of
from tuner.scoring.selection import Bound, choose_champion, lower_bounds

Health = Literal["healthy", "doubtful", "collapsed"]
_HEALTHS: tuple[Health, ...] = ("collapsed", "doubtful", "healthy")
NO_MERIT = (-1, -math.inf)
"""Less than that of any report."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A model that a search has kept.

    `repeats` is the search trial whose configuration a finalist's run repeats; None for a search trial itself.
    """

    trial: int
    repeats: int | None
    score: float
    health: Health


@dataclass(frozen=True)
class Choice:
    """The champion, those that it was chosen among, and the finalists' bounds by the search trial that each repeats."""

    champion: Candidate
    fit: Sequence[Candidate]
    bounds: Mapping[int, Bound]


def health_of(signs: Signs, settings: GateSettings) -> Health:
    """Return whether one report's model may be handed over, by the signs that the gate reads.

    `collapsed`: it decides nearly the same for every row, or its outputs hardly depend on the row. `doubtful`: its decisions
    vary, but it ranks rows no better than chance, as every model does where the labels do not follow from the inputs.
    """
    if not (signs.is_finite and math.isfinite(signs.score)):
        return "collapsed"
    sign = sign_of(signs, settings)
    is_flat = sign in ("likely", "certain") and signs.logit_spread < settings.low_logit_spread
    if is_flat or signs.constant_penalty >= settings.constant_penalty:
        return "collapsed"
    return "healthy" if sign == "none" else "doubtful"


def merit(signs: Signs) -> tuple[int, float]:
    """Return what a trial's reports are ordered by where one model of it is kept: health first, then the score."""
    return _HEALTHS.index(health_of(signs, GateSettings())), signs.score


def choose(candidates: Sequence[Candidate]) -> Choice | None:
    """Return the champion, or None where every model has collapsed.

    Healthy models come before doubtful ones. Among finalists the one with the best lower bound of its mean score wins, and of
    its runs the best. The best search trial takes its place where its score is higher still. Being the best of many flatters
    that score, but no other choice gives better models: what flatters it is luck with the validation rows, which adds nothing
    to a model and takes nothing from it (simulated in scripts/benchmarks/trust/champion.py). A run that gave no such model
    says nothing of those that did, and is left out.
    """
    fit = _fittest(candidates)
    if not fit:
        return None
    runs: dict[int, list[Candidate]] = {}
    for each in fit:
        if each.repeats is not None:
            runs.setdefault(each.repeats, []).append(each)
    bounds = lower_bounds({parent: [run.score for run in own] for parent, own in runs.items()}) if runs else {}
    winner = choose_champion(bounds) if bounds else None
    best = [] if winner is None else [max(runs[winner], key=lambda run: run.score)]
    searched = [each for each in fit if each.repeats is None]
    return Choice(max([*best, *searched], key=lambda each: each.score), fit, bounds)


def _fittest(candidates: Sequence[Candidate]) -> list[Candidate]:
    for health in ("healthy", "doubtful"):
        fit = [each for each in candidates if each.health == health]
        if fit:
            return fit
    return []
