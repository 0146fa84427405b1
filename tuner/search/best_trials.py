"""Rank search trials: by score for the finalists, by health and score for the weights to keep. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from tuner.pruners.gate import GateSettings, Health, health_of
from tuner.trial.record import TrialRecord

KEPT = 30
"""Search trials that keep their weights, at most: any of them may be a member of a committee, or the champion."""


def rank_trials(records: Iterable[TrialRecord], *, are_unfit_allowed: bool = False) -> list[TrialRecord]:
    """Return the best search trial of each configuration, ranked by the mean score of all trials of its configuration.

    A search tries no configuration twice while there are others, but ledgers of older versions have repeats. The best of
    five would be ahead by luck.
    """
    candidates = [
        record for record in records if record.is_search_trial and record.best and (are_unfit_allowed or record.is_fit)
    ]
    candidates.sort(key=lambda record: -record.score)
    repeats: dict[str, list[TrialRecord]] = {}
    for record in reversed(candidates):
        repeats.setdefault(record.configuration_hash, []).append(record)
    ranked = sorted(repeats.values(), key=lambda same: -fmean(record.score for record in same))
    return [same[-1] for same in ranked]


def repeats_of(trial: int, records: Iterable[TrialRecord]) -> list[int]:
    """Return the search trials that count in the mean score of a search trial's configuration, itself among them."""
    known = {record.order.index: record for record in records if record.is_search_trial}
    same = known[trial].configuration_hash
    return [
        index
        for index, record in known.items()
        if index == trial or (record.configuration_hash == same and record.best and record.is_fit)
    ]


def kept_trials(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the search trials whose weights should be in the run directory, best first."""
    best = best_models(record for record in records if record.is_search_trial)
    return [record for record in best if record.order.weights is not None]


def best_models(records: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return the search trials with the best models, at most KEPT: healthy before doubtful, best first, never a collapsed one."""
    healthy: list[TrialRecord] = []
    doubtful: list[TrialRecord] = []
    for record in sorted(records, key=lambda record: -_kept_score(record)):
        health = _kept_health(record)
        if health == "healthy":
            healthy.append(record)
        elif health == "doubtful":
            doubtful.append(record)
        if len(healthy) == KEPT:
            break
    return [*healthy, *doubtful][:KEPT]


def least_kept_score(records: Iterable[TrialRecord]) -> float | None:
    """Return the score that a model must exceed to be among the best, None if any score will do."""
    best = best_models(records)
    is_full = len(best) == KEPT and _kept_health(best[-1]) == "healthy"
    return _kept_score(best[-1]) if is_full else None


def _kept_health(record: TrialRecord) -> Health:
    """The health of the model that a trial keeps; a trial without a measurement counts as collapsed."""
    return "collapsed" if record.fittest is None else health_of(record.fittest.signs, GateSettings())


def _kept_score(record: TrialRecord) -> float:
    return float("-inf") if record.fittest is None else record.fittest.score
