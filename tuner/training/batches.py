"""Batches: which rows go together, and the padded array of their tokens. Whole-array numpy, no per-row Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BATCHES_PER_CHUNK = 64  # rows are sorted by length within a chunk: little padding, and still nearly a random order


@dataclass(frozen=True)
class Rows:
    """Rows to train on or to predict: row i is `ids[starts[i] : starts[i] + lengths[i]]`, with its target."""

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    targets: NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.starts)

    def padded(self, rows: NDArray[np.int64], *, padding: int = 0) -> NDArray[np.int64]:
        """Tokens of some rows side by side, shape (rows, longest)."""
        return pad(self.ids, self.starts[rows], self.lengths[rows], padding=padding)


def bucketed(
    rows: NDArray[np.int64],
    strata: NDArray[np.int64],
    lengths: NDArray[np.int64],
    *,
    batch_size: int,
    generator: np.random.Generator,
) -> Iterator[NDArray[np.int64]]:
    """Yield `rows` once each, shuffled, in batches of like length that repeat the shares of `strata`.

    `strata` (rows,) goes with `rows`; `lengths` (all rows,) are tokens per row, indexed by the values of `rows`. The last
    batch of a chunk may be smaller.
    """
    order = _interleave(np.arange(len(rows)), strata, generator.permutation(len(rows)))
    chunk_size = batch_size * _BATCHES_PER_CHUNK
    for start in range(0, len(order), chunk_size):
        chunk = order[start : start + chunk_size]
        sorted_rows = _interleave(rows[chunk], strata[chunk], lengths[rows[chunk]])
        batches = [sorted_rows[i : i + batch_size] for i in range(0, len(sorted_rows), batch_size)]
        for number in generator.permutation(len(batches)):
            yield batches[number]


def _interleave(values: NDArray[np.int64], strata: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sort values by their key's quantile within their own stratum, so that any run of them mixes the strata evenly."""
    by_stratum_and_key = np.lexsort((keys, strata))
    _, first, sizes = np.unique(strata[by_stratum_and_key], return_index=True, return_counts=True)
    rank = np.arange(len(values)) - np.repeat(first, sizes)
    quantile = (rank + 0.5) / np.repeat(sizes, sizes)
    return values[by_stratum_and_key[np.argsort(quantile, kind="stable")]]


def pad(
    ids: NDArray[np.int32], starts: NDArray[np.int64], lengths: NDArray[np.int64], *, padding: int
) -> NDArray[np.int64]:
    """Lay rows of `ids` side by side, shape (rows, longest), filled up on the right with `padding`."""
    steps = np.arange(lengths.max())
    real = steps < lengths[:, None]
    positions = np.where(real, starts[:, None] + steps, 0)
    return np.where(real, ids[positions], padding).astype(np.int64)
