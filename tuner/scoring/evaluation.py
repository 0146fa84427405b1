"""One evaluation as plain JSON values: measures, intervals, and a row per label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.bootstrap import intervals
from tuner.scoring.f1 import Indicator
from tuner.scoring.measures import Measures, measure
from tuner.space.settings import Task


def describe(measures: Measures, labels: Sequence[str]) -> dict[str, Any]:
    """Return measures as JSON: the numbers, and one row per label with its name. What is not known is null."""
    described = asdict(measures)
    described["notes"] = list(measures.notes)
    described["labels"] = [{**asdict(row), "label": labels[row.label]} for row in measures.labels]
    return without_nan(described)


def evaluate(
    decisions: Indicator,
    probabilities: NDArray[np.float64],
    truth: Indicator,
    *,
    task: Task,
    labels: Sequence[str],
    seen: NDArray[np.bool_],
    penalty_weight: float,
    seed: int,
) -> dict[str, Any]:
    """Measure a model on a labelled split, with 95 % bootstrap intervals for macro-F1 and skill."""
    measures = measure(
        decisions, truth, task, penalty_weight=penalty_weight, probabilities=probabilities, seen=seen, names=labels
    )
    drawn = intervals(decisions, truth, task, seed=seed)
    return {
        **describe(measures, labels),
        "macro_f1_ci": [drawn.macro_f1.low, drawn.macro_f1.high],
        "skill_ci": [drawn.skill.low, drawn.skill.high],
        "rows": len(truth),
    }


def without_nan(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON values with null in the place of numbers that are not finite, which JSON has not."""
    return {key: _finite(value) for key, value in described.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_nan(value)
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
