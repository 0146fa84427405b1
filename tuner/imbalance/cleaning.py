"""Rules that drop rows of frequent classes by looking at their neighbours.

Nothing is random. Every pass is the same, so it is computed once per process and data.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tuner.imbalance.neighbours import others_near, remembered, vectors_of, without_copies
from tuner.imbalance.training_pass import Pass, Resample, RowNumbers, Targets, TrainingRows, one_stratum

Clean: TypeAlias = Callable[[NDArray[Any], Targets], RowNumbers]
"""Takes vectors (rows, dimensions) and targets (rows,), and returns the rows to keep."""


def near_miss(*, version: int, neighbours: int) -> Resample:
    """Cut each class to the size of the rarest class, keeping the rows closest to that class (Mani & Zhang 2003).

    Version 1 uses the mean distance to the `neighbours` nearest rows of the rarest class, and version 2 to the `neighbours`
    farthest rows. Version 3 first keeps the `neighbours` nearest rows of each row of the rarest class, then the farthest of
    these. It may keep fewer rows.
    """

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        from imblearn.under_sampling import NearMiss

        sampler = NearMiss(version=version, n_neighbors=neighbours, n_neighbors_ver3=neighbours)
        return _kept(data, ("near_miss", version, neighbours), partial(cleaned, sampler))

    return draw


def tomek_links() -> Resample:
    """Drop majority rows that form a Tomek link: two mutual nearest neighbours of different classes.

    The rarest class keeps all its rows. Exact copies count as one row and are dropped or kept together. Tomek (1976), Two
    modifications of CNN.
    """

    def clean(vectors: NDArray[np.floating], targets: Targets) -> RowNumbers:
        kept = ~is_linked(vectors, targets) | (targets == _rarest(targets))
        return with_lost_classes(np.flatnonzero(kept), targets)

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        return _kept(data, ("tomek_links",), clean)

    return draw


def edited_nearest_neighbours(*, neighbours: int) -> Resample:
    """Drop rows that their `neighbours` nearest rows outvote (`not_outvoted`). The rarest class loses no row. Wilson (1972)."""

    def clean(vectors: NDArray[np.floating], targets: Targets) -> RowNumbers:
        kept = not_outvoted(vectors, targets, neighbours) | (targets == _rarest(targets))
        return with_lost_classes(np.flatnonzero(kept), targets)

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        return _kept(data, ("edited_nearest_neighbours", neighbours), clean)

    return draw


def not_outvoted(vectors: NDArray[np.floating], targets: Targets, neighbours: int) -> NDArray[np.bool_]:
    """Return which rows (rows,) have their own class among their nearest rows at least as often as any other class.

    This differs from imbalanced-learn's EditedNearestNeighbours. Its kind_sel="mode" breaks ties by class number, so with
    three neighbours of three classes the alphabet decides. Its default drops a row for one neighbour of another class, which
    leaves few rows. There, copies of a row also vote for each other, and a row votes for itself if a copy comes first. Here,
    exact copies share one vote and do not vote on themselves.
    """
    first, of_set = without_copies(vectors, targets)
    classes = targets[first]
    rows = np.arange(len(first))
    votes = np.zeros((len(first), int(classes.max()) + 1), np.int32)
    for neighbour in others_near(vectors[first], min(neighbours, len(first) - 1)).T:
        votes[rows, classes[neighbour]] += 1
    return np.asarray(votes[rows, classes] == votes.max(1))[of_set]


def is_linked(vectors: NDArray[np.floating], targets: Targets) -> NDArray[np.bool_]:
    """Return which rows (rows,) form a Tomek link: two mutual nearest neighbours of different classes.

    Exact copies count as one row, as in `not_outvoted`. Otherwise the nearest neighbour of a copied row would be its copy,
    and the row could never form a link.
    """
    first, of_set = without_copies(vectors, targets)
    if len(first) < 2:
        return np.zeros(len(targets), dtype=bool)
    classes, rows = targets[first], np.arange(len(first))
    (near,) = others_near(vectors[first], 1).T
    return np.asarray((near[near] == rows) & (classes[near] != classes))[of_set]


def _rarest(targets: Targets) -> int:
    counts = np.bincount(targets)
    return int(np.where(counts, counts, len(targets) + 1).argmin())


def cleaned(sampler: Any, vectors: NDArray[np.floating], targets: Targets) -> RowNumbers:
    """Return the rows that an imbalanced-learn sampler keeps, in order. A class that would lose every row keeps every row."""
    with warnings.catch_warnings():
        # NearMiss-3 warns in every pass that it has fewer rows than requested. The docstring above says this.
        warnings.filterwarnings("ignore", message="The number of the samples to be selected is larger")
        sampler.fit_resample(vectors, targets)
    return with_lost_classes(sampler.sample_indices_.astype(np.int64), targets)


def with_lost_classes(kept: RowNumbers, targets: Targets) -> RowNumbers:
    """Return the kept rows in order, with all rows of each class that would disappear."""
    lost = np.setdiff1d(targets, targets[kept])
    return np.sort(np.concatenate([kept, np.flatnonzero(np.isin(targets, lost))]))


def _kept(data: TrainingRows, rule: tuple[str | int, ...], clean: Clean) -> Pass:
    (rows,) = remembered((rule, data.digest), lambda: (clean(vectors_of(data), data.targets),))
    return one_stratum(rows)
