"""Counts of decisions per block of rows, and their sums over blocks drawn at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.blocks import Blocks, sum_blocks
from tuner.scoring.f1 import Reals, f1_from_counts, macro_f1_from_counts
from tuner.scoring.indicator import Indicator

WEIGHTS_AT_ONCE = 4_000_000
"""Weights drawn at a time. This bounds the memory to about 80 MB."""


@dataclass(frozen=True)
class Counts:
    """One model's hits, decisions and true rows by label (..., labels), and rows (..., 1)."""

    hits: Reals
    decided: Reals
    support: Reals
    rows: Reals

    @property
    def f1(self) -> Reals:
        """F1 of each label, shape (..., labels)."""
        return f1_from_counts(self.hits, self.decided, self.support)

    @property
    def macro_f1(self) -> Reals:
        """Macro-F1, shape (...)."""
        return macro_f1_from_counts(self.hits, self.decided, self.support)


def count_by_block(models: Sequence[Indicator], truth: Indicator, blocks: Blocks) -> NDArray[np.float32]:
    """Count each block's hits and decisions per model, then true rows, all by label, then rows: (number of blocks, columns).

    A model is given by its decisions (rows, labels). `split_counts` takes the columns apart.
    """
    columns = [column for decisions in models for column in (decisions & truth, decisions)]
    return sum_blocks(np.hstack([*columns, truth, np.ones((len(truth), 1), dtype=bool)]), blocks)


def split_counts(columns: NDArray[Any], n_labels: int) -> list[Counts]:
    """Return each model's counts from columns (..., columns) that `count_by_block` made, or from sums of them."""
    *of_models, support, rows = np.split(columns, np.arange(n_labels, columns.shape[-1], n_labels), axis=-1)
    return [Counts(hits, decided, support, rows) for hits, decided in zip(of_models[::2], of_models[1::2], strict=True)]


def draw_blocks(by_block: NDArray[np.float32], generator: np.random.Generator, samples: int) -> Reals:
    """Draw as many blocks as there are, with replacement, and return their column sums: (samples, columns)."""
    blocks = len(by_block)

    def draw(size: int) -> NDArray[Any]:
        drawn = generator.integers(0, blocks, size=(size, blocks)) + np.arange(size)[:, None] * blocks
        return np.bincount(drawn.ravel(), minlength=size * blocks).reshape(size, blocks)

    return _weighted_sums(by_block, draw, samples)


def draw_half(by_block: NDArray[np.float32], generator: np.random.Generator, samples: int) -> Reals:
    """Pick each block with probability one half, and return the column sums of the picked blocks: (samples, columns)."""
    return _weighted_sums(
        by_block, lambda size: generator.integers(0, 2, size=(size, len(by_block)), dtype=np.int8), samples
    )


def _weighted_sums(by_block: NDArray[np.float32], draw: Callable[[int], NDArray[Any]], samples: int) -> Reals:
    """Return the column sums of the blocks under random weights; `draw` returns weights (size, blocks) for `size` samples."""
    at_once = max(1, WEIGHTS_AT_ONCE // max(len(by_block), 1))
    sums = np.empty((samples, by_block.shape[1]))
    for start in range(0, samples, at_once):
        size = min(at_once, samples - start)
        sums[start : start + size] = draw(size).astype(np.float32) @ by_block
    return sums
