"""One model in training, built from a configuration and a part of the data. With folds, a trial has one for each fold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.embeddings import EmbeddingTable
from tuner.data.model_rows import make_rows
from tuner.data.tokenisers import UNKNOWN
from tuner.data.trial_data import PreparedSplits, TrialData, vocabulary_size
from tuner.imbalance.loss import Loss, make_loss, make_soft_loss
from tuner.imbalance.training_pass import TrainingRows, with_soft_targets
from tuner.model.build import make_model
from tuner.model.classifier import SequenceClassifier
from tuner.space.build import build
from tuner.space.configuration import Configuration
from tuner.training.augment import make_augment
from tuner.training.batches import Rows
from tuner.training.health import HealthSamples, draw_samples, reading_shares
from tuner.training.loop import Recipe, Training
from tuner.trial.order import TrialSettings

_AUGMENTATIONS = {
    "text": ("token_dropout", "token_swap", "token_replacement"),
    "sequence": ("noise", "scaling", "smoothing", "time_masking"),
}


@dataclass(frozen=True)
class FoldModel:
    """One model in training, on `size` rows. `judged` are the positions of the validation rows that evaluate it.

    `samples` are fixed rows for health checks; None without validation rows.
    """

    model: SequenceClassifier
    training: Training
    size: int
    validation: Rows
    judged: NDArray[np.int64]
    samples: HealthSamples | None


def make_fold_model(
    configuration: Configuration,
    data: TrialData,
    settings: TrialSettings,
    part: PreparedSplits,
    table: EmbeddingTable | None,
    *,
    number: int,
    precision: str,
    seed: int,
) -> FoldModel:
    """Build the model for part `number` of the data, and everything that trains it.

    Each random stream has the trial's seed and its own number. With folds, every part has its own seed.
    """
    seed = seed if data.folds is None else int(np.random.SeedSequence((seed, number, 1)).generate_state(1)[0])
    trained, judged = _positions(data, number)
    is_text = data.inputs == "text"
    tokens = vocabulary_size(part.counts, configuration) if part.counts is not None else None
    cut = partial(
        make_rows,
        vocabulary=tokens,
        max_length=int(configuration["max_length"]),
        truncation=str(configuration["truncation"]),
    )
    rows = cut(part.train, data.train_targets[trained])
    model = make_model(
        configuration,
        tokens=tokens,
        channels=None if is_text else part.train.steps.shape[1],
        labels=data.n_labels,
        precision=precision,
        seed=seed,
        embedding=None if table is None else table.vectors,
    ).to(settings.device)
    vectors = None if data.vectors is None else data.vectors[number]
    budget = round(settings.max_epochs * len(rows))
    taught = None if data.soft_targets is None else data.soft_targets[trained]
    training = _make_training(
        model, rows, configuration, data, taught=taught, tokens=tokens, vectors=vectors, budget=budget, seed=seed
    )
    validation = cut(part.validation, np.zeros(len(part.validation), np.int64))
    samples = None
    if len(judged):
        reading = reading_shares(validation, part.validation.lengths, unknown=UNKNOWN if is_text else None)
        samples = draw_samples(rows, validation, reading=reading, generator=np.random.default_rng((seed, 3)))
    return FoldModel(model, training, len(rows), validation, judged, samples)


def _make_training(
    model: SequenceClassifier,
    rows: Rows,
    configuration: Configuration,
    data: TrialData,
    *,
    taught: NDArray[np.float32] | None,
    tokens: int | None,
    vectors: NDArray[np.float32] | None,
    budget: int,
    seed: int,
) -> Training:
    """Make what trains a model on `rows`, or to the probabilities `taught` (rows, labels) instead of their labels."""
    resample = build(configuration, "resampling")
    labelled = TrainingRows(rows.targets, data.task, vectors)
    recipe = Recipe(
        task=data.task,
        loss=_make_loss(model, rows, configuration, data),
        resample=resample if taught is None else with_soft_targets(resample, labelled, taught),
        vectors=vectors,
        augment=make_augment(
            data.inputs,
            vocabulary=tokens or 0,
            generator=np.random.default_rng((seed, 1)),
            **{name: float(configuration[name]) for name in _AUGMENTATIONS[data.inputs]},
        ),
        mixup=float(configuration["mixup"]),
        make_optimiser=build(configuration, "optimiser"),
        learning_rate=float(configuration["learning_rate"]),
        schedule=build(configuration, "schedule"),
        clip=build(configuration, "clipping"),
        batch_size=int(configuration["batch_size"]),
        accumulation=int(configuration["accumulation"]),
        l1=float(configuration["l1"]),
        averaging=build(configuration, "averaging"),
        budget=budget,
    )
    return Training(model, rows, recipe, generator=np.random.default_rng((seed, 2)))


def _make_loss(model: SequenceClassifier, rows: Rows, configuration: Configuration, data: TrialData) -> Loss:
    common: dict[str, Any] = {
        "labels": data.labels,
        "task": data.task,
        "weights": build(configuration, "loss_weights"),
        "device": next(model.parameters()).device,
    }
    if data.soft_targets is not None:
        return make_soft_loss(rows.targets, **common)
    return make_loss(
        rows.targets,
        loss=build(configuration, "loss"),
        soft_f1=float(configuration["soft_f1"]),
        logit_adjustment=float(configuration["logit_adjustment"]),
        **common,
    )


def _positions(data: TrialData, number: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training rows of part `number`, and the validation rows that evaluate it."""
    if data.folds is None:
        return np.arange(len(data.train_targets)), np.arange(len(data.validation_truth))
    return np.flatnonzero(data.folds != number), np.flatnonzero(data.folds == number)
