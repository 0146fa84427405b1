"""Batches: which rows go together, and the padded array of their steps. All whole-array numpy, no Python per row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.imbalance.training_pass import Pass, Resample, TrainingRows, join
from tuner.space.task import Task
from tuner.training.augment import Augment
from tuner.training.state import State, restore_all, states_of

_BATCHES_PER_CHUNK = 64  # rows are sorted by length within a chunk: little padding, and still a nearly random order
_PADDING = 0  # the token number for no token; for standardised values, the mean
_NONE_MIXED = (np.empty(0, np.int64), np.empty(0, np.float32))


@dataclass(frozen=True)
class Rows:
    """Rows to train on or to predict: row i is `steps[starts[i] : starts[i] + lengths[i]]`, with target `targets[i]`.

    `steps` are token numbers, int32 (total,), or values, float32 (total, channels).
    """

    steps: NDArray[Any]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    targets: NDArray[Any]

    def __len__(self) -> int:
        return len(self.starts)

    def padded(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return some rows, padded: token numbers int64 (rows, longest), or values float32 (rows, longest, channels)."""
        return pad(self.steps, self.starts[rows], self.lengths[rows])


@dataclass(frozen=True)
class Batch:
    """Rows as a model reads them: `steps` (rows + mixed, time[, channels]), `lengths` (rows + mixed,), `targets` (rows, ...).

    Some rows, at the positions `mixed` (mixed,), are mixed with a partner. The partners follow the rows; `weights` (mixed,) are
    their shares.
    """

    steps: NDArray[Any]
    lengths: NDArray[np.int64]
    targets: NDArray[Any]
    mixed: NDArray[np.int64]
    weights: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.targets)


class EndlessBatches(Iterator[Batch]):
    """Batches of pass after pass; `resample` draws each pass anew. Raises ValueError for an empty pass.

    The state holds the random state at the start of the current pass, and how many of its batches were drawn. `restore` draws
    the pass again and skips those batches without reading their rows.
    """

    def __init__(
        self,
        rows: Rows,
        *,
        task: Task,
        resample: Resample,
        vectors: NDArray[np.float32] | None,
        augment: Augment | None,
        batch_size: int,
        generator: np.random.Generator,
    ) -> None:
        self._rows, self._data = rows, TrainingRows(targets=rows.targets, task=task, vectors=vectors)
        self._resample, self._augment = resample, augment
        self._batch_size, self._generator = batch_size, generator
        self._beginning, self._drawn = generator.bit_generator.state, 0
        self._pass: Pass | None = None
        self._positions: Iterator[NDArray[np.int64]] = iter(())

    def __next__(self) -> Batch:
        positions = next(self._positions, None)
        if self._pass is None or positions is None:
            self._beginning, self._drawn = self._generator.bit_generator.state, 0
            self._pass, self._positions = self._draw_pass()
            positions = next(self._positions)
        self._drawn += 1
        return _read(self._rows, self._pass, positions, self._augment)

    def state(self) -> State:
        """Return the position in the current pass, and the state of the augmentation."""
        return {"beginning": self._beginning, "drawn": self._drawn, **states_of({"augment": self._augment})}

    def restore(self, state: State) -> None:
        """Continue from a state for the same rows. Raises ValueError if the pass has too few batches."""
        self._beginning, self._drawn = state["beginning"], state["drawn"]
        self._generator.bit_generator.state = self._beginning
        if self._drawn:
            self._pass, self._positions = self._draw_pass()
            if sum(1 for _ in islice(self._positions, self._drawn)) < self._drawn:
                raise ValueError(f"a pass over these rows has fewer than {self._drawn} batches")
        restore_all({"augment": self._augment}, state)

    def _draw_pass(self) -> tuple[Pass, Iterator[NDArray[np.int64]]]:
        one_pass = _at_least(self._batch_size, lambda: self._resample(self._data, self._generator))
        positions = np.arange(len(one_pass.rows))
        lengths = self._rows.lengths[one_pass.rows]
        if one_pass.partners is not None:
            lengths = np.maximum(lengths, self._rows.lengths[one_pass.partners])
        size, generator = self._batch_size, self._generator
        return one_pass, bucketed(positions, one_pass.strata, lengths, batch_size=size, generator=generator)


