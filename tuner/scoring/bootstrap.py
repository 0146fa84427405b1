"""Intervals for macro-F1, skill and differences of macro-F1, by drawing rows with replacement.

The percentile bootstrap of Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13. A resample is a
row of weights, so that all its counts come from one matrix product. As in macro-F1 itself, a label that a resample has
no true row of is left out of that resample's mean.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.f1 import (
    Indicator,
    Reals,
    constant_macro_f1,
    constant_macro_f1_from_counts,
    f1_from_counts,
    macro_f1,
    mean_over_present,
)
from tuner.space.settings import Task

SAMPLES = 1000
CONFIDENCE = 0.95
WEIGHTS_AT_ONCE = 4_000_000
"""Weights drawn at a time: bounds the memory to about 80 MB."""


@dataclass(frozen=True)
class Interval:
    """A measured value and the bounds within which resampling leaves it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Intervals:
    """The intervals of one model's macro-F1 and skill, from the same resamples."""

    macro_f1: Interval
    skill: Interval


def intervals(
    decisions: Indicator,
    truth: Indicator,
    task: Task,
    *,
    seed: int,
    samples: int = SAMPLES,
    confidence: float = CONFIDENCE,
) -> Intervals:
    """Return intervals for macro-F1 and skill of decisions against truth, both (rows, labels)."""
    hits, decided, support = _resample([decisions & truth, decisions, truth], seed=seed, samples=samples)
    resampled = mean_over_present(f1_from_counts(hits, decided, support), support)
    constant = constant_macro_f1_from_counts(support, len(truth), task)
    value = macro_f1(decisions, truth)
    return Intervals(
        macro_f1=_interval(value, resampled, confidence),
        skill=_interval(value - constant_macro_f1(truth, task), resampled - constant, confidence),
    )


def paired_difference(
    decisions: Indicator,
    others: Indicator,
    truth: Indicator,
    *,
    seed: int,
    samples: int = SAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Return the interval for the macro-F1 of `decisions` less that of `others`, on the same rows of each resample."""
    columns = [decisions & truth, decisions, others & truth, others, truth]
    hits, decided, other_hits, other_decided, support = _resample(columns, seed=seed, samples=samples)
    first = mean_over_present(f1_from_counts(hits, decided, support), support)
    second = mean_over_present(f1_from_counts(other_hits, other_decided, support), support)
    return _interval(macro_f1(decisions, truth) - macro_f1(others, truth), first - second, confidence)


def _resample(columns: list[Indicator], *, seed: int, samples: int) -> list[NDArray[np.float32]]:
    """Return, for each (rows, labels) indicator, the counts of its true cells in every resample: (samples, labels)."""
    values = np.hstack(columns).astype(np.float32)  # counts stay exact up to 16 million rows
    rows = len(values)
    generator = np.random.default_rng(seed)
    at_once = max(1, WEIGHTS_AT_ONCE // rows)
    counts = []
    for start in range(0, samples, at_once):
        size = min(at_once, samples - start)
        drawn = generator.integers(0, rows, size=(size, rows)) + np.arange(size)[:, None] * rows
        weights = np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows)
        counts.append(weights.astype(np.float32) @ values)
    return np.split(np.concatenate(counts), len(columns), axis=1)


def _interval(value: float, resampled: Reals, confidence: float) -> Interval:
    low, high = np.quantile(resampled, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(value, float(low), float(high))
