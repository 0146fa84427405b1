"""One trial as the driver knows it, and its row in the ledger."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tuner.pruners.gate import merit
from tuner.space.configuration import Configuration, configuration_hash
from tuner.trial.measurement import STATIC, Measurement
from tuner.trial.order import Order


@dataclass
class TrialState:
    """One trial as the desk knows it. `reports` are those that count, emptied when the trial ends; `best` is that of them
    with the highest score, `fittest` that of the model that is kept: the healthiest, then the one with the highest score.

    A worker that takes a dead one's place goes on from a checkpoint, or begins anew: what was reported from there on is
    reported again, and counts no more. `heard_s` is when its worker was last heard of, None before it has one.
    """

    order: Order
    parent: int | None = None
    starts: int = 0
    started_s: float = 0.0
    heard_s: float | None = None
    ending: str | None = None
    reason: str = ""
    best: Measurement | None = None
    fittest: Measurement | None = None
    last: Measurement | None = None
    measurements: list[Measurement] = field(default_factory=list)
    train_seconds: float = 0.0
    seconds_per_example: float = float("inf")
    seconds_per_measurement: float = 0.0
    later_seconds: float = 0.0  # of all stretches between two reports
    later_examples: int = 0

    @property
    def slowdown(self) -> float | None:
        """How many times as long its stretches between reports took as at its quickest; None before the second report."""
        if not self.later_seconds:
            return None
        return self.later_seconds / (self.seconds_per_example * self.later_examples)

    @property
    def score(self) -> float:
        """The score of the best report, minus infinity before there is one."""
        return self.best.score if self.best else float("-inf")

    @cached_property
    def configuration_hash(self) -> str:
        """The hash of its configuration, once: every tick ranks all trials."""
        return configuration_hash(self.order.configuration)

    def take(self, measurement: Measurement, *, waited_s: float = 0.0) -> None:
        """Take in a report that came `waited_s` after its worker was heard of before: more than it tells of, if Ray took time."""
        if self.last is not None and measurement.examples <= self.last.examples:
            self._forget_from(measurement.examples)
        seconds = measurement.train_seconds + measurement.evaluate_seconds
        examples = measurement.examples - (self.last.examples if self.last else 0)
        # The quickest stretch: the first one pays for kernels being built, and others may have had to share the machine.
        self.seconds_per_example = min(self.seconds_per_example, seconds / max(examples, 1))
        self.seconds_per_measurement = seconds
        if self.last is not None:
            self.later_seconds += max(seconds, waited_s)
            self.later_examples += examples
        self._count(measurement)

    def _forget_from(self, examples: int) -> None:
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
        if measurement.score > self.score:  # never so for NaN
            self.best = measurement
        if math.isfinite(measurement.score) and (
            self.fittest is None or merit(measurement.signs) > merit(self.fittest.signs)
        ):
            self.fittest = measurement

    def full_run_seconds(self, budget_examples: int) -> float:
        """Estimate how long this configuration takes for `budget_examples`, from what it took so far."""
        return self.seconds_per_example * budget_examples


def trial_row(state: TrialState, *, now: float) -> dict[str, Any]:
    """Return what the table of trials has of a trial, `now` seconds after the run began."""
    best, last = state.best, state.last
    configuration = state.order.configuration
    return {
        "trial": state.order.index,
        "phase": state.order.phase,
        "parent": state.parent,
        "seed": state.order.seed,
        "configuration": json.dumps(dict(configuration)),
        "configuration_hash": state.configuration_hash,
        "ending": state.ending,
        "reason": state.reason or None,
        "score": best.score if best else None,
        "score_spread": _known(best.score_spread) if best else None,
        "macro_f1": best.macro_f1 if best else None,
        "constant_penalty": best.constant_penalty if best else None,
        "skill": best.skill if best else None,
        "best_epochs": best.epochs if best else None,
        "epochs": last.epochs if last else 0.0,
        "examples": last.examples if last else 0,
        "starts": state.starts,
        "parameters": (last.parameters or None) if last else None,
        "precision": (last.precision or None) if last else None,
        **{name: _known(getattr(last, name)) if last else None for name in ("vocabulary_found", *STATIC)},
        "double_correction": is_double_correction(configuration),
        "train_seconds": state.train_seconds,
        "started_s": state.started_s,
        "ended_s": now if state.ending else None,
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def is_double_correction(configuration: Configuration) -> bool:
    """Return whether imbalance is corrected more than once: by loss weights, resampling or adjusted logits."""
    corrections = (
        configuration["loss_weights"] != "none",
        configuration["resampling"] != "none",
        configuration["logit_adjustment"] != 0,
    )
    return sum(corrections) > 1
