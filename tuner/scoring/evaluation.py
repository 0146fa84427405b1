"""One evaluation as plain JSON values: measures, intervals, and a row per label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.bootstrap import Interval, Intervals, intervals
from tuner.scoring.by_fold import measure_by_fold
from tuner.scoring.f1 import Indicator
from tuner.scoring.measures import Measures, measure
from tuner.space.settings import Task

FOLDS_NOTE = (
    "score, macro-F1, penalty, skill, AUC and average precision are means over folds; all else is of all rows together"
)


def describe(measures: Measures, labels: Sequence[str]) -> dict[str, Any]:
    """Return measures as JSON: the numbers, and one row per label with its name. What is not known is null."""
    described = asdict(measures)
    described["notes"] = list(measures.notes)
    described["labels"] = [{**asdict(row), "label": labels[row.label]} for row in measures.labels]
    return without_nan(described)


def describe_judged(
    decisions: Indicator,
    probabilities: NDArray[np.float64] | None,
    truth: Indicator,
    *,
    task: Task,
    labels: Sequence[str],
    seen: NDArray[np.bool_],
    penalty_weight: float,
    fold: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Measure decisions on a labelled split, as JSON values.

    With `fold` (rows,) the score and what it is made of are means over the folds, as trials' are, and `score_spread` their
    standard deviation; a note says so. Rows per label are those of all rows together.
    """
    measures = measure(
        decisions, truth, task, penalty_weight=penalty_weight, probabilities=probabilities, seen=seen, names=labels
    )
    described = describe(measures, labels)
    if fold is None:
        return described
    by_fold = measure_by_fold(decisions, truth, task, fold, penalty_weight=penalty_weight, probabilities=probabilities)
    means = without_nan(by_fold.means)
    return {
        **described,
        **means,
        "constant_macro_f1": means["macro_f1"] - means["skill"],
        "score_spread": by_fold.spread,
        "notes": [*described["notes"], FOLDS_NOTE],
    }


def evaluate(
    decisions: Indicator,
    probabilities: NDArray[np.float64] | None,
    truth: Indicator,
    *,
    task: Task,
    labels: Sequence[str],
    seen: NDArray[np.bool_],
    penalty_weight: float,
    seed: int,
    fold: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Measure as `describe_judged` does, with 95 % bootstrap intervals, which are of all rows together."""
    described = describe_judged(
        decisions,
        probabilities,
        truth,
        task=task,
        labels=labels,
        seen=seen,
        penalty_weight=penalty_weight,
        fold=fold,
    )
    drawn = intervals(decisions, truth, task, seed=seed)
    return {
        **described,
        **{f"{name}_ci": [interval.low, interval.high] for name, interval in vars(drawn).items()},
        "rows": len(truth),
    }


def intervals_of(described: Mapping[str, Any]) -> Intervals:
    """Return the intervals of what `evaluate` described."""
    return Intervals(
        **{name: Interval(described[name], *described[f"{name}_ci"]) for name in Intervals.__annotations__}
    )


def without_nan(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON values with null in the place of numbers that are not finite, which JSON has not."""
    return {key: _finite(value) for key, value in described.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_nan(value)
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
