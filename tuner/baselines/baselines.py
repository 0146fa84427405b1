"""What a trial must beat: constant rules, a guess by prevalence, and logistic regression on TF-IDF or flattened sequences.

They are judged on the same splits and with the same thresholds as trials are. Beside them, where the logistic regression
has hardly any skill, stand a control, the same fitted on shuffled labels, and for texts a probe, which sees what a model of
words does not. They are nothing to beat: they tell whether there is anything to learn.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from tuner.baselines.probe import MOST_ROWS, TOKEN_PATTERN, fit_pieces
from tuner.data.dataset import Dataset, RowInputs, take_inputs
from tuner.data.sequences import Sequences, Standardiser, resampled
from tuner.scoring.bootstrap import intervals
from tuner.scoring.f1 import Reals
from tuner.scoring.indicator import Indicator, as_indicator
from tuner.scoring.thresholds import cross_fitted_decisions, decide, fit_thresholds
from tuner.space.settings import Inputs, Task

FitFeatures: TypeAlias = Callable[[Sequence[str]], tuple[Any, Callable[[Any], Any]]]
Kind = Literal["constant", "chance", "model", "control", "probe"]
_MOST_VALUES = 2048  # of a flattened sequence: fitting takes time in proportion, and is to take seconds
_MODEL_NAMES: dict[Inputs, str] = {
    "text": "tfidf + logistic regression",
    "sequence": "flattened + logistic regression",
}
CONTROL = "shuffled labels + logistic regression"
PROBE = "characters and pairs of words + logistic regression"
_SMALL_SKILL = 0.02  # where the model's skill may be as small as this, the control is worth its time
_SHARED = 2  # training texts that have a word, for the model to weigh it
_NUMBERS = 0.1  # share of the characters from which on numbers may be what tells labels apart
_SAMPLES = 300  # of that interval, which no one reads


@dataclass(frozen=True)
class Decided:
    """Decisions (rows, labels) on one split, and the probabilities (rows, labels) behind them, if there are any."""

    decisions: Indicator
    probabilities: Reals | None = None


@dataclass(frozen=True)
class Baseline:
    """What one baseline decides on validation, cross-fitted where it has thresholds, and on test.

    `seen_share` is that of `seen_share()`, for a model of texts that hardly beats chance; otherwise it is None.
    """

    name: str
    kind: Kind
    on_validation: Decided
    on_test: Decided
    seconds: float
    seen_share: float | None = None

    @property
    def validation(self) -> Indicator:
        """Its decisions (rows, labels) on validation."""
        return self.on_validation.decisions

    @property
    def test(self) -> Indicator:
        """Its decisions (rows, labels) on test."""
        return self.on_test.decisions


def to_beat(baselines: Sequence[Baseline]) -> tuple[Baseline, ...]:
    """Return the baselines without the control and the probe."""
    return tuple(baseline for baseline in baselines if baseline.kind not in ("control", "probe"))


def run_baselines(dataset: Dataset, *, seed: int) -> tuple[Baseline, ...]:
    """Run every baseline that the task has, and the control and the probe if they are worth their time.

    `seed` is of the guess by prevalence and of the control's shuffle. The test targets are not looked at. The model never
    predicts a label without a positive in training: its probability is 0, below any threshold. With folds its validation
    decisions are out-of-fold, and those on test are by a model fitted on every training row, with the thresholds that are
    best for the out-of-fold probabilities.
    """
    n_labels, task = len(dataset.labels), dataset.task
    train = as_indicator(dataset.train.targets, n_labels)
    n_validation = len(dataset.validation)
    rows = n_validation + len(dataset.test)

    def rule(decide_all: Callable[[], Indicator]) -> tuple[Decided, Decided]:
        decisions = decide_all()
        return Decided(decisions[:n_validation]), Decided(decisions[n_validation:])

    baselines = [
        *(
            _timed(name, "constant", partial(rule, partial(np.tile, decisions, (rows, 1))))
            for name, decisions in constant_rules(train, task)
        ),
        _timed("stratified guess", "chance", partial(rule, lambda: guess_by_prevalence(train, rows, task, seed))),
    ]
    model = _timed(_MODEL_NAMES[dataset.inputs], "model", lambda: decide_linear(dataset, train))
    baselines.append(model)
    truth = as_indicator(dataset.validation.targets, n_labels)
    blocks = dataset.validation.blocks
    drawn = intervals(model.validation, truth, task, blocks=blocks, seed=seed, seen=dataset.seen, samples=_SAMPLES)
    if min(drawn.skill.low, drawn.above_chance.low) <= _SMALL_SKILL:
        shuffled = _shuffled(train, dataset.folds, seed)
        texts = [split.inputs for split in (dataset.train, dataset.validation)]
        if not isinstance(texts[0], Sequences) and not isinstance(texts[1], Sequences):
            baselines[-1] = replace(model, seen_share=seen_share(texts[0], texts[1]))
            if max(len(dataset.train), rows) <= MOST_ROWS:
                baselines.append(_timed(PROBE, "probe", lambda: decide_linear(dataset, train, fit_features=fit_pieces)))
        baselines.append(_timed(CONTROL, "control", lambda: decide_linear(dataset, shuffled)))
    return tuple(baselines)


def _shuffled(train: Indicator, folds: NDArray[np.int64] | None, seed: int) -> Indicator:
    """Return the rows of `train` in a random order; with folds within each, so that every part has its labels."""
    generator = np.random.default_rng((seed, 1))
    if folds is None:
        return generator.permutation(train)
    shuffled = train.copy()
    for fold in np.unique(folds):
        shuffled[folds == fold] = generator.permutation(train[folds == fold])
    return shuffled


def seen_share(train: Sequence[str], judged: Sequence[str]) -> float:
    """Return what share of the judged texts a model of whole words can learn from: those that two training texts have.

    It is a share of characters, so that a clause without spaces counts for more than the full stop behind it. Where words
    with a digit in them make up a tenth of the characters it is that of these words, if that is less. 0 without any word.
    """
    frequencies = Counter(word for text in train for word in set(_words(text)))
    characters, seen = Counter[bool](), Counter[bool]()
    for word, times in Counter(word for text in judged for word in _words(text)).items():
        is_number = any(map(str.isdigit, word))
        characters[is_number] += times * len(word)
        seen[is_number] += times * len(word) * (frequencies[word] >= _SHARED)
    total = characters.total()
    return min(
        (seen[kind] / count for kind, count in characters.items() if count >= _NUMBERS * total),
        default=0.0,
    )


def _words(text: str) -> list[str]:
    return re.findall(TOKEN_PATTERN, text.lower())


def _timed(name: str, kind: Kind, decide_both: Callable[[], tuple[Decided, Decided]]) -> Baseline:
    start = time.perf_counter()
    on_validation, on_test = decide_both()
    return Baseline(name, kind, on_validation, on_test, time.perf_counter() - start)


def decide_linear(
    dataset: Dataset, targets: Indicator, *, fit_features: FitFeatures | None = None
) -> tuple[Decided, Decided]:
    """Fit the linear model on the training inputs with `targets` (train rows, labels), and decide validation and test.

    Thresholds are as trials have them. `fit_features` is as in `linear_probabilities`.
    """
    task, train = dataset.task, dataset.train
    truth = as_indicator(dataset.validation.targets, len(dataset.labels))
    if dataset.folds is None:
        both = linear_probabilities(
            train.inputs, targets, (dataset.validation.inputs, dataset.test.inputs), task, fit_features=fit_features
        )
        on_validation, on_test = both
    else:
        (on_test,) = linear_probabilities(
            train.inputs, targets, (dataset.test.inputs,), task, fit_features=fit_features
        )
        on_validation = _out_of_fold(train.inputs, targets, dataset.folds, task, fit_features)
    judged = cross_fitted_decisions(on_validation, truth, task, parts=dataset.parts)
    thresholds = fit_thresholds(on_validation, truth, task)
    return Decided(judged, on_validation), Decided(decide(on_test, thresholds, task), on_test)


def _out_of_fold(
    inputs: RowInputs, targets: Indicator, folds: NDArray[np.int64], task: Task, fit_features: FitFeatures | None
) -> Reals:
    """Return every row's probabilities (rows, labels) by the model fitted on the rows of the other folds."""
    probabilities = np.zeros(targets.shape)
    for fold in np.unique(folds):
        trained, left_out = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        judged = (take_inputs(inputs, left_out),)
        (probabilities[left_out],) = linear_probabilities(
            take_inputs(inputs, trained), targets[trained], judged, task, fit_features=fit_features
        )
    return probabilities


