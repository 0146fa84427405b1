"""Everything a champion must beat: constant rules, a guess by prevalence, and a linear model.

Baselines are judged on the same splits and with the same thresholds as trials. If the linear model has hardly any skill, two
more models run. The control is the same model fitted on shuffled labels. The probe, for texts with spaces, sees what a model
of words does not; in a script without spaces, the linear model reads characters itself. A champion need not beat these two;
they show whether there is anything to learn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tuner.baselines.baseline import Baseline, Decided, Kind
from tuner.baselines.linear import FitFeatures, decide_linear
from tuner.baselines.probe import MOST_ROWS, fit_pieces, seen_share
from tuner.baselines.rules import constant_rules, guess_by_prevalence
from tuner.data.dataset import Dataset
from tuner.data.scripts import lacks_spaces
from tuner.data.sequences import Sequences
from tuner.scoring.bootstrap import intervals
from tuner.scoring.indicator import Indicator
from tuner.space.task import Inputs

CONTROL = "shuffled labels + logistic regression"
CHARACTERS = "tfidf of characters + logistic regression"
PROBE = "characters and pairs of words + logistic regression"
_MODEL_NAMES: dict[Inputs, str] = {
    "text": "tfidf + logistic regression",
    "sequence": "flattened + logistic regression",
}
_SMALL_SKILL = 0.02  # if the skill of the model may be this small, the control and the probe run
_SAMPLES = 300  # for an interval that nobody reads


def run_baselines(dataset: Dataset, *, seed: int) -> tuple[Baseline, ...]:
    """Run every baseline of the task and, if the linear model has hardly any skill, the control and the probe.

    `seed` seeds the guess by prevalence and the control's shuffle. Nothing reads the test targets. The model never predicts a
    label without a positive in training: its probability is 0, below any threshold. With folds, its validation decisions are
    out-of-fold; its test decisions come from a model fitted on every training row, with thresholds fitted on the out-of-fold
    probabilities.
    """
    task = dataset.task
    train = dataset.truth("train")
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
    reads_characters = lacks_spaces(dataset.train.inputs)
    name = CHARACTERS if reads_characters else _MODEL_NAMES[dataset.inputs]
    model = _run_linear(name, "model", dataset, train)
    baselines.append(model)
    truth = dataset.truth("validation")
    blocks = dataset.validation.blocks
    bounds = intervals(model.validation, truth, task, blocks=blocks, seed=seed, seen=dataset.seen, samples=_SAMPLES)
    if min(bounds.skill.low, bounds.above_chance.low) <= _SMALL_SKILL:
        shuffled = _shuffled(train, dataset.folds, seed)
        texts = [split.inputs for split in (dataset.train, dataset.validation)]
        if not (reads_characters or isinstance(texts[0], Sequences) or isinstance(texts[1], Sequences)):
            baselines[-1] = replace(model, seen_share=seen_share(texts[0], texts[1]))
            if max(len(dataset.train), rows) <= MOST_ROWS:
                baselines.append(_run_linear(PROBE, "probe", dataset, train, fit_pieces))
        baselines.append(_run_linear(CONTROL, "control", dataset, shuffled))
    return tuple(baselines)


def _run_linear(
    name: str, kind: Kind, dataset: Dataset, targets: Indicator, fit_features: FitFeatures | None = None
) -> Baseline:
    start = time.perf_counter()
    fitted = decide_linear(dataset, targets, fit_features=fit_features)
    seconds = time.perf_counter() - start
    model = fitted.model if kind == "model" else None
    return Baseline(name, kind, fitted.on_validation, fitted.on_test, seconds, model=model)


def _shuffled(train: Indicator, folds: NDArray[np.int64] | None, seed: int) -> Indicator:
    """Return the rows of `train` in random order; with folds, shuffle within each, so that every fold keeps its labels."""
    generator = np.random.default_rng((seed, 1))
    if folds is None:
        return generator.permutation(train)
    shuffled = train.copy()
    for fold in np.unique(folds):
        shuffled[folds == fold] = generator.permutation(train[folds == fold])
    return shuffled


def _timed(name: str, kind: Kind, decide_both: Callable[[], tuple[Decided, Decided]]) -> Baseline:
    start = time.perf_counter()
    on_validation, on_test = decide_both()
    return Baseline(name, kind, on_validation, on_test, time.perf_counter() - start)
