"""Rows of the ledger, both ways: trials and measurements are written as rows and read back from them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import pyarrow as pa

from tuner.ledger.extensions import Extension
from tuner.ledger.run_directory import Run
from tuner.space.configuration import Configuration
from tuner.trial.ending import Ending
from tuner.trial.measurement import STATIC, Measurement
from tuner.trial.order import Phase
from tuner.trial.record import TrialRecord

OF_THE_TRIAL = ("parameters", "precision", "vocabulary_found", *STATIC)
"""Values that are the same in every measurement of a trial, so that they are columns of the table of trials."""
INTERRUPTED = "the run was interrupted"
"""The reason of a trial that a resumed run continues."""


@dataclass(frozen=True, kw_only=True)
class RecordedTrial:
    """A trial of the ledger. `ending` is None if a resumed run must continue it."""

    index: int
    phase: Phase
    parent: int | None
    configuration: Configuration
    seed: int
    starts: int
    lost_nodes: int
    node: str
    gpu: str
    started_s: float
    ending: str | None
    reason: str


@dataclass(frozen=True)
class RecordedRun:
    """A run so far. A resumed search continues from it.

    `trials` are in the order of their proposals. `measurements` are pairs (trial, measurement) in the order they came.
    `seconds` is how long the run has taken. If a finished run is given more, trials below `first_trial` belong to the part
    that had finished, which took `begun_s` seconds.
    """

    trials: Sequence[RecordedTrial]
    measurements: Sequence[tuple[int, Measurement]]
    seconds: float
    first_trial: int = 0
    begun_s: float = 0.0


def trial_row(record: TrialRecord, *, now: float) -> dict[str, Any]:
    """Return a trial's row in the ledger's table `trials`, `now` seconds after the run began."""
    best, last = record.best, record.last
    configuration = record.order.configuration
    return {
        "trial": record.order.index,
        "phase": record.order.phase,
        "parent": record.parent,
        "seed": record.order.seed,
        "configuration": json.dumps(dict(configuration)),
        "configuration_hash": record.configuration_hash,
        "ending": record.ending,
        "reason": record.reason or None,
        "score": best.score if best else None,
        "score_spread": _none_if_nan(best.score_spread) if best else None,
        "macro_f1": best.macro_f1 if best else None,
        "constant_penalty": best.constant_penalty if best else None,
        "skill": best.skill if best else None,
        "best_epochs": best.epochs if best else None,
        "epochs": last.epochs if last else 0.0,
        "examples": last.examples if last else 0,
        "starts": record.starts,
        "lost_nodes": record.lost_nodes,
        "node": record.node or None,
        "gpu": record.gpu or None,
        "parameters": (last.parameters or None) if last else None,
        "precision": (last.precision or None) if last else None,
        **{name: _none_if_nan(getattr(last, name)) if last else None for name in ("vocabulary_found", *STATIC)},
        "double_correction": is_double_correction(configuration),
        "train_seconds": record.train_seconds,
        "started_s": record.started_s,
        "ended_s": now if record.ending else None,
    }


def is_double_correction(configuration: Configuration) -> bool:
    """Return whether more than one of loss weights, resampling and logit adjustment corrects for imbalance."""
    corrections = (
        configuration["loss_weights"] != "none",
        configuration["resampling"] != "none",
        configuration["logit_adjustment"] != 0,
    )
    return sum(corrections) > 1


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def measurement_row(measurement: Measurement) -> dict[str, Any]:
    """Return a measurement as a row of the table `reports`, without the number of its trial."""
    return {
        name: value for name, value in asdict(measurement).items() if name != "is_last" and name not in OF_THE_TRIAL
    }


def counted(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the measurements of one trial that count, in the order they came.

    A worker that replaces a dead one continues from a checkpoint, or starts again. It repeats the measurements from there on,
    and the repeated ones count.
    """
    kept: list[Mapping[str, Any]] = []
    for row in rows:
        while kept and kept[-1]["examples"] >= row["examples"]:
            kept.pop()
        kept.append(row)
    return kept


def measurements_by_trial(rows: Iterable[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
    """Return the measurements of each trial that count, from rows of the table `reports`."""
    by_trial: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_trial.setdefault(row["trial"], []).append(row)
    return {trial: counted(rows_of_trial) for trial, rows_of_trial in by_trial.items()}


def read_recorded_run(run: Run, measurements: pa.Table, extension: Extension | None = None) -> RecordedRun:
    """Return a run's trials and measurements, given what `read_run` and `read_measurements` return.

    `extension` is the latest one, if there is one.
    """
    first_trial, begun_s = (extension.first_trial, extension.begun_s) if extension else (0, 0.0)
    trials = {row["trial"]: row for row in run.trials}
    rows = [row for row in measurements.to_pylist() if row["trial"] in trials]
    times = [row["reported_s"] for row in rows] + [row[name] for row in run.trials for name in ("started_s", "ended_s")]
    # If every trial failed, the cause lies outside the trials and may be gone by now.
    endings = {row["ending"] for row in run.trials if row["trial"] >= first_trial}
    has_only_failures = endings <= {Ending.FAILED, Ending.CUT_SHORT, Ending.INTERRUPTED, None}
    return RecordedRun(
        trials=[
            _recorded_trial(row, has_only_failures=has_only_failures, is_closed=row["trial"] < first_trial)
            for row in run.trials
        ],
        measurements=[(row["trial"], _measurement(row, trials[row["trial"]])) for row in rows],
        seconds=max([float(run.manifest.get("seconds", 0.0)), begun_s, *(each for each in times if each is not None)]),
        first_trial=first_trial,
        begun_s=begun_s,
    )


def _recorded_trial(row: Mapping[str, Any], *, has_only_failures: bool, is_closed: bool) -> RecordedTrial:
    """Return a trial from its row. With `is_closed`, the run had finished after it, so it is not tried again."""
    is_cut = row["ending"] == Ending.INTERRUPTED and row["reason"] == INTERRUPTED
    # A finalist's run that failed is tried again: there may be no champion without it, and the cause may be gone.
    has_failed = row["ending"] == Ending.FAILED and (row["phase"] == "finalist" or has_only_failures)
    is_open = not is_closed and (is_cut or has_failed)
    return RecordedTrial(
        index=row["trial"],
        phase=row["phase"],
        parent=row["parent"],
        configuration=json.loads(row["configuration"]),
        seed=row["seed"],
        starts=row["starts"],
        lost_nodes=row["lost_nodes"] or 0,
        node=row["node"] or "",
        gpu=row["gpu"] or "",
        started_s=row["started_s"],
        ending=None if is_open else row["ending"],
        reason="" if is_open else row["reason"] or "",
    )


def _measurement(row: Mapping[str, Any], trial: Mapping[str, Any]) -> Measurement:
    values: dict[str, Any] = {field.name: row[field.name] for field in fields(Measurement) if field.name in row}
    defaults = {"parameters": 0, "precision": ""}  # a trial's row gets them when it ends
    values |= {name: trial[name] if trial[name] is not None else defaults.get(name) for name in OF_THE_TRIAL}
    values = {
        name: math.nan if value is None and name != "diverged_at_step" else value for name, value in values.items()
    }
    return Measurement(**values, is_last=False)
