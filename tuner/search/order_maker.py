"""Make the order of a trial: its number, configuration and seed, and the places of its files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Literal

import numpy as np

from tuner.ledger.rows import RecordedTrial
from tuner.samplers.base import UntriedSampler
from tuner.search.trial_log import TrialLog
from tuner.space.load import Space
from tuner.trial.ending import Ending
from tuner.trial.order import Order
from tuner.trial.record import TrialRecord


class OrderMaker:
    """Makes the orders of a search. Numbers run through both phases.

    The log gets every search trial before it starts, so a resumed run does not ask the sampler for it again.
    """

    def __init__(self, space: Space, sampler: UntriedSampler, log: TrialLog) -> None:
        self._space, self._sampler, self._log = space, sampler, log
        self.asked = 0  # search trials so far, without those that the budget ended before their first measurement
        self.next_index = 0

    def ask(self, index: int | None = None) -> Order:
        """Ask the sampler for a search trial with this number, by default the next one."""
        index = self.next_index if index is None else index
        self.asked, self.next_index = self.asked + 1, max(self.next_index, index + 1)
        seed = derive_seed(self._space.search.seed, index)
        return self._log.add(TrialRecord(self._locate(Order(index, "search", self._sampler.ask(index), seed))))

    def again(self, record: TrialRecord) -> Order:
        """Return a new order for the configuration of a search trial that begins again, and so does not count any more."""
        index, configuration = self.next_index, record.order.configuration
        self.asked, self.next_index = self.asked + 1, index + 1
        self._sampler.replay(index, configuration)
        seed = derive_seed(self._space.search.seed, index)
        return self._log.add(TrialRecord(self._locate(Order(index, "search", configuration, seed))))

    def repeat(
        self, parents: Sequence[TrialRecord], seeds: int, done: Mapping[int, int]
    ) -> list[tuple[TrialRecord, TrialRecord]]:
        """Return (parent, run) for new finalists' runs: all parents with the first seed, then all with the second, and so on.

        `done` counts runs that a parent has already and that need not be repeated. The log does not have the new runs yet.
        If the search went on after earlier finalists, no seed is used twice.
        """
        earlier = Counter(record.parent for record in self._log.records.by_number.values())
        missing = [
            (number, parent)
            for number, parent in product(range(seeds), parents)
            if number < seeds - done.get(parent.order.index, 0)
        ]
        runs = [
            (parent, self._repeat(parent, earlier[parent.order.index] + number, self.next_index + place))
            for place, (number, parent) in enumerate(missing)
        ]
        self.next_index += len(runs)
        return runs

    def _repeat(self, parent: TrialRecord, number: int, index: int) -> TrialRecord:
        seed = derive_seed(self._space.search.seed, parent.order.index, number + 1)
        order = self._locate(Order(index, "finalist", parent.order.configuration, seed))
        return TrialRecord(order, parent.order.index)

    def exhausted(self) -> Literal["settings", "trials"] | None:
        """Say why there is no further search trial: all settings have been tried, or enough trials. None if there is one."""
        if self._sampler.untried() == 0:
            return "settings"
        limit = self._space.search.trials
        return "trials" if limit is not None and self.asked >= limit else None

    def limit(self) -> int | None:
        """Return how many search trials there may be: as many as the space asks for, or as it has settings."""
        untried = self._sampler.untried()
        limits = (self._space.search.trials, None if untried is None else self.asked + untried)
        return min((each for each in limits if each is not None), default=None)

    def replay(self, trials: Sequence[RecordedTrial]) -> list[Order]:
        """Take over the search trials of an earlier process, as if this process had asked for them.

        A number is missing if its row was in a damaged part. Ask the sampler again for these numbers, and return their
        orders.
        """
        finalists = {trial.index for trial in trials if trial.phase == "finalist"}
        missing = []
        for trial in sorted((trial for trial in trials if trial.phase == "search"), key=lambda trial: trial.index):
            missing += [self.ask(index) for index in sorted({*range(self.next_index, trial.index)} - finalists)]
            self.asked, self.next_index = self.asked + 1, trial.index + 1
            self._sampler.replay(trial.index, trial.configuration)
            self.restore(trial)
        return missing

    def restore(self, trial: RecordedTrial) -> None:
        """Put a trial of an earlier process into the log, without its measurements."""
        order = self._locate(Order(trial.index, trial.phase, trial.configuration, trial.seed))
        ending = None if trial.ending is None else Ending(trial.ending)
        record = TrialRecord(
            order,
            trial.parent,
            trial.starts,
            trial.started_s,
            node=trial.node,
            gpu=trial.gpu,
            lost_nodes=trial.lost_nodes,
            ending=ending,
            reason=trial.reason,
        )
        self._log.records.update(record)

    def close(self, record: TrialRecord) -> None:
        """Tell the sampler about an ended trial, then drop its measurements: there may be thousands of trials."""
        assert record.ending is not None
        if record.order.phase == "search":
            curve = [(measurement.examples, measurement.score) for measurement in record.measurements]
            self._sampler.tell(record.order.index, measurements=curve, ending=record.ending)
            self.asked -= not record.is_tried
        record.measurements = []

    def _locate(self, order: Order) -> Order:
        """Say where a trial keeps its files. With folds no model of a search trial sees all rows, so none is kept."""
        has_weights = order.phase == "finalist" or self._space.data.folds is None
        return self._log.locate_files(order, has_weights=has_weights)


def derive_seed(*numbers: int) -> int:
    """Derive an independent seed from the run's seed and its purpose; the same numbers always give the same seed."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
