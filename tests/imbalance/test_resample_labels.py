"""Resampling of multi-label rows: computed by hand if possible, counted if random."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tuner.imbalance.label_sets import label_set_oversample, label_set_undersample
from tuner.imbalance.rare_labels import ml_ros, ml_rus, mlsmote, rare_labels, rarity_of
from tuner.imbalance.training_pass import Pass, Resample, TrainingRows

# Sets of labels: 40 × {a}, 20 × {a, b}, 15 × none, 5 × {c}. Labels: a 60, b 20, c 5; rarities 1, 3 and 12, mean 5.33.
SETS = np.array([[1, 0, 0]] * 40 + [[1, 1, 0]] * 20 + [[0, 0, 0]] * 15 + [[0, 0, 1]] * 5, np.uint8)
SIZES = [40, 20, 15, 5]
GROUPS = np.repeat([0, 1, 2, 3], SIZES)

indicators = st.tuples(st.integers(6, 60), st.integers(1, 5), st.integers(0, 99)).map(
    lambda drawn: (np.random.default_rng(drawn[2]).random(drawn[:2]) < np.linspace(0.6, 0.1, drawn[1])).astype(np.uint8)
)
shares = st.floats(0.05, 0.9)


def draw(resample: Resample, targets: NDArray[np.uint8] = SETS, *, seed: int = 0) -> Pass:
    vectors = np.random.default_rng(1).normal(size=(len(targets), 4)).astype(np.float32)
    return resample(TrainingRows(targets, "multilabel", vectors), np.random.default_rng(seed))


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, [40, 40, 40, 40]), (0.5, [40, 20, 20, 20])])
def test_every_set_of_labels_is_raised_to_the_ratio_of_the_largest(ratio: float, expected: list[int]) -> None:
    rows = draw(label_set_oversample(ratio=ratio)).rows
    assert np.bincount(GROUPS[rows]).tolist() == expected
    assert set(rows) == set(range(80))


def test_rows_of_one_set_are_repeated_evenly() -> None:
    times = np.bincount(draw(label_set_oversample(ratio=1.0)).rows)
    assert times[GROUPS == 2].min() == 2
    assert times[GROUPS == 2].max() == 3


def test_a_pass_is_at_most_four_times_the_data_with_the_same_shares_of_the_sets() -> None:
    """400 rows of one set and 49 sets of one row: raised to 400 each, they would be 20,000 rows."""
    numbers = np.concatenate([np.zeros(400, int), np.arange(1, 50)])
    targets = ((numbers[:, None] >> np.arange(6)) & 1).astype(np.uint8)
    first, again = (draw(label_set_oversample(ratio=1.0), targets, seed=seed).rows for seed in (0, 1))
    assert len(first) == 4 * 449
    assert set(np.bincount(numbers[first])) <= {35, 36}  # 4 × 449 / 50
    assert set(first[first < 400]) != set(again[again < 400])


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.1, [32, 20, 15, 5]),  # the mean is 20: only the first set is larger, and loses all 8 rows
        (0.5, [20, 20, 15, 5]),  # 40 rows are requested, but no set is cut below the mean
    ],
)
def test_rows_are_dropped_from_sets_larger_than_the_mean(share: float, expected: list[int]) -> None:
    rows = draw(label_set_undersample(share=share)).rows
    assert np.bincount(GROUPS[rows]).tolist() == expected


@given(st.lists(st.integers(1, 60), min_size=2, max_size=80), st.floats(0.05, 1))
def test_no_label_set_is_lost_if_a_pass_is_cut_to_four_times_the_data(sizes: list[int], ratio: float) -> None:
    number = np.repeat(np.arange(len(sizes)), sizes)
    targets = (number[:, None] >> np.arange(7) & 1).astype(np.uint8)
    drawn = draw(label_set_oversample(ratio=ratio), targets)
    assert set(number[drawn.rows]) == set(number)


def test_sets_lose_rows_evenly_and_larger_sets_make_up_for_smaller_ones() -> None:
    targets = np.eye(4, dtype=np.uint8)[np.repeat([0, 1, 2, 3], [50, 30, 2, 2])]  # the mean is 21
    kept = targets[draw(label_set_undersample(share=30 / 84), targets).rows].sum(0).tolist()
    assert kept == [50 - 21, 30 - 9, 2, 2]  # 15 each, but the second has only 9 above the mean


@settings(max_examples=50, deadline=None)
@given(targets=indicators, share=shares)
def test_no_rule_drops_more_than_its_share_or_a_whole_label(targets: NDArray[np.uint8], share: float) -> None:
    assume(targets.any())
    for resample in (label_set_undersample(share=share), ml_rus(share=share)):
        rows = draw(resample, targets).rows
        assert len(set(rows)) == len(rows) >= len(targets) - round(share * len(targets))
        assert (targets[rows].any(0) == targets.any(0)).all()


@settings(max_examples=50, deadline=None)
@given(targets=indicators, share=shares)
def test_ml_ros_adds_rows_with_rare_labels_only_and_no_more_than_its_share(
    targets: NDArray[np.uint8], share: float
) -> None:
    assume(targets.any())
    rows = draw(ml_ros(share=share), targets).rows
    assert rows[: len(targets)].tolist() == list(range(len(targets)))
    assert len(rows) <= len(targets) + round(share * len(targets))
    assert targets[rows[len(targets) :]][:, rare_labels(targets)].any(1).all()


def test_rarity_is_the_largest_count_divided_by_the_own_count() -> None:
    assert rarity_of(np.array([60.0, 20.0, 5.0, 0.0])).tolist() == [1.0, 3.0, 12.0, np.inf]
    assert rare_labels(SETS).tolist() == [2]


def test_labels_with_equal_counts_are_not_rare() -> None:
    assert rare_labels(np.repeat(np.eye(3, dtype=np.uint8), 7, axis=0)).tolist() == []


def test_a_label_without_a_row_makes_no_other_rare() -> None:
    assert rare_labels(np.pad(SETS, ((0, 0), (0, 1)))).tolist() == [2]


def test_ml_ros_repeats_a_label_until_it_is_as_frequent_as_the_mean_was() -> None:
    counts = SETS[draw(ml_ros(share=1.0)).rows].sum(0).tolist()
    assert counts == [60, 20, 12]  # 60 / 12 is below 5.33, 60 / 11 is above


def test_ml_ros_adds_the_requested_share() -> None:
    assert len(draw(ml_ros(share=0.05))) == 84


def test_ml_ros_takes_rare_labels_in_turn() -> None:
    targets = np.zeros((400, 3), np.uint8)
    targets[:300, 0], targets[300:306, 1], targets[306:309, 2] = (
        1,
        1,
        1,
    )  # rarities 1, 50 and 100: only the last is rare
    targets[303:306, 1] = 0  # now 1, 100 and 100: both are rare
    added = targets[draw(ml_ros(share=0.01), targets).rows[400:]]
    assert added.sum(0).tolist() == [0, 2, 2]


def test_ml_rus_drops_rows_without_a_rare_label() -> None:
    rows = draw(ml_rus(share=0.5)).rows
    assert len(rows) == 40
    assert set(range(75, 80)) <= set(rows)


def test_mlsmote_mixes_rows_that_share_a_rare_label_with_their_neighbours() -> None:
    drawn = draw(mlsmote(share=0.25, neighbours=3))
    assert drawn.partners is not None
    assert drawn.weights is not None
    assert len(drawn) == 100
    assert set(drawn.rows[80:]) <= set(range(75, 80))
    assert set(drawn.partners[80:]) <= set(range(75, 80))
    assert (drawn.partners[80:] != drawn.rows[80:]).all()
    assert not drawn.weights[:80].any()
    assert drawn.weights[80:].min() < 0.3
    assert drawn.weights[80:].max() > 0.7


def test_a_new_row_has_the_labels_of_at_least_half_of_its_neighbourhood() -> None:
    targets = np.zeros((200, 4), np.uint8)
    targets[:150, 0] = 1
    targets[150:154, 1] = 1  # the rare label is on four rows; each has the three others as neighbours
    targets[150:152, 2] = 1  # on half of them
    targets[150, 3] = 1  # on a quarter of them, but this label is rare itself
    targets[160:163, 2:] = 1
    drawn = draw(mlsmote(share=0.1, neighbours=3), targets)
    assert drawn.targets is not None
    from_those = drawn.targets[200:][np.isin(drawn.rows[200:], [152, 153])]
    assert len(from_those) > 0
    assert (from_those == [0, 1, 1, 0]).all()


@settings(max_examples=30, deadline=None)
@given(targets=indicators, share=shares, seed=st.integers(0, 9))
def test_mlsmote_adds_its_share_each_with_a_rare_label(targets: NDArray[np.uint8], share: float, seed: int) -> None:
    assume(targets.any())
    rare = rare_labels(targets)
    assume(len(rare) > 0)
    assume(targets[:, rare].sum(0).min() >= 3)
    drawn = draw(mlsmote(share=share, neighbours=2), targets, seed=seed)
    assert drawn.targets is not None
    assert len(drawn) == len(targets) + round(share * len(targets))
    assert drawn.targets[len(targets) :][:, rare].any(1).all()


def test_mlsmote_refuses_a_rare_label_with_too_few_rows() -> None:
    with pytest.raises(ValueError, match="a rare label has 5 rows, but 5 neighbours need 6"):
        draw(mlsmote(share=0.1, neighbours=5))


def test_a_row_is_mixed_with_another_row_even_if_it_has_many_copies() -> None:
    """Four rows of the rare label are copies of one; the other two differ from it by vector or by labels."""
    vectors = np.zeros((82, 3), np.float32)
    vectors[80] = 1
    targets = np.concatenate([SETS, SETS[[79]], [[1, 1, 1]]]).astype(np.uint8)
    data = TrainingRows(targets, "multilabel", vectors)
    drawn = mlsmote(share=0.5, neighbours=3)(data, np.random.default_rng(0))
    assert drawn.partners is not None
    added, partners = drawn.rows[82:], drawn.partners[82:]
    is_other = (vectors[added] != vectors[partners]).any(1) | (targets[added] != targets[partners]).any(1)
    assert is_other.all()


def test_a_rare_label_of_copies_of_one_row_gains_copies() -> None:
    data = TrainingRows(SETS, "multilabel", np.zeros((80, 3), np.float32))
    drawn = mlsmote(share=0.5, neighbours=3)(data, np.random.default_rng(0))
    assert drawn.targets is not None
    assert drawn.targets[80:].tolist() == SETS[drawn.rows[80:]].tolist()
