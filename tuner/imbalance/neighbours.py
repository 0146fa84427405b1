"""Nearest rows among `TrainingRows.vectors`, looked for once per process and data.

A pass is drawn anew every time, but what it is drawn from is the same: the neighbours of rows that do not change. What is
found is kept by a hash of the rows, so that other trials in the same process find it too.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tuner.imbalance.passes import RowNumbers, TrainingRows

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


def nearest(data: TrainingRows, *, of: RowNumbers, among: RowNumbers, count: int) -> tuple[NDArray[Any], ...]:
    """Return distances and places in `among` of the `count` nearest rows for each row of `of`, both (of, count).

    A row that is in both is its own nearest, unless another has the same vector.
    """

    def search() -> tuple[NDArray[Any], ...]:
        from sklearn.neighbors import NearestNeighbors

        vectors = vectors_of(data)
        found = NearestNeighbors(n_neighbors=count).fit(vectors[among]).kneighbors(vectors[of])
        return tuple(found)

    return remembered(("nearest", data.digest, of.tobytes(), among.tobytes(), count), search)


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
