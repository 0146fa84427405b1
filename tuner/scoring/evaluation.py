"""One evaluation as JSON values: measures, intervals, and one row per label."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.blocks import Blocks, blocks_by_label
from tuner.scoring.bootstrap import FEWEST_BLOCKS, INTERVAL_NAMES, Interval, Intervals, intervals, rows_needed
from tuner.scoring.by_fold import measure_by_fold
from tuner.scoring.indicator import Indicator
from tuner.scoring.measures import NAMED_AT_MOST, Measures, measure
from tuner.space.task import Task

FOLDS_NOTE = (
    "score, macro-F1, penalty, skill, AUC and average precision are means over folds; the other figures pool all rows"
)


def describe(measures: Measures, labels: Sequence[str]) -> dict[str, Any]:
    """Return measures as JSON values: the numbers, and one row per label with its name. Unknown numbers are null."""
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

    With `fold` (rows,) the score and its parts are means over the folds, as for trials. `score_spread` is the standard
    deviation of the folds' scores. A note says so. The rows per label pool all rows.
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
    blocks: Blocks,
    seed: int,
    fold: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Measure as `describe_judged` does, with 95 % bootstrap intervals; `blocks` (rows,) numbers the rows' blocks.

    With `fold` the intervals are as wide as for all rows together, but lie around the means over the folds. `too_rare` lists the
    labels that have too few rows to judge their F1. Each has its number of true rows, and about how many rows a split needs.
    """
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
    drawn = intervals(decisions, truth, task, blocks=blocks, seed=seed, seen=seen)
    with_true, with_false = blocks_by_label(truth, blocks)
    too_rare = _too_rare(truth, with_true, labels, seen)
    return {
        **described,
        **{f"{name}_ci": _about(described[name], interval, name) for name, interval in vars(drawn).items()},
        "labels": [
            {**row, "true_blocks": true, "false_blocks": false}
            for row, true, false in zip(described["labels"], with_true, with_false, strict=True)
        ],
        "too_rare": too_rare,
        "notes": [*described["notes"], *([note_on_rare(too_rare, len(truth))] if too_rare else [])],
        "rows": len(truth),
    }


def intervals_of(described: Mapping[str, Any]) -> Intervals:
    """Read the intervals back from what `evaluate` returned."""
    return Intervals(**{name: Interval(described[name], *described[f"{name}_ci"]) for name in INTERVAL_NAMES})


def note_on_rare(too_rare: Sequence[Mapping[str, Any]], rows: int) -> str:
    """Say which labels have too few true rows to be judged, and how many rows would be enough."""
    shown = ", ".join(f"{row['label']!r} ({_support(row)})" for row in too_rare[:NAMED_AT_MOST])
    more = f" and {len(too_rare) - NAMED_AT_MOST} more" if len(too_rare) > NAMED_AT_MOST else ""
    needed = max(row["rows_needed"] for row in too_rare)
    return (
        f"{rows:,} rows are too few to judge {shown}{more}. The intervals are wide, because so few rows allow many values of F1. "
        f"About {needed:,} rows would be enough"
    )


def _support(row: Mapping[str, Any]) -> str:
    blocks = row["blocks"]
    shared = "" if blocks == row["support"] else f", all in {blocks} block{'s' * (blocks != 1)} of dependent rows"
    return f"{row['support']} true{shared}"


def without_nan(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return JSON values with null for numbers that are not finite, which JSON cannot hold."""
    return {key: _finite(value) for key, value in described.items()}


def _too_rare(
    truth: Indicator, with_true: Sequence[int], labels: Sequence[str], seen: Indicator
) -> list[dict[str, Any]]:
    """Return the labels that are true in too few blocks; `with_true` (labels,) counts each label's blocks."""
    support = truth.sum(axis=0).tolist()
    return [
        {"label": label, "support": true, "blocks": blocks, "rows_needed": rows_needed(len(truth), blocks)}
        for label, true, blocks, is_seen in zip(labels, support, with_true, seen, strict=True)
        if blocks < FEWEST_BLOCKS and (is_seen or true)
    ]


def _about(value: float, interval: Interval, name: str) -> list[float]:
    """Move an interval so that it lies around `value`, the mean over folds, and clip it to the measure's range."""
    moved = value - interval.value
    least = 0.0 if name == "macro_f1" else -1.0
    return [max(least, min(value, interval.low + moved)), min(1.0, max(value, interval.high + moved))]


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_nan(value)
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
