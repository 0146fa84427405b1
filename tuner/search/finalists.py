"""Which search trials are the best, and how busy the machine is that is to train them again. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from statistics import median

from tuner.trial.record import TrialState

_UNFIT = ("collapsed", "diverged", "failed")
_RECENT = 10  # trials that tell how busy the machine is


def ranked(trials: Iterable[TrialState], *, are_unfit_allowed: bool = False) -> list[TrialState]:
    """Return the search trials by score, best first, each configuration once."""
    fit = [
        state
        for state in trials
        if state.parent is None and state.best and (are_unfit_allowed or state.ending not in _UNFIT)
    ]
    fit.sort(key=lambda state: -state.score)
    by_configuration = {state.configuration_hash: state for state in reversed(fit)}
    return sorted(by_configuration.values(), key=lambda state: -state.score)


def slowdown(trials: Sequence[TrialState]) -> float:
    """Return how many times as long training takes of late as at its quickest: others use the machine, and go on doing so."""
    told = (state.slowdown for state in reversed(trials) if state.slowdown is not None)
    return median([1.0, *islice(told, _RECENT)])
