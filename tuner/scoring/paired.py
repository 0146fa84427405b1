"""Is one model better than another on the same rows by more than chance? A randomisation test and a bootstrap must agree.

If two models are equally good, chance decides which of them gave which answers to a block of rows. So we swap their answers in a
random half of the blocks, many times. The resulting differences show what chance does. The test is Fisher's (1935). For scores
such as F1 see Noreen, "Computer-Intensive Methods for Testing Hypotheses" (1989), and Yeh, "More accurate tests for the
statistical significance of result differences" (COLING 2000).

The test is right on twenty rows, where a bootstrap of the difference errs twice as often as it claims. But it assumes that the
models are alike in every way. For a careful and a bold model with the same macro-F1, a bootstrap knows more. So an interval
covers the values that either method allows. `scripts/bench trust` has the figures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tuner.scoring.blocks import Blocks
from tuner.scoring.bootstrap import CONFIDENCE_OF_LEADS, SAMPLES, Interval
from tuner.scoring.f1 import Reals
from tuner.scoring.indicator import Indicator
from tuner.scoring.resampling import Counts, count_by_block, draw_blocks, draw_half, split_counts

CountsOfBoth = tuple[Counts, Counts]


@dataclass(frozen=True)
class Pair:
    """Two models' counts: as they are, with answers swapped in random halves of the blocks, and in resamples of the blocks."""

    as_they_are: CountsOfBoth
    swapped: CountsOfBoth
    resampled: CountsOfBoth

    def difference(
        self, measure: Callable[[Counts], Reals], confidence: float = CONFIDENCE_OF_LEADS
    ) -> tuple[Reals, Reals, Reals]:
        """Return the first model's measure minus the second's, and the low and the high end of its interval.

        `measure` turns counts into one value (...) or one for each label (..., labels). At an end, one of the
        tests would just accept that a difference of 0 is chance.
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
    by_block = count_by_block([decisions, others], truth, blocks)
    generator = np.random.default_rng(seed)
    observed = by_block.sum(axis=0, dtype=np.float64)
    width = 2 * truth.shape[1]  # columns of one model: hits and decisions
    swapped = np.tile(observed, (samples, 1))
    differences = by_block[:, :width] - by_block[:, width : 2 * width]
    moved = draw_half(differences[differences.any(axis=1)], generator, samples)
    swapped[:, :width] -= moved
    swapped[:, width : 2 * width] += moved
    return Pair(
        *(_split_both(columns, truth) for columns in (observed, swapped, draw_blocks(by_block, generator, samples)))
    )


def paired_difference(
    decisions: Indicator,
    others: Indicator,
    truth: Indicator,
    *,
    blocks: Blocks,
    seed: int,
    samples: int = SAMPLES,
    confidence: float = CONFIDENCE_OF_LEADS,
) -> Interval:
    """Return the macro-F1 of `decisions` minus the macro-F1 of `others`, with its interval. Arguments are as in `pair`."""
    both = pair(decisions, others, truth, blocks=blocks, seed=seed, samples=samples)
    value, low, high = both.difference(lambda counts: counts.macro_f1, confidence)
    return Interval(float(value), float(low), float(high))


def _split_both(columns: Reals, truth: Indicator) -> CountsOfBoth:
    first, second = split_counts(columns, truth.shape[1])
    return first, second
