"""Bool indicators (rows, labels) of true or decided labels; one-hot in binary (two columns) and multi-class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Indicator = NDArray[np.bool_]


def as_indicator(targets: NDArray[Any], n_labels: int) -> Indicator:
    """Return the indicator of targets: class numbers (rows,) or a 0/1 matrix (rows, labels)."""
    if targets.ndim == 2:
        return targets.astype(bool)
    return np.asarray(targets[:, None] == np.arange(n_labels))


def name_decisions(decisions: Indicator, labels: Sequence[str], *, is_list: bool) -> list[str] | list[list[str]]:
    """Turn decisions (rows, labels) into names of labels: one for each row or, with `is_list`, a list."""
    if is_list:
        return [[labels[int(label)] for label in np.flatnonzero(row)] for row in decisions]
    return [labels[int(label)] for label in decisions.argmax(1)]


def indicator_from_pairs(
    rows: Sequence[int] | NDArray[np.integer], labels: Sequence[int] | NDArray[np.integer], *, shape: tuple[int, int]
) -> Indicator:
    """Return the indicator of the given shape that is true at each pair of a row and a label, both numbered from 0."""
    indicator = np.zeros(shape, dtype=bool)
    indicator[rows, labels] = True
    return indicator


def indicator_from_lists(lists: pa.ChunkedArray, n_labels: int) -> Indicator:
    """Return the indicator of an Arrow column that lists each row's label numbers. Raises ValueError for a null list."""
    import pyarrow.compute as pc

    if lists.null_count:
        raise ValueError(f"{lists.null_count} of {len(lists)} rows have no list of labels")
    column = lists.combine_chunks()
    # Through DLPack, because `to_numpy` imports pandas if it is installed, which takes 0.15 s.
    pairs: list[NDArray[Any]] = [
        np.from_dlpack(part) for part in (pc.list_parent_indices(column), pc.list_flatten(column))
    ]
    return indicator_from_pairs(*pairs, shape=(len(lists), n_labels))
