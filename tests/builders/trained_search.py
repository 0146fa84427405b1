"""A search that really trains, in this process and without Ray, with a manual clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from builders.ray_trials import StubTrial, step_on
from tuner.baselines.run import run_baselines
from tuner.data.profile import profile
from tuner.pruners.gate import GateSettings
from tuner.pruners.gated_asha import GatedASHA
from tuner.ray_backend.scheduler import PruningScheduler
from tuner.ray_backend.worker import TrialOnWorker
from tuner.search.champion_test import describe_baselines
from tuner.search.run import SearchRun
from tuner.trial.order import Order

Change = Callable[[Order, dict[str, Any]], dict[str, Any]]


@dataclass
class Clock:
    """A manual clock. Each measurement adds seconds, by the phase of its trial."""

    now: float = 0.0
    seconds_each: dict[str, float] = field(default_factory=lambda: {"search": 1.0, "finalist": 1.0})

    def __call__(self) -> float:
        return self.now


class TrainedSearch(SearchRun):
    """A search whose trials run in this process, one after the other. `change` edits their results."""

    change: Change = staticmethod(lambda _order, result: result)
    clock: Clock
    has_baselines = False

    def _run_trials(self, *, is_cluster: bool) -> Any:
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
            answer = ""
            while answer != "STOP":
                result = self.change(order, step_on(worker))
                self.clock.now += self.clock.seconds_each[order.phase]
                answer = scheduler.on_trial_result(None, StubTrial(order), result)
        if not self.has_baselines:
            return ()
        baselines = run_baselines(self._dataset, seed=0)
        described = describe_baselines(baselines, self._dataset, penalty_weight=1.0, seed=0)
        self._descriptions = {"baselines": described, "data": profile(self._dataset)}
        return baselines
