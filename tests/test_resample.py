"""Resampling chooses rows, and nothing but rows: as often as it says, by its seed, each with its own label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tuner.imbalance.resample import RESAMPLINGS, Pass, balanced_batches, oversample, undersample
from tuner.training.batches import bucketed

RATIOS: dict[str, dict[str, float]] = {
    "none": {},
    "oversample": {"ratio": 0.7},
    "undersample": {"ratio": 0.7},
    "balanced_batches": {},
}
CLASSES = np.repeat([0, 1, 2], [60, 30, 10])

classes = st.lists(st.integers(1, 40), min_size=2, max_size=4).map(
    lambda counts: np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
)
indicators = st.tuples(st.integers(4, 40), st.integers(1, 4), st.integers(0, 99)).map(
    lambda drawn: _indicator(*drawn),
)


def _indicator(rows: int, labels: int, seed: int) -> NDArray[np.uint8]:
    drawn = np.random.default_rng(seed).random((rows, labels)) < np.linspace(0.5, 0.1, labels)
    drawn[0, 0] = True  # a data set without any label is refused long before
    return drawn.astype(np.uint8)


def draw(name: str, targets: NDArray[Any], *, seed: int = 0) -> Pass:
    task = "multilabel" if targets.ndim == 2 else "multiclass"
    return RESAMPLINGS[name](**RATIOS[name])(targets, task, np.random.default_rng(seed))


@pytest.mark.parametrize("name", RESAMPLINGS)
@settings(max_examples=25, deadline=None)
@given(targets=st.one_of(classes, indicators), seed=st.integers(0, 99))
def test_a_pass_has_rows_of_the_data_only_and_at_least_one(name: str, targets: NDArray[Any], seed: int) -> None:
    drawn = draw(name, targets, seed=seed)
    assert len(drawn.rows) == len(drawn.strata) > 0
    assert set(drawn.rows) <= set(range(len(targets)))


@pytest.mark.parametrize("name", RESAMPLINGS)
@settings(max_examples=25, deadline=None)
@given(targets=st.one_of(classes, indicators))
def test_a_pass_has_the_rarest_label_of_the_data(name: str, targets: NDArray[Any]) -> None:
    if name == "balanced_batches":
        targets = np.concatenate([targets] * 5)  # a pass is as long as the data, and has to have room for each label
    drawn = targets[draw(name, targets).rows]
    if targets.ndim == 2:
        counts = targets.sum(0, dtype=int)
        assert drawn[:, counts == counts[counts > 0].min()].any(0).all()
    else:
        assert set(drawn) == set(targets)


@pytest.mark.parametrize("name", ["oversample", "undersample", "balanced_batches"])
@pytest.mark.parametrize("targets", [CLASSES, _indicator(100, 3, 1)], ids=["classes", "labels"])
def test_a_seed_repeats_a_pass_and_another_draws_another(name: str, targets: NDArray[Any]) -> None:
    first, again, other = (draw(name, targets, seed=seed).rows for seed in (4, 4, 5))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize("name", ["oversample", "undersample", "balanced_batches"])
def test_the_second_pass_of_one_generator_draws_anew(name: str) -> None:
    resample, generator = RESAMPLINGS[name](**RATIOS[name]), np.random.default_rng(0)
    first, second = (resample(CLASSES, "multiclass", generator).rows.tolist() for _ in range(2))
    assert first != second


def test_resampling_leaves_numpys_global_generator_alone() -> None:
    before = np.random.get_state()[1].tolist()
    for name in RESAMPLINGS:
        draw(name, CLASSES)
    assert np.random.get_state()[1].tolist() == before


def test_without_resampling_every_row_is_read_once() -> None:
    assert sorted(draw("none", CLASSES).rows) == list(range(100))


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, [60, 60, 60]), (0.75, [60, 45, 45]), (0.1, [60, 30, 10])])
def test_oversampling_raises_each_class_to_the_ratio_of_the_largest(ratio: float, expected: list[int]) -> None:
    drawn = oversample(ratio=ratio)(CLASSES, "multiclass", np.random.default_rng(0)).rows
    assert np.bincount(CLASSES[drawn]).tolist() == expected


def test_oversampling_keeps_every_row() -> None:
    drawn = oversample(ratio=1.0)(CLASSES, "multiclass", np.random.default_rng(0)).rows
    assert set(drawn) == set(range(100))


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, [10, 10, 10]), (0.5, [20, 20, 10]), (0.1, [60, 30, 10])])
def test_undersampling_cuts_each_class_to_the_smallest_over_the_ratio(ratio: float, expected: list[int]) -> None:
    drawn = undersample(ratio=ratio)(CLASSES, "multiclass", np.random.default_rng(0)).rows
    assert np.bincount(CLASSES[drawn]).tolist() == expected
    assert len(set(drawn)) == len(drawn)


def test_a_class_that_has_no_row_is_left_out_of_the_counts() -> None:
    targets = np.repeat([0, 2], [8, 4])
    for resample, expected in ((oversample(ratio=1.0), [8, 0, 8]), (undersample(ratio=1.0), [4, 0, 4])):
        drawn = resample(targets, "multiclass", np.random.default_rng(0)).rows
        assert np.bincount(targets[drawn]).tolist() == expected


def test_oversampling_repeats_a_row_as_often_as_its_rarest_label_asks() -> None:
    targets = np.zeros((100, 2), np.uint8)
    targets[:40, 0] = 1
    targets[30:50, 1] = 1  # half as many as the first label: twice
    drawn = oversample(ratio=1.0)(targets, "multilabel", np.random.default_rng(0)).rows
    assert np.bincount(drawn).tolist() == [1] * 30 + [2] * 20 + [1] * 50


def test_oversampling_several_labels_takes_fractions_by_chance() -> None:
    targets = np.zeros((4000, 2), np.uint8)
    targets[:2400, 0] = 1
    targets[2400:4000, 1] = 1  # 2,400 / 1,600: one and a half times
    drawn = np.bincount(oversample(ratio=1.0)(targets, "multilabel", np.random.default_rng(0)).rows)
    assert set(drawn[2400:]) == {1, 2}
    assert drawn[2400:].sum() == pytest.approx(2400, rel=0.05)


def test_undersampling_several_labels_keeps_the_rarest_label_and_brings_the_others_near_it() -> None:
    targets = np.zeros((4000, 2), np.uint8)
    targets[:2000, 0] = 1
    targets[2000:2400, 1] = 1  # 1,600 rows have no label
    drawn = undersample(ratio=0.5)(targets, "multilabel", np.random.default_rng(0)).rows
    assert set(range(2000, 2400)) <= set(drawn)
    assert (drawn < 2000).sum() == pytest.approx(800, rel=0.1)
    assert (drawn >= 2400).sum() == pytest.approx(800, rel=0.1)


def test_undersampling_several_labels_keeps_a_row_with_a_rare_label_whatever_else_it_has() -> None:
    targets = np.ones((50, 2), np.uint8)
    targets[5:, 1] = 0
    drawn = undersample(ratio=1.0)(targets, "multilabel", np.random.default_rng(0)).rows
    assert set(range(5)) <= set(drawn)


@pytest.mark.parametrize(
    "targets", [CLASSES, np.eye(4, dtype=np.uint8)[np.repeat([0, 1, 2, 3], [50, 30, 15, 5])][:, :3]]
)
def test_a_balanced_pass_is_as_long_as_the_data_and_has_each_stratum_as_often(targets: NDArray[Any]) -> None:
    drawn = draw("balanced_batches", targets)
    sizes = np.bincount(drawn.strata)
    assert len(drawn.rows) == 100
    assert sizes.max() - sizes.min() <= 1


def test_a_row_of_a_balanced_pass_stands_for_a_label_that_it_has() -> None:
    targets = _indicator(200, 3, 3)
    drawn = draw("balanced_batches", targets)
    for number in range(3):
        assert targets[drawn.rows[drawn.strata == number], number].all()
    assert not targets[drawn.rows[drawn.strata == 3]].any()


@pytest.mark.parametrize(("rows", "batch_size"), [(300, 16), (1024, 16), (1031, 16), (5000, 16), (20_000, 64)])
def test_every_batch_of_a_balanced_pass_is_balanced(rows: int, batch_size: int) -> None:
    generator = np.random.default_rng(0)
    targets = generator.choice(4, size=rows, p=[0.7, 0.2, 0.07, 0.03])
    lengths = generator.integers(1, 60, rows)
    drawn = balanced_batches()(targets, "multiclass", generator)
    batches = bucketed(drawn.rows, drawn.strata, lengths, batch_size=batch_size, generator=generator)
    counts = [np.bincount(targets[batch], minlength=4) for batch in batches]
    assert max(int(count.max() - count.min()) for count in counts) <= 2
