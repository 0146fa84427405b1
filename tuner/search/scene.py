"""What a search has to work with: the scene that is set for its simulation, on a machine as busy as it is now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tuner.data.dataset import Dataset
from tuner.search.reading import measure_closing_work
from tuner.search.simulation import Scene
from tuner.search.time_budget import closing_seconds
from tuner.search.trial_cost import TrialCost
from tuner.space.counting import count_configurations
from tuner.space.load import Space

# Seconds on an idle core.
RAY_S = 5.0  # to start Ray
WORKERS_S = 3.0  # from there, or from the prepared rows, to the first trial
_BASELINES_S = 2.5  # to import scikit-learn, and for the rules
_BASELINE_CHARACTER_S = 1e-6
_BASELINE_LABEL_S = 3.5e-8  # for each character and label
_SEQUENCE_VALUE_S = 1e-6


def set_scene(
    space: Space,
    dataset: Dataset,
    costs: Sequence[TrialCost],
    *,
    starting_s: float,
    slots: int,
    has_baselines: bool = False,
) -> Scene:
    """Return the scene of a search whose first trial starts after `starting_s`. It `has_baselines` if they are done by then."""
    search, work = space.search, measure_closing_work(dataset, space)
    load = float(np.median([cost.load for cost in costs]))
    settings = count_configurations(space.parameters)
    finalists = _at_most(settings, search.finalists)
    predict_s = float(np.median([cost.row_s for cost in costs]))
    limits = [each for each in (search.trials, settings) if each is not None]
    return Scene(
        search=search,
        costs=costs,
        rows=len(dataset.train),
        validation_rows=work.validation,
        slots=slots,
        starting_s=starting_s,
        baselines_s=starting_s + (0.0 if has_baselines else load * _estimate_baselines(dataset)),
        closing_s=closing_seconds(work, finalists=finalists, seeds=search.seeds, predict_s=predict_s, slowdown=load),
        trials=min(limits, default=None),
        finalists=finalists,
    )


def _at_most(settings: int | None, number: int) -> int:
    """Return the number, or the number of settings that a space has if it is smaller. None: infinitely many."""
    return number if settings is None else min(settings, number)


def _estimate_baselines(dataset: Dataset) -> float:
    """Return about how long the baselines take on an idle core."""
    inputs, labels = dataset.train.inputs, len(dataset.labels)
    rounds = 1 if dataset.folds is None else int(dataset.folds.max()) + 2
    if isinstance(inputs, tuple):
        models = labels if dataset.task == "multilabel" else max(1, labels - 1)
        fitted_s = sum(map(len, inputs)) * (_BASELINE_CHARACTER_S + models * _BASELINE_LABEL_S)
    else:
        fitted_s = float(sum(inputs.lengths)) * inputs.channels * labels * _SEQUENCE_VALUE_S
    return _BASELINES_S + rounds * fitted_s
