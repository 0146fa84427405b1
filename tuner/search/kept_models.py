"""The models that a run has kept, each as the probabilities tell that were kept with it."""

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
from tuner.pruners.gate import GateSettings, Signs, health_of, logit_spread
from tuner.scoring.by_fold import measure_by_fold
from tuner.scoring.evaluation import without_nan
from tuner.scoring.indicator import Indicator
from tuner.search.champion_test import decide_validation, truth_of
from tuner.search.choice import Candidate
from tuner.trial.record import TrialState

_CLOSE = 1e-9


@dataclass(frozen=True, eq=False)
class KeptModel:
    """A trial's model after `epochs`; its probabilities of the validation rows and what they decide are (rows, labels).

    `health` is what its report says of its training, empty where that report does not count any more.
    """

    trial: TrialState
    candidate: Candidate
    epochs: float
    health: Mapping[str, Any]
    probabilities: NDArray[np.float64]
    decisions: Indicator


def read_models(
    trials: Iterable[TrialState], *, penalty_weight: float, dataset: Dataset, ledger: Ledger
) -> list[KeptModel]:
    """Read what trials have kept. Those without a report have nothing, and of search trials a file may be missing.

    A model's score is that of the probabilities beside its weights. As a rule it is that of the trial's healthiest report; but a
    trial that goes on from a checkpoint may report otherwise from there on, as on a GPU, and what it had kept before is no less
    a model. Raises StorageError for a finalist's file that is not there.
    """
    return [
        _read(trial, penalty_weight=penalty_weight, dataset=dataset, ledger=ledger)
        for trial in trials
        if trial.fittest is not None and (trial.parent is not None or _has_files(trial, ledger))
    ]


def _has_files(trial: TrialState, ledger: Ledger) -> bool:
    weights = weights_name(trial.order.index)
    return ledger.folder.exists(weights) and ledger.folder.exists(held_out_name(weights))


def _read(trial: TrialState, *, penalty_weight: float, dataset: Dataset, ledger: Ledger) -> KeptModel:
    content = ledger.folder.read(held_out_name(weights_name(trial.order.index)))
    probabilities, examples = read_probabilities(content)
    decisions = decide_validation(probabilities, dataset)
    truth = truth_of(dataset, "validation")
    measured = measure_by_fold(
        decisions,
        truth,
        dataset.task,
        dataset.folds,
        penalty_weight=penalty_weight,
        probabilities=probabilities,
    ).means
    assert trial.fittest is not None
    is_of_best = math.isclose(measured["score"], trial.fittest.score, abs_tol=_CLOSE)
    epochs = trial.fittest.epochs if is_of_best or examples is None else examples / len(dataset.train)
    signs = Signs(
        epochs=epochs,
        **{name: measured[name] for name in ("score", "constant_penalty", "skill", "auc")},
        logit_spread=_logit_spread(probabilities[:, dataset.seen], truth[:, dataset.seen], dataset.folds),
        is_finite=True,
    )
    return KeptModel(
        trial=trial,
        candidate=Candidate(
            trial=trial.order.index,
            repeats=trial.parent,
            score=measured["score"],
            health=health_of(trial.fittest.signs if is_of_best else signs, GateSettings()),
        ),
        epochs=epochs,
        health=without_nan(trial.fittest.health) if is_of_best else {},
        probabilities=probabilities,
        decisions=decisions,
    )


def _logit_spread(probabilities: NDArray[np.float64], truth: Indicator, folds: NDArray[np.int64] | None) -> float:
    """The spread of a report: with folds the mean over the models, each on the rows that it was judged on."""
    if folds is None:
        return logit_spread(probabilities, truth)
    return float(
        np.mean([logit_spread(probabilities[folds == fold], truth[folds == fold]) for fold in np.unique(folds)])
    )
