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

from tuner.imbalance.neighbours import remembered, vectors_of
from tuner.imbalance.passes import Pass, Resample, RowNumbers, Targets, TrainingRows, one_stratum

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

    Tomek (1976), Two modifications of CNN.
    """

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        from imblearn.under_sampling import TomekLinks

        return _kept(data, ("tomek_links",), partial(cleaned, TomekLinks()))

    return draw


def edited_nearest_neighbours(*, neighbours: int) -> Resample:
    """Leave out a row that its `neighbours` nearest outvote (see `not_outvoted`); the rarest class keeps all. Wilson (1972)."""

    def clean(vectors: NDArray[np.floating], targets: Targets) -> RowNumbers:
        counts = np.bincount(targets)
        rarest = np.where(counts, counts, len(targets) + 1).argmin()
        kept = not_outvoted(vectors, targets, neighbours) | (targets == rarest)
        return with_lost_classes(np.flatnonzero(kept), targets)

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        return _kept(data, ("edited_nearest_neighbours", neighbours), clean)

    return draw


def not_outvoted(vectors: NDArray[np.floating], targets: Targets, neighbours: int) -> NDArray[np.bool_]:
    """Return which rows (rows,) have their own class as often among their nearest as any other class.

    Imbalanced-learn's EditedNearestNeighbours(kind_sel="mode") breaks a tie by the class's number, so that of three
    neighbours of three classes the alphabet decides; its default, that one neighbour of another class suffices, leaves
    little.
    """
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=neighbours + 1).fit(vectors).kneighbors(vectors, return_distance=False)[:, 1:]
    rows = np.arange(len(targets))
    votes = np.zeros((len(targets), int(targets.max()) + 1), np.int32)
    for neighbour in found.T:
        votes[rows, targets[neighbour]] += 1
    return np.asarray(votes[rows, targets] == votes.max(1))


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
