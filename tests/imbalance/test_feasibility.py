"""Choices that cannot work on the data are reported before the search, with the label, the count and a setting that works."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tuner.imbalance.feasibility import border_faults, resampling_faults
from tuner.imbalance.training_pass import TrainingRows
from tuner.space.build import builders_of
from tuner.space.domains import Choice, Domain, Fixed, FloatRange, IntRange, OptionChoice
from tuner.space.task import Task

RESAMPLINGS = builders_of("resampling")

WHERE = "my.yaml: space"
LABELS = ("fine", "rude", "hate")
TARGETS = np.repeat([0, 1, 2], [60, 30, 4])
MIXING = ("smote", "borderline_smote", "adasyn", "smote_enn", "smote_tomek")


def space(name: str, **domains: Domain) -> dict[str, Domain]:
    return {"resampling": OptionChoice((("none", {}), (name, domains))), "hidden": Fixed(64)}


FIVE, WHOLE = Fixed(5), Fixed(1.0)


def mixing(name: str, neighbours: Domain = FIVE, ratio: Domain = WHOLE) -> dict[str, Domain]:
    return space(name, ratio=ratio, neighbours=neighbours)


def faults(
    parameters: Mapping[str, Domain], targets: NDArray[Any] = TARGETS, folds: NDArray[np.int64] | None = None
) -> list[str]:
    task: Task = "multilabel" if targets.ndim == 2 else "multiclass"
    labels = LABELS if targets.ndim == 1 else LABELS[: targets.shape[1]]
    return [str(fault) for fault in resampling_faults(parameters, targets, task, labels, WHERE, folds=folds)]


@pytest.mark.parametrize("name", MIXING)
def test_a_class_with_too_few_rows_for_its_neighbours_is_reported_with_a_setting_that_works(name: str) -> None:
    assert faults(mixing(name)) == [
        f"my.yaml: space.resampling.{name}: 'hate' has 4 training rows, but {name} with neighbours 5 needs at least 6; "
        f"use neighbours: 3, or oversample, or remove {name}"
    ]
    assert faults(mixing(name, Fixed(3))) == []


@pytest.mark.parametrize("neighbours", [IntRange(1, 5), Choice((3, 5, 2)), Fixed(5)])
def test_the_largest_number_of_neighbours_in_the_space_counts(neighbours: Domain) -> None:
    assert "neighbours 5 needs" in faults(mixing("smote", neighbours))[0]


def test_a_class_that_is_not_raised_needs_no_neighbours() -> None:
    assert faults(mixing("smote", ratio=Fixed(0.05))) == []
    assert len(faults(mixing("smote", ratio=FloatRange(0.01, 0.5)))) == 1


def test_a_class_with_a_single_row_has_no_setting_that_works() -> None:
    messages = faults(mixing("smote"), np.repeat([0, 1, 2], [60, 30, 1]))
    assert messages[0].endswith(
        "'hate' has 1 training row, but smote with neighbours 5 needs at least 6; use oversample instead, or remove smote"
    )


def test_the_class_with_the_fewest_rows_is_named_and_the_others_counted() -> None:
    messages = faults(mixing("smote"), np.repeat([0, 1, 2], [60, 5, 3]))
    assert "'hate' has 3 training rows, but smote with neighbours 5 needs at least 6, and 1 more" in messages[0]
    assert "use neighbours: 2, or oversample" in messages[0]


def test_a_class_without_a_training_row_is_no_fault_of_resampling() -> None:
    assert faults(mixing("smote"), np.repeat([0, 1], [60, 30])) == []


def test_near_miss_needs_as_many_rows_of_the_rarest_class_as_neighbours() -> None:
    assert faults(space("near_miss", version=Choice((1, 2, 3)), neighbours=Fixed(5))) == [
        "my.yaml: space.resampling.near_miss: 'hate' has 4 training rows, but near_miss with neighbours 5 needs at least 5"
        "; use neighbours: 4, or undersample, or remove near_miss"
    ]
    assert faults(space("near_miss", version=Fixed(1), neighbours=Fixed(4))) == []


def test_each_fold_left_out_must_leave_a_class_enough_rows() -> None:
    folds = np.arange(len(TARGETS)) % 4  # each fold has one row of the rarest class
    assert faults(mixing("smote", Fixed(3))) == []
    assert faults(mixing("smote", Fixed(3)), folds=folds) == [
        "my.yaml: space.resampling.smote: 'hate' has 3 training rows, but smote with neighbours 3 needs at least 4, with one"
        " fold left out; use neighbours: 2, or oversample, or remove smote"
    ]


def test_the_rare_labels_of_mlsmote_need_neighbours_and_the_others_do_not() -> None:
    targets = np.zeros((40, 3), np.uint8)
    targets[:30, 0], targets[30:38, 1], targets[36:39, 2] = 1, 1, 1
    parameters = space("mlsmote", share=Fixed(0.25), neighbours=Fixed(5))
    assert faults(parameters, targets) == [
        "my.yaml: space.resampling.mlsmote: 'hate' has 3 training rows, but mlsmote with neighbours 5 needs at least 6; "
        "use neighbours: 2, or ml_ros, or remove mlsmote"
    ]


@pytest.mark.parametrize("name", ["ml_ros", "ml_rus", "mlsmote"])
def test_equally_frequent_labels_leave_no_label_to_raise(name: str) -> None:
    domains: dict[str, Domain] = {"share": Fixed(0.25), **({"neighbours": Fixed(1)} if name == "mlsmote" else {})}
    assert faults(space(name, **domains), np.repeat(np.eye(3, dtype=np.uint8), 5, axis=0)) == [
        f"my.yaml: space.resampling.{name}: no label is rarer than the mean, so {name} has no label to raise; "
        f"remove {name}"
    ]


def test_ml_rus_needs_a_row_without_a_rare_label() -> None:
    targets = np.array([[1, 1, 0]] * 8 + [[1, 0, 1]] * 8 + [[1, 0, 1]], np.uint8)
    messages = faults(space("ml_rus", share=Fixed(0.25)), targets)
    assert messages[0].endswith("so ml_rus has no row to drop; use ml_ros, or remove ml_rus")


@pytest.mark.parametrize(
    ("sizes", "most", "mean"), [((5, 5, 5), "5 training rows", "5"), ((2, 2, 1), "2 training rows", "1.66667")]
)
def test_label_sets_less_than_a_row_above_the_mean_leave_no_row_to_drop(
    sizes: tuple[int, ...], most: str, mean: str
) -> None:
    targets = np.repeat(np.eye(3, dtype=np.uint8), sizes, axis=0)
    assert faults(space("label_set_undersample", share=Fixed(0.9)), targets) == [
        f"my.yaml: space.resampling.label_set_undersample: no set of labels has more than {most}, less than one above the "
        f"mean of {mean}, so label_set_undersample has no row to drop; remove label_set_undersample"
    ]


@settings(max_examples=50, deadline=None)
@given(sizes=st.lists(st.integers(1, 6), min_size=3, max_size=3))
def test_label_set_undersampling_has_no_fault_exactly_if_it_drops_a_row(sizes: list[int]) -> None:
    targets = np.repeat(np.eye(3, dtype=np.uint8), sizes, axis=0)
    draw = RESAMPLINGS["label_set_undersample"](share=0.9)
    drawn = draw(TrainingRows(targets, "multilabel"), np.random.default_rng(0))
    has_fault = bool(faults(space("label_set_undersample", share=Fixed(0.9)), targets))
    assert has_fault == (len(drawn) == len(targets))


FAR = np.concatenate([np.arange(40), 1000 + np.arange(20), 2000 + np.arange(12)])[:, None].astype(np.float32)
FAR_TARGETS = np.repeat([0, 1, 2], [40, 20, 12])


def border(name: str, ratio: Domain, data: TrainingRows) -> list[str]:
    return [str(fault) for fault in border_faults(mixing(name, ratio=ratio), data, LABELS, WHERE)]


@pytest.mark.parametrize("name", ["borderline_smote", "adasyn"])
def test_classes_that_are_far_from_all_others_gain_no_row_and_are_reported(name: str) -> None:
    data = TrainingRows(FAR_TARGETS, "multiclass", FAR)
    assert border(name, WHOLE, data) == [
        f"my.yaml: space.resampling.{name}: 'hate' has 12 training rows, none on the border of another class "
        f"(the same is true for 1 more), so {name} adds no row; use smote, or remove {name}"
    ]
    assert "(the same" not in border(name, Choice((0.2, 0.4)), data)[0]  # 0.4 raises one class, 0.2 none


@pytest.mark.parametrize("name", ["borderline_smote", "adasyn"])
def test_one_class_near_another_is_enough(name: str) -> None:
    vectors = FAR.copy()
    vectors[FAR_TARGETS == 2] = np.arange(12)[:, None] * 2 + 30.5
    assert border(name, WHOLE, TrainingRows(FAR_TARGETS, "multiclass", vectors)) == []


@pytest.mark.parametrize("name", ["borderline_smote", "adasyn", "smote"])
def test_a_rule_without_borders_or_without_a_class_to_raise_has_no_fault(name: str) -> None:
    ratio = WHOLE if name == "smote" else Fixed(0.1)
    assert border(name, ratio, TrainingRows(FAR_TARGETS, "multiclass", FAR)) == []


def test_the_message_about_a_weight_of_an_unknown_label_names_the_nearest_label() -> None:
    weights = OptionChoice((("none", {}), ("explicit", {"hat": Fixed(5.0), "rude": Fixed(2.0)})))
    assert faults({"loss_weights": weights}) == [
        "my.yaml: space.loss_weights.explicit: 'hat' is not a label of the data; did you mean 'hate'?"
    ]


def test_all_faults_are_reported_at_once() -> None:
    resampling = OptionChoice(tuple((name, {"ratio": Fixed(1.0), "neighbours": Fixed(5)}) for name in MIXING))
    weights = OptionChoice((("explicit", {"x": Fixed(5.0), "y": Fixed(5.0)}),))
    assert len(faults({"resampling": resampling, "loss_weights": weights})) == len(MIXING) + 2


@pytest.mark.parametrize("name", ["none", "oversample", "undersample", "balanced_batches", "tomek_links"])
def test_a_rule_that_works_on_any_data_has_no_fault(name: str) -> None:
    assert faults(space(name, ratio=Fixed(1.0))) == []


@pytest.mark.parametrize("name", [*MIXING, "near_miss", "edited_nearest_neighbours"])
@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=2, max_size=3), neighbours=st.integers(1, 9))
def test_a_rule_without_fault_can_be_drawn(name: str, sizes: list[int], neighbours: int) -> None:
    targets = np.repeat(np.arange(len(sizes)), sizes)
    vectors = np.random.default_rng(0).normal(size=(len(targets), 3)).astype(np.float32)
    values: dict[str, Any] = {"neighbours": neighbours}
    values |= {"ratio": 1.0} if name in MIXING else {"version": 3} if name == "near_miss" else {}
    assume(not faults(space(name, **{key: Fixed(value) for key, value in values.items()}), targets))
    drawn = RESAMPLINGS[name](**values)(TrainingRows(targets, "multiclass", vectors), np.random.default_rng(0))
    assert len(drawn) > 0


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 999), neighbours=st.integers(1, 4))
def test_a_multilabel_rule_without_fault_can_be_drawn(seed: int, neighbours: int) -> None:
    generator = np.random.default_rng(seed)
    targets = (generator.random((generator.integers(5, 40), 3)) < [0.7, 0.4, 0.2]).astype(np.uint8)
    parameters = space("mlsmote", share=Fixed(0.5), neighbours=Fixed(neighbours))
    assume(targets.any() and not faults(parameters, targets))
    data = TrainingRows(targets, "multilabel", generator.normal(size=(len(targets), 3)).astype(np.float32))
    assert len(RESAMPLINGS["mlsmote"](share=0.5, neighbours=neighbours)(data, generator)) > len(targets)
