"""The records of a run's trials, written to the ledger as they change, and the files that trials keep there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from tuner.errors import StorageError
from tuner.ledger.rows import INTERRUPTED, measurement_row, trial_row
from tuner.ledger.run_directory import CHECKPOINTS, Ledger, checkpoint_name, held_out_name, weights_name
from tuner.search.trial_records import TrialRecords
from tuner.storage import join
from tuner.trial.ending import Ending
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order
from tuner.trial.record import TrialRecord


class TrialLog:
    """Keeps the record of every trial by number and writes each change to the ledger.

    It also deletes files that are no longer needed: checkpoints of ended trials, and the weights of search trials that are
    not among the best. `clock` gives the seconds since the run began.
    """

    def __init__(self, ledger: Ledger, clock: Callable[[], float]) -> None:
        self.records = TrialRecords()
        self._ledger, self._clock = ledger, clock
        self._with_weights: set[int] = set()  # ended search trials whose weights are kept

    def add(self, record: TrialRecord) -> Order:
        """Add a new trial and return its order. By then it is written how earlier ones ended."""
        self.flush(is_due=False, is_awaited=True)
        self._write(record)
        return record.order

    def start(self, order: Order) -> None:
        """Note that a worker has started a trial, for the first time or again."""
        record = self.records.by_number[order.index]
        record.starts += 1
        record.heard_s = self._clock()
        if record.starts == 1:
            record.started_s = record.heard_s
        self._write(record)

    def place(self, order: Order, node: str, gpu: str) -> None:
        """Note where a trial runs."""
        record = self.records.by_number[order.index]
        if (record.node, record.gpu) != (node, gpu):
            record.node, record.gpu = node, gpu
            self._write(record)

    def add_measurement(self, order: Order, measurement: Measurement, *, is_to_be_kept: bool) -> None:
        """Add a measurement; write it at once with `is_to_be_kept`."""
        record = self.records.by_number[order.index]
        now = self._clock()
        record.add(measurement, waited_s=0.0 if record.heard_s is None else now - record.heard_s)
        record.heard_s = now
        self.records.update(record)
        row = {"trial": order.index, "start": record.starts, **measurement_row(measurement), "reported_s": now}
        self._ledger.add("reports", row)
        if is_to_be_kept:
            self.flush(is_awaited=True)

    def end(self, order: Order, ending: Ending, reason: str) -> TrialRecord:
        """Note how a trial ended, write it at once, and then delete the files that are not needed any more."""
        record = self.records.by_number[order.index]
        record.ending, record.reason = ending, reason
        self._write(record)
        if record.measurements and reason != INTERRUPTED:
            self._ledger.discard(checkpoint_name(order.index))
            if order.phase == "search" and order.weights is not None:
                self._with_weights.add(order.index)
                self._keep_best_weights()
        self.flush()
        return record

    def flush(self, *, is_due: bool = True, is_awaited: bool = False) -> None:
        """Flush the ledger. A StorageError waits for `flush_if_due`: raised here, Ray would wrap it."""
        with suppress(StorageError):
            self._ledger.flush(is_due=is_due, is_awaited=is_awaited)

    def flush_if_due(self) -> None:
        """Write the waiting rows at most once a second. Raises StorageError."""
        self._ledger.flush(is_due=False)

    def locate_files(self, order: Order, *, has_weights: bool) -> Order:
        """Return the order with the places of its checkpoint and, if it keeps any, of its weights."""
        address = self._ledger.address
        weights = join(address, weights_name(order.index)) if has_weights else None
        return replace(order, weights=weights, checkpoint=join(address, checkpoint_name(order.index)))

    def take_over_weights(self) -> None:
        """Find the weights that an earlier process left, and delete those of trials that are not among the best.

        A crash may have come before they were deleted.
        """
        names = set(self._ledger.folder.below("finalists").names())
        self._with_weights = {
            record.order.index
            for record in self.records.by_number.values()
            if record.is_search_trial
            and record.ending is not None
            and weights_name(record.order.index).rpartition("/")[2] in names
        }
        self._keep_best_weights()

    def unfinished_files(self) -> tuple[str, ...]:
        """Return the files that a resumed run, or a worker that is still alive, may change; folders end in "/"."""
        orders = [record.order for record in self.records.by_number.values() if record.reason == INTERRUPTED]
        weights = [weights_name(order.index) for order in orders if order.weights is not None]
        return f"{CHECKPOINTS}/", *weights, *map(held_out_name, weights)

    def _keep_best_weights(self) -> None:
        best = {record.order.index for record in self.records.models.kept()}
        for index in self._with_weights - best:
            for name in (weights_name(index), held_out_name(weights_name(index))):
                self._ledger.discard(name)
        self._with_weights &= best

    def _write(self, record: TrialRecord) -> None:
        self.records.update(record)
        self._ledger.add("trials", trial_row(record, now=self._clock()))
