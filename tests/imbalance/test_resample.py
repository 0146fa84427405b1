"""Resampling only chooses rows: as often as its rule says, by its seed, each with its own label."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tuner.imbalance.rare_labels import ml_ros, mlsmote
from tuner.imbalance.resample import balanced_batches, fixed_number, oversample, undersample
from tuner.imbalance.training_pass import Pass, Resample, TrainingRows, with_soft_targets
from tuner.space.build import builders_of
from tuner.space.options import Options
from tuner.space.parameters import PARAMETERS
from tuner.training.batches import bucketed

RESAMPLINGS = builders_of("resampling")

OWN: dict[str, dict[str, Any]] = {
    "none": {},
    "oversample": {"ratio": 0.7},
    "undersample": {"ratio": 0.7},
    "balanced_batches": {},
    "fixed_number": {"rows": 7},
    "near_miss": {"version": 1, "neighbours": 2},
    "tomek_links": {},
    "edited_nearest_neighbours": {"neighbours": 3},
    "smote": {"ratio": 0.7, "neighbours": 2},
    "borderline_smote": {"ratio": 0.7, "neighbours": 2},
    "adasyn": {"ratio": 0.7, "neighbours": 2},
    "smote_enn": {"ratio": 0.7, "neighbours": 2},
    "smote_tomek": {"ratio": 0.7, "neighbours": 2},
    "label_set_oversample": {"ratio": 0.7},
    "label_set_undersample": {"share": 0.3},
    "ml_ros": {"share": 0.3},
    "ml_rus": {"share": 0.3},
    "mlsmote": {"share": 0.3, "neighbours": 1},
}
DRAWS_NOTHING = {"none", "near_miss", "tomek_links", "edited_nearest_neighbours", "smote_enn", "smote_tomek"}
CLASSES = np.repeat([0, 1, 2], [60, 30, 10])

classes = st.tuples(st.lists(st.integers(3, 40), min_size=2, max_size=4), st.integers(0, 99)).map(
    lambda drawn: np.random.default_rng(drawn[1]).permutation(np.repeat(np.arange(len(drawn[0])), drawn[0]))
)
indicators = st.tuples(st.integers(4, 40), st.integers(1, 4), st.integers(0, 99)).map(
    lambda drawn: _indicator(*drawn),
)


def _indicator(rows: int, labels: int, seed: int) -> NDArray[np.uint8]:
    drawn = np.random.default_rng(seed).random((rows, labels)) < np.linspace(0.5, 0.1, labels)
    drawn[:2] = True  # data without any label are refused earlier, and MLSMOTE needs two rows of each label
    return drawn.astype(np.uint8)


def options() -> Options:
    resampling = PARAMETERS["text"]["resampling"]
    assert isinstance(resampling, Options)
    return resampling


def is_for(name: str, targets: NDArray[Any]) -> bool:
    return ("multilabel" if targets.ndim == 2 else "multiclass") in options().options[name].tasks


def data_of(targets: NDArray[Any], *, seed: int = 0) -> TrainingRows:
    vectors = np.random.default_rng(seed).normal(size=(len(targets), 5)).astype(np.float32)
    return TrainingRows(targets, "multilabel" if targets.ndim == 2 else "multiclass", vectors)


def draw(name: str, targets: NDArray[Any], *, seed: int = 0) -> Pass:
    return RESAMPLINGS[name](**OWN[name])(data_of(targets), np.random.default_rng(seed))


def read(resample: Any, targets: NDArray[Any]) -> NDArray[np.int64]:
    rows: NDArray[np.int64] = resample(data_of(targets), np.random.default_rng(0)).rows
    return rows


def pairs(name: str) -> list[NDArray[Any]]:
    """Data of every kind that a rule supports."""
    return [targets for targets in (CLASSES, _indicator(100, 3, 1)) if is_for(name, targets)]


CASES = [pytest.param(name, targets, id=f"{name}-{targets.ndim}") for name in RESAMPLINGS for targets in pairs(name)]


def test_every_rule_that_a_space_can_choose_is_tested_here() -> None:
    assert set(OWN) == set(RESAMPLINGS) == set(options().options)


@pytest.mark.parametrize("name", RESAMPLINGS)
@settings(max_examples=25, deadline=None)
@given(targets=st.one_of(classes, indicators), seed=st.integers(0, 99))
def test_a_pass_has_rows_of_the_data_only_and_at_least_one(name: str, targets: NDArray[Any], seed: int) -> None:
    assume(is_for(name, targets))
    drawn = draw(name, targets, seed=seed)
    assert len(drawn.rows) == len(drawn.strata) == len(drawn) > 0
    assert drawn.rows.dtype == np.int64
    assert set(drawn.rows) <= set(range(len(targets)))
    if drawn.partners is not None and drawn.weights is not None:
        assert len(drawn.partners) == len(drawn.weights) == len(drawn)
        assert set(drawn.partners) <= set(range(len(targets)))
        assert drawn.weights.dtype == np.float32
        assert ((drawn.weights >= 0) & (drawn.weights < 1)).all()


@pytest.mark.parametrize("name", RESAMPLINGS)
@settings(max_examples=25, deadline=None)
@given(targets=st.one_of(classes, indicators), seed=st.integers(0, 99))
def test_mixed_rows_share_a_class_or_have_their_own_labels(name: str, targets: NDArray[Any], seed: int) -> None:
    assume(is_for(name, targets))
    drawn = draw(name, targets, seed=seed)
    if drawn.partners is not None and drawn.weights is not None and targets.ndim == 1:
        assert (targets[drawn.rows] == targets[drawn.partners]).all()
    if drawn.targets is not None and drawn.weights is not None:
        assert drawn.targets.shape == (len(drawn), targets.shape[1])
        is_whole = drawn.weights == 0
        assert (drawn.targets[is_whole] == targets[drawn.rows[is_whole]]).all()


@pytest.mark.parametrize("name", RESAMPLINGS)
@settings(max_examples=25, deadline=None)
@given(targets=st.one_of(classes, indicators))
def test_a_pass_has_the_rarest_label_of_the_data(name: str, targets: NDArray[Any]) -> None:
    assume(is_for(name, targets))
    if name == "balanced_batches":
        targets = np.concatenate([targets] * 5)  # a pass is as long as the data and needs room for each label
    drawn = targets[draw(name, targets).rows]
    if targets.ndim == 2:
        counts = targets.sum(0, dtype=int)
        assert drawn[:, counts == counts[counts > 0].min()].any(0).all()
    else:
        assert set(drawn) == set(targets)


@pytest.mark.parametrize(("name", "targets"), CASES)
def test_the_same_seed_repeats_a_pass_and_another_seed_does_not(name: str, targets: NDArray[Any]) -> None:
    first, again, other = (everything(draw(name, targets, seed=seed)) for seed in (4, 4, 5))
    assert first == again
    assert (first != other) == (name not in DRAWS_NOTHING)


@pytest.mark.parametrize(("name", "targets"), CASES)
def test_the_second_pass_of_one_generator_draws_anew(name: str, targets: NDArray[Any]) -> None:
    resample, generator = RESAMPLINGS[name](**OWN[name]), np.random.default_rng(0)
    first, second = (everything(resample(data_of(targets), generator)) for _ in range(2))
    assert (first != second) == (name not in DRAWS_NOTHING)


@pytest.mark.parametrize(("name", "targets"), CASES)
def test_resampling_changes_neither_the_data_nor_numpys_global_generator(name: str, targets: NDArray[Any]) -> None:
    data = data_of(targets)
    before = str(np.random.get_state()), data.targets.tolist(), np.array(data.vectors).tolist()
    RESAMPLINGS[name](**OWN[name])(data, np.random.default_rng(0))
    assert (str(np.random.get_state()), data.targets.tolist(), np.array(data.vectors).tolist()) == before


@pytest.mark.parametrize(("name", "targets"), CASES)
def test_rules_that_declare_it_need_vectors(name: str, targets: NDArray[Any]) -> None:
    data = TrainingRows(targets, "multilabel" if targets.ndim == 2 else "multiclass")
    if options().options[name].needs_vectors:
        with pytest.raises(ValueError, match="its rows need vectors, but they have none"):
            RESAMPLINGS[name](**OWN[name])(data, np.random.default_rng(0))
    else:
        assert len(RESAMPLINGS[name](**OWN[name])(data, np.random.default_rng(0)))


def everything(drawn: Pass) -> list[Any]:
    parts = (drawn.rows, drawn.partners, drawn.weights, drawn.targets)
    return [None if part is None else part.tolist() for part in parts]


def test_without_resampling_every_row_is_read_once() -> None:
    assert sorted(draw("none", CLASSES).rows) == list(range(100))


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, [60, 60, 60]), (0.75, [60, 45, 45]), (0.1, [60, 30, 10])])
def test_oversampling_raises_each_class_to_the_ratio_of_the_largest(ratio: float, expected: list[int]) -> None:
    drawn = read(oversample(ratio=ratio), CLASSES)
    assert np.bincount(CLASSES[drawn]).tolist() == expected


def test_oversampling_keeps_every_row() -> None:
    drawn = read(oversample(ratio=1.0), CLASSES)
    assert set(drawn) == set(range(100))


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, [10, 10, 10]), (0.5, [20, 20, 10]), (0.1, [60, 30, 10])])
def test_undersampling_cuts_each_class_to_the_smallest_over_the_ratio(ratio: float, expected: list[int]) -> None:
    drawn = read(undersample(ratio=ratio), CLASSES)
    assert np.bincount(CLASSES[drawn]).tolist() == expected
    assert len(set(drawn)) == len(drawn)


def test_a_class_that_has_no_row_is_left_out_of_the_counts() -> None:
    targets = np.repeat([0, 2], [8, 4])
    for resample, expected in ((oversample(ratio=1.0), [8, 0, 8]), (undersample(ratio=1.0), [4, 0, 4])):
        drawn = read(resample, targets)
        assert np.bincount(targets[drawn]).tolist() == expected


def test_oversampling_repeats_a_row_as_often_as_its_rarest_label_asks() -> None:
    targets = np.zeros((100, 2), np.uint8)
    targets[:40, 0] = 1
    targets[30:50, 1] = 1  # half as many as the first label, so each is read twice
    drawn = read(oversample(ratio=1.0), targets)
    assert np.bincount(drawn).tolist() == [1] * 30 + [2] * 20 + [1] * 50


def test_oversampling_several_labels_takes_fractions_by_chance() -> None:
    targets = np.zeros((4000, 2), np.uint8)
    targets[:2400, 0] = 1
    targets[2400:4000, 1] = 1  # 2,400 / 1,600: one and a half times
    drawn = np.bincount(read(oversample(ratio=1.0), targets))
    assert set(drawn[2400:]) == {1, 2}
    assert drawn[2400:].sum() == pytest.approx(2400, rel=0.05)


def test_undersampling_several_labels_keeps_the_rarest_label_and_cuts_the_others_close_to_it() -> None:
    targets = np.zeros((4000, 2), np.uint8)
    targets[:2000, 0] = 1
    targets[2000:2400, 1] = 1  # 1,600 rows have no label
    drawn = read(undersample(ratio=0.5), targets)
    assert set(range(2000, 2400)) <= set(drawn)
    assert (drawn < 2000).sum() == pytest.approx(800, rel=0.1)
    assert (drawn >= 2400).sum() == pytest.approx(800, rel=0.1)


def test_undersampling_several_labels_keeps_every_row_with_a_rare_label() -> None:
    targets = np.ones((50, 2), np.uint8)
    targets[5:, 1] = 0
    drawn = read(undersample(ratio=1.0), targets)
    assert set(range(5)) <= set(drawn)


@pytest.mark.parametrize(
    "targets", [CLASSES, np.eye(4, dtype=np.uint8)[np.repeat([0, 1, 2, 3], [50, 30, 15, 5])][:, :3]]
)
def test_a_balanced_pass_is_as_long_as_the_data_and_has_each_stratum_as_often(targets: NDArray[Any]) -> None:
    drawn = draw("balanced_batches", targets)
    sizes = np.bincount(drawn.strata)
    assert len(drawn.rows) == 100
    assert sizes.max() - sizes.min() <= 1


@pytest.mark.parametrize(("rows", "labels"), [(30, 50), (30, 29), (30, 30), (100, 50)])
def test_a_balanced_pass_has_every_label_even_if_labels_outnumber_rows(rows: int, labels: int) -> None:
    targets = np.zeros((rows, labels), np.uint8)
    targets[np.arange(labels) % rows, np.arange(labels)] = 1  # each label on one row
    drawn = draw("balanced_batches", targets)
    assert len(np.unique(drawn.strata)) == labels + (labels < rows)
    assert targets[drawn.rows].any(axis=0).all()


def test_over_many_balanced_passes_all_label_numbers_are_drawn_equally_often() -> None:
    generator = np.random.default_rng(0)
    targets = np.arange(60) % 40  # a pass of 60 rows has 20 classes once and 20 twice
    passes = [balanced_batches()(data_of(targets), generator).rows for _ in range(200)]
    times = np.bincount(targets[np.concatenate(passes)])
    assert times == pytest.approx(np.full(40, 300), abs=35)  # the standard deviation is 7


@pytest.mark.parametrize("rule", [ml_ros(share=0.05), mlsmote(share=0.05, neighbours=1)])
def test_rare_labels_take_turns_over_passes_that_add_fewer_rows_than_labels(rule: Resample) -> None:
    generator = np.random.default_rng(0)
    targets = np.zeros((100, 21), np.uint8)
    targets[:, 0] = 1
    targets[np.arange(40), 1 + np.arange(40) // 2] = 1  # 20 rare labels of two rows each, and a pass adds five rows
    added = [rule(data_of(targets), generator).rows[100:] for _ in range(200)]
    times = targets[np.concatenate(added)].sum(axis=0, dtype=np.int64)[1:]
    assert times == pytest.approx(np.full(20, 50), abs=30)


def test_a_row_of_a_balanced_pass_counts_for_a_label_that_it_has() -> None:
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
    drawn = balanced_batches()(data_of(targets), generator)
    batches = bucketed(drawn.rows, drawn.strata, lengths, batch_size=batch_size, generator=generator)
    counts = [np.bincount(targets[batch], minlength=4) for batch in batches]
    assert max(int(count.max() - count.min()) for count in counts) <= 2


def test_every_class_has_the_fixed_number_of_rows() -> None:
    drawn = read(fixed_number(rows=25), CLASSES)
    assert np.bincount(CLASSES[drawn]).tolist() == [25, 25, 25]
    times = np.bincount(drawn, minlength=100)
    assert times[:90].max() == 1  # classes with enough rows have no repeated row
    assert set(times[90:]) == {2, 3}  # 25 from 10 rows: each twice, and half of them once more


def test_with_soft_targets_rows_are_drawn_by_their_labels_and_have_their_probabilities() -> None:
    rows = TrainingRows(np.array([0] * 8 + [1] * 2), "multiclass")
    soft = np.random.default_rng(0).dirichlet([1, 1], size=10).astype(np.float32)
    plain, generator = oversample(ratio=1.0), np.random.default_rng(1)
    drawn = with_soft_targets(plain, rows, soft)(rows, generator)
    assert (rows.targets[drawn.rows] == 1).sum() == 8
    np.testing.assert_array_equal(drawn.targets, soft[drawn.rows])


def test_a_mixed_row_has_the_mixture_of_both_rows_probabilities() -> None:
    rows = TrainingRows(np.array([0, 1]), "multiclass")
    soft = np.array([[0.8, 0.2], [0.4, 0.6]], np.float32)
    mixing = Pass(
        np.array([0, 1]), np.zeros(2, np.int64), partners=np.array([1, 0]), weights=np.array([0.25, 0], np.float32)
    )
    drawn = with_soft_targets(lambda *_: mixing, rows, soft)(rows, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.targets, [[0.7, 0.3], [0.4, 0.6]], rtol=1e-6)
