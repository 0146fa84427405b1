"""Rules that leave out rows of frequent classes by their neighbours. Nothing is drawn: a pass is the same every time, and
worked out once per process and data.
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
"""From vectors (rows, dimensions) and targets (rows,) to the rows that are kept."""


def near_miss(*, version: int, neighbours: int) -> Resample:
    """Keep as many rows of each class as the rarest has: those nearest to the rarest (Mani & Zhang 2003).

    Nearest by the mean distance to the rarest class's `neighbours` nearest rows (version 1) or farthest rows (2). Version 3
    first keeps the `neighbours` nearest to each row of the rarest class, and of those the farthest; it may keep fewer.
    """

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        from imblearn.under_sampling import NearMiss

        sampler = NearMiss(version=version, n_neighbors=neighbours, n_neighbors_ver3=neighbours)
        return _kept(data, ("near_miss", version, neighbours), partial(cleaned, sampler))

    return draw


def tomek_links() -> Resample:
    """Leave out a row whose nearest row is of another class and has it as its own nearest; the rarest class keeps all.

    Tomek (1976), Two modifications of CNN. Of exact copies, which count as one row, all are left out or none.
    """

    def clean(vectors: NDArray[np.floating], targets: Targets) -> RowNumbers:
        kept = ~is_linked(vectors, targets) | (targets == _rarest(targets))
        return with_lost_classes(np.flatnonzero(kept), targets)

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        return _kept(data, ("tomek_links",), clean)

    return draw


def edited_nearest_neighbours(*, neighbours: int) -> Resample:
    """Leave out a row that its `neighbours` nearest outvote (see `not_outvoted`); the rarest class keeps all. Wilson (1972)."""

    def clean(vectors: NDArray[np.floating], targets: Targets) -> RowNumbers:
        kept = not_outvoted(vectors, targets, neighbours) | (targets == _rarest(targets))
        return with_lost_classes(np.flatnonzero(kept), targets)

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        return _kept(data, ("edited_nearest_neighbours", neighbours), clean)

    return draw


def not_outvoted(vectors: NDArray[np.floating], targets: Targets, neighbours: int) -> NDArray[np.bool_]:
    """Return which rows (rows,) have their own class as often among their nearest as any other class.

    Imbalanced-learn's EditedNearestNeighbours(kind_sel="mode") breaks a tie by the class's number, so that of three
    neighbours of three classes the alphabet decides; its default, that one neighbour of another class suffices, leaves
    little. There, too, copies of a row vote for each other, and a row for itself where a copy of it comes first. Here exact
    copies have one vote together, and none on themselves.
    """
    first, of_set = without_copies(vectors, targets)
    classes = targets[first]
    rows = np.arange(len(first))
    votes = np.zeros((len(first), int(classes.max()) + 1), np.int32)
    for neighbour in others_near(vectors[first], min(neighbours, len(first) - 1)).T:
        votes[rows, classes[neighbour]] += 1
    return np.asarray(votes[rows, classes] == votes.max(1))[of_set]


def is_linked(vectors: NDArray[np.floating], targets: Targets) -> NDArray[np.bool_]:
    """Return which rows (rows,) are part of a Tomek link: two of different classes, each the other's nearest row.

    Exact copies count as one row, as in `not_outvoted`: else a row's copy is its nearest, and it never part of a link.
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
    """Return the rows that a sampler of imbalanced-learn keeps, in order; a class that would have none left keeps all."""
    with warnings.catch_warnings():
        # NearMiss-3 says at every pass that it has fewer rows than asked for, which its docstring says once.
        warnings.filterwarnings("ignore", message="The number of the samples to be selected is larger")
        sampler.fit_resample(vectors, targets)
    return with_lost_classes(sampler.sample_indices_.astype(np.int64), targets)


def with_lost_classes(kept: RowNumbers, targets: Targets) -> RowNumbers:
    """Return rows that are kept, in order, and all of each class that would have none left."""
    lost = np.setdiff1d(targets, targets[kept])
    return np.sort(np.concatenate([kept, np.flatnonzero(np.isin(targets, lost))]))


def _kept(data: TrainingRows, rule: tuple[str | int, ...], clean: Clean) -> Pass:
    (rows,) = remembered((rule, data.digest), lambda: (clean(vectors_of(data), data.targets),))
    return one_stratum(rows)
