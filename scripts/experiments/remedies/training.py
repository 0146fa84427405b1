"""Train one remedy on one set with one seed, and return a line of the results."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.material import ExperimentData, read_rows
from experiments.remedies.catalogue import BASE, RAREST, VECTORS, Remedy
from experiments.results import Key, Line
from experiments.spaces import in_force, make_space, merged, names, only_configuration, replaced

REPLICA_STRIDE = 1000  # trainings on the same rows with other initial weights have seeds this far apart


@dataclass(frozen=True, kw_only=True)
class RemedyJob:
    """One training to run. `replica` numbers trainings of the same configuration on the same rows.

    `base` is the hash of the set's base configuration; it identifies results of another base.
    """

    material: ExperimentData
    remedy: Remedy
    seed: int
    replica: int = 0
    epochs: float
    limit_rows: int | None
    vectors: str | None = None
    base: str

    @property
    def set_name(self) -> str:
        """The set's name in the results."""
        return self.material.name

    @property
    def key(self) -> Key:
        """The key of this training in a file of results."""
        return self.set_name, self.remedy.name, self.seed, self.replica

    @property
    def vectors_read(self) -> str | None:
        """The name of the file of vectors, if the remedy reads one."""
        if self.vectors is None or not names(self.remedy.change, VECTORS):
            return None
        return Path(self.vectors).name

    @property
    def is_base(self) -> bool:
        """Whether nothing is changed."""
        return self.remedy.name == BASE


def run_order(order: RemedyJob) -> Line:
    """Train and return the line. If tuner refuses the remedy on these rows, the line holds the reason."""
    from tuner.errors import InputError

    start = time.monotonic()
    line = _heading(order)
    try:
        line |= _outcome(order)
    except InputError as error:
        fault = error.faults[0]
        what = re.sub(r"^space(\.\w+)+: ", "", fault.what)  # the place in a space that exists for one training only
        line |= {"outcome": "left out", "reason": f"{what}; {fault.remedy}"}
    return {**line, "seconds": round(time.monotonic() - start, 2)}


def failed(order: RemedyJob, reason: str) -> Line:
    """Return the line of a training that broke. The next run tries it again."""
    return {**_heading(order), "outcome": "failed", "reason": reason}


def _heading(order: RemedyJob) -> Line:
    return {
        "set": order.set_name,
        "group": order.remedy.group,
        "remedy": order.remedy.name,
        "change": order.remedy.change,
        "seed": order.seed,
        "replica": order.replica,
        "epochs": order.epochs,
        "limit_rows": order.limit_rows,
        "base": order.base,
        "vectors": order.vectors_read,
        **({"tree": order.material.base} if order.is_base else {}),
    }


def _outcome(order: RemedyJob) -> Line:
    from tuner.errors import SpaceError
    from tuner.imbalance.feasibility import resampling_faults
    from tuner.space.configuration import configuration_hash

    material = order.material
    if order.vectors is None and names(order.remedy.change, VECTORS):
        return {"outcome": "left out", "reason": "no file of vectors was given with --vectors"}
    change = replaced(order.remedy.change, VECTORS, order.vectors or "")
    dataset = _rows(order)
    if names(change, RAREST):
        change = replaced(change, RAREST, _rarest_label(dataset))
    tree = in_force(merged(material.base, change), material.inputs)
    space = make_space(material.task, material.data, tree)
    configuration = only_configuration(space)
    line: Line = {
        "configuration": configuration_hash(configuration),
        "rows": [len(dataset.train), len(dataset.validation)],
        "labels": len(dataset.labels),
        "folds": None if dataset.folds is None else int(dataset.folds.max()) + 1,
    }
    if not order.is_base and line["configuration"] == order.base:
        return {**line, "outcome": "base"}
    where = f"{material.name}, seed {order.seed}"
    faults = resampling_faults(space.parameters, dataset.train.targets, dataset.task, dataset.labels, where)
    if faults:
        raise SpaceError(faults)
    return {**line, **_train(order, space, configuration, dataset)}


_rows_kept: dict[Hashable, Any] = {}
_prepared_kept: dict[Hashable, Any] = {}


def _keep(kept: dict[Hashable, Any], key: Hashable, make: Callable[[], Any], *, at_most: int) -> Any:
    """Return the value under a key, and make it if it is missing. The oldest values give way if there are too many."""
    if key not in kept:
        while len(kept) >= at_most:
            del kept[next(iter(kept))]
        kept[key] = make()
    return kept[key]


def _rows(order: RemedyJob) -> Any:
    material = order.material

    def read() -> Any:
        space = make_space(material.task, material.data, in_force(material.base, material.inputs))
        return read_rows(material, space, seed=order.seed, limit_rows=order.limit_rows)

    return _keep(_rows_kept, (material.name, order.seed, order.limit_rows), read, at_most=6)


def _rarest_label(dataset: Any) -> str:
    targets = dataset.train.targets
    counts = targets.sum(0) if targets.ndim == 2 else np.bincount(targets, minlength=len(dataset.labels))
    return str(dataset.labels[int(np.argmin(np.where(dataset.seen, counts, len(targets) + 1)))])


def _train(order: RemedyJob, space: Any, configuration: dict[str, Any], dataset: Any) -> Line:
    from tuner.trial.order import TrialSettings
    from tuner.trial.trial import Trial

    data = _prepared(order, space, configuration, dataset)
    settings = TrialSettings(
        max_epochs=order.epochs, reports_per_epoch=1, penalty_weight=order.material.penalty_weight, threads=1
    )
    start = time.process_time()
    trial = Trial(configuration, data, settings, seed=order.seed + REPLICA_STRIDE * order.replica)
    measurements = [trial.next_measurement()]
    while not measurements[-1].is_last:
        measurements.append(trial.next_measurement())
    processor_seconds = time.process_time() - start
    last = measurements[-1]
    scores = [None if math.isnan(measurement.score) else round(measurement.score, 5) for measurement in measurements]
    finite = [score for score in scores if score is not None]
    best = max(
        (measurement for measurement in measurements if not math.isnan(measurement.score)),
        key=lambda it: it.score,
        default=None,
    )
    return {
        "outcome": "scored" if finite else "diverged",
        "diverged_at_step": last.diverged_at_step,
        "score": max(finite, default=None),
        "scores": scores,
        "macro_f1": None if best is None else round(best.macro_f1, 5),
        "average_precision": None if best is None else round(best.average_precision, 5),
        "processor_seconds_per_epoch": round(processor_seconds / last.epochs, 4) if last.epochs else None,
        "train_seconds_per_epoch": round(statistics.median(_seconds_per_epoch(measurements)), 4),
        "parameters": last.parameters,
        "precision": last.precision,
    }


def _seconds_per_epoch(measurements: list[Any]) -> list[float]:
    epochs = np.diff([0.0, *(measurement.epochs for measurement in measurements)])
    return [
        measurement.train_seconds / span for measurement, span in zip(measurements, epochs, strict=True) if span > 0
    ] or [0.0]


def _prepared(order: RemedyJob, space: Any, configuration: dict[str, Any], dataset: Any) -> Any:
    """Return the prepared data of a trial. Remedies that read the same data share them."""
    from tuner.data.preparation import embedding_setting, preparation_setting
    from tuner.data.trial_data import prepare
    from tuner.space.build import declared_options

    key = (
        order.set_name,
        order.seed,
        order.limit_rows,
        preparation_setting(configuration),
        embedding_setting(configuration),
        declared_options("resampling")[configuration["resampling"]].needs_vectors,
    )
    return _keep(_prepared_kept, key, lambda: prepare(dataset, space.parameters), at_most=12)
