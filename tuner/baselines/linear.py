"""The linear baseline: logistic regression on TF-IDF of texts, or on flattened sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tuner.baselines.baseline import Decided
from tuner.data.dataset import Dataset, RowInputs, take_inputs
from tuner.data.sequences import Sequences, Standardiser, resampled
from tuner.data.terms import term_options
from tuner.scoring.f1 import Reals
from tuner.scoring.indicator import Indicator
from tuner.scoring.thresholds import cross_fitted_decisions, decide, fit_thresholds
from tuner.space.task import Task

FitFeatures: TypeAlias = Callable[[Sequence[str]], tuple[Any, Callable[[Any], Any]]]
_MOST_VALUES = 2048  # of a flattened sequence; fitting time grows with their number, and should be seconds


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A fitted linear model. `regressions` have the labels that the last columns of their probabilities belong to."""

    transform: Callable[[Any], Any]
    regressions: Sequence[tuple[Any, NDArray[np.int64]]]
    always: Indicator  # (labels,), those that all training rows have

    def probabilities(self, inputs: RowInputs) -> Reals:
        """Return the probability of each label, (rows, labels)."""
        probabilities = np.tile(self.always.astype(np.float64), (len(inputs), 1))
        if len(inputs):
            features = self.transform(inputs)
            for regression, labels in self.regressions:
                probabilities[:, labels] = regression.predict_proba(features)[:, -len(labels) :]
        return probabilities


@dataclass(frozen=True, eq=False)
class LinearDecisions:
    """A linear model of all training rows, its thresholds, and what it decides on validation and test."""

    model: LinearModel
    thresholds: Reals
    on_validation: Decided
    on_test: Decided


def decide_linear(dataset: Dataset, targets: Indicator, *, fit_features: FitFeatures | None = None) -> LinearDecisions:
    """Fit the linear model on the training inputs and `targets` (train rows, labels), and decide validation and test.

    Thresholds are fitted as for trials. `fit_features` is as in `fit_linear`.
    """
    task, train = dataset.task, dataset.train
    truth = dataset.truth("validation")
    model = fit_linear(train.inputs, targets, task, fit_features=fit_features)
    on_test = model.probabilities(dataset.test.inputs)
    if dataset.folds is None:
        on_validation = model.probabilities(dataset.validation.inputs)
    else:
        on_validation = _out_of_fold(train.inputs, targets, dataset.folds, task, fit_features)
    decisions = cross_fitted_decisions(on_validation, truth, task, parts=dataset.parts)
    thresholds = fit_thresholds(on_validation, truth, task)
    decided = Decided(decide(on_test, thresholds, task), on_test)
    return LinearDecisions(model, thresholds, Decided(decisions, on_validation), decided)


def _out_of_fold(
    inputs: RowInputs, targets: Indicator, folds: NDArray[np.int64], task: Task, fit_features: FitFeatures | None
) -> Reals:
    """Return probabilities (rows, labels). Each row is judged by a model that was fitted on the other folds."""
    probabilities = np.zeros(targets.shape)
    for fold in np.unique(folds):
        trained, left_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        judged = (take_inputs(inputs, left_out),)
        (probabilities[left_out],) = linear_probabilities(
            take_inputs(inputs, trained), targets[trained], judged, task, fit_features=fit_features
        )
    return probabilities


def linear_probabilities(
    train_inputs: RowInputs,
    train: Indicator,
    judged: Sequence[RowInputs],
    task: Task,
    *,
    fit_features: FitFeatures | None = None,
) -> list[Reals]:
    """Fit the model of `fit_linear`, and return probabilities (rows, labels) for each of `judged`."""
    model = fit_linear(train_inputs, train, task, fit_features=fit_features)
    return [model.probabilities(inputs) for inputs in judged]


def fit_linear(
    train_inputs: RowInputs, train: Indicator, task: Task, *, fit_features: FitFeatures | None = None
) -> LinearModel:
    """Fit balanced logistic regression.

    Features of texts are TF-IDF of the terms of `tuner.data.terms`, up to two words in a row. Features of sequences are their
    length and their standardised values, at as many points as the median training row has steps, but at most 2,048 values.
    `train` is (train rows, labels). `fit_features` replaces the features of texts: it returns the features of the training texts,
    and a function that computes them for other texts. Multi-label fits one regression per label. A label with one answer on all
    training rows keeps it.
    """
    if isinstance(train_inputs, Sequences):
        features, transform = _flatten(train_inputs)
    else:
        features, transform = (fit_features or _fit_tfidf)(train_inputs)
    return LinearModel(transform, _fit_regressions(features, train, task), np.asarray(train.all(axis=0)))


def _fit_regressions(features: Any, train: Indicator, task: Task) -> list[tuple[Any, NDArray[np.int64]]]:
    """Return the fitted models, each with the labels that its last columns of probabilities belong to."""
    if task != "multilabel":
        model = LogisticRegression(class_weight="balanced", max_iter=1000)
        model.fit(features, train.argmax(axis=1))
        return [(model, model.classes_)]
    models = []
    for label in np.flatnonzero(train.any(axis=0) & ~train.all(axis=0)):
        # `tol` is relative to the first gradient. On goemotions, 0.1 gives the same macro-F1 as 0.0001, in 0.6 of the time.
        model = LogisticRegression(class_weight="balanced", solver="liblinear", tol=0.1, random_state=0)
        models.append((model.fit(features, train[:, label]), np.array([label])))
    return models


def _fit_tfidf(texts: Sequence[str]) -> tuple[Any, Callable[[Any], Any]]:
    """Return features and the function that computes them. Terms that occur in one text count only if there are no others."""
    options = {**term_options(texts, most=2), "sublinear_tf": True}
    vectoriser = TfidfVectorizer(min_df=2, **options)
    try:
        return vectoriser.fit_transform(texts), vectoriser.transform
    except ValueError:  # no term occurs in two texts
        vectoriser = TfidfVectorizer(min_df=1, **options)
        return vectoriser.fit_transform(texts), vectoriser.transform


def _flatten(sequences: Sequences) -> tuple[Any, Callable[[Any], Any]]:
    """Return features (rows, steps x channels + 1), the last one the length, and the function that computes them."""
    standardiser = Standardiser.fit(sequences)
    lengths = sequences.lengths
    steps = max(1, min(round(float(np.median(lengths))), _MOST_VALUES // sequences.channels))
    mean, spread = lengths.mean(), lengths.std() or 1.0

    def transform(others: Sequences) -> NDArray[np.float64]:
        points = resampled(standardiser.standardise(others), steps)
        return np.column_stack([points, (others.lengths - mean) / spread])

    return transform(sequences), transform
