"""Train one trial to the end of its budget, even if it collapses, and return a line of the results."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from experiments.curves.mixture import kind_of, mixture_of
from experiments.curves.table import MEASURES
from experiments.material import ExperimentData, read_rows
from experiments.results import Line
from experiments.spaces import make_space

SEED = 4
_KEPT = ("epochs", "examples", "steps", *MEASURES, "diverged_at_step")


@dataclass(frozen=True, kw_only=True)
class CurveJob:
    """One trial to record. The index selects its configuration from the mixture."""

    material: ExperimentData
    index: int
    epochs: float
    reports_per_epoch: int
    limit_rows: int
    validation_rows: int

    @property
    def key(self) -> tuple[str, int]:
        """The key of this trial in a file of results."""
        return self.material.name, self.index


def run_order(order: CurveJob) -> Line:
    """Train and return the line. If tuner refuses the configuration on these rows, the line holds the reason."""
    from tuner.errors import InputError

    try:
        return _heading(order) | _outcome(order)
    except InputError as error:
        fault = error.faults[0]
        return {**_heading(order), "outcome": "left out", "reason": f"{fault.what}; {fault.remedy}"}


def failed(order: CurveJob, reason: str) -> Line:
    """Return the line of a trial that broke. The next run tries it again."""
    return {**_heading(order), "outcome": "failed", "reason": reason}


def _heading(order: CurveJob) -> Line:
    return {
        "set": order.material.name,
        "index": order.index,
        "kind": kind_of(order.index),
        "max_epochs": order.epochs,
        "reports_per_epoch": order.reports_per_epoch,
        "limit_rows": order.limit_rows,
    }


_rows_kept: dict[Any, Any] = {}


def _outcome(order: CurveJob) -> Line:
    from tuner.data.trial_data import prepare
    from tuner.errors import SpaceError
    from tuner.imbalance.feasibility import resampling_faults
    from tuner.samplers.random import RandomSampler
    from tuner.trial.order import TrialSettings
    from tuner.trial.trial import Trial

    material = order.material
    space = make_space(material.task, material.data, mixture_of(kind_of(order.index), material.inputs))
    configuration = dict(RandomSampler(space.parameters, seed=SEED).ask(order.index))
    key = material.name, order.limit_rows, order.validation_rows
    if key not in _rows_kept:
        dataset = read_rows(material, space, seed=0, limit_rows=order.limit_rows)
        dataset = replace(dataset, validation=_cut(dataset.validation, order.validation_rows))
        _rows_kept[key] = dataset, prepare(dataset, space.parameters)  # all kinds of the mixture prepare texts alike
    dataset, data = _rows_kept[key]
    faults = resampling_faults(space.parameters, dataset.train.targets, dataset.task, dataset.labels, material.name)
    if faults:
        raise SpaceError(faults)
    settings = TrialSettings(
        max_epochs=order.epochs,
        reports_per_epoch=order.reports_per_epoch,
        penalty_weight=material.penalty_weight,
        threads=1,
    )
    start = time.process_time()
    trial = Trial(configuration, data, settings, seed=order.index)
    measurements = [trial.next_measurement()]
    while not measurements[-1].is_last:
        measurements.append(trial.next_measurement())
    return {
        "outcome": "trained",
        "configuration": configuration,
        "rows": [len(dataset.train), len(dataset.validation)],
        "processor_seconds": round(time.process_time() - start, 2),
        "train_seconds": round(sum(measurement.train_seconds for measurement in measurements), 2),
        "reports": [{name: _rounded(getattr(measurement, name)) for name in _KEPT} for measurement in measurements],
    }


def _cut(split: Any, rows: int) -> Any:
    """Return at most `rows` random rows of a split: measuring on all rows of goemotions would cost half the training time."""
    taken = np.sort(np.random.default_rng(SEED).permutation(len(split))[:rows])
    return split.take(taken)


def _rounded(value: float | None) -> float | None:
    """Round to seven digits, as many as a float32 holds. Return None for a number that is not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.7g}")
