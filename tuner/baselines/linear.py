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
from tuner.baselines.linear_model import FlatFeatures, LinearModel, TermFeatures
from tuner.data.dataset import Dataset, RowInputs, take_inputs
from tuner.data.sequences import Sequences, Standardiser
from tuner.data.terms import Terms, rule_of, term_options
from tuner.scoring.f1 import Reals
from tuner.scoring.indicator import Indicator
from tuner.scoring.thresholds import cross_fitted_decisions, decide, fit_thresholds
from tuner.space.task import Task

FitFeatures: TypeAlias = Callable[[Sequence[str]], tuple[Any, Callable[[Any], Any]]]
_MOST_TERMS = 1_000_000  # no measured set has more than 60,000; a bundle holds a coefficient of each for each label
_MOST_VALUES = 2048  # of a flattened sequence; fitting time grows with their number, and should be seconds


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
    matrix: Any
    features: Callable[[Any], Any]
    if isinstance(train_inputs, Sequences):
        matrix, features = _flatten(train_inputs)
    else:
        matrix, features = (fit_features or _fit_tfidf)(train_inputs)
    regressions, labels = _fit_regressions(matrix, train, task)
    return LinearModel(
        task=task,
        features=features,
        coefficients=np.concatenate(
            [np.zeros((0, matrix.shape[1])), *(each.coef_ for each in regressions)], dtype=np.float32
        ),
        intercepts=np.concatenate([np.zeros(0), *(each.intercept_ for each in regressions)], dtype=np.float32),
        labels=labels,
        always=np.asarray(train.all(axis=0)),
    )


def _fit_regressions(features: Any, train: Indicator, task: Task) -> tuple[list[Any], NDArray[np.int64]]:
    """Return fitted regressions, and the labels that they tell apart: in multi-label, the label of each."""
    if task != "multilabel":
        model = LogisticRegression(class_weight="balanced", max_iter=1000)
        model.fit(features, train.argmax(axis=1))
        return [model], model.classes_
    labels = np.flatnonzero(train.any(axis=0) & ~train.all(axis=0))
    # `tol` is relative to the first gradient. On goemotions, 0.1 gives the same macro-F1 as 0.0001, in 0.6 of the time.
    options = {"class_weight": "balanced", "solver": "liblinear", "tol": 0.1, "random_state": 0}
    return [LogisticRegression(**options).fit(features, train[:, label]) for label in labels], labels


def _fit_tfidf(texts: Sequence[str]) -> tuple[Any, TermFeatures]:
    """Return features and the function that computes them.

    Terms that occur in one text count only if there are no others, and of more than a million terms, the most frequent.
    """
    rule = rule_of(texts)
    options = {**term_options(rule), "sublinear_tf": True, "max_features": _MOST_TERMS}
    vectoriser = TfidfVectorizer(min_df=2, **options)
    try:
        features = vectoriser.fit_transform(texts)
    except ValueError:  # no term occurs in two texts
        vectoriser = TfidfVectorizer(min_df=1, **options)
        features = vectoriser.fit_transform(texts)
    terms = Terms(rule, tuple(vectoriser.get_feature_names_out().tolist()))
    return features, TermFeatures(terms, vectoriser.idf_.astype(np.float32))


def _flatten(sequences: Sequences) -> tuple[Any, FlatFeatures]:
    """Return features, and the function that computes them."""
    lengths = sequences.lengths
    steps = max(1, min(round(float(np.median(lengths))), _MOST_VALUES // sequences.channels))
    features = FlatFeatures(Standardiser.fit(sequences), steps, float(lengths.mean()), float(lengths.std()) or 1.0)
    return features(sequences), features
