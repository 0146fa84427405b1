"""The data set that all other parts work with: three splits of inputs and targets, and their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tuner.data.encoded import to_offsets
from tuner.data.sequences import Sequences
from tuner.scoring.blocks import Blocks, halves
from tuner.scoring.indicator import Indicator, as_indicator
from tuner.space.task import Inputs, Task

if TYPE_CHECKING:
    from tuner.space.settings import DataSettings  # imports pydantic


RowInputs: TypeAlias = tuple[str, ...] | Sequences
"""One text, one list of tokens (see `tuner.data.token_lists`) or one numeric sequence per row."""

Positions: TypeAlias = NDArray[np.int64]
"""Positions of rows, from 0."""


@dataclass(frozen=True)
class Columns:
    """The columns to read: one of `text` and `sequence`, and one of `label`, `labels` and `label_columns`.

    To read inputs only, leave all label columns unset. `is_tokenised` says that a model reads lists of tokens (true) or texts
    (false) from the column `text`; None: the column itself shows which. `sequence` may be several columns or patterns. With
    `sequence_id`, a row is one step of the series that it names, and `order` is where in the series. The fields from
    `label_form` on say how labels are written, as the settings of these names do.
    """

    text: str | None = None
    label: str | None = None
    labels: str | None = None
    label_columns: tuple[str, ...] | None = None
    group: str | None = None
    split: str | None = None
    is_tokenised: bool | None = None
    sequence: str | tuple[str, ...] | None = None
    sequence_id: str | None = None
    order: str | None = None
    label_form: str | None = None
    label_names: tuple[str, ...] | None = None
    label_separator: str | None = None
    label_case: str = "join"

    @classmethod
    def of(cls, settings: DataSettings) -> Columns:
        return cls(
            text=settings.text,
            label=settings.label,
            labels=settings.labels,
            label_columns=settings.label_columns,
            group=settings.group,
            split=settings.split_column,
            sequence=settings.sequence,
            sequence_id=settings.sequence_id,
            order=settings.order,
            label_form=settings.label_form,
            label_names=settings.label_names,
            label_separator=settings.label_separator,
            label_case=settings.label_case,
        )

    @property
    def sequences(self) -> tuple[str, ...]:
        """The columns and patterns that name the values of sequences."""
        return (self.sequence,) if isinstance(self.sequence, str) else self.sequence or ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every column and pattern in use, without repeats."""
        targets = (self.label, self.labels, *(self.label_columns or ()))
        columns = (self.text, *self.sequences, self.sequence_id, self.order, *targets, self.group, self.split)
        return tuple(dict.fromkeys(name for name in columns if name is not None))


@dataclass(frozen=True, eq=False)
class Split:
    """One split, in the order of its file.

    `targets` is a uint8 indicator (rows, labels) for multi-label tasks and an int64 class index (rows,) otherwise. `rows`
    (rows,) int64 are the row numbers in `source`, from 1, without a CSV's header. `blocks` (rows,) gives rows that depend on
    each other the same number: rows of one group, and exact copies. A block is always dealt and drawn as a whole.
    """

    inputs: RowInputs
    targets: NDArray[np.uint8] | NDArray[np.int64]
    rows: NDArray[np.int64]
    source: str
    blocks: Blocks

    def __len__(self) -> int:
        return len(self.inputs)

    def take(self, positions: NDArray[np.integer]) -> Split:
        """Return the rows at `positions` (n,), in that order."""
        inputs = take_inputs(self.inputs, positions)
        return Split(inputs, self.targets[positions], self.rows[positions], self.source, self.blocks[positions])


@dataclass(frozen=True, eq=False)
class JudgeRows:
    """Fresh labelled rows that judge the champion after the test.

    `left_out` counts the rows of the file that are also in train, validation or test.
    """

    split: Split
    sha256: str
    left_out: int


@dataclass(frozen=True, eq=False)
class Dataset:
    """Three splits with their labels, notes and folds.

    In a binary task, `labels[1]` is the positive class. `seen` (labels,) bool is true for labels with a true row in train.
    `notes` are sentences for people; `fingerprints` maps each source to the sha256 of its content.

    `label_reading` are the fields of `Columns` that say how train's labels are written. `read` has the rows, or series, in each
    source, with those that are left out.

    With folds, `validation` has the same rows as train, and `folds` (rows,) is the fold of each row, from 0. A model fitted
    on the other folds judges the rows of a fold. Rows with the same input or the same group are in one fold.
    """

    task: Task
    labels: tuple[str, ...]
    seen: NDArray[np.bool_]
    train: Split
    validation: Split
    test: Split
    notes: tuple[str, ...]
    fingerprints: Mapping[str, str]
    folds: NDArray[np.int64] | None = None
    label_reading: Mapping[str, Any] = field(default_factory=dict)
    read: Mapping[str, int] = field(default_factory=dict)
    judge: JudgeRows | None = None

    @cached_property
    def parts(self) -> NDArray[np.int64]:
        """The part of each validation row: its fold or, without folds, its half. Thresholds are fitted on the other parts."""
        if self.folds is not None:
            return self.folds
        return halves(self.truth("validation"), self.validation.blocks)

    def truth(self, split: str) -> Indicator:
        """Return the true labels of "train", "validation" or "test", (rows, labels)."""
        return as_indicator(self.splits[split].targets, len(self.labels))

    @property
    def inputs(self) -> Inputs:
        """The kind of the rows: "text" or "sequence"."""
        return "sequence" if isinstance(self.train.inputs, Sequences) else "text"

    @property
    def splits(self) -> dict[str, Split]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


def take_inputs(inputs: RowInputs, positions: NDArray[np.integer]) -> RowInputs:
    """Return the texts or sequences at `positions` (n,), in that order."""
    if isinstance(inputs, Sequences):
        return inputs.take(positions)
    return tuple(inputs[position] for position in positions.tolist())


def join_inputs(parts: Sequence[RowInputs]) -> RowInputs:
    """Return the rows of all parts, one part after the other. Sequences need equally many channels."""
    if isinstance(parts[0], Sequences):
        sequences = [part for part in parts if isinstance(part, Sequences)]
        lengths = np.concatenate([part.lengths for part in sequences])
        return Sequences(values=np.concatenate([part.values for part in sequences]), offsets=to_offsets(lengths))
    return tuple(row for part in parts if not isinstance(part, Sequences) for row in part)


def label_counts(dataset: Dataset) -> dict[str, NDArray[np.int64]]:
    """Count the true rows of every label in every split: split name -> (labels,)."""
    return {name: count_targets(split.targets, len(dataset.labels)) for name, split in dataset.splits.items()}


def count_targets(targets: NDArray[np.uint8] | NDArray[np.int64], n_labels: int) -> NDArray[np.int64]:
    """Count the true rows of every label, (labels,), in an indicator or a class index."""
    counts = targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=n_labels)
    return np.asarray(counts, dtype=np.int64)
