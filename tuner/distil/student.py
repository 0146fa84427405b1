"""Train one model to probabilities, in this process, and keep its best weights on validation."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.bundle.member_files import restore_model
from tuner.bundle.model_bundle import save_weights
from tuner.data.dataset import Dataset
from tuner.data.preparation import Preparation, fit_preparation, preparation_setting
from tuner.data.tokenisers import Tokeniser
from tuner.data.trial_data import prepare
from tuner.distil.lesson import Lesson
from tuner.errors import SearchFailed
from tuner.model.classifier import SequenceClassifier
from tuner.scoring.evaluation import without_nan
from tuner.space.configuration import Configuration
from tuner.space.domains import Domain
from tuner.trial.measurement import Measurement
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial

_SAY_EVERY_S = 5.0


@dataclass(frozen=True, eq=False)
class Student:
    """A trained model and its preparation, at its best measurement on validation.

    `probabilities` (validation rows, labels) are of models that did not see the row. `epochs` were trained, the best one was at
    `best_epochs`. `is_cut` says that the time was over first.
    """

    model: SequenceClassifier
    preparation: Preparation
    probabilities: NDArray[np.float64]
    health: Mapping[str, Any]
    best_epochs: float
    epochs: float
    is_cut: bool
    seconds: float


def train_student(
    configuration: Configuration,
    parameters: Mapping[str, Domain],
    lesson: Lesson,
    dataset: Dataset,
    settings: TrialSettings,
    *,
    seed: int,
    time_s: float | None,
    say: Callable[[str], None],
) -> Student:
    """Train a model of `configuration` on a lesson for the epochs of `settings`, or until `time_s` seconds are over.

    `parameters` are the domains of this configuration alone, `dataset` has the run's rows. Raises SearchFailed if no measurement
    has a score.
    """
    start = time.perf_counter()
    data = prepare(lesson.dataset, parameters, say)
    data = replace(data, soft_targets=lesson.targets, parts=dataset.parts)
    trial = Trial(configuration, data, settings, seed=seed, is_final=True)
    end = math.inf if time_s is None else start + time_s
    with tempfile.TemporaryDirectory(prefix="tuner-") as folder:
        path = f"{folder}/best.safetensors"
        best, last, probabilities = _train(trial, path, settings.max_epochs, rows=len(lesson.targets), end=end, say=say)
        if best is None or probabilities is None:
            what = "no measurement of the distilled model has a score, because a number was not finite"
            raise SearchFailed(
                f"{what}; lower --set space.learning_rate={configuration['learning_rate']:.2g}, or try another --seed"
            )
        preparation = fit_preparation(preparation_setting(configuration), lesson.dataset.train.inputs)
        model = restore_model(Path(path).read_bytes(), configuration, preparation)
    if isinstance(preparation, Tokeniser) and model.embedding is not None:
        preparation = preparation.cut(model.embedding.num_embeddings)
    return Student(
        model=model,
        preparation=preparation,
        probabilities=probabilities,
        health=without_nan(best.health),
        best_epochs=best.epochs,
        epochs=last.epochs,
        is_cut=not last.is_last,
        seconds=time.perf_counter() - start,
    )


def _train(
    trial: Trial, path: str, max_epochs: float, *, rows: int, end: float, say: Callable[[str], None]
) -> tuple[Measurement | None, Measurement, NDArray[np.float64] | None]:
    """Train to the end of the budget or of the time. Write the best weights to `path`.

    Return the best measurement and its probabilities on validation, None without any score, and the last measurement.
    """
    best, probabilities = None, None
    while True:
        said = time.perf_counter()
        while trial.advance(pause_at=min(end, said + _SAY_EVERY_S)) and time.perf_counter() < end:
            said = time.perf_counter()
            say(f"epoch {trial.examples / rows:.2f} of {max_epochs:g}")
        before = trial.best_merit
        measurement = trial.measure()
        if trial.best_merit > before:
            best, probabilities = measurement, trial.probabilities
            with trial.averaged():
                save_weights(path, trial.model)
        say(
            f"epoch {measurement.epochs:.2f} of {max_epochs:g}: score {measurement.score:.3f} on validation"
            f"{beside_best(measurement, best)}"
        )
        if measurement.is_last or time.perf_counter() >= end:
            return best, measurement, probabilities


def beside_best(measurement: Measurement, best: Measurement | None) -> str:
    """Say how a measurement stands to the best one so far. A healthier model is better than one with a higher score."""
    if best is None:
        return ""
    if measurement is best:
        return ", the best so far"
    healthier = ", of a healthier model" if measurement.score > best.score else ""
    return f", the best is {best.score:.3f}{healthier}"
