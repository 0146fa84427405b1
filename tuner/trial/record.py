"""What the driver knows about one trial."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property

from tuner.pruners.gate import merit
from tuner.space.configuration import configuration_hash
from tuner.trial.ending import PLANNED_AGAIN, Ending
from tuner.trial.measurement import Measurement
from tuner.trial.order import Order, Stretch


@dataclass
class TrialRecord:
    """What the driver knows about one trial. It changes while the trial runs.

    `node` and `gpu` say where it ran last. `lost_nodes` counts the nodes that were lost under it; each costs it a start.
    `parent` is the search trial that a finalist's run repeats, None for a search trial. `heard_s` is when the trial's worker
    last sent something, None while it has no worker. `best` is the measurement with the highest score. `fittest` is the
    measurement of the model that the trial keeps: the healthiest, and among equally healthy ones the highest score. `stretch`
    is what has been trained since the last measurement, None right after it.

    A trial that restarts from a checkpoint repeats some measurements. Only the repeated ones count: `measurements`, `best`,
    `fittest`, `last` and `train_seconds` do not include the ones they replace. `measurements` is emptied when the trial
    ends.
    """

    order: Order
    parent: int | None = None
    starts: int = 0
    started_s: float = 0.0
    heard_s: float | None = None
    node: str = ""
    gpu: str = ""
    lost_nodes: int = 0
    ending: Ending | None = None
    reason: str = ""
    best: Measurement | None = None
    fittest: Measurement | None = None
    last: Measurement | None = None
    measurements: list[Measurement] = field(default_factory=list)
    train_seconds: float = 0.0
    seconds_per_example: float = float("inf")
    stretch: Stretch | None = None
    later_seconds: float = 0.0  # between measurements, without the first stretch
    later_examples: int = 0

    @property
    def is_search_trial(self) -> bool:
        """Whether this is a search trial, not a finalist's run."""
        return self.parent is None

    @property
    def is_fit(self) -> bool:
        """Whether its configuration may become a finalist by this trial. The configuration of a running trial may."""
        return self.ending is None or (self.ending.is_fit and not self.has_begun_again)

    @property
    def is_tried(self) -> bool:
        """Whether it counts as tried: not if the budget ended it before its first measurement, or if it has begun again."""
        return self.ending is not Ending.CUT_SHORT or (self.last is not None and not self.has_begun_again)

    @property
    def has_begun_again(self) -> bool:
        """Whether another trial took over its configuration, because the search was planned again."""
        return self.reason == PLANNED_AGAIN

    @property
    def slowdown(self) -> float | None:
        """Time between measurements, relative to the trial's fastest stretch; None before the second measurement."""
        if not self.later_seconds:
            return None
        return self.later_seconds / (self.seconds_per_example * self.later_examples)

    @property
    def score(self) -> float:
        """The best score, minus infinity before the first measurement."""
        return self.best.score if self.best else float("-inf")

    @cached_property
    def configuration_hash(self) -> str:
        """The hash of the configuration. Cached, because every tick ranks all trials."""
        return configuration_hash(self.order.configuration)

    @property
    def evaluate_seconds(self) -> float:
        """The seconds of the last evaluation, 0 before the first one."""
        return self.last.evaluate_seconds if self.last else 0.0

    def add(self, measurement: Measurement, *, waited_s: float = 0.0) -> None:
        """Add a measurement that arrived `waited_s` after the worker's last message.

        `waited_s` is longer than the measurement's own seconds when Ray was slow.
        """
        if self.last is not None and measurement.examples <= self.last.examples:
            self._forget_from(measurement.examples)
        seconds = measurement.train_seconds + measurement.evaluate_seconds
        examples = measurement.examples - (self.last.examples if self.last else 0)
        # Take the fastest stretch: the first one includes building kernels, and others may have shared the machine.
        self.seconds_per_example = min(self.seconds_per_example, seconds / max(examples, 1))
        self.stretch = None
        if self.last is not None:
            self.later_seconds += max(seconds, waited_s)
            self.later_examples += examples
        self._count(measurement)

    def _forget_from(self, examples: int) -> None:
        """Drop the measurements from `examples` on; a restarted worker repeats them."""
        kept = [measurement for measurement in self.measurements if measurement.examples < examples]
        self.best = self.fittest = self.last = None
        self.train_seconds = 0.0
        self.measurements = []
        for measurement in kept:
            self._count(measurement)

    def _count(self, measurement: Measurement) -> None:
        self.last = measurement
        self.measurements.append(measurement)
        self.train_seconds += measurement.train_seconds
        if measurement.score > self.score:  # False for NaN
            self.best = measurement
        if math.isfinite(measurement.score) and (
            self.fittest is None or merit(measurement.signs) > merit(self.fittest.signs)
        ):
            self.fittest = measurement

    def full_run_seconds(self, budget_examples: int) -> float:
        """Estimate the seconds that this configuration needs to train on `budget_examples`."""
        return self.seconds_per_example * budget_examples
