"""A search that really trains, in this process and without Ray, with a clock that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from builders.ray_trials import StubTrial, step_on
from tuner.baselines.baseline import Baseline
from tuner.pruners.gate import GateSettings
from tuner.pruners.gated_asha import GatedASHA
from tuner.ray_backend.scheduler import PruningScheduler
from tuner.ray_backend.worker import TrialOnWorker
from tuner.search.run import SearchRun


class TrainedSearch(SearchRun):
    """A search whose trials run in this process, one after the other, and that has no baselines."""

    def _run_trials(self, *, is_cluster: bool) -> Sequence[Baseline]:
        self._descriptions = {"baselines": [], "data": {}}
        pruner = GatedASHA(
            grace_epochs=1,
            rows=len(self._dataset.train),
            budget_examples=self._budget.budget_examples,
            reduction_factor=3,
            gate=GateSettings(least_examples=0),
        )
        scheduler = PruningScheduler(self._queue, pruner)
        while (order := self._queue.next_order()) is not None:
            self._queue.started(order)
            worker = TrialOnWorker.__new__(TrialOnWorker)  # without Ray's part of it
            worker.setup({"order": asdict(order)}, self._data.prepared, self._trial_settings())
            while scheduler.on_trial_result(None, StubTrial(order), step_on(worker)) != "STOP":
                pass
        return ()
