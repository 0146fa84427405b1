"""All that a page is made from: a run's ledger, read once, with what it lacks named."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tuner.errors import LedgerError, SpaceError
from tuner.ledger import Run, read_predictions, read_run
from tuner.report.changes import read_space
from tuner.space.load import Space
from tuner.storage import Folder
from tuner.tables import counted, read_parts


@dataclass(frozen=True, kw_only=True)
class Point:
    """One report: epochs seen, score (None where the trial diverged), and seconds since the run began."""

    epochs: float
    score: float | None
    reported_s: float


@dataclass(frozen=True, kw_only=True)
class TrialFacts:
    """One trial and its reports, those of a later start in the place of an earlier one's.

    `ending` is "running" where the ledger has none.
    """

    number: int
    phase: str
    parent: int | None
    ending: str
    reason: str
    score: float | None
    configuration: Mapping[str, Any]
    epochs: float
    train_seconds: float
    ended_s: float | None
    curve: tuple[Point, ...] = ()

    @property
    def kind(self) -> str:
        """How figures show it: its ending, or that it is a finalist's run."""
        return "finalist" if self.phase == "finalist" else self.ending


@dataclass(frozen=True, kw_only=True)
class Material:
    """A run as a page needs it. `space` is None where this version cannot read it; `missing` are sentences."""

    run: Run
    space: Space | None
    trials: Sequence[TrialFacts]
    predictions: Mapping[str, pa.Table]
    reports: pa.Table
    missing: Sequence[str]

    @property
    def searched(self) -> tuple[TrialFacts, ...]:
        """The trials of the search, without the finalists' runs."""
        return tuple(trial for trial in self.trials if trial.phase == "search")

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the data, in the order of their indices."""
        return tuple(self.run.environment.get("data", {}).get("labels", ()))

    @property
    def task(self) -> str:
        """The task, as far as it is known."""
        return self.space.task if self.space else str(self.run.profile.get("task", "unknown"))


def gather(location: str | Path) -> Material:
    """Read a run's directory, local or any that pyarrow.fs opens. Raises LedgerError if there is none or it is damaged."""
    run = read_run(location)
    reports, damaged = read_parts(Folder.at(location), "reports")
    missing = [*_missing_parts(run), *(f"Damaged: {fault}" for fault in (*run.damaged, *damaged))]
    space = None
    try:
        space = read_space(run.space)
    except SpaceError as error:
        missing.append(f"The space cannot be read by this version, so scales and rungs are left out: {error.faults[0]}")
    predictions = {}
    for split in ("validation", "test"):
        with suppress(LedgerError):
            predictions[split] = read_predictions(location, split)
    if run.champion and "test" not in predictions:
        missing.append("There are no predictions on the test split, so there are no precision–recall curves.")
    return Material(
        run=run,
        space=space,
        trials=trials_of(run, reports),
        predictions=predictions,
        reports=reports,
        missing=missing,
    )


def trials_of(run: Run, reports: pa.Table) -> tuple[TrialFacts, ...]:
    """Return a run's trials in the order of their numbers, each with its reports."""
    rows: dict[int, list[Mapping[str, Any]]] = {}
    for row in reports.select(["trial", "examples", "epochs", "score", "reported_s"]).to_pylist():
        rows.setdefault(row["trial"], []).append(row)
    return tuple(_trial(row, rows.get(row["trial"], [])) for row in sorted(run.trials, key=lambda each: each["trial"]))


def known(value: float | None) -> float | None:
    """Return a number, or None for one that is not finite."""
    return value if value is not None and math.isfinite(value) else None


def _trial(row: Mapping[str, Any], reports: Sequence[Mapping[str, Any]]) -> TrialFacts:
    curve = [
        Point(epochs=report["epochs"], score=known(report["score"]), reported_s=report["reported_s"])
        for report in counted(reports)
    ]
    return TrialFacts(
        number=row["trial"],
        phase=row["phase"],
        parent=row["parent"],
        ending=row["ending"] or "running",
        reason=row["reason"] or "",
        score=known(row["score"]),
        configuration=json.loads(row["configuration"]),
        epochs=row["epochs"] or 0.0,
        train_seconds=row["train_seconds"] or 0.0,
        ended_s=row["ended_s"],
        curve=tuple(curve),
    )


def _missing_parts(run: Run) -> list[str]:
    sentences = []
    if run.status != "finished":
        error = run.manifest.get("error")
        told = f" ({error})" if error else ""
        sentences.append(f"The run is {run.status}{told}; this page shows what the ledger has so far.")
    if not run.trials:
        sentences.append("No trial has begun.")
    if not run.baselines:
        sentences.append("The baselines were not finished, so there is nothing to compare trials with.")
    if not run.champion:
        sentences.append("There is no champion, so the test split is still sealed and there is no verdict.")
    if not run.profile:
        sentences.append("The ledger has no profile of the data.")
    return sentences
