"""Intervals for macro-F1 and for what it is above chance and constants, by drawing blocks of rows with replacement.

The bootstrap of Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), with three additions that `scripts/bench trust`
shows the need of. What depends on each other is drawn together. One more block that is answered wrongly widens the lower end, and
one that is answered rightly the upper end, so that six perfect rows do not give an interval from 1 to 1. And of a label that is
true in fewer than three blocks a resample knows nothing: its F1 may be anything that so few rows allow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from tuner.scoring.blocks import Blocks, sum_blocks
from tuner.scoring.f1 import (
    Indicator,
    Reals,
    chance_f1_from_counts,
    constant_f1_from_counts,
    f1_from_counts,
    macro_f1,
    macro_f1_from_counts,
    mean_over_present,
)
from tuner.space.settings import Task

SAMPLES = 1000
CONFIDENCE = 0.95
OF_DIFFERENCES = 0.965
"""Confidence of the intervals that a verdict rests on, called 95 %: of what is above a baseline, a constant rule or chance.

A verdict that comes by chance costs more than one that is missed; and with exactly 0.95, of forty simulations of 600 repeats each
some come out above 3.5 % a side.
"""
FEWEST_BLOCKS = 3
"""Blocks that a label must be true in for a bootstrap to say anything of its F1."""
WEIGHTS_AT_ONCE = 4_000_000
"""Weights drawn at a time: bounds the memory to about 80 MB."""
_ENOUGH = 6.3
"""Expected blocks of a label with which 95 of 100 splits have at least three."""


@dataclass(frozen=True)
class Interval:
    """A measured value and the bounds within which resampling leaves it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """The intervals of one model's measures, from the same resamples.

    `skill` is macro-F1 above the best constant rule's, `above_chance` above that of the same decisions dealt at random.
    """

    macro_f1: Interval
    skill: Interval
    above_chance: Interval


@dataclass(frozen=True)
class _Counts:
    """Hits, decisions and true rows by label (..., labels), and rows (..., 1)."""

    hits: Reals
    decided: Reals
    support: Reals
    rows: Reals

    def plus(self, hits: Reals, decided: Reals, support: Reals, rows: Reals) -> _Counts:
        return _Counts(self.hits + hits, self.decided + decided, self.support + support, self.rows + rows)

    def above(self, reference: str, task: Task) -> Reals:
        """Return each label's F1 less that of a reference: none, the best constant rule, or the same decisions at random."""
        f1 = f1_from_counts(self.hits, self.decided, self.support)
        if reference == "skill":
            return f1 - constant_f1_from_counts(self.support, self.rows, task)
        if reference == "above_chance":
            return f1 - chance_f1_from_counts(self.decided, self.support, self.rows)
        return f1


def intervals(
    decisions: Indicator,
    truth: Indicator,
    task: Task,
    *,
    blocks: Blocks,
    seed: int,
    seen: Indicator | None = None,
    samples: int = SAMPLES,
) -> Intervals:
    """Return intervals for decisions against truth, both (rows, labels); `blocks` (rows,) numbers the rows' blocks.

    They are for the macro-F1 over all labels on endless rows like these. A label without a true row among them counts as
    unknown, unless `seen` (labels,) says that training had none either.
    """
    by_block = sum_blocks(np.hstack([decisions & truth, decisions, truth, np.ones((len(truth), 1))]), blocks)
    whole = _as_counts(by_block.sum(axis=0, dtype=np.float64))
    drawn, worse, better = _resample(by_block, whole, seed=seed, samples=samples)
    is_rare = (_as_counts(by_block).support > 0).sum(axis=0) < FEWEST_BLOCKS
    is_unknown = is_rare if seen is None else is_rare & (seen | truth.any(axis=0))
    found = {}
    for reference in Intervals.__annotations__:
        confidence = CONFIDENCE if reference == "macro_f1" else OF_DIFFERENCES
        low_f1, high_f1 = _bounds_of_few(by_block, confidence)
        values = whole.above(reference, task)
        own = f1_from_counts(whole.hits, whole.decided, whole.support) - values
        sure = _interval_of_sure(
            *(each.above(reference, task) for each in (whole, drawn, worse, better)),
            supports=(drawn.support, worse.support, better.support),
            is_sure=~is_rare,
            confidence=confidence,
        )
        count = (~is_rare).sum() + is_unknown.sum()
        low, high = (
            float(((~is_rare).sum() * end + (bound - own)[is_unknown].sum()) / max(count, 1))
            for end, bound in zip(sure, (low_f1, high_f1), strict=True)
        )
        value = float(mean_over_present(values, whole.support))
        found[reference] = Interval(value, min(value, low), max(value, high))
    return Intervals(**found)


def rows_needed(rows: int, true_blocks: int) -> int:
    """Return about how many rows a split needs for a label that is true in `true_blocks` blocks of its `rows`.

    With so many, nine in ten such splits and more have the label in enough blocks.
    """
    return math.ceil(rows * _ENOUGH / max(true_blocks, 0.5))


