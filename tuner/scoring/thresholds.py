"""Decision thresholds per label: fitted, shrunk towards a shared one, and cross-fitted.

Multi-label thresholds maximise each label's F1, and binary ones the macro-F1 of both classes. Multi-class picks the most
probable class and has no thresholds. Lipton, Elkan and Naryanaswamy (2014), arXiv 1402.1892, show that a cut fitted on few
positives fits noise, and that for a model without information the cut with the best F1 is all-positive.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.scoring.f1 import Reals, f1_from_counts
from tuner.scoring.indicator import Indicator, as_indicator
from tuner.scoring.log_odds import from_log_odds, log_odds
from tuner.scoring.ranking import Probabilities, Ranking, rank_rows
from tuner.space.task import Task

SHRINKAGE = 20.0
"""With this many positives, a label's own threshold and the shared one have the same weight."""
# Macro-F1 on one half of goemotions' validation split with thresholds fitted on the other (40 halves; TF-IDF + LR), for
# shrinkage 0, 5, 10, 20, 50 and infinite:
#   balanced weights, all 5,426 rows  0.467 0.472 0.473 0.474 0.476 0.475
#   balanced weights, 600 of the rows 0.445 0.481 0.486 0.493 0.496 0.497
#   no weights, all rows              0.466 0.466 0.466 0.464 0.460 0.450
#   no weights, 600 of the rows       0.444 0.479 0.485 0.486 0.486 0.485

NEVER = np.inf
"""Threshold of a label that is never predicted."""


def decide(probabilities: Probabilities, thresholds: Reals, task: Task) -> Indicator:
    """Return decisions (rows, labels) from probabilities (rows, labels).

    Thresholds are (labels,) in multi-label, (1,) for the positive class in binary, and unused in multi-class.
    """
    if task == "multilabel":
        return np.asarray(probabilities >= thresholds)
    if task == "binary":
        is_positive = probabilities[:, 1] >= thresholds[0]
        return np.column_stack([~is_positive, is_positive])
    return as_indicator(probabilities.argmax(axis=1), probabilities.shape[1])


def fit_thresholds(
    probabilities: Probabilities,
    truth: Indicator,
    task: Task,
    *,
    seen: Indicator | None = None,
    is_common: Indicator | None = None,
    shrinkage: float = SHRINKAGE,
) -> Reals:
    """Fit the thresholds that `decide` takes on probabilities and truth, both (rows, labels).

    In multi-label each label's own threshold is shrunk, in logits, towards the one that is best for all labels together. Its
    weight is n / (n + shrinkage) for n positives. A threshold may decide a label at most half way between its
    prevalence and every row. If too many rows share the label's highest probability, no threshold can meet this. Then a common
    label is decided on those rows, and any other label never. `is_common` (labels,) marks the common labels, by default those
    that are true on most rows. Labels that were not `seen` (labels,) in training are never predicted.
    """
    if task == "multiclass":
        return np.zeros(0)
    if not len(truth):  # all rows are in one block, so the other part is empty
        return np.full(1 if task == "binary" else truth.shape[1], 0.5)
    is_common = _is_common(truth) if is_common is None else is_common
    if task == "binary":
        return _fit_binary(probabilities[:, 1:], truth[:, 1:], is_common[1:])
    ranking = rank_rows(probabilities, truth)
    f1 = f1_from_counts(ranking.hits, _decided(ranking), ranking.support[:, None])
    is_tied = _is_tied(ranking)
    is_allowed = _allowed_cuts(ranking, is_common)
    lowest = _lowest(ranking, is_allowed)
    fitted = _best(ranking, np.where(is_allowed, f1, 0.0), lowest)
    weight = np.where(is_tied, 1.0, ranking.support / np.maximum(ranking.support + shrinkage, 1))
    shared = _shared(ranking, f1, is_allowed)
    shrunk = from_log_odds(weight * _safe_log_odds(fitted) + (1 - weight) * _safe_log_odds(shared))
    thresholds = np.maximum(np.where(weight < 1, shrunk, fitted), lowest)
    return thresholds if seen is None else np.where(seen, thresholds, NEVER)


def cross_fitted_decisions(
    probabilities: Probabilities,
    truth: Indicator,
    task: Task,
    *,
    parts: NDArray[np.int64],
    seen: Indicator | None = None,
) -> Indicator:
    """Return decisions (rows, labels) that judge each part of the rows by thresholds fitted on the other parts.

    `parts` (rows,) numbers the part of each row: `tuner.scoring.blocks.halves`, or the folds of the data. All rows together
    determine which labels are common. Otherwise a constant output could be decided "always" in one part and "never" in the next.
    It would then seem to vary.
    """
    if task == "multiclass":
        return decide(probabilities, np.zeros(0), task)
    is_common = _is_common(truth)
    decisions = np.zeros(truth.shape, dtype=bool)
    for part in np.unique(parts):
        is_judged = parts == part
        thresholds = fit_thresholds(probabilities[~is_judged], truth[~is_judged], task, seen=seen, is_common=is_common)
        decisions[is_judged] = decide(probabilities[is_judged], thresholds, task)
    return decisions