def constant_rules(train: Indicator, task: Task) -> list[tuple[str, Indicator]]:
    """Return the named rules that decide the same (labels,) on every row."""
    n_labels = train.shape[1]
    if task == "multilabel":
        return [("all positive", np.ones(n_labels, dtype=bool)), ("all negative", np.zeros(n_labels, dtype=bool))]
    return [("majority class", np.arange(n_labels) == train.sum(axis=0).argmax())]


def guess_by_prevalence(train: Indicator, rows: int, task: Task, seed: int) -> Indicator:
    """Return drawn decisions (rows, labels): each label, or one class a row, as often as in the indicator `train`."""
    generator = np.random.default_rng(seed)
    prevalence = train.mean(axis=0)
    if task == "multilabel":
        return np.asarray(generator.random((rows, len(prevalence))) < prevalence)
    return as_indicator(generator.choice(len(prevalence), size=rows, p=prevalence), len(prevalence))


def linear_probabilities(
    train_inputs: RowInputs,
    train: Indicator,
    judged: Sequence[RowInputs],
    task: Task,
    *,
    fit_features: FitFeatures | None = None,
) -> list[Reals]:
    """Return probabilities (rows, labels) for each of `judged` by balanced logistic regression, fitted on train once.

    Of texts it sees TF-IDF of words and pairs of words; of sequences their length and their standardised values, at as many
    points as the training rows have steps in the median, but no more than 2,048 values. `train` is (train rows, labels).
    Texts may have other features: `fit_features` returns those of the training texts and what makes them of others.
    Multi-label has one regression per label; a label that is the same on every training row keeps that as its answer.
    """
    if isinstance(train_inputs, Sequences):
        features, transform = _flatten(train_inputs)
    else:
        features, transform = (fit_features or _fit_tfidf)(train_inputs)
    models = _fit_regressions(features, train, task)
    return [
        _predict(models, transform(inputs), train) if len(inputs) else np.zeros((0, train.shape[1]))
        for inputs in judged
    ]


