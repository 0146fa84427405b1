"""The records of a run's trials, with what every measurement asks about all of them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from statistics import median

from tuner.search.best_trials import ModelRanking, Ranking, Standings
from tuner.trial.ending import Ending
from tuner.trial.record import TrialRecord

_RECENT = 10  # trials that show how busy the machine is


class TrialRecords:
    """The record of every trial by number. What follows from all records is kept as they change.

    So a measurement costs as much after ten thousand trials as after ten. `running` has the trials that have not ended,
    those that wait for a worker too. `first_start_s` is when the first trial started, None before.
    """

    def __init__(self, records: Iterable[TrialRecord] = ()) -> None:
        self.by_number: dict[int, TrialRecord] = {}
        self.running: dict[int, TrialRecord] = {}
        self.endings: Counter[Ending] = Counter()
        self.ranking = Ranking()
        self.models = ModelRanking()
        self.first_start_s: float | None = None
        self.has_measurement = False
        self._evaluations: Standings[int] = Standings()  # running trials, the longest evaluation first
        self._paced: list[int] = []  # trials whose speed is known over more than one measurement, in ascending order
        for record in records:
            self.update(record)

    def update(self, record: TrialRecord) -> None:
        """Take in a record that is new or has changed. A trial ends once."""
        index = record.order.index
        is_new = index not in self.by_number
        self.by_number[index] = record
        if record.ending is None:
            self.running[index] = record
        elif self.running.pop(index, None) is not None or is_new:
            self.endings[record.ending] += 1
        if record.starts and (self.first_start_s is None or record.started_s < self.first_start_s):
            self.first_start_s = record.started_s
        self.has_measurement = self.has_measurement or record.best is not None
        if record.slowdown is not None:
            place = bisect_left(self._paced, index)
            if self._paced[place : place + 1] != [index]:
                self._paced.insert(place, index)
        self._evaluations.put(index, None if record.ending else (-record.evaluate_seconds,))
        self.ranking.update(record)
        self.models.update(record)

    def recent_slowdown(self) -> float:
        """Return how much slower training has become than at its fastest. Others use the machine, and probably will again."""
        slowdowns = (self.by_number[index].slowdown for index in self._paced[-_RECENT:])
        return median([1.0, *(each for each in slowdowns if each is not None)])

    def longest_evaluation_s(self) -> float:
        """Return how long an evaluation of a running trial may take: a trial does not make way while it evaluates."""
        least = self._evaluations.least_key()
        return 0.0 if least is None else -least[0]
