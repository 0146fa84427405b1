"""A run directory and rows for its tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuner.ledger.run_directory import Ledger


def create(path: Path | str) -> Ledger:
    return Ledger.create(path, space="task: binary\n", environment={"seed": 3})


def trial_row(trial: int, ending: str | None = None) -> Mapping[str, Any]:
    return {"trial": trial, "phase": "search", "ending": ending, "configuration": "{}"}


def measurement_row(trial: int, examples: int, start: int = 1, score: float = 0.5) -> Mapping[str, Any]:
    return {"trial": trial, "start": start, "examples": examples, "score": score}
