"""Facts about the texts of a predictions file: empty rows, copies, unknown words, and the skill of a plain model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Dataset, Split, count_targets
from tuner.data.profile import profile
from tuner.data.stratification import linked_rows, row_keys
from tuner.diagnosis.facts.data import data_facts
from tuner.diagnosis.facts.evidence import DataFacts
from tuner.diagnosis.facts.reference import measure_baselines
from tuner.diagnosis.readers.predictions import PredictionsFile, read_training
from tuner.scoring.blocks import Blocks, single_rows

FOLDS = 5
"""Folds for cross-fitting the plain model if there is no training file."""

_FEWEST_ROWS = 50  # a plain model cannot learn from fewer rows


@dataclass(frozen=True)
class TextFacts:
    """Facts about the data, and baselines on it.

    `profile` is as in data.json, `baselines` are rows as in baselines.json, empty if none could be fitted. `notes` say what
    was left out.
    """

    data: DataFacts
    profile: Mapping[str, Any]
    baselines: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...]


def text_facts(predictions: PredictionsFile, *, train: str | None = None, text: str = "text") -> TextFacts:
    """Measure the texts of a predictions file, and those of the training file at `train` if given.

    Without a training file, the plain model is cross-fitted on the predictions file. With one, it is fitted there, if that
    file has labels. Raises DataError.
    """
    dataset, notes = _dataset(predictions, train, text)
    profiled = profile(dataset)
    facts = data_facts(profiled)
    if train is not None and profiled["unknown_words"]:
        facts = replace(facts, unknown_share=profiled["unknown_words"]["validation"])
    if not _has_labels(dataset):
        return TextFacts(replace(facts, label_rows=None, conflict_share=None), profiled, (), notes)
    if len(dataset.train) < _FEWEST_ROWS:
        return TextFacts(
            facts, profiled, (), (*notes, f"{len(dataset.train)} rows are too few to fit a plain model for comparison")
        )
    baselines = measure_baselines(dataset)
    facts = replace(facts, seen_share=data_facts(None, baselines=baselines).seen_share)
    return TextFacts(facts, profiled, baselines, notes)


def _dataset(predictions: PredictionsFile, train: str | None, text: str) -> tuple[Dataset, tuple[str, ...]]:
    assert predictions.texts is not None  # text_facts is called with a column of texts
    targets = (
        predictions.truth.astype(np.uint8) if predictions.task == "multilabel" else predictions.truth.argmax(axis=1)
    )
    evaluated = Split(predictions.texts, targets, predictions.rows, "predictions", blocks_of(predictions))
    notes: tuple[str, ...] = ()
    trained, folds = evaluated, None
    if train is not None:
        texts, given, notes = read_training(train, predictions, text)
        empty = np.zeros((len(texts), len(predictions.labels)), np.uint8)
        numbers = np.arange(1, len(texts) + 1)
        trained = Split(texts, empty if given is None else given, numbers, train, single_rows(len(texts)))
    else:
        folds = _deal(predictions)
    dataset = Dataset(
        task=predictions.task,
        labels=predictions.labels,
        seen=count_targets(trained.targets, len(predictions.labels)) > 0,
        train=trained,
        validation=evaluated,
        test=evaluated,
        notes=(),
        fingerprints={},
        folds=folds,
    )
    return dataset, notes


def blocks_of(predictions: PredictionsFile) -> Blocks:
    """Return blocks (rows,) of rows with the same text; without texts, each row is its own block."""
    if predictions.texts is None:
        return single_rows(len(predictions.truth))
    return linked_rows(row_keys(predictions.texts), [None] * len(predictions.texts))


def _deal(predictions: PredictionsFile) -> NDArray[np.int64]:
    """Deal rows to folds, keeping copies together, in a reproducible order."""
    blocks = blocks_of(predictions)
    turn = np.random.default_rng(0).permutation(int(blocks.max()) + 1)
    return np.asarray(turn[blocks] % FOLDS, dtype=np.int64)


def _has_labels(dataset: Dataset) -> bool:
    return bool(dataset.seen.any())
