"""What the texts of a predictions file tell: empty rows, copies, unknown words, and what a plain model makes of them."""

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
from tuner.diagnosis.readers.table import Answers, read_training
from tuner.scoring.blocks import Blocks, single_rows

FOLDS = 5
"""Parts in which the rows are judged by a plain model that was fitted on the others, where there is no training file."""

_FEWEST_ROWS = 50  # of fewer a plain model learns nothing, whatever is in them


@dataclass(frozen=True)
class TextFacts:
    """What the texts say of the data, and rows as of baselines.json of what plain models reach on them.

    `baselines` are empty where none can be fitted; `notes` say what was left out. `profile` is as data.json has it.
    """

    data: DataFacts
    profile: Mapping[str, Any]
    baselines: Sequence[Mapping[str, Any]]
    notes: tuple[str, ...]


def text_facts(answers: Answers, *, train: str | None = None, text: str = "text") -> TextFacts:
    """Measure the texts of a predictions file, with those of the training file at `train` if there is one.

    With a training file that has the labels, the plain model is fitted there; otherwise it is cross-fitted on the rows of
    the predictions. Raises DataError.
    """
    dataset, notes = _dataset(answers, train, text)
    profiled = profile(dataset)
    facts = data_facts(profiled)
    if train is not None and profiled["unknown_words"]:
        facts = replace(facts, unknown_share=profiled["unknown_words"]["validation"])
    if not _has_labels(dataset):
        return TextFacts(replace(facts, label_rows=None, conflict_share=None), profiled, (), notes)
    if len(dataset.train) < _FEWEST_ROWS:
        return TextFacts(
            facts, profiled, (), (*notes, f"{len(dataset.train)} rows are too few for a plain model to compare with")
        )
    baselines = measure_baselines(dataset)
    facts = replace(facts, seen_share=data_facts(None, baselines=baselines).seen_share)
    return TextFacts(facts, profiled, baselines, notes)


def _dataset(answers: Answers, train: str | None, text: str) -> tuple[Dataset, tuple[str, ...]]:
    assert answers.texts is not None  # read with them
    targets = answers.truth.astype(np.uint8) if answers.task == "multilabel" else answers.truth.argmax(axis=1)
    judged = Split(answers.texts, targets, answers.rows, "predictions", blocks_of(answers))
    notes: tuple[str, ...] = ()
    trained, folds = judged, None
    if train is not None:
        texts, given, notes = read_training(train, answers, text)
        empty = np.zeros((len(texts), len(answers.labels)), np.uint8)
        numbers = np.arange(1, len(texts) + 1)
        trained = Split(texts, empty if given is None else given, numbers, train, single_rows(len(texts)))
    else:
        folds = _deal(answers)
    dataset = Dataset(
        task=answers.task,
        labels=answers.labels,
        seen=count_targets(trained.targets, len(answers.labels)) > 0,
        train=trained,
        validation=judged,
        test=judged,
        notes=(),
        fingerprints={},
        folds=folds,
    )
    return dataset, notes


def blocks_of(answers: Answers) -> Blocks:
    """Return the blocks (rows,) of rows with one text; without texts each row is one of its own."""
    if answers.texts is None:
        return single_rows(len(answers.truth))
    return linked_rows(row_keys(answers.texts), [None] * len(answers.texts))


def _deal(answers: Answers) -> NDArray[np.int64]:
    """Deal the rows out to folds, copies together, in an order that is the same every time."""
    blocks = blocks_of(answers)
    turn = np.random.default_rng(0).permutation(int(blocks.max()) + 1)
    return np.asarray(turn[blocks] % FOLDS, dtype=np.int64)


def _has_labels(dataset: Dataset) -> bool:
    return bool(dataset.seen.any())
