"""Find the nearest rows among `TrainingRows.vectors`, once per process and data.

Every pass is new, but the rows and their neighbours stay the same. Results are stored under a hash of the rows, so that other
trials in the same process can use them too.

Exact copies, which are rows with the same vector and the same target, count as one neighbour and are never neighbours of each
other. Otherwise a copied row would vote for itself and be mixed with itself.
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
    """Return the result of `compute`, from memory if `key` is known. The least recently used result is dropped first."""
    if key not in _memory:
        _memory[key] = compute()
    _memory.move_to_end(key)
    while (
        len(_memory) > 1 and sum(array.nbytes for arrays in _memory.values() for array in arrays) > LARGEST_MEMORY_BYTES
    ):
        _memory.popitem(last=False)
    return _memory[key]


def vectors_of(data: TrainingRows) -> NDArray[np.float32]:
    """Return the vectors (rows, dimensions) of rows. Raises ValueError if they have none."""
    if data.vectors is None:
        raise ValueError("this resampling searches for neighbours, so its rows need vectors, but they have none")
    return data.vectors


def without_copies(vectors: NDArray[np.floating], targets: Targets) -> tuple[RowNumbers, RowNumbers]:
    """Return the first row of each set of exact copies, (sets,), and the set of every row, (rows,).

    Copies have the same vector (dimensions,) and the same target (a class, or labels).
    """
    both = np.ascontiguousarray(np.column_stack([vectors + 0.0, targets]))  # -0.0 equals 0.0, but has other bytes
    keys = both.view(np.dtype((np.void, both.itemsize * both.shape[1])))[:, 0]
    _, first, of_set = np.unique(keys, return_index=True, return_inverse=True)
    in_order = np.argsort(first)
    rank = np.empty_like(in_order)
    rank[in_order] = np.arange(len(in_order))
    return first[in_order].astype(np.int64), rank[of_set].astype(np.int64)


def others_near(vectors: NDArray[np.floating], count: int) -> RowNumbers:
    """Return the `count` nearest other rows of each row of `vectors` (rows, dimensions), nearest first: (rows, count).

    A row is never its own neighbour, even if others have the same vector.
    """
    return _nearest_others(vectors, np.arange(len(vectors)), vectors, count)[1]


def nearest(data: TrainingRows, *, of: RowNumbers, among: RowNumbers, count: int) -> tuple[NDArray[Any], ...]:
    """Return distances and positions in `among` of the `count` nearest rows for each row of `of`, both (of, count).

    `among` must contain all of `of`; each row is its own nearest. The first of exact copies represents all of them. If
    `among` has too few other rows, they repeat. A row that has only copies is its own neighbour.
    """

    def search() -> tuple[NDArray[Any], ...]:
        vectors = vectors_of(data)
        first, of_set = without_copies(vectors[among], data.targets[among])
        place = np.full(len(data), -1)
        place[among] = np.arange(len(among))
        itself = place[of]
        most = min(count - 1, len(first) - 1)
        distances, sets = _nearest_others(vectors[among[first]], of_set[itself], vectors[of], most)
        columns = np.concatenate([[0], 1 + np.arange(count - 1) % most]) if most else np.zeros(count, np.int64)
        places = np.column_stack([itself, first[sets]])
        return np.column_stack([np.zeros(len(of)), distances])[:, columns], places[:, columns]

    return remembered(("nearest", data.digest, of.tobytes(), among.tobytes(), count), search)


def _nearest_others(
    vectors: NDArray[np.floating], itself: RowNumbers, queries: NDArray[np.floating], count: int
) -> tuple[NDArray[np.floating], RowNumbers]:
    """Return distances and positions of the `count` nearest `vectors` for each query, without the query's own position."""
    from sklearn.neighbors import NearestNeighbors

    distances, positions = NearestNeighbors(n_neighbors=count + 1).fit(vectors).kneighbors(queries)
    is_itself = positions == itself[:, None]
    is_itself[~is_itself.any(1), -1] = True  # others with the same vector came first: drop the last one instead
    shape = (len(queries), count)
    return distances[~is_itself].reshape(shape), positions[~is_itself].reshape(shape).astype(np.int64)


class RowNeighbours:
    """A neighbour search for imbalanced-learn's samplers, for data given as rows of the identity matrix.

    Distances between rows of the identity mean nothing. Each represents a row of `data`, and the search compares these rows.
    """

    def __init__(self, data: TrainingRows, n_neighbors: int) -> None:
        self.n_neighbors = n_neighbors
        self._data = data

    def __sklearn_clone__(self) -> Self:
        return type(self)(self._data, self.n_neighbors)

    def fit(self, identity: Any) -> Self:
        """Store the rows to search among."""
        self._among = _numbers(identity)
        return self

    def kneighbors(self, identity: Any, return_distance: bool = True) -> Any:
        """Return distances, if requested, and positions among the fitted rows, nearest first."""
        neighbours = nearest(self._data, of=_numbers(identity), among=self._among, count=self.n_neighbors)
        return neighbours if return_distance else neighbours[1]

    def kneighbors_graph(self, identity: Any) -> Any:
        """Raise NotImplementedError: the samplers only check that this method exists."""
        raise NotImplementedError("none of our samplers uses the graph")


def _numbers(identity: Any) -> RowNumbers:
    numbers: RowNumbers = identity.tocsr().indices.astype(np.int64)
    return numbers
