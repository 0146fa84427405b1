"""A search in this process, with stub trials, that can be killed at any moment."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np

from builders.measurements import make_measurement
from builders.ray_trials import StubTrial
from tuner.ledger.extensions import as_entries, extend, extensions_of
from tuner.ledger.rows import read_recorded_run
from tuner.ledger.run_directory import Ledger, read_measurements, read_run
from tuner.pruners.gate import GateSettings
from tuner.pruners.gated_asha import GatedASHA
from tuner.ray_backend.scheduler import PruningScheduler
from tuner.samplers.base import make_sampler
from tuner.search.time_budget import ClosingWork, TimeBudget
from tuner.search.trial_queue import SearchQueue
from tuner.search.watcher import Watcher
from tuner.space.load import Space, read_space
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order

ROWS, EPOCHS = 100, 8


SPACE = """
task: multiclass
data: {train: "builtin:digits", sequence: sequence, label: label}
search: {trials: 14, max_epochs: 8, grace_epochs: 1, reports_per_epoch: 1, reduction_factor: 2, finalists: 2, seeds: 2, seed: 3}
space:
  hidden: {low: 8, high: 64, scale: log}
  learning_rate: {low: 0.001, high: 0.1, scale: log}
  clipping: [none, {norm: {threshold: {low: 0.5, high: 5}}}]
"""


@cache
def _read(text: str) -> Space:
    """Read a space, once for all the processes of a test."""
    return read_space(text)


class Killed(BaseException):
    """Stands for the driver being killed."""


def measurement_of(order: Order, epoch: int) -> Measurement:
    """Return a worker's measurement. The same order always gives the same one, as training on a CPU does."""
    random = np.random.default_rng((order.seed, epoch)).normal(0, 0.02)
    distance = abs(math.log(float(order.configuration["learning_rate"]) / 0.01))
    score = 0.8 * (1 - math.exp(-epoch / 3)) - 0.1 * distance + float(random)
    is_collapsed = order.seed % 5 == 0
    return make_measurement(
        -0.9 if is_collapsed else score,
        macro_f1=score,
        epochs=epoch,
        examples=epoch * ROWS,
        constant_penalty=1.0 if is_collapsed else 0.0,
        skill=0.0 if is_collapsed else 0.3,
        auc=0.5 if is_collapsed else 0.9,
        logit_spread=0.0 if is_collapsed else 1.0,
        train_seconds=0.1,
        evaluate_seconds=0.1,
        diverged_at_step=3 if order.seed % 11 == 0 else None,
        is_last=epoch >= EPOCHS,
    )


class Driver:
    """One driver with one worker. It starts a run, or resumes it from the ledger, and runs to the end or until it is killed."""

    def __init__(self, location: Path, *, is_first: bool, events: int | None) -> None:
        self.left, self.clock = events, 0.0
        self.said: list[str] = []
        space = _read(location.parent.joinpath("space.yaml").read_text())
        if is_first:
            self.ledger = Ledger.create(location, space=space.text, environment={})
        else:
            self.ledger = Ledger.reopen(location)
        budget = TimeBudget(
            space=space,
            clock=lambda: self.clock,
            slots=1,
            budget_examples=ROWS * EPOCHS,
            closing_work=ClosingWork(),
        )
        watcher = Watcher(say=self.said.append, watch=lambda _: None)
        self.queue = SearchQueue(make_sampler(space), self.ledger, budget, watcher)
        self.pruner = GatedASHA(
            grace_epochs=1,
            rows=ROWS,
            budget_examples=ROWS * EPOCHS,
            reduction_factor=2,
            gate=GateSettings(least_examples=0),
        )
        self.scheduler = PruningScheduler(self.queue, self.pruner)
        if not is_first:
            self.take_up(location)

    def take_up(self, location: Path) -> None:
        """Resume the run or, if it has finished, give it more."""
        run = read_run(location)
        extensions = list(extensions_of(run))
        if run.status == "finished":
            extensions.append(extend(run, ["search.trials=20"], at="2026-11-28T14:00:00+00:00", command=["tuner"]))
        past = read_recorded_run(run, read_measurements(location), extensions[-1] if extensions else None)
        self.clock = past.seconds
        self.ledger.go_on(space=run.space, environment={}, extensions=as_entries(extensions))
        self.queue.replay(past)
        searched = {trial.index for trial in past.trials if trial.phase == "search"}
        running = {trial.index for trial in past.trials if trial.ending is None}
        self.pruner.replay([each for each in past.measurements if each[0] in searched], running=running)

    def event(self) -> None:
        """Mark a moment at which the process may be killed; rows that wait for a flush are then lost."""
        self.clock += 1
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    def run(self, checkpoints: dict[int, int]) -> None:
        """Run to the end. `checkpoints` has the epoch of each trial's last checkpoint and outlives the process."""
        while (order := self.queue.next_order()) is not None:
            self.event()
            self.queue.started(order)
            self.train(order, checkpoints)
            self.queue.tick()
        assert self.queue.is_done()

    def train(self, order: Order, checkpoints: dict[int, int]) -> None:
        trial = StubTrial(order)
        is_to_be_kept = False
        for epoch in range(checkpoints.get(order.index, 0) + 1, EPOCHS + 1):
            if is_to_be_kept:
                checkpoints[order.index] = epoch - 1
            self.event()
            measurement = measurement_of(order, epoch)
            is_to_be_kept = epoch in (1, 2, 4)
            result = {
                "score": measurement.score,
                "measurement": json.dumps(asdict(measurement)),
                "is_to_be_kept": is_to_be_kept,
            }
            if self.scheduler.on_trial_result(None, trial, result) == "STOP":
                return

    def finish(self) -> None:
        """Run to the end, and finish the ledger as a search does."""
        self.run({})
        self.ledger.finish({"status": "finished", "seconds": self.clock, "ended_by": self.queue.ended_by})

    def die(self) -> None:
        """Release the lock, as the kernel does when a process ends."""
        self.ledger.release()