def difference_of_runs(
    runs: Sequence[Indicator],
    others: Sequence[Indicator],
    truth: Indicator,
    *,
    blocks: Blocks,
    seed_variance: float,
    freedom: int,
    seed: int,
    samples: int = SAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Return the interval for the mean macro-F1 of some runs less that of others, judged on the same rows.

    A run is its decisions (rows, labels). Blocks are drawn with replacement, the same for every run. On top comes what other
    seeds would have given: a run's macro-F1 varies with the seed by `seed_variance`, which was estimated with `freedom`
    degrees of freedom. Drawing two or three seeds with replacement would make that too small. Without freedom nothing is
    known of seeds, and the interval is of the rows alone. Its ends are plain percentiles: of a difference a bias correction
    corrects noise.
    """
    stacked = [decisions for run in (*runs, *others) for decisions in (run & truth, run)]
    by_block = sum_blocks(np.hstack([*stacked, truth]), blocks)
    *counts, support = np.split(draw_blocks(by_block, np.random.default_rng(seed), samples), len(stacked) + 1, axis=1)
    each = [
        macro_f1_from_counts(hits, decided, support) for hits, decided in zip(counts[::2], counts[1::2], strict=True)
    ]
    resampled = np.mean(each[: len(runs)], axis=0) - np.mean(each[len(runs) :], axis=0)
    if freedom:
        spread = math.sqrt(seed_variance * (1 / len(runs) + 1 / len(others)))
        resampled = resampled + spread * np.random.default_rng((seed, 1)).standard_t(freedom, samples)
    ours, theirs = (float(np.mean([macro_f1(run, truth) for run in side])) for side in (runs, others))
    tail = (1 - confidence) / 2
    low, high = np.quantile(resampled, [tail, 1 - tail])
    return Interval(ours - theirs, min(ours - theirs, float(low)), max(ours - theirs, float(high)))


def _as_counts(columns: NDArray[Any]) -> _Counts:
    labels = (columns.shape[-1] - 1) // 3
    return _Counts(*np.split(columns, [labels, 2 * labels, 3 * labels], axis=-1))


def draw_blocks(by_block: NDArray[np.float32], generator: np.random.Generator, samples: int) -> Reals:
    """Return the column sums of as many blocks as there are, drawn with replacement: (samples, columns)."""
    blocks = len(by_block)
    at_once = max(1, WEIGHTS_AT_ONCE // blocks)
    sums = np.empty((samples, by_block.shape[1]))
    for start in range(0, samples, at_once):
        size = min(at_once, samples - start)
        drawn = generator.integers(0, blocks, size=(size, blocks)) + np.arange(size)[:, None] * blocks
        weights = np.bincount(drawn.ravel(), minlength=size * blocks).reshape(size, blocks)
        sums[start : start + size] = weights.astype(np.float32) @ by_block
    return sums


def _resample(
    by_block: NDArray[np.float32], whole: _Counts, *, seed: int, samples: int
) -> tuple[_Counts, _Counts, _Counts]:
    """Return resamples of the blocks, and the same with a part of one more block, answered wrongly and answered rightly.

    That block is drawn from the others. Its part is exponential, with mean 1: what a Bayesian bootstrap (Rubin 1981) gives to
    one row. Answered wrongly, none of its true labels is decided, and as many others are, by their prevalence.
    """
    drawn = _as_counts(draw_blocks(by_block, np.random.default_rng(seed), samples))
    generator = np.random.default_rng((seed, 2))
    part = generator.standard_exponential((samples, 1))
    more = _as_counts(by_block[generator.integers(0, len(by_block), samples)].astype(np.float64))
    true, rows = part * more.support, part * more.rows
    others = (whole.support + 1) * (more.rows - more.support)
    others /= np.maximum(others.sum(axis=1, keepdims=True), 1e-9)
    wrong = part * others * np.maximum(more.support.sum(axis=1, keepdims=True), more.rows)
    return drawn, drawn.plus(np.zeros_like(true), wrong, true, rows), drawn.plus(true, true, true, rows)


def _interval_of_sure(
    values: Reals,
    drawn: Reals,
    worse: Reals,
    better: Reals,
    *,
    supports: tuple[Reals, Reals, Reals],
    is_sure: Indicator,
    confidence: float,
) -> tuple[float, float]:
    """Return the ends for the mean over the labels that have rows enough; 0 and 0 where there is none.

    They are bias-corrected percentiles (Efron and Tibshirani 1993, chapter 14, no acceleration): a resample loses more of a rare
    label than it doubles, so that plain ones lie too low. On 3,660 rows of 28 labels, the rarest 0.1 %, the truth lay above
    their upper end in 6 of 100 draws, and in 3 of 100 with the correction.
    """
    if not is_sure.any():
        return 0.0, 0.0
    value = values[is_sure].mean()
    plain, low, high = (
        mean_over_present(each[:, is_sure], support[:, is_sure])
        for each, support in zip((drawn, worse, better), supports, strict=True)
    )
    normal = NormalDist()
    least = 0.5 / len(plain)
    below = float(np.mean(plain < value) + np.mean(plain == value) / 2)
    shift = 2 * normal.inv_cdf(min(max(below, least), 1 - least))
    tail = normal.inv_cdf((1 - confidence) / 2)
    return float(np.quantile(low, normal.cdf(shift + tail))), float(np.quantile(high, normal.cdf(shift - tail)))


def _bounds_of_few(by_block: NDArray[np.float32], confidence: float) -> tuple[Reals, Reals]:
    """Return the ends of each label's own F1 (labels,) that few blocks allow.

    With the Jaccard index j, of hits among hits and errors, F1 is 2 j / (1 + j). The ends of j are those of a binomial share,
    by Jeffreys (Brown, Cai, DasGupta 2001), where blocks with a hit and blocks with an error are counted.
    """
    counts = _as_counts(by_block)
    hits = (counts.hits > 0).sum(axis=0)
    errors = (counts.decided + counts.support > 2 * counts.hits).sum(axis=0)
    tail = (1 - confidence) / 2
    ends = (beta.ppf(level, hits + 0.5, errors + 0.5) for level in (tail, 1 - tail))
    low, high = (2 * j / (1 + j) for j in ends)
    own = f1_from_counts(*(each.sum(axis=0) for each in (counts.hits, counts.decided, counts.support)))
    is_known = hits + errors > 0
    return np.where(is_known, np.minimum(low, own), 0.0), np.where(is_known, np.maximum(high, own), 1.0)
