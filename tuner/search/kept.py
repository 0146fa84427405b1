"""Which search trials keep their weights: the best few, of thousands there may be. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable

from tuner.scoring.candidates import Health, health_of
from tuner.scoring.gate import GateSettings
from tuner.search.trials import TrialState

KEPT = 3
"""The best may be the champion; the next stand in where its file cannot be used."""


def best_models(trials: Iterable[TrialState]) -> list[TrialState]:
    """Return the trials with the best models that have not collapsed, best first, healthy before doubtful: at most KEPT."""
    healthy: list[TrialState] = []
    doubtful: list[TrialState] = []
    for trial in sorted(trials, key=lambda trial: -trial.score):
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
    return best[-1].score if is_full else None


def health_of_best(trial: TrialState) -> Health:
    """Return the health of the model of a trial's best report; without a report it is as good as collapsed."""
    return "collapsed" if trial.best is None else health_of(trial.best.signs, GateSettings())
