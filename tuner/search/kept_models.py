"""The models that a run has kept, judged by the validation probabilities stored beside their weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.bundle.model_bundle import read_probabilities
from tuner.data.dataset import Dataset
from tuner.ledger.run_directory import Ledger, held_out_name, weights_name
from tuner.pruners.gate import GateSettings, Health, Signs, health_of, logit_spread
from tuner.scoring.by_fold import measure_by_fold
from tuner.scoring.evaluation import without_nan
from tuner.scoring.indicator import Indicator
from tuner.search.champion_test import decide_validation
from tuner.search.choice import Candidate
from tuner.trial.record import TrialRecord

_CLOSE = 1e-9


@dataclass(frozen=True, eq=False)
class KeptModel:
    """A trial's model after `epochs` of training.

    `probabilities` and `decisions` are (validation rows, labels). `health` has the health values of its measurement; it is
    empty if that measurement no longer counts.
    """

    trial: TrialRecord
    candidate: Candidate
    epochs: float
    health: Mapping[str, Any]
    probabilities: NDArray[np.float64]
    decisions: Indicator


def read_models(
    trials: Iterable[TrialRecord], *, penalty_weight: float, dataset: Dataset, ledger: Ledger
) -> list[KeptModel]:
    """Read the models that trials have kept.

    Skip trials without a measurement, and search trials whose files are missing. A model's score is computed from the
    probabilities beside its weights. Usually it equals the score of the trial's healthiest measurement. But a trial that
    continues from a checkpoint may measure slightly different scores from there on, for example on a GPU. The model that it
    kept before is still valid.

    Raises StorageError if a finalist's file is missing.
    """
    measured = [trial for trial in trials if trial.fittest is not None]
    contents = ledger.folder.map(lambda trial: _read_held_out(trial, ledger), measured)
    return [
        _judge(trial, content, penalty_weight=penalty_weight, dataset=dataset)
        for trial, content in zip(measured, contents, strict=True)
        if content is not None
    ]


def _read_held_out(trial: TrialRecord, ledger: Ledger) -> bytes | None:
    """Return the content of the file beside the weights, or None if a file of a search trial is missing."""
    weights = weights_name(trial.order.index)
    held_out = held_out_name(weights)
    is_needed = trial.parent is not None
    return ledger.folder.read(held_out) if is_needed or all(map(ledger.folder.exists, (weights, held_out))) else None


def _judge(trial: TrialRecord, content: bytes, *, penalty_weight: float, dataset: Dataset) -> KeptModel:
    probabilities, examples = read_probabilities(content)
    decisions, measured = measure_held_out(probabilities, dataset, penalty_weight=penalty_weight)
    assert trial.fittest is not None
    is_of_fittest = math.isclose(measured["score"], trial.fittest.score, abs_tol=_CLOSE)
    epochs = trial.fittest.epochs if is_of_fittest or examples is None else examples / len(dataset.train)
    return KeptModel(
        trial=trial,
        candidate=Candidate(
            trial=trial.order.index,
            repeats=trial.parent,
            score=measured["score"],
            health=health_of(trial.fittest.signs, GateSettings())
            if is_of_fittest
            else health_of_held_out(probabilities, measured, dataset),
        ),
        epochs=epochs,
        health=without_nan(trial.fittest.health) if is_of_fittest else {},
        probabilities=probabilities,
        decisions=decisions,
    )


def measure_held_out(
    probabilities: NDArray[np.float64], dataset: Dataset, *, penalty_weight: float
) -> tuple[Indicator, Mapping[str, float]]:
    """Return cross-fitted decisions of the validation rows, and their measures as a trial has them: means over folds."""
    decisions = decide_validation(probabilities, dataset)
    measured = measure_by_fold(
        decisions,
        dataset.truth("validation"),
        dataset.task,
        dataset.folds,
        penalty_weight=penalty_weight,
        probabilities=probabilities,
    )
    return decisions, measured.means


def health_of_held_out(probabilities: NDArray[np.float64], measured: Mapping[str, float], dataset: Dataset) -> Health:
    """Return the health of a model of which only its validation probabilities are known, measured by `measure_held_out`."""
    truth = dataset.truth("validation")
    signs = Signs(
        epochs=math.inf,
        **{name: measured[name] for name in ("score", "constant_penalty", "skill", "auc")},
        logit_spread=_logit_spread(probabilities[:, dataset.seen], truth[:, dataset.seen], dataset.folds),
        is_finite=True,
    )
    return health_of(signs, GateSettings())


def _logit_spread(probabilities: NDArray[np.float64], truth: Indicator, folds: NDArray[np.int64] | None) -> float:
    """Return the logit spread as in a measurement: with folds the mean over the fold models, each on its own held-out rows."""
    if folds is None:
        return logit_spread(probabilities, truth)
    return float(
        np.mean([logit_spread(probabilities[folds == fold], truth[folds == fold]) for fold in np.unique(folds)])
    )
