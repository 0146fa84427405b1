"""A trial's models on the validation rows: predictions, measures and health checks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
from numpy.typing import NDArray

from tuner.data.trial_data import TrialData
from tuner.model.build import to_probabilities
from tuner.pruners.gate import logit_spread
from tuner.scoring.by_fold import AVERAGED, measure_by_fold
from tuner.scoring.thresholds import cross_fitted_decisions, fit_thresholds
from tuner.training.health import check_health, probability_spread
from tuner.training.loop import RowsToPredict, logits_on_device
from tuner.training.transfer import are_finite, read
from tuner.trial.fold_model import FoldModel
from tuner.trial.measurement import STATIC

MEASURES = (*AVERAGED, "score_spread", "logit_spread", "probability_spread")
"""The names that `Validation.evaluate` returns."""


class Validation:
    """Evaluates the models of a trial on the validation rows, each on the rows that it was not trained on.

    `probabilities` (validation rows, labels) come from the latest evaluation. They are None before the first one, and if a
    number was not finite.
    """

    def __init__(self, fold_models: Sequence[FoldModel], data: TrialData, *, penalty_weight: float) -> None:
        self._fold_models, self._data, self._penalty_weight = fold_models, data, penalty_weight
        self._judged = [fold_model for fold_model in fold_models if len(fold_model.judged)]
        self._rows = [
            RowsToPredict(each.validation, next(each.model.parameters()).device, is_kept=True) for each in self._judged
        ]
        self.probabilities: NDArray[np.float64] | None = None

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Give every model the weights that it is judged by, if the configuration averages weights."""
        with ExitStack() as stack:
            for fold_model in self._fold_models:
                stack.enter_context(fold_model.training.averaged())
            yield

    def reading(self) -> dict[str, float]:
        """Return the shares of unknown tokens, truncated rows and empty rows, as means over the models."""
        readings = [fold_model.samples.reading for fold_model in self._fold_models if fold_model.samples is not None]
        return {name: mean(each[name] for each in readings) for name in STATIC}

    def evaluate(self, *, has_diverged: bool) -> dict[str, float] | None:
        """Predict the validation rows and return MEASURES; None if training has diverged or a number is not finite."""
        self.probabilities = None if has_diverged else self._predict()
        return None if self.probabilities is None else self._measure(self.probabilities)

    def check_health(self) -> dict[str, float]:
        """Check the health of the models and return the means over them; nothing if they have diverged."""
        if self.probabilities is None:
            return {}
        data = self._data
        thresholds = fit_thresholds(self.probabilities, data.validation_truth, data.task, seen=data.seen)
        with self.averaged():
            checks = [
                check_health(
                    fold_model.model,
                    fold_model.samples,
                    thresholds,
                    data.task,
                    seen=data.seen,
                    penalty_weight=self._penalty_weight,
                )
                for fold_model in self._judged
                if fold_model.samples is not None
            ]
        return {name: mean(each[name] for each in checks) for name in checks[0]}

    def _predict(self) -> NDArray[np.float64] | None:
        data = self._data
        with self.averaged():
            to_keep = self._fold_models[-1].model  # with folds, no row judges this model, so check its weights
            of_models = [
                logits_on_device(fold_model.model, rows)
                for fold_model, rows in zip(self._judged, self._rows, strict=True)
            ]
            *by_model, is_finite = read([*of_models, are_finite(to_keep.parameters())])
        if not is_finite or not all(np.isfinite(logits).all() for logits in by_model):
            return None
        probabilities = np.zeros(data.validation_truth.shape)
        for fold_model, rows, logits in zip(self._judged, self._rows, by_model, strict=True):
            probabilities[fold_model.judged] = to_probabilities(rows.in_order(logits), data.task, seen=data.seen)
        return probabilities

    def _measure(self, probabilities: NDArray[np.float64]) -> dict[str, float]:
        data = self._data
        truth = data.validation_truth
        decisions = cross_fitted_decisions(probabilities, truth, data.task, parts=data.parts, seen=data.seen)
        folds = None if data.folds is None else data.parts  # of the validation rows; training may have more
        measured = measure_by_fold(
            decisions, truth, data.task, folds, penalty_weight=self._penalty_weight, probabilities=probabilities
        )
        judged = [probabilities[fold_model.judged][:, data.seen] for fold_model in self._judged]
        truths = [truth[:, data.seen][fold_model.judged] for fold_model in self._judged]
        return {
            **measured.means,
            "score_spread": measured.spread,
            "logit_spread": mean(logit_spread(each, true) for each, true in zip(judged, truths, strict=True)),
            "probability_spread": mean(probability_spread(each) for each in judged),
        }


def mean(values: Iterable[float]) -> float:
    """Return the mean, NaN for no values. With folds, a model may have seen its share already and take no step."""
    known = list(values)
    return float(np.mean(known)) if known else math.nan


def mean_of_known(values: Iterable[float]) -> float:
    """Return the mean of the values that are not NaN."""
    return mean(value for value in values if not math.isnan(value))