def _at_least(rows: int, draw: Callable[[], Pass]) -> Pass:
    """Draw a pass, or several if one is shorter than a batch, so that no batch is smaller than the batch size."""
    passes = [draw()]
    while sum(map(len, passes)) < rows:
        if not len(passes[-1]):
            raise ValueError("resampling left no training row; use another resampling, or none")
        passes.append(draw())
    return passes[0] if len(passes) == 1 else join(passes)


def _read(rows: Rows, one_pass: Pass, batch: NDArray[np.int64], augment: Augment | None) -> Batch:
    chosen = one_pass.rows[batch]
    targets = rows.targets[chosen] if one_pass.targets is None else one_pass.targets[batch]
    mixed, weights = _NONE_MIXED
    if one_pass.partners is not None and one_pass.weights is not None:
        mixed = np.flatnonzero(one_pass.weights[batch])
        weights = one_pass.weights[batch[mixed]].astype(np.float32)
        chosen = np.concatenate([chosen, one_pass.partners[batch[mixed]]])
    steps, lengths = rows.padded(chosen), rows.lengths[chosen]
    if augment is not None:
        steps = augment(steps, lengths)
    return Batch(steps=steps, lengths=lengths, targets=targets, mixed=mixed, weights=weights)


def bucketed(
    rows: NDArray[np.int64],
    strata: NDArray[np.int64],
    lengths: NDArray[np.int64],
    *,
    batch_size: int,
    generator: np.random.Generator,
) -> Iterator[NDArray[np.int64]]:
    """Yield each of `rows` once, shuffled, in batches. A batch has rows of similar length, and the strata in proportion.

    `strata` (rows,) belongs to `rows`; `lengths` (all rows,) are steps per row, indexed by the values of `rows`. The last batch
    of a chunk may be smaller.
    """
    order = _interleave(np.arange(len(rows)), _renumbered(strata, generator), generator.permutation(len(rows)))
    chunk_size = batch_size * _BATCHES_PER_CHUNK
    for start in range(0, len(order), chunk_size):
        chunk = order[start : start + chunk_size]
        sorted_rows = _interleave(rows[chunk], _renumbered(strata[chunk], generator), lengths[rows[chunk]])
        batches = [sorted_rows[i : i + batch_size] for i in range(0, len(sorted_rows), batch_size)]
        for number in generator.permutation(len(batches)):
            yield batches[number]


def _renumbered(strata: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """Renumber the strata at random. Otherwise batches with fewer rows than strata would always get the same strata."""
    return generator.permutation(int(strata.max()) + 1)[strata]


def _interleave(values: NDArray[np.int64], strata: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sort values by the quantile of their key within their stratum. So any consecutive values mix the strata evenly."""
    by_stratum_and_key = np.lexsort((keys, strata))
    _, first, sizes = np.unique(strata[by_stratum_and_key], return_index=True, return_counts=True)
    rank = np.arange(len(values)) - np.repeat(first, sizes)
    quantile = (rank + 0.5) / np.repeat(sizes, sizes)
    return values[by_stratum_and_key[np.argsort(quantile, kind="stable")]]


def pad(steps: NDArray[Any], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[Any]:
    """Return rows of `steps`, padded on the right: int64 (rows, longest) or float32 (rows, longest, channels)."""
    numbers = np.arange(lengths.max())
    real = numbers < lengths[:, None]
    padded = steps[np.where(real, starts[:, None] + numbers, 0)]
    if padded.ndim == 2:
        return np.where(real, padded, _PADDING).astype(np.int64)
    padded[~real] = _PADDING
    return padded.astype(np.float32, copy=False)
