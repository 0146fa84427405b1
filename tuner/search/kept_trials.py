"""Which search trials keep their weights: the best few, of thousands there may be. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.pruners.gate import GateSettings, Health, health_of
from tuner.trial.record import TrialState

KEPT = 3
"""The best may be the champion; the next stand in where its file cannot be used."""


def best_models(trials: Iterable[TrialState]) -> list[TrialState]:
    """Return the trials with the best models that have not collapsed, best first, healthy before doubtful: at most KEPT."""
    healthy: list[TrialState] = []
    doubtful: list[TrialState] = []
    for trial in sorted(trials, key=lambda trial: -kept_score(trial)):
        health = health_of_best(trial)
        if health == "healthy":
            healthy.append(trial)
        elif health == "doubtful":
            doubtful.append(trial)
        if len(healthy) == KEPT:
            break
    return [*healthy, *doubtful][:KEPT]


def least_score(trials: Iterable[TrialState]) -> float | None:
    """Return the score above which a model is among the best, None where any is."""
    best = best_models(trials)
    is_full = len(best) == KEPT and health_of_best(best[-1]) == "healthy"
    return kept_score(best[-1]) if is_full else None


def health_of_best(trial: TrialState) -> Health:
    """Return the health of the model that a trial keeps; without a report it is as good as collapsed."""
    return "collapsed" if trial.fittest is None else health_of(trial.fittest.signs, GateSettings())


def kept_score(trial: TrialState) -> float:
    """Return the score of the model that a trial keeps: of its healthiest report, and of equally healthy ones the best."""
    return float("-inf") if trial.fittest is None else trial.fittest.score
