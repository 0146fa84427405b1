"""Rules that leave out rows of frequent classes by their neighbours, from imbalanced-learn. Nothing is drawn: a pass is the
same every time, and worked out once per process and data.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.imbalance.neighbours import remembered, vectors_of
from tuner.imbalance.passes import Pass, Resample, RowNumbers, Targets, TrainingRows, one_stratum


def near_miss(*, version: int, neighbours: int) -> Resample:
    """Keep as many rows of each class as the rarest has: those nearest to the rarest (Mani & Zhang 2003).

    Nearest by the mean distance to the rarest class's `neighbours` nearest rows (version 1) or farthest rows (2). Version 3
    first keeps the `neighbours` nearest to each row of the rarest class, and of those the farthest; it may keep fewer.
    """

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        from imblearn.under_sampling import NearMiss

        sampler = NearMiss(version=version, n_neighbors=neighbours, n_neighbors_ver3=neighbours)
        return one_stratum(_kept(data, ("near_miss", version, neighbours), sampler))

    return draw


def tomek_links() -> Resample:
    """Leave out a row whose nearest row is of another class and has it as its own nearest; the rarest class keeps all.

    Tomek (1976), Two modifications of CNN.
    """

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        from imblearn.under_sampling import TomekLinks

        return one_stratum(_kept(data, ("tomek_links",), TomekLinks()))

    return draw


def edited_nearest_neighbours(*, neighbours: int) -> Resample:
    """Leave out a row whose class is not the commonest among its `neighbours` nearest; the rarest class keeps all.

    Wilson (1972). Imbalanced-learn calls the vote kind_sel="mode"; its default, that one other suffices, leaves little.
    """

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        from imblearn.under_sampling import EditedNearestNeighbours

        sampler = EditedNearestNeighbours(n_neighbors=neighbours, kind_sel="mode")
        return one_stratum(_kept(data, ("edited_nearest_neighbours", neighbours), sampler))

    return draw


def cleaned(sampler: Any, vectors: NDArray[np.floating], targets: Targets) -> RowNumbers:
    """Return the rows that a sampler of imbalanced-learn keeps, in order; a class that would have none left keeps all."""
    with warnings.catch_warnings():
        # NearMiss-3 says at every pass that it has fewer rows than asked for, which its docstring says once.
        warnings.filterwarnings("ignore", message="The number of the samples to be selected is larger")
        sampler.fit_resample(vectors, targets)
    kept = sampler.sample_indices_.astype(np.int64)
    lost = np.setdiff1d(targets, targets[kept])
    return np.sort(np.concatenate([kept, np.flatnonzero(np.isin(targets, lost))]))


def _kept(data: TrainingRows, rule: tuple[str | int, ...], sampler: Any) -> RowNumbers:
    (rows,) = remembered((rule, data.digest), lambda: (cleaned(sampler, vectors_of(data), data.targets),))
    return rows
