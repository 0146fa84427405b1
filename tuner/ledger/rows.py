"""What a run has been through, as its ledger tells it: where a search that is resumed goes on from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import pyarrow as pa

from tuner.ledger.run_directory import Run
from tuner.space.configuration import Configuration
from tuner.trial.health_names import STATIC
from tuner.trial.measurement import Measurement, Phase
from tuner.trial.record import TrialRecord

OF_THE_TRIAL = ("parameters", "precision", "vocabulary_found", *STATIC)
"""What every report of a trial says alike, so that it stands in the table of trials."""
INTERRUPTED = "the run was interrupted"
"""The reason of a trial that a resumed run takes up again; one for which there was no time stays as it is."""


@dataclass(frozen=True, kw_only=True)
class PastTrial:
    """A trial of the ledger. `ending` is None where it has to go on."""

    index: int
    phase: Phase
    parent: int | None
    configuration: Configuration
    seed: int
    starts: int
    started_s: float
    ending: str | None
    reason: str


@dataclass(frozen=True)
class Past:
    """A run so far: its trials in the order in which they were asked for, and (trial, report) in the order in which they came.

    `seconds` is how long it has run.
    """

    trials: Sequence[PastTrial]
    measurements: Sequence[tuple[int, Measurement]]
    seconds: float


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
    """Return what the table of reports has of a report."""
    return {
        name: value for name, value in asdict(measurement).items() if name != "is_last" and name not in OF_THE_TRIAL
    }


def read_past(run: Run, measurements: pa.Table) -> Past:
    """Read a run's trials and reports, as `read_run` and `read_reports` return them."""
    trials = {row["trial"]: row for row in run.trials}
    rows = [row for row in measurements.to_pylist() if row["trial"] in trials]
    times = [row["reported_s"] for row in rows] + [row[name] for row in run.trials for name in ("started_s", "ended_s")]
    # Where nothing but failures has come of a run, its trials are not at fault: the cause, which may be gone, is common.
    is_failure = {row["ending"] for row in run.trials} <= {"failed", "interrupted", None}
    return Past(
        trials=[_trial(row, is_failure=is_failure) for row in run.trials],
        measurements=[(row["trial"], _measurement(row, trials[row["trial"]])) for row in rows],
        seconds=max([float(run.manifest.get("seconds", 0.0)), *(each for each in times if each is not None)]),
    )


def _trial(row: Mapping[str, Any], *, is_failure: bool) -> PastTrial:
    is_cut = row["ending"] == "interrupted" and row["reason"] == INTERRUPTED
    # A finalist's run that failed is tried again: without it there may be no champion, and the cause may be gone.
    is_open = is_cut or (row["ending"] == "failed" and (row["phase"] == "finalist" or is_failure))
    return PastTrial(
        index=row["trial"],
        phase=row["phase"],
        parent=row["parent"],
        configuration=json.loads(row["configuration"]),
        seed=row["seed"],
        starts=row["starts"],
        started_s=row["started_s"],
        ending=None if is_open else row["ending"],
        reason="" if is_open else row["reason"] or "",
    )


def _measurement(row: Mapping[str, Any], trial: Mapping[str, Any]) -> Measurement:
    known: dict[str, Any] = {field.name: row[field.name] for field in fields(Measurement) if field.name in row}
    unknown = {"parameters": 0, "precision": ""}  # the trial's row has them when it ends
    of_trial = {name: trial[name] if trial[name] is not None else unknown.get(name) for name in OF_THE_TRIAL}
    read: dict[str, Any] = {
        name: math.nan if value is None and name != "diverged_at_step" else value
        for name, value in {**known, **of_trial}.items()
    }
    return Measurement(**read, is_last=False)
