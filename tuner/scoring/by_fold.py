"""Measures of a model that is judged fold by fold: means over the folds, so that all scores of a run are comparable."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.indicator import Indicator
from tuner.scoring.measures import measure
from tuner.scoring.ranking import Probabilities, mean_of_known
from tuner.space.task import Task

AVERAGED = ("score", "macro_f1", "constant_penalty", "skill", "auc", "average_precision")


@dataclass(frozen=True)
class FoldMeasures:
    """Means over folds of the measures in AVERAGED, by name, and the standard deviation of the folds' scores.

    `spread` is NaN with fewer than two folds.
    """

    means: Mapping[str, float]
    spread: float


def measure_by_fold(
    decisions: Indicator,
    truth: Indicator,
    task: Task,
    fold: NDArray[np.int64] | None,
    *,
    penalty_weight: float = 1.0,
    probabilities: Probabilities | None = None,
) -> FoldMeasures:
    """Measure decisions against truth, both (rows, labels), within each fold, and return the means.

    `fold` (rows,) numbers each row's fold; None makes all rows one fold. AUC and average precision are means over the folds
    where they are known; NaN if no fold has them.
    """
    parts = [slice(None)] if fold is None else [fold == number for number in np.unique(fold)]
    of_folds = [
        measure(
            decisions[part],
            truth[part],
            task,
            penalty_weight=penalty_weight,
            probabilities=None if probabilities is None else probabilities[part],
            is_detailed=False,
        )
        for part in parts
    ]
    columns = {name: np.array([getattr(measures, name) for measures in of_folds]) for name in AVERAGED}
    spread = float(columns["score"].std(ddof=1)) if len(of_folds) > 1 else math.nan
    return FoldMeasures({name: mean_of_known(values) for name, values in columns.items()}, spread)
