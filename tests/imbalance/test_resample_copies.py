"""Exact copies of a row count as one neighbour; no row votes for itself or is mixed with itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tuner.imbalance.resample import RESAMPLINGS
from tuner.imbalance.training_pass import Pass, TrainingRows

LINE = np.arange(40, dtype=np.float32)[:, None]
"""Vectors of one dimension, 1 apart."""


def data_of(vectors: NDArray[Any], targets: NDArray[np.int64]) -> TrainingRows:
    return TrainingRows(targets, "binary", vectors.astype(np.float32))


def draw(name: str, data: TrainingRows, **parameters: Any) -> Pass:
    return RESAMPLINGS[name](**parameters)(data, np.random.default_rng(0))


def with_copies(data: TrainingRows, row: int, copies: int) -> TrainingRows:
    """The data with some copies of one row after all others."""
    assert data.vectors is not None
    rows = np.concatenate([np.arange(len(data)), np.repeat(row, copies)])
    return data_of(data.vectors[rows], data.targets[rows])


def a_stray_row() -> TrainingRows:
    """Class 1 on the right is rarer than class 0 on the left. Row 5 of class 0 lies in the middle of class 1."""
    vectors = np.concatenate([LINE[:20], 100 + LINE[:12]])
    vectors[5] = 105.4
    return data_of(vectors, np.repeat([0, 1], [20, 12]))


@pytest.mark.parametrize("copies", [0, 1, 3, 9])
@pytest.mark.parametrize(
    ("name", "parameters"), [("edited_nearest_neighbours", {"neighbours": 3}), ("tomek_links", {})]
)
def test_a_stray_row_is_dropped_with_all_its_copies(name: str, parameters: dict[str, Any], copies: int) -> None:
    data = with_copies(a_stray_row(), 5, copies)
    kept = draw(name, data, **parameters).rows
    assert np.setdiff1d(np.arange(len(data)), kept).tolist() == [5, *range(32, 32 + copies)]


@pytest.mark.parametrize("copies", [1, 4])
@pytest.mark.parametrize(
    ("name", "parameters"), [("edited_nearest_neighbours", {"neighbours": 3}), ("tomek_links", {})]
)
def test_copies_of_a_stray_row_leave_its_neighbours_alone(name: str, parameters: dict[str, Any], copies: int) -> None:
    """Four copies of a row of the rarest class, in the middle of the other class, are one vote against each neighbour."""
    vectors = np.concatenate([LINE[:20], 100 + LINE[:12]])
    vectors[25] = 10.4
    data = with_copies(data_of(vectors, np.repeat([0, 1], [20, 12])), 25, copies)
    left_out = np.setdiff1d(np.arange(len(data)), draw(name, data, **parameters).rows)
    assert left_out.tolist() == ([] if name == "edited_nearest_neighbours" else [10])


@pytest.mark.parametrize("order", [[0, 1], [1, 0]])
def test_editing_drops_the_outvoted_one_of_two_labels_of_the_same_text(order: list[int]) -> None:
    vectors = np.concatenate([LINE[:20], LINE[[7, 7]], 100 + LINE[:12]])
    targets = np.concatenate([np.zeros(20), [1, 1], np.ones(12)]).astype(np.int64)
    if order == [1, 0]:
        vectors, targets = vectors[::-1], targets[::-1]
    targets = 1 - targets  # rows of the rarest class always stay, so the other class must be the rarest
    rarer = targets == 1
    extra = 200 + np.arange(10, dtype=np.float32)[:, None]
    data = data_of(np.concatenate([vectors, extra]), np.concatenate([targets, np.zeros(10, np.int64)]))
    left_out = np.setdiff1d(np.arange(len(data)), draw("edited_nearest_neighbours", data, neighbours=3).rows)
    assert rarer.sum() == 20
    assert sorted(np.concatenate([vectors, extra])[left_out, 0]) == [7, 7]


def test_one_text_with_two_labels_is_a_tomek_link() -> None:
    vectors = np.concatenate([LINE[:20], LINE[[7, 7]], 100 + LINE[:12]])
    targets = np.repeat([0, 1, 1], [20, 2, 12])
    kept = draw("tomek_links", data_of(vectors, targets)).rows
    assert np.setdiff1d(np.arange(len(vectors)), kept).tolist() == [7]


@pytest.mark.parametrize(
    ("name", "parameters"), [("edited_nearest_neighbours", {"neighbours": 3}), ("tomek_links", {})]
)
def test_no_row_is_dropped_if_all_rows_are_copies(name: str, parameters: dict[str, Any]) -> None:
    assert len(draw(name, data_of(np.zeros((20, 2)), np.zeros(20, np.int64)), **parameters)) == 20
    assert len(draw(name, data_of(np.zeros((20, 2)), np.repeat([0, 1], [12, 8])), **parameters)) == 20


@pytest.mark.parametrize("name", ["smote", "adasyn", "borderline_smote", "smote_enn", "smote_tomek"])
def test_rows_are_mixed_with_others_and_not_with_copies_of_themselves(name: str) -> None:
    """Each row of class 1 occurs five times, near rows of class 0."""
    vectors = np.concatenate([LINE, np.repeat(LINE[:8] + 0.4, 5, axis=0)[:35]])
    targets = np.repeat([0, 1], [40, 35])
    vectors = np.concatenate([vectors, 500 + 3 * np.arange(40, dtype=np.float32)[:, None]])
    targets = np.concatenate([targets, np.zeros(40, np.int64)])
    data = data_of(vectors, targets)
    drawn = draw(name, data, ratio=1.0, neighbours=3)
    assert drawn.partners is not None
    assert drawn.weights is not None
    mixed = (drawn.weights > 0) | (np.arange(len(drawn)) >= len(data))
    assert data.vectors is not None
    assert mixed.sum() > 5
    assert (data.vectors[drawn.rows[mixed]] != data.vectors[drawn.partners[mixed]]).all()


def test_a_class_of_copies_of_one_row_gains_copies() -> None:
    vectors = np.concatenate([LINE, np.full((10, 1), 7.5)])
    drawn = draw("smote", data_of(vectors, np.repeat([0, 1], [40, 10])), ratio=0.5, neighbours=3)
    assert np.bincount((drawn.rows >= 40).astype(int)).tolist() == [40, 20]


def test_near_miss_measures_distances_to_the_rarest_class_only_so_copies_gain_nothing() -> None:
    """Copies of a row far from the rarest class do not come closer to it because they are many."""
    data = with_copies(data_of(np.concatenate([LINE, 100 + LINE[:6]]), np.repeat([0, 1], [40, 6])), 3, 5)
    for version in (1, 2, 3):
        kept = draw("near_miss", data, version=version, neighbours=3).rows
        assert 3 not in kept
        assert kept.max() < 46
