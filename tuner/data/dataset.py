"""What the data part hands to everything above it: three splits of texts and targets, and their labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.space.settings import DataSettings, Task


@dataclass(frozen=True)
class Columns:
    """The columns to read; of `label`, `labels` and `label_columns` one is set, or none where only texts are read."""

    text: str
    label: str | None = None
    labels: str | None = None
    label_columns: tuple[str, ...] | None = None
    group: str | None = None
    split: str | None = None

    @classmethod
    def of(cls, settings: DataSettings) -> Columns:
        return cls(
            text=settings.text,
            label=settings.label,
            labels=settings.labels,
            label_columns=settings.label_columns,
            group=settings.group,
            split=settings.split_column,
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Every column in use, each once."""
        one = (self.text, self.label, self.labels, *(self.label_columns or ()), self.group, self.split)
        return tuple(dict.fromkeys(name for name in one if name is not None))


@dataclass(frozen=True, eq=False)
class Split:
    """One split, in the order of its file.

    `targets` is a uint8 indicator (rows, labels) in multi-label, an int64 class index (rows,) otherwise. `rows` (rows,)
    int64 are the row numbers in `source`, from 1; a CSV's header is not counted.
    """

    texts: tuple[str, ...]
    targets: NDArray[np.uint8] | NDArray[np.int64]
    rows: NDArray[np.int64]
    source: str

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits, and what there is to know about them.

    In binary, `labels[1]` is the positive class. `seen` (labels,) bool says which labels have a true row in train.
    `notes` are sentences for the person; `fingerprints` maps each source to the sha256 of its content.
    """

    task: Task
    labels: tuple[str, ...]
    seen: NDArray[np.bool_]
    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...]
    fingerprints: Mapping[str, str]

    @property
    def splits(self) -> dict[str, Split]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


def label_counts(dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    """Count the true rows of every label: split name -> (labels,)."""
    return {name: count_targets(split.targets, len(dataset.labels)) for name, split in dataset.splits.items()}


def count_targets(targets: NDArray[np.uint8] | NDArray[np.int64], n_labels: int) -> NDArray[np.int64]:
    """Count the true rows of every label, (labels,), in an indicator or in class indices."""
    counts = targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=n_labels)
    return np.asarray(counts, dtype=np.int64)
