"""The queue of a search: which trial runs next, and when the search makes way for the finalists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from tuner.ledger.rows import INTERRUPTED, RecordedRun
from tuner.ledger.run_directory import Ledger
from tuner.samplers.base import UntriedSampler
from tuner.search.failures import FailureWatch, find_hung
from tuner.search.finalists import count_runs, plan_finalists
from tuner.search.order_maker import OrderMaker
from tuner.search.time_budget import TimeBudget
from tuner.search.trial_log import TrialLog
from tuner.search.watcher import Snapshot, Watcher
from tuner.space.search_settings import SearchSettings
from tuner.trial.ending import PLANNED_AGAIN, Ending
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order, Stretch
from tuner.trial.record import TrialRecord

_TOO_LATE = "the budget was over"


class SearchQueue:
    """Hands out search trials until the time, their number or the settings are used up, then the finalists' runs.

    It implements `tuner.trial.order.TrialQueue`, which Ray's side calls. `trials` has the record of every trial by
    number. `ended_by` says which limit ended the search.
    """

    def __init__(self, sampler: UntriedSampler, ledger: Ledger, budget: TimeBudget, watcher: Watcher) -> None:
        self._budget, self._watcher = budget, watcher
        self._log = TrialLog(ledger, budget.clock)
        self._failures = FailureWatch(watcher.say)
        self._orders = OrderMaker(budget.space, sampler, self._log)
        self._records = self._log.records
        self.trials: Mapping[int, TrialRecord] = self._records.by_number
        self.ended_by: Literal["time", "cost", "trials", "settings"] = "trials"
        self._again: list[Order] = []  # search trials that a resumed run takes up first
        self._finalist_runs: list[Order] | None = None  # finalists' runs to hand out; None during the search
        self._sizes: Mapping[str, Any] = {}  # if the search was sized again
        self._first_trial = 0  # of the extension, if a finished run was given more

    def replay(self, recorded: RecordedRun, *, is_to_search_on: bool = False) -> None:
        """Take over where an earlier process stopped, as if this queue had run all its trials.

        Trials that were running are handed out first, with the same configuration and seed. If the finalists were already
        chosen, only their missing runs follow. With `is_to_search_on` none of them can be the champion: the search then
        continues if the budget is larger now. If all settings have been tried, new runs of the finalists follow. Finalists
        of a run that had finished and was given more do not end the search either.
        """
        finalists = [trial for trial in recorded.trials if trial.phase == "finalist"]
        self._again += self._orders.replay(recorded.trials)
        # The search may have gone on after earlier finalists, whose numbers are lower.
        first = max(self._orders.next_index, recorded.first_trial)
        current = [trial for trial in finalists if trial.index >= first]
        self._first_trial = recorded.first_trial
        for trial in finalists:
            self._orders.restore(trial)
        for index, measurement in recorded.measurements:
            self.trials[index].add(measurement)
        for record in self.trials.values():
            self._records.update(record)
        for trial in recorded.trials:
            record = self.trials[trial.index]
            if record.ending is not None:
                if trial.index >= self._first_trial and record.ending is not Ending.FAILED:  # that cause may be gone
                    self._failures.add(record)
                self._orders.close(record)
            elif trial.phase == "search":
                self._again.append(record.order)
        self._again.sort(key=lambda order: order.index)
        self._log.take_over_weights()
        self._orders.next_index = max([self._orders.next_index, *(trial.index + 1 for trial in finalists)])
        open_runs = [self.trials[trial.index].order for trial in current if trial.ending is None]
        if current and (open_runs or not (is_to_search_on and self._may_go_on())):
            self._finalist_runs = open_runs
            self._give_up_search()
            by_time = "trials" if self._budget.limit_s is None else self._search.tightest
            self.ended_by = self._orders.exhausted() or by_time

    # --- questions from Ray ---

    def next_order(self) -> Order | None:
        """Return the next search trial or, after the search, the next finalist's run; None if there is none yet."""
        if self._finalist_runs is None:
            if self._again and not self._is_search_late():
                return self._hand_out(self._again.pop(0))
            if self._is_search_open():
                return self._hand_out(self._orders.ask())
            is_waiting = any(record.order.phase == "search" for record in self._records.running.values())
            if is_waiting and not self._is_search_late():
                return None
            self._close_search()
        return self._hand_out(self._finalist_runs.pop(0)) if self._finalist_runs else None

    def is_done(self) -> bool:
        """Return whether every finalist's run has been handed out."""
        return self._finalist_runs is not None and not self._finalist_runs

    def has_ended(self, order: Order) -> bool:
        """Return whether this trial's ending is known."""
        return self.trials[order.index].ending is not None

    def is_over(self, order: Order) -> bool:
        """Return whether the time for this order's phase is over."""
        if order.phase == "search":
            if order.is_measured_then and not self._records.has_measurement:
                return False
            return self._is_search_late()
        return self._budget.are_finalists_over(self._records)

    def is_time_up(self) -> bool:
        """Return whether only the time for closing is left."""
        return self._budget.is_up(self._records)

    # --- news from Ray ---

    def started(self, order: Order) -> None:
        """Note that a worker has started a trial."""
        self._log.start(order)

    def placed(self, order: Order, node: str, gpu: str) -> None:
        """Note where a trial runs."""
        self._log.place(order, node, gpu)

    def node_lost(self, order: Order, node: str) -> None:
        """Note that a trial has lost its node. That is no fault of the trial, and it goes on from its checkpoint."""
        self.trials[order.index].lost_nodes += 1
        self._failures.lose(node)

    def left_out(self, place: str, why: str) -> None:
        """Say that no trials go to a node or a GPU any more."""
        self._failures.leave_out(place, why)

    def give_up(self, why: str) -> None:
        """End the search with the next tick, because no trial can succeed any more."""
        self._failures.give_up(why)

    def waits(self, order: Order) -> None:
        """Note that a trial whose worker died waits for another one. Waiting for a free slot does not count as hanging."""
        self.trials[order.index].heard_s = None

    def measured(self, order: Order, measurement: Measurement, *, is_to_be_kept: bool = False) -> None:
        """Add a measurement; write it at once if the trial makes a checkpoint after it."""
        self._log.add_measurement(order, measurement, is_to_be_kept=is_to_be_kept)

    def advanced(self, order: Order, stretch: Stretch) -> None:
        """Note how far a trial is on its way to the next measurement."""
        self.trials[order.index].stretch = stretch

    def noted(self, order: Order, note: str) -> None:
        """Show the user a note about a trial."""
        self._watcher.say(f"note: trial {order.index}: {note}")

    def ended(self, order: Order, ending: str, reason: str) -> None:
        """Note how a trial ended: `ending` is an `Ending` or its text."""
        record = self._log.end(order, Ending(ending), reason)
        self._failures.add(record)
        self._orders.close(record)

    def hung(self) -> Sequence[Order]:
        """Mark the trials that have sent nothing for `search.trial_timeout` as failed, and return their orders."""
        timeout_s = self._search.trial_timeout
        late = find_hung(self._records.running.values(), timeout_s, now=self._budget.clock())
        for record in late:
            self.ended(
                record.order, Ending.FAILED, f"no measurement for {timeout_s:g} s, which is search.trial_timeout"
            )
        return [record.order for record in late]

    def tick(self) -> None:
        """Write waiting rows and show the state. Raises StorageError, and SearchFailed if too many trials fail."""
        self._log.flush_if_due()
        self._failures.judge(self._records.running.values(), self._search.max_failed)
        self._watcher.watch(self.snapshot())

    def run_out(self) -> None:
        """End every running trial, and hand out no more, because the time is up."""
        for record in list(self._records.running.values()):
            self.ended(record.order, Ending.CUT_SHORT, _TOO_LATE)
        if self._finalist_runs is None:
            self.ended_by = self._search.tightest
        self._again, self._finalist_runs = [], []

    def interrupt(self) -> None:
        """End every running trial as interrupted."""
        for record in list(self._records.running.values()):
            self.ended(record.order, Ending.INTERRUPTED, INTERRUPTED)

    def begin_again(self, sizes: Mapping[str, Any]) -> None:
        """End the running trials, and begin their configurations again with other `sizes`, fields of the TrialSettings."""
        self._sizes, running = sizes, list(self._records.running.values())
        for record in running:
            self.ended(record.order, Ending.CUT_SHORT, PLANNED_AGAIN)
        self._again += [self._orders.again(record) for record in running]

    # --- questions from the rest of the search ---

    @property
    def _search(self) -> SearchSettings:
        return self._budget.space.search

    def snapshot(self) -> Snapshot:
        """Return the current state of the search."""
        best = self._records.ranking.first(1)
        return Snapshot(
            phase="search" if self._finalist_runs is None else "finalists",
            elapsed_s=self._budget.clock(),
            left_s=self._budget.left_s(),
            running=tuple(record for record in self._records.running.values() if record.heard_s is not None),
            endings=Counter(self._records.endings),
            asked=self._orders.asked,
            limit=self._orders.limit(),
            max_epochs=self._search.max_epochs,
            rows=max(1, round(self._budget.budget_examples / self._search.max_epochs)),
            best=best[0] if best else None,
        )

    def unfinished_files(self) -> tuple[str, ...]:
        """Return the files of the run directory that may still change; folders end in "/"."""
        return self._log.unfinished_files()

    # --- from the search to its finalists ---

    def _is_search_open(self) -> bool:
        return self._orders.exhausted() is None and not self._is_search_late()

    def _may_go_on(self) -> bool:
        """Return whether a resumed run may search on, or train finalists again."""
        return self._orders.exhausted() != "trials" and not self._is_search_late()

    def _is_search_late(self) -> bool:
        is_late = self._budget.is_search_over(self._records)
        if is_late and self._finalist_runs is None:
            self.ended_by = self._search.tightest
        return is_late

    def _hand_out(self, order: Order) -> Order:
        """Say in an order when it is too late for it, and what its model must exceed to be kept."""
        records, is_finalist = self._records, order.phase == "finalist"
        return replace(
            order,
            start_before=self._budget.latest_start(records, is_finalist=is_finalist),
            is_measured_then=is_finalist or not records.has_measurement,
            keep_above=None if is_finalist else records.models.least_kept_score(),
            sizes=self._sizes,
        )

    def _give_up_search(self) -> None:
        """End the search trials that should have continued: there is no time left for them."""
        while self._again:
            self.ended(self._again.pop(0), Ending.CUT_SHORT, _TOO_LATE)

    def _close_search(self) -> None:
        """Choose the finalists and put their runs into the queue."""
        self._give_up_search()
        if self.ended_by == "trials":
            self.ended_by = self._orders.exhausted() or "trials"
        is_exhausted = self._orders.exhausted() == "settings"
        done = count_runs(self.trials.values(), before=self._first_trial)
        plan = plan_finalists(self._records, self._budget, is_exhausted=is_exhausted, done=done)
        for note in plan.notes:
            self._watcher.say(note)
        runs = self._orders.repeat(plan.parents, plan.seeds, done)
        if self._budget.slots > 1:
            # Longest first, so that the slots finish together. With one slot the order must not depend on timing.
            runs.sort(key=lambda pair: -pair[0].full_run_seconds(self._budget.budget_examples))
        self._finalist_runs = [self._log.add(run) for _, run in runs]
        self._log.flush()
