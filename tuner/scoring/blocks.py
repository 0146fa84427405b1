"""Blocks of rows that depend on each other: the rows of one group, or copies of one input.

Rows of a block tend to be right or wrong together: 60 groups of 10 rows say about as much as 60 rows. So splits and resamples
keep blocks whole. `blocks` (rows,) holds each row's block number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.indicator import Indicator

Blocks = NDArray[np.int64]


def single_rows(rows: int) -> Blocks:
    """Return blocks for independent rows: one row each."""
    return np.arange(rows, dtype=np.int64)


def sum_blocks(values: NDArray[Any], blocks: Blocks) -> NDArray[np.float32]:
    """Sum `values` (rows, columns) over the rows of each block: (number of blocks, columns)."""
    numbers, block = np.unique(blocks, return_inverse=True)
    as_numbers = values.astype(np.float32)  # counts stay exact up to 16 million rows
    if len(numbers) == len(blocks):
        return as_numbers
    order = np.argsort(block, kind="stable")
    starts = np.searchsorted(block[order], np.arange(len(numbers)))
    return np.asarray(np.add.reduceat(as_numbers[order], starts, axis=0))


def blocks_by_label(truth: Indicator, blocks: Blocks) -> tuple[list[int], list[int]]:
    """Return, for each label, the number of blocks with a true row and the number of blocks with a false row."""
    counts = (sum_blocks(np.hstack([truth, ~truth]), blocks) > 0).sum(axis=0).tolist()
    return counts[: truth.shape[1]], counts[truth.shape[1] :]


def halves(truth: Indicator, blocks: Blocks) -> NDArray[np.int64]:
    """Return the half of each row, 0 or 1. The halves are always the same, so that scores can be compared."""
    return deal_blocks(truth, blocks, folds=2, seed=0)


def deal_blocks(truth: Indicator, blocks: Blocks, *, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the fold of each row, from 0. Blocks stay whole, and each fold gets its share of every label.

    Blocks are dealt in turn, ordered by their rarest true label, then by falling size, then at random. `truth` is (rows,
    labels). The same seed gives the same folds.
    """
    numbers, block = np.unique(blocks, return_inverse=True)
    rarest_first = truth.sum(axis=0).argsort(kind="stable")
    rank = np.where(truth.any(axis=1), truth[:, rarest_first].argmax(axis=1), truth.shape[1])
    rarest = np.full(len(numbers), truth.shape[1])
    np.minimum.at(rarest, block, rank)
    shuffled = np.random.default_rng(seed).random(len(numbers))
    order = np.lexsort([shuffled, -np.bincount(block), rarest])
    fold = np.empty(len(numbers), dtype=np.int64)
    fold[order] = np.arange(len(numbers)) % folds
    return fold[block]
