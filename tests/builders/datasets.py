"""Small data sets for the tests that train."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from tuner.data.dataset import Dataset, Split
from tuner.data.sequences import Sequences
from tuner.space.task import Inputs, Task

_LABELS = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "multilabel": ("a", "b", "c")}
_WORD_OF_LABEL = ("alpha", "beta", "gamma")
_CHANNELS = 2


def make_dataset(task: Task, *, rows: int = 96, seed: int = 0, inputs: Inputs = "text", folds: int = 0) -> Dataset:
    """Return a data set in which one word, or one step, gives each label away. The last label is rare."""
    generator = np.random.default_rng(seed)
    names = ("train", "validation", "test")
    splits = {name: _split(task, rows if name == "train" else rows // 2, name, generator) for name in names}
    if inputs == "sequence":
        splits = {name: replace(split, inputs=_as_sequences(split.inputs)) for name, split in splits.items()}
    if folds:
        splits["validation"] = splits["train"]
    seen = np.ones(len(_LABELS[task]), bool)
    numbers = np.arange(rows) % folds if folds else None
    return Dataset(task=task, labels=_LABELS[task], seen=seen, notes=(), fingerprints={}, folds=numbers, **splits)


def _as_sequences(texts: Any) -> Sequences:
    """Turn each word into a step: the word of a label shows in one channel, any other word is noise in both."""
    generator = np.random.default_rng(1)
    rows = []
    for text in texts:
        steps = generator.normal(0, 0.3, (len(text.split()), _CHANNELS))
        for step, word in enumerate(text.split()):
            if word in _WORD_OF_LABEL:
                steps[step, 0] += 2 * (_WORD_OF_LABEL.index(word) + 1)
        rows.append(steps.astype(np.float32))
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Sequences(values=np.concatenate(rows), offsets=offsets)


def _split(task: Task, rows: int, name: str, generator: np.random.Generator) -> Split:
    n_labels = len(_LABELS[task])
    shares = np.array([0.6, 0.3, 0.2]) if task == "multilabel" else np.array([0.7, 0.2, 0.1])[:n_labels]
    if task == "multilabel":
        targets = (generator.random((rows, n_labels)) < shares).astype(np.uint8)
        targets[:n_labels] = np.eye(n_labels, dtype=np.uint8)
        words = [[_WORD_OF_LABEL[label] for label in np.flatnonzero(row)] for row in targets]
    else:
        targets = generator.choice(n_labels, size=rows, p=shares / shares.sum())
        targets[:n_labels] = np.arange(n_labels)
        words = [[_WORD_OF_LABEL[label]] for label in targets]
    fillers = [[f"w{number}" for number in generator.integers(0, 30, generator.integers(1, 9))] for _ in range(rows)]
    texts = tuple(" ".join(generator.permutation(cues + filler)) for cues, filler in zip(words, fillers, strict=True))
    return Split(inputs=texts, targets=targets, rows=np.arange(1, rows + 1), source=name, blocks=np.arange(rows))