def _fit_binary(probabilities: Probabilities, truth: Indicator, is_common: Indicator) -> Reals:
    if truth.all() or not truth.any():
        return np.array([0.5])  # every threshold is equally good
    ranking = rank_rows(probabilities, truth)
    decided, rows = _decided(ranking), len(truth)
    hits, support = ranking.hits, ranking.support[:, None]
    true_negatives = rows - decided - support + hits
    macro = (
        f1_from_counts(hits, decided, support) + f1_from_counts(true_negatives, rows - decided, rows - support)
    ) / 2
    is_allowed = _allowed_cuts(ranking, is_common)
    return _best(ranking, np.where(is_allowed, macro, 0.0), _lowest(ranking, is_allowed))


def _decided(ranking: Ranking) -> NDArray[np.int64]:
    """Return how many rows are decided positive by a cut after each rank, shape (1, rows)."""
    return np.arange(1, ranking.hits.shape[1] + 1)[None, :]


def _is_common(truth: Indicator) -> Indicator:
    """Return which labels (labels,) are true on most rows."""
    return np.asarray(2 * truth.sum(axis=0) > len(truth))


def _cautious_cuts(ranking: Ranking) -> Indicator:
    """Return the cuts that leave a label at least half as many negative decisions as it has false rows."""
    highest_count = (ranking.hits.shape[1] + ranking.support) / 2
    return np.asarray(ranking.is_cut & (_decided(ranking) <= highest_count[:, None]))


def _is_tied(ranking: Ranking) -> Indicator:
    """Return the labels (labels,) without a cautious cut, because too many rows share their highest probability."""
    return np.asarray(~_cautious_cuts(ranking).any(axis=1))


def _allowed_cuts(ranking: Ranking, is_common: Indicator) -> Indicator:
    """Return the cautious cuts; for a common label without any, its first cut."""
    is_allowed = _cautious_cuts(ranking)
    tied = np.flatnonzero(_is_tied(ranking) & is_common)
    is_allowed[tied, ranking.is_cut[tied].argmax(axis=1)] = True
    return is_allowed


def _last_allowed(is_allowed: Indicator) -> NDArray[np.int64]:
    """Return the last rank with an allowed cut after it, -1 if there is none."""
    last = is_allowed.shape[1] - 1 - is_allowed[:, ::-1].argmax(axis=1)
    return np.where(is_allowed.any(axis=1), last, -1)


def _lowest(ranking: Ranking, is_allowed: Indicator) -> Reals:
    """Return the lowest threshold each label may have; NEVER if no cut is allowed."""
    last = _last_allowed(is_allowed)
    return np.where(last >= 0, _threshold_after(ranking, np.maximum(last, 0)), NEVER)


def _best(ranking: Ranking, gain: Reals, lowest: Reals) -> Reals:
    """Return each label's threshold with the highest gain, the highest among equals; `lowest` if no gain is above 0."""
    best = gain.argmax(axis=1)
    is_gain = gain.max(axis=1) > 0
    return np.where(is_gain, _threshold_after(ranking, best), lowest)


def _threshold_after(ranking: Ranking, rank: NDArray[np.int64]) -> Reals:
    label = np.arange(len(rank))
    padded = np.pad(ranking.probabilities, ((0, 0), (0, 1)))
    return np.asarray(_between(padded[label, rank], padded[label, rank + 1]))


def _shared(ranking: Ranking, f1: Reals, is_allowed: Indicator) -> float:
    """Return the threshold with the best mean F1 if every label uses it, as far as the label's own bound allows.

    Walk down through all labels' probabilities together: each one passed changes its label's F1 by a known step.
    """
    within = np.arange(f1.shape[1]) <= _last_allowed(is_allowed)[:, None]
    if not within.any():
        return 0.5
    steps = np.diff(f1, axis=1, prepend=0.0)[within]
    levels = ranking.probabilities[within]
    order = (-levels).argsort()
    levels = np.append(levels[order], 0.0)
    total = np.where(levels[1:] < levels[:-1], steps[order].cumsum(), 0.0)
    best = total.argmax()
    return float(_between(levels[best], levels[best + 1]))


def _between(upper: Any, lower: Any) -> Any:
    """Return the midpoint, or `upper` if no float lies in between: `p >= t` must hold for `upper` but not for `lower`."""
    middle = (upper + lower) / 2
    return np.where(middle > lower, middle, upper)


def _safe_log_odds(threshold: Any) -> Reals:
    return log_odds(np.clip(threshold, 1e-12, 1 - 1e-12))
