"""Is one model ahead of another on the same rows by more than chance? A randomisation test and a bootstrap, which must agree.

If two models are equally good, it is chance which of them gave which answer to a block of rows. So their answers are swapped in a
random half of the blocks, again and again: the differences that come of it are what chance does. The test is Fisher's (1935),
for scores such as F1 see Noreen, "Computer-Intensive Methods for Testing Hypotheses" (1989), and Yeh, "More accurate tests for
the statistical significance of result differences" (COLING 2000). It is right on twenty rows, where a bootstrap of the difference
errs twice as often as it says. But it takes the models for alike in every way; of a careful and a bold one of the same macro-F1 a
bootstrap knows more. So an interval holds what either would leave in it: `scripts/bench trust` has the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.blocks import Blocks, sum_blocks
from tuner.scoring.bootstrap import OF_DIFFERENCES, SAMPLES, WEIGHTS_AT_ONCE, Interval, draw_blocks
from tuner.scoring.f1 import Indicator, Reals, macro_f1_from_counts


@dataclass(frozen=True)
class Counts:
    """What one model's measures are made of: hits, decisions and true rows by label (..., labels), and rows (..., 1)."""

    hits: Reals
    decided: Reals
    support: Reals
    rows: Reals


@dataclass(frozen=True)
class Pair:
    """Two models' counts: as they are, with answers swapped in random halves of the blocks, and in resamples of the blocks."""

    as_they_are: tuple[Counts, Counts]
    swapped: tuple[Counts, Counts]
    resampled: tuple[Counts, Counts]

    def difference(
        self, measure: Callable[[Counts], Reals], confidence: float = OF_DIFFERENCES
    ) -> tuple[Reals, Reals, Reals]:
        """Return the first model's measure less the second's, and the low and the high end of its interval.

        `measure` turns counts into one value (...) or one for each label (..., labels). An end is where 0 would be on the
        brink of what either test takes for chance.
        """
        value, swapped, resampled = (
            np.asarray(measure(first) - measure(second))
            for first, second in (self.as_they_are, self.swapped, self.resampled)
        )
        reach = np.quantile(np.abs(swapped), confidence, axis=0, method="higher")
        tail = (1 - confidence) / 2
        low, high = np.quantile(resampled, [tail, 1 - tail], axis=0)
        low, high = (
            np.minimum(np.minimum(value - reach, low), value),
            np.maximum(np.maximum(value + reach, high), value),
        )
        return value, np.maximum(low, -1.0), np.minimum(high, 1.0)


def pair(
    decisions: Indicator, others: Indicator, truth: Indicator, *, blocks: Blocks, seed: int, samples: int = SAMPLES
) -> Pair:
    """Count two models' hits and decisions, swapped and resampled `samples` times each; all indicators are (rows, labels)."""
    columns = [decisions & truth, decisions, others & truth, others, truth, np.ones((len(truth), 1), dtype=bool)]
    by_block = sum_blocks(np.hstack(columns), blocks)
    generator = np.random.default_rng(seed)
    whole = by_block.sum(axis=0, dtype=np.float64)
    own = 2 * truth.shape[1]
    swapped = np.tile(whole, (samples, 1))
    moved = _draw_swaps(by_block[:, :own] - by_block[:, own : 2 * own], generator, samples)
    swapped[:, :own] -= moved
    swapped[:, own : 2 * own] += moved
    return Pair(*(_as_counts(each) for each in (whole, swapped, draw_blocks(by_block, generator, samples))))


def paired_difference(
    decisions: Indicator,
    others: Indicator,
    truth: Indicator,
    *,
    blocks: Blocks,
    seed: int,
    samples: int = SAMPLES,
    confidence: float = OF_DIFFERENCES,
) -> Interval:
    """Return the macro-F1 of `decisions` less that of `others`, and its interval; all are (rows, labels), `blocks` (rows,)."""
    both = pair(decisions, others, truth, blocks=blocks, seed=seed, samples=samples)
    value, low, high = both.difference(
        lambda each: macro_f1_from_counts(each.hits, each.decided, each.support), confidence
    )
    return Interval(float(value), float(low), float(high))


def _draw_swaps(differences: NDArray[np.float32], generator: np.random.Generator, samples: int) -> Reals:
    """Return the column sums of `differences` (blocks, columns) over a random half of the blocks: (samples, columns)."""
    differences = differences[differences.any(axis=1)]
    moved = np.zeros((samples, differences.shape[1]))
    at_once = max(1, WEIGHTS_AT_ONCE // max(len(differences), 1))
    for start in range(0, samples, at_once):
        size = min(at_once, samples - start)
        is_swapped = generator.integers(0, 2, size=(size, len(differences)), dtype=np.int8)
        moved[start : start + size] = is_swapped.astype(np.float32) @ differences
    return moved


def _as_counts(columns: Reals) -> tuple[Counts, Counts]:
    labels = (columns.shape[-1] - 1) // 5
    hits, decided, other_hits, other_decided, support, rows = np.split(
        columns, [labels * n for n in range(1, 6)], axis=-1
    )
    return Counts(hits, decided, support, rows), Counts(other_hits, other_decided, support, rows)
