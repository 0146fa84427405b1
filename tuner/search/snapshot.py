"""A search at one moment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

from tuner.trial.record import TrialState


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A search at one moment, for whoever watches. Seconds left are None where only the number of trials is limited."""

    phase: Literal["search", "finalists"]
    elapsed_s: float
    left_s: float | None
    running: tuple[TrialState, ...]
    endings: Counter[str]
    asked: int
    limit: int | None
    max_epochs: float
    best: TrialState | None
