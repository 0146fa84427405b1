"""The trials of a run with their measurements, as the ledger records them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tuner.ledger.rows import measurements_by_trial
from tuner.ledger.run_directory import Run


@dataclass(frozen=True, kw_only=True)
class Point:
    """One measurement: epochs seen, score (None if the trial diverged), and seconds since the run began."""

    epochs: float
    score: float | None
    reported_s: float


@dataclass(frozen=True, kw_only=True)
class TrialFacts:
    """One trial. `curve` has the measurements that count. `ending` is "running" if the ledger has none."""

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
        """Its name in figures: the ending, or "finalist" for a finalist's run."""
        return "finalist" if self.phase == "finalist" else self.ending


def trials_of(run: Run, measurements: pa.Table) -> tuple[TrialFacts, ...]:
    """Return the trials of a run in the order of their numbers, each with its measurements."""
    columns = ["trial", "examples", "epochs", "score", "reported_s"]
    by_trial = measurements_by_trial(measurements.select(columns).to_pylist())
    return tuple(
        _trial(row, by_trial.get(row["trial"], [])) for row in sorted(run.trials, key=lambda row: row["trial"])
    )


def known(value: float | None) -> float | None:
    """Return a number, or None if it is missing or not finite."""
    return value if value is not None and math.isfinite(value) else None


def _trial(row: Mapping[str, Any], measurements: Sequence[Mapping[str, Any]]) -> TrialFacts:
    curve = [
        Point(epochs=measurement["epochs"], score=known(measurement["score"]), reported_s=measurement["reported_s"])
        for measurement in measurements
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


def thin(items: Sequence[Any], most: int) -> list[Any]:
    """Return at most `most` items, evenly spaced from the first to the last."""
    if len(items) <= most:
        return list(items)
    return [items[place * (len(items) - 1) // (most - 1)] for place in range(most)]
