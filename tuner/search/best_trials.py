"""Rank search trials: by score for the finalists, by health and score for the weights to keep. No files, no clock."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from statistics import fmean
from typing import Generic, TypeVar

from tuner.pruners.gate import GateSettings, Health, health_of
from tuner.trial.record import TrialRecord

KEPT = 30
"""Search trials that keep their weights, at most: any of them may be a member of a committee, or the champion."""

Member = TypeVar("Member", int, str)


class Standings(Generic[Member]):
    """Members in the order of their keys, kept sorted as the keys change."""

    def __init__(self) -> None:
        self._keys: dict[Member, tuple[float, ...]] = {}
        self._sorted: list[tuple[tuple[float, ...], Member]] = []

    def put(self, member: Member, key: tuple[float, ...] | None) -> None:
        """Give a member a new key, or take it out if the key is None."""
        before = self._keys.get(member)
        if before == key:
            return
        if before is not None:
            del self._sorted[bisect_left(self._sorted, (before, member))], self._keys[member]
        if key is not None:
            insort(self._sorted, (key, member))
            self._keys[member] = key

    def first(self, n: int | None = None) -> list[Member]:
        """Return the members with the `n` least keys in order, by default all."""
        return [member for _, member in self._sorted[:n]]

    def least_key(self) -> tuple[float, ...] | None:
        """Return the least key, None without members."""
        return self._sorted[0][0] if self._sorted else None


class Ranking:
    """The best search trial of each configuration, ranked by the mean score of all trials of its configuration.

    A search tries no configuration twice while there are others, but ledgers of older versions have repeats. The best of
    five would be ahead by luck. Of equal ones, the earlier is first.
    """

    def __init__(self, *, are_unfit_allowed: bool = False) -> None:
        self._are_unfit_allowed = are_unfit_allowed
        self._repeats: dict[str, dict[int, TrialRecord]] = {}
        self._standings: Standings[str] = Standings()

    def update(self, record: TrialRecord) -> None:
        """Take in a record that is new or has changed."""
        if not record.is_search_trial:
            return
        same = self._repeats.setdefault(record.configuration_hash, {})
        if record.best and (self._are_unfit_allowed or record.is_fit):
            same[record.order.index] = record
        else:
            same.pop(record.order.index, None)
        key = (-fmean(each.score for each in same.values()), min(same)) if same else None
        self._standings.put(record.configuration_hash, key)

    def first(self, n: int | None = None) -> list[TrialRecord]:
        """Return the `n` first trials, by default all."""
        return [
            max(self._repeats[same].values(), key=lambda record: (record.score, -record.order.index))
            for same in self._standings.first(n)
        ]


class ModelRanking:
    """The search trials with the best models: healthy before doubtful, best first, never a collapsed one."""

    def __init__(self) -> None:
        self._records: dict[int, TrialRecord] = {}
        self._standings: Standings[int] = Standings()

    def update(self, record: TrialRecord) -> None:
        """Take in a record that is new or has changed."""
        if not record.is_search_trial:
            return
        self._records[record.order.index] = record
        health = _kept_health(record)
        key = None if health == "collapsed" else (float(health != "healthy"), -_kept_score(record), record.order.index)
        self._standings.put(record.order.index, key)

    def kept(self) -> list[TrialRecord]:
        """Return the first trials, at most KEPT."""
        return [self._records[index] for index in self._standings.first(KEPT)]

    def least_kept_score(self) -> float | None:
        """Return the score that a model must exceed to be among the best, None if any score will do."""
        kept = self.kept()
        is_full = len(kept) == KEPT and _kept_health(kept[-1]) == "healthy"
        return _kept_score(kept[-1]) if is_full else None


def rank_trials(records: Iterable[TrialRecord], *, are_unfit_allowed: bool = False) -> list[TrialRecord]:
    """Return all trials of the `Ranking` of these records."""
    ranking = Ranking(are_unfit_allowed=are_unfit_allowed)
    for record in records:
        ranking.update(record)
    return ranking.first()


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
    ranking = ModelRanking()
    for record in records:
        ranking.update(record)
    return [record for record in ranking.kept() if record.order.weights is not None]


def _kept_health(record: TrialRecord) -> Health:
    """The health of the model that a trial keeps; a trial without a measurement counts as collapsed."""
    return "collapsed" if record.fittest is None else health_of(record.fittest.signs, GateSettings())


def _kept_score(record: TrialRecord) -> float:
    return float("-inf") if record.fittest is None else record.fittest.score
