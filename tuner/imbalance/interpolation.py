"""The SMOTE family of imbalanced-learn: rarer classes gain new rows that lie between two of their rows.

The average of token numbers means nothing, so the new rows are not computed here. A pass names the two rows and a weight, and
the model mixes them after the embedding. To learn which two rows these are, we give imbalanced-learn the identity matrix as its
data: each new row then has two non-zero numbers, at the positions of the two rows. imbalanced-learn accepts a neighbour search as
a parameter, so we pass one that uses the vectors of the rows (`RowNeighbours`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.imbalance.cleaning import Clean, is_linked, not_outvoted, with_lost_classes
from tuner.imbalance.neighbours import RowNeighbours, nearest, remembered, vectors_of
from tuner.imbalance.training_pass import Pass, Resample, RowNumbers, Targets, TrainingRows

ASKED_FOR_DANGER = 10
"""Nearest rows that decide whether a row is near another class in Borderline-SMOTE; imbalanced-learn's default."""

ASKED_TO_CLEAN = 3
"""Nearest rows that vote on a row in SMOTE-ENN, as in its paper."""

_CLEANED_SEED = 0

Mixed = tuple[RowNumbers, RowNumbers, NDArray[np.float32]]
"""The rows of a pass, their partners, and the partners' weights."""


def smote(*, ratio: float, neighbours: int) -> Resample:
    """Raise each class to `ratio` times the largest, with new rows between a row and one of its `neighbours` nearest rows.

    A pass also reads every row of the data once. Chawla et al. (2002), SMOTE.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        return _as_pass(*_smote(data, ratio, neighbours, int(generator.integers(2**31))))

    return draw


def borderline_smote(*, ratio: float, neighbours: int) -> Resample:
    """SMOTE that starts only from border rows: at least half of their nearest rows, but not all, have another class.

    A class without such a row gains none. Han, Wang & Mao (2005), Borderline-SMOTE1.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        from imblearn.over_sampling import BorderlineSMOTE

        sampler = BorderlineSMOTE(
            sampling_strategy=goal_of(data.targets, ratio),
            k_neighbors=RowNeighbours(data, neighbours + 1),
            m_neighbors=RowNeighbours(data, min(ASKED_FOR_DANGER, len(data) - 1) + 1),
            random_state=int(generator.integers(2**31)),
        )
        return _as_pass(*_pairs(sampler, data.targets))

    return draw


def adasyn(*, ratio: float, neighbours: int) -> Resample:
    """SMOTE that makes more rows from a row with more neighbours of other classes among its `neighbours` nearest rows.

    A class reaches `ratio` times the largest only approximately. It gains no rows if no other class is near it. He et al.
    (2008), ADASYN.
    """

    def draw(data: TrainingRows, generator: np.random.Generator) -> Pass:
        from imblearn.over_sampling import ADASYN

        goal = {
            label: wanted
            for label, wanted in goal_of(data.targets, ratio).items()
            if _has_others_near(data, label, wanted, neighbours)
        }
        if not goal:
            return _as_pass(*_unmixed(len(data)))
        sampler = ADASYN(
            sampling_strategy=goal,
            n_neighbors=RowNeighbours(data, neighbours + 1),
            random_state=int(generator.integers(2**31)),
        )
        return _as_pass(*_pairs(sampler, data.targets))

    return draw


def smote_enn(*, ratio: float, neighbours: int) -> Resample:
    """Apply SMOTE, then drop old and new rows that their three nearest rows outvote.

    Searching among new rows is slow, so the rows are drawn once per process and data. Batista, Prati & Monard (2004).
    """

    def clean(vectors: NDArray[Any], targets: Targets) -> RowNumbers:
        kept = not_outvoted(vectors, targets, min(ASKED_TO_CLEAN, len(targets) - 1))
        return with_lost_classes(np.flatnonzero(kept), targets)

    return _smote_then("smote_enn", clean, ratio, neighbours)


def smote_tomek(*, ratio: float, neighbours: int) -> Resample:
    """Apply SMOTE, then drop both rows of each Tomek link, among old and new rows.

    Searching among new rows is slow, so the rows are drawn once per process and data. Batista, Bazzan & Monard (2003).
    """

    def clean(vectors: NDArray[Any], targets: Targets) -> RowNumbers:
        return with_lost_classes(np.flatnonzero(~is_linked(vectors, targets)), targets)

    return _smote_then("smote_tomek", clean, ratio, neighbours)


def goal_of(targets: Targets, ratio: float) -> dict[int, int]:
    """Return the number of rows to reach for each class that should grow: `ratio` times the largest class."""
    counts = np.bincount(targets)
    goal = round(ratio * counts.max())
    return {label: goal for label, n in enumerate(counts) if 0 < n < goal}


def mixed_vectors(vectors: NDArray[np.float32], mixed: Mixed) -> NDArray[np.float32]:
    """Return the vectors (n, dimensions) of mixed rows: between the two rows, by their weights."""
    rows, partners, weights = mixed
    start = vectors[rows]
    return start + weights[:, None] * (vectors[partners] - start)


def _smote(data: TrainingRows, ratio: float, neighbours: int, seed: int) -> Mixed:
    from imblearn.over_sampling import SMOTE

    goal = goal_of(data.targets, ratio)
    search = RowNeighbours(data, neighbours + 1)
    return _pairs(SMOTE(sampling_strategy=goal, k_neighbors=search, random_state=seed), data.targets)


def _smote_then(name: str, clean: Clean, ratio: float, neighbours: int) -> Resample:
    def compute(data: TrainingRows) -> Mixed:
        rows, partners, weights = _smote(data, ratio, neighbours, _CLEANED_SEED)
        vectors = mixed_vectors(vectors_of(data), (rows, partners, weights))
        kept = clean(vectors, data.targets[rows])
        return rows[kept], partners[kept], weights[kept]

    def draw(data: TrainingRows, _generator: np.random.Generator) -> Pass:
        return _as_pass(*remembered((name, ratio, neighbours, data.digest), lambda: compute(data)))

    return draw


def _pairs(sampler: Any, targets: Targets) -> Mixed:
    """Return every row once, then the pairs that `sampler` makes, each with the weight of the farther row."""
    from scipy.sparse import identity

    made, _ = sampler.fit_resample(identity(len(targets), format="csr"), targets)
    made = made.tocsr()
    made.sum_duplicates()
    made.eliminate_zeros()
    first, last = made.indptr[:-1], made.indptr[1:] - 1
    is_second_nearer = made.data[last] > made.data[first]
    nearer, farther = np.where(is_second_nearer, [last, first], [first, last])
    weights = np.where(first == last, 0.0, made.data[farther]).astype(np.float32)
    return made.indices[nearer].astype(np.int64), made.indices[farther].astype(np.int64), weights


def _unmixed(rows: int) -> Mixed:
    return np.arange(rows), np.arange(rows), np.zeros(rows, np.float32)


def _as_pass(rows: NDArray[Any], partners: NDArray[Any], weights: NDArray[Any]) -> Pass:
    return Pass(rows, np.zeros(len(rows), np.int64), partners, weights)


def _has_others_near(data: TrainingRows, label: int, wanted: int, neighbours: int) -> bool:
    """Return whether ADASYN has rows to draw for a class. If there are none, imbalanced-learn raises an error."""
    members = np.flatnonzero(data.targets == label)
    _, places = nearest(data, of=members, among=np.arange(len(data)), count=neighbours + 1)
    others = (data.targets[places[:, 1:]] != label).sum(1) / neighbours
    if not others.any():
        return False
    return bool(np.rint(others / others.sum() * (wanted - len(members))).any())