def _fit_regressions(features: Any, train: Indicator, task: Task) -> list[tuple[Any, NDArray[np.int64]]]:
    """Return the fitted models, each with the labels that its last columns of probabilities are of."""
    if task != "multilabel":
        model = LogisticRegression(class_weight="balanced", max_iter=1000)
        model.fit(features, train.argmax(axis=1))
        return [(model, model.classes_)]
    models = []
    for label in np.flatnonzero(train.any(axis=0) & ~train.all(axis=0)):
        # relative to the first gradient: on goemotions 0.1 loses no macro-F1 against 0.0001, in 0.6 of the time
        model = LogisticRegression(class_weight="balanced", solver="liblinear", tol=0.1, random_state=0)
        models.append((model.fit(features, train[:, label]), np.array([label])))
    return models


def _predict(models: Sequence[tuple[Any, NDArray[np.int64]]], features: Any, train: Indicator) -> Reals:
    probabilities = np.tile(train.all(axis=0).astype(np.float64), (features.shape[0], 1))
    for model, labels in models:
        probabilities[:, labels] = model.predict_proba(features)[:, -len(labels) :]
    return probabilities


def _fit_tfidf(texts: Sequence[str]) -> tuple[Any, Callable[[Any], Any]]:
    """Return the texts' features and what makes them; terms of one text only count where there are no others."""
    options = {"ngram_range": (1, 2), "token_pattern": TOKEN_PATTERN, "sublinear_tf": True}
    vectoriser = TfidfVectorizer(min_df=2, **options)
    try:
        return vectoriser.fit_transform(texts), vectoriser.transform
    except ValueError:  # no term stands in two texts
        vectoriser = TfidfVectorizer(min_df=1, **options)
        return vectoriser.fit_transform(texts), vectoriser.transform


def _flatten(sequences: Sequences) -> tuple[Any, Callable[[Any], Any]]:
    """Return the sequences' features (rows, steps x channels + 1) and what makes them; the last is the length."""
    standardiser = Standardiser.fit(sequences)
    lengths = sequences.lengths
    steps = max(1, min(round(float(np.median(lengths))), _MOST_VALUES // sequences.channels))
    mean, spread = lengths.mean(), lengths.std() or 1.0

    def transform(others: Sequences) -> NDArray[np.float64]:
        points = resampled(standardiser.standardise(others), steps)
        return np.column_stack([points, (others.lengths - mean) / spread])

    return transform(sequences), transform
