"""Nearest rows among `TrainingRows.vectors`, looked for once per process and data.

A pass is drawn anew every time, but what it is drawn from is the same: the neighbours of rows that do not change. What is
found is kept by a hash of the rows, so that other trials in the same process find it too.

Exact copies, rows of one vector and one target, are one neighbour, and none of them is a neighbour of another: a row that
stands there twice would else speak for itself, and be mixed with itself.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tuner.imbalance.training_pass import RowNumbers, Targets, TrainingRows

LARGEST_MEMORY_BYTES = 256 * 2**20

_memory: OrderedDict[Hashable, tuple[NDArray[Any], ...]] = OrderedDict()


def remembered(key: Hashable, compute: Callable[[], tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    """Return what `compute` gives, from memory if `key` was asked for before; the longest unused is forgotten first."""
    if key not in _memory:
        _memory[key] = compute()
    _memory.move_to_end(key)
    while len(_memory) > 1 and sum(array.nbytes for each in _memory.values() for array in each) > LARGEST_MEMORY_BYTES:
        _memory.popitem(last=False)
    return _memory[key]


def vectors_of(data: TrainingRows) -> NDArray[np.float32]:
    """Return the vectors (rows, dimensions) of rows; a ValueError where they have none."""
    if data.vectors is None:
        raise ValueError("this resampling looks for neighbours, so its rows need vectors, but they have none")
    return data.vectors


def without_copies(vectors: NDArray[np.floating], targets: Targets) -> tuple[RowNumbers, RowNumbers]:
    """Return the first row of each set of exact copies, (sets,), and the set of every row, (rows,).

    Copies have the same vector (dimensions,) and the same target, a class or labels.
    """
    both = np.ascontiguousarray(np.column_stack([vectors + 0.0, targets]))  # -0.0 is equal to 0.0, but has other bytes
    keys = both.view(np.dtype((np.void, both.itemsize * both.shape[1])))[:, 0]
    _, first, of_set = np.unique(keys, return_index=True, return_inverse=True)
    in_order = np.argsort(first)
    rank = np.empty_like(in_order)
    rank[in_order] = np.arange(len(in_order))
    return first[in_order].astype(np.int64), rank[of_set].astype(np.int64)


def others_near(vectors: NDArray[np.floating], count: int) -> RowNumbers:
    """Return for each row of `vectors` (rows, dimensions) the `count` nearest others, nearest first, (rows, count).

    A row is none of its own, however many others lie where it does.
    """
    return _nearest_others(vectors, np.arange(len(vectors)), vectors, count)[1]


def nearest(data: TrainingRows, *, of: RowNumbers, among: RowNumbers, count: int) -> tuple[NDArray[Any], ...]:
    """Return distances and places in `among` of the `count` nearest rows for each row of `of`, both (of, count).

    All of `of` are in `among`, and each is its own nearest. Of exact copies the first stands for all; where `among` has
    fewer other rows than are asked for, they come again, and a row that has none but copies is its own neighbour.
    """

    def search() -> tuple[NDArray[Any], ...]:
        vectors = vectors_of(data)
        first, of_set = without_copies(vectors[among], data.targets[among])
        place = np.full(len(data), -1)
        place[among] = np.arange(len(among))
        own = place[of]
        most = min(count - 1, len(first) - 1)
        distances, sets = _nearest_others(vectors[among[first]], of_set[own], vectors[of], most)
        columns = np.concatenate([[0], 1 + np.arange(count - 1) % most]) if most else np.zeros(count, np.int64)
        places = np.column_stack([own, first[sets]])
        return np.column_stack([np.zeros(len(of)), distances])[:, columns], places[:, columns]

    return remembered(("nearest", data.digest, of.tobytes(), among.tobytes(), count), search)


def _nearest_others(
    vectors: NDArray[np.floating], own: RowNumbers, asked: NDArray[np.floating], count: int
) -> tuple[NDArray[np.floating], RowNumbers]:
    """Return distances and numbers of the `count` nearest of `vectors` for each that is asked, but for the one of `own`."""
    from sklearn.neighbors import NearestNeighbors

    distances, found = NearestNeighbors(n_neighbors=count + 1).fit(vectors).kneighbors(asked)
    is_own = found == own[:, None]
    is_own[~is_own.any(1), -1] = True  # others with the same vector came first: the last one goes in its stead
    shape = (len(asked), count)
    return distances[~is_own].reshape(shape), found[~is_own].reshape(shape).astype(np.int64)


class RowNeighbours:
    """What imbalanced-learn's samplers take for a search of neighbours, where a row is written as a row of the identity.

    Rows of the identity have no distances worth the name: they stand for rows of `data`, and those are searched.
    """

    def __init__(self, data: TrainingRows, n_neighbors: int) -> None:
        self.n_neighbors = n_neighbors
        self._data = data

    def __sklearn_clone__(self) -> Self:
        return type(self)(self._data, self.n_neighbors)

    def fit(self, identity: Any) -> Self:
        """Take the rows to search among."""
        self._among = _numbers(identity)
        return self

    def kneighbors(self, identity: Any, return_distance: bool = True) -> Any:
        """Return distances, if wanted, and places among the fitted rows, nearest first."""
        found = nearest(self._data, of=_numbers(identity), among=self._among, count=self.n_neighbors)
        return found if return_distance else found[1]

    def kneighbors_graph(self, identity: Any) -> Any:
        """Refuse: the samplers ask whether this exists, and none calls it."""
        raise NotImplementedError("no sampler that is used here asks for the graph")


def _numbers(identity: Any) -> RowNumbers:
    numbers: RowNumbers = identity.tocsr().indices.astype(np.int64)
    return numbers
