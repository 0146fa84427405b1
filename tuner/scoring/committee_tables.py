"""Scores of many committees within milliseconds each: cross-fitted like a trial's, but by counts of rounded probabilities.

A cross-fitted score sorts every label's rows. Here each label's rows are counted in bins of equal width in log-odds instead,
so that a threshold is the number of a bin. The rules of `tuner.scoring.thresholds` hold, up to the width of a bin. Whoever
chooses by these scores judges the answer exactly afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.f1 import Reals, f1_from_counts, macro_f1_from_counts
from tuner.scoring.indicator import Indicator
from tuner.scoring.log_odds import log_odds
from tuner.scoring.penalty import constant_penalty_from_counts
from tuner.scoring.ranking import Probabilities
from tuner.scoring.thresholds import SHRINKAGE
from tuner.space.task import Task

_BINS = 256
_LEVELS = 2**16
_FURTHEST = 11.0  # log-odds; a level is 1 / 2**16

Sums = NDArray[np.float32]


class Tables(Protocol):
    """The models of a choice. `models` holds one array for each; `score` judges the mean of a sum of `count` of them."""

    @property
    def models(self) -> Sequence[Sums]:
        """The probabilities of each model, in an order of the axes that suits `score`."""

    def score(self, total: Sums, count: int) -> float:
        """Return macro-F1 minus the weighted penalty of the mean `total / count`."""


def make_tables(
    probabilities: Sequence[Probabilities],
    truth: Indicator,
    task: Task,
    parts: NDArray[np.int64],
    seen: Indicator | None,
    penalty_weight: float,
) -> Tables:
    """Return the tables of models with the given probabilities (rows, labels); other arguments as in `choose_committee`."""
    judge = _Judge(truth.sum(axis=0), len(truth), task, penalty_weight)
    if task == "multiclass":
        models = [np.asarray(each, np.float32) for each in probabilities]
        return _ClassTables(models, truth.argmax(axis=1), np.asarray(truth.any(axis=1)), judge)
    columns = slice(1, None) if task == "binary" else slice(None)
    models = [np.ascontiguousarray(each[:, columns].T, np.float32) for each in probabilities]
    is_seen = np.ones(truth.shape[1], bool) if seen is None or task == "binary" else seen
    part = np.unique(parts, return_inverse=True)[1]
    return _BinTables(models, np.ascontiguousarray(truth[:, columns].T), part, is_seen[columns], judge)


@dataclass(frozen=True)
class _Judge:
    """Turns counts of hits and decisions (labels,) into the score."""

    support: NDArray[np.int64]
    rows: int
    task: Task
    penalty_weight: float

    def score(self, hits: NDArray[np.int64], decided: NDArray[np.int64]) -> float:
        macro_f1 = macro_f1_from_counts(hits, decided, self.support)
        if not self.penalty_weight:
            return float(macro_f1)
        penalty = constant_penalty_from_counts(hits, decided, self.support, self.rows, self.task)
        return float(macro_f1 - self.penalty_weight * penalty)


@dataclass(frozen=True, eq=False)
class _ClassTables:
    """Multi-class: the most probable class, without thresholds. `models` are (rows, classes)."""

    models: Sequence[Sums]
    targets: NDArray[np.int64]  # (rows,)
    has_target: Indicator  # (rows,)
    judge: _Judge

    def score(self, total: Sums, count: int) -> float:  # noqa: ARG002, the most probable class needs no mean
        decided = total.argmax(axis=1)
        classes = total.shape[1]
        is_hit = (decided == self.targets) & self.has_target
        return self.judge.score(
            np.bincount(decided[is_hit], minlength=classes), np.bincount(decided, minlength=classes)
        )


class _BinTables:
    """Multi-label and binary: thresholds of each part of the rows come from the other parts. `models` are (columns, rows)."""

    def __init__(
        self, models: Sequence[Sums], truth: Indicator, part: NDArray[np.int64], is_seen: Indicator, judge: _Judge
    ) -> None:
        self.models, self._judge, self._is_seen = models, judge, is_seen
        columns, rows = truth.shape
        self._shape = (int(part.max()) + 1, columns, _BINS)
        self._place = (part * columns + np.arange(columns)[:, None]) * _BINS  # of each row's bins
        self._true = np.flatnonzero(truth)
        sizes = np.bincount(part, minlength=self._shape[0])
        supports = np.stack([truth[:, part == number].sum(axis=1) for number in range(self._shape[0])])
        self._other_rows = (rows - sizes)[:, None]  # (parts, 1)
        self._other_support = truth.sum(axis=1) - supports  # (parts, columns)
        self._is_common = 2 * truth.sum(axis=1) > rows

    def score(self, total: Sums, count: int) -> float:
        levels = (total * ((_LEVELS - 2) / count)).astype(np.uint16)
        keys = (_BIN_OF_LEVEL[levels] + self._place).ravel()
        size = int(np.prod(self._shape))
        decided, hits = (
            _from_above(np.bincount(each, minlength=size), self._shape) for each in (keys, keys[self._true])
        )
        cuts = self._thresholds(decided.sum(axis=0) - decided, hits.sum(axis=0) - hits)[..., None]
        hits, decided = (np.take_along_axis(each, cuts, axis=2)[..., 0].sum(axis=0) for each in (hits, decided))
        if self._judge.task == "binary":
            rows, support = self._judge.rows, int(self._judge.support[1])
            hits = np.append(rows - decided - support + hits, hits)
            decided = np.append(rows - decided, decided)
        return self._judge.score(hits, decided)

    def _thresholds(self, decided: NDArray[np.int64], hits: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the bin of each threshold, (parts, columns), from counts of the other parts, (parts, columns, bins + 1)."""
        support, rows = self._other_support[..., None], self._other_rows[..., None]
        gain = f1_from_counts(hits, decided, support)
        if self._judge.task == "binary":
            gain = (gain + f1_from_counts(rows - decided - support + hits, rows - decided, rows - support)) / 2
        is_allowed = (2 * decided <= rows + support) & (decided > 0)
        top = np.where(self._is_common, (decided > 0).sum(axis=2) - 1, _BINS)
        lowest = np.where(is_allowed.any(axis=2), is_allowed.argmax(axis=2), top)
        fitted = np.where(is_allowed, gain, -1.0)[..., ::-1].argmax(axis=2)
        fitted = np.maximum(_BINS - fitted, lowest)
        if self._judge.task == "binary":
            return np.asarray(fitted)
        within = np.maximum(np.arange(_BINS + 1), lowest[..., None])
        common = np.take_along_axis(gain, within, axis=2).sum(axis=1)
        shared = _BINS - common[:, ::-1].argmax(axis=1)[:, None]
        weight = self._other_support / (self._other_support + SHRINKAGE)
        cuts = np.rint(weight * fitted + (1 - weight) * shared).astype(np.int64)
        return np.asarray(np.where(self._is_seen, np.maximum(cuts, lowest), _BINS))


def _from_above(counts: NDArray[np.int64], shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Return how many lie in each bin or above, shape (parts, columns, bins + 1)."""
    totals = np.zeros((*shape[:2], shape[2] + 1), np.int64)
    totals[..., :-1] = counts.reshape(shape)[..., ::-1].cumsum(axis=2)[..., ::-1]
    return totals


def _bins_of_levels() -> NDArray[np.int64]:
    odds: Any = log_odds((np.arange(_LEVELS) + 0.5) / _LEVELS)
    share: Reals = (np.clip(odds, -_FURTHEST, _FURTHEST) + _FURTHEST) / (2 * _FURTHEST)
    return np.minimum((share * _BINS).astype(np.int64), _BINS - 1)


_BIN_OF_LEVEL = _bins_of_levels()
