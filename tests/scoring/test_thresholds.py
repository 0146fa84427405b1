from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tuner.scoring.blocks import deal_blocks, single_rows
from tuner.scoring.f1 import macro_f1
from tuner.scoring.indicator import Indicator, as_indicator
from tuner.scoring.measures import measure
from tuner.scoring.ranking import Probabilities
from tuner.scoring.thresholds import cross_fitted_decisions, decide, fit_thresholds
from tuner.space.task import Task

LEVELS = (0.125, 0.25, 0.5, 0.75, 0.875)
ANY_PROBABILITY = st.floats(0, 1, width=32)


def signal(rows: int, labels: int, seed: int, strength: float = 2.0) -> tuple[Probabilities, Indicator]:
    """Return probabilities that rank labels, true on 30 % down to 3 % of the rows, better than chance."""
    generator = np.random.default_rng(seed)
    truth = generator.random((rows, labels)) < np.linspace(0.3, 0.03, labels)
    logits = generator.normal(size=truth.shape) + strength * truth - 2
    return 1 / (1 + np.exp(-logits)), truth


def as_binary(probabilities: Probabilities) -> Probabilities:
    return np.column_stack([1 - probabilities, probabilities])


@st.composite
def tied(draw: st.DrawFn, values: st.SearchStrategy[float] = ANY_PROBABILITY) -> tuple[Probabilities, Indicator]:
    rows, labels = draw(st.integers(2, 15)), draw(st.integers(1, 3))
    probabilities = draw(arrays(np.float32, (rows, labels), elements=values))
    return probabilities, draw(arrays(bool, (rows, labels)))


def is_majority_tied(probabilities: Probabilities, truth: Indicator) -> Indicator:
    """Return the labels (labels,) that are true on most rows and whose top probability too many rows share for a cut."""
    top = (probabilities == probabilities.max(axis=0)).sum(axis=0)
    rows, support = len(truth), truth.sum(axis=0)
    return np.asarray((2 * support > rows) & (top > (rows + support) / 2))


@given(tied())
def test_no_threshold_leaves_fewer_than_half_the_true_negatives(case: tuple[Probabilities, Indicator]) -> None:
    probabilities, truth = case
    decisions = decide(probabilities, fit_thresholds(probabilities, truth, "multilabel"), "multilabel")
    keeps_half = (~decisions).sum(axis=0) >= (~truth).sum(axis=0) / 2
    assert (keeps_half | is_majority_tied(probabilities, truth)).all()


@given(tied())
def test_no_binary_threshold_leaves_fewer_than_half_the_true_negatives(case: tuple[Probabilities, Indicator]) -> None:
    probabilities, truth = as_binary(case[0][:, 0]), as_indicator(case[1][:, 0].astype(int), 2)
    assume(truth.any(axis=0).all())
    decisions = decide(probabilities, fit_thresholds(probabilities, truth, "binary"), "binary")
    keeps_half = decisions[:, 0].sum() >= truth[:, 0].sum() / 2
    assert keeps_half or is_majority_tied(probabilities[:, 1:], truth[:, 1:])[0]


@given(tied())
def test_an_unshrunk_threshold_is_the_best_of_all_allowed_cuts(case: tuple[Probabilities, Indicator]) -> None:
    probabilities, truth = case[0][:, :1], case[1][:, :1]
    assume(truth.any())
    fitted = fit_thresholds(probabilities, truth, "multilabel", shrinkage=0)
    cuts = [probabilities >= level for level in np.unique(probabilities)]
    allowed = [cut for cut in cuts if (~cut).sum() >= (~truth).sum() / 2]
    if is_majority_tied(probabilities, truth)[0]:
        allowed = cuts[-1:]
    best = max((macro_f1(cut, truth) for cut in allowed), default=0.0)
    assert macro_f1(decide(probabilities, fitted, "multilabel"), truth) == pytest.approx(best)


def test_a_binary_threshold_maximises_the_macro_f1_of_both_classes() -> None:
    generator = np.random.default_rng(0)
    targets = (generator.random(300) < 0.2).astype(int)
    probabilities = as_binary(1 / (1 + np.exp(-(generator.normal(size=300) + 2 * targets - 3))))
    truth = as_indicator(targets, 2)
    fitted = decide(probabilities, fit_thresholds(probabilities, truth, "binary"), "binary")
    others = [decide(probabilities, np.array([cut]), "binary") for cut in np.linspace(0.01, 0.99, 500)]
    assert macro_f1(fitted, truth) >= max(macro_f1(other, truth) for other in others)


def test_a_threshold_separates_neighbouring_floats() -> None:
    probabilities = np.array([[0.3], [np.nextafter(0.3, 0)]])
    truth = np.array([[True], [False]])
    thresholds = fit_thresholds(probabilities, truth, "multilabel", shrinkage=0)
    assert decide(probabilities, thresholds, "multilabel").tolist() == truth.tolist()


@given(tied(st.sampled_from(LEVELS)))
def test_infinite_shrinkage_puts_every_label_on_the_best_shared_threshold(
    case: tuple[Probabilities, Indicator],
) -> None:
    probabilities, truth = case

    def allowed_from(level: float, label: int) -> Indicator:
        """Return the decisions at the level, or at the lowest allowed threshold above it."""
        if is_majority_tied(probabilities[:, [label]], truth[:, [label]])[0]:
            return np.asarray(probabilities[:, label] == probabilities[:, label].max())
        for cut in LEVELS:
            decided = probabilities[:, label] >= max(cut, level)
            if (~decided).sum() >= (~truth[:, label]).sum() / 2:
                return decided
        return np.zeros(len(truth), dtype=bool)

    thresholds = fit_thresholds(probabilities, truth, "multilabel", shrinkage=1e12)
    shared = [np.column_stack([allowed_from(level, label) for label in range(truth.shape[1])]) for level in LEVELS]
    best = max(macro_f1(decisions, truth) for decisions in shared)
    assert macro_f1(decide(probabilities, thresholds, "multilabel"), truth) == pytest.approx(best)


def test_the_shared_threshold_is_no_worse_than_any_of_a_fine_grid() -> None:
    probabilities, truth = signal(rows=400, labels=5, seed=1)
    thresholds = fit_thresholds(probabilities, truth, "multilabel", shrinkage=1e12)
    ours = macro_f1(decide(probabilities, thresholds, "multilabel"), truth)
    assert ours >= max(macro_f1(probabilities >= cut, truth) for cut in np.linspace(0.01, 0.99, 500))


@pytest.mark.parametrize("tied_positive", [1, 2, 3, 4])
def test_the_shared_threshold_counts_on_no_cut_inside_a_tie(tied_positive: int) -> None:
    # a cut that kept only the positive of the four tied rows would have F1 1, but there is none
    probabilities, truth = np.array([[0.5], *[[0.25]] * 4, *[[0.1]] * 5]), np.zeros((10, 1), dtype=bool)
    truth[[0, tied_positive]] = True
    thresholds = fit_thresholds(probabilities, truth, "multilabel", shrinkage=1e12)
    assert thresholds == pytest.approx([0.375])


def test_a_label_without_positives_takes_the_shared_threshold() -> None:
    probabilities, truth = signal(rows=400, labels=3, seed=2)
    truth[:, 2] = False
    shared = fit_thresholds(probabilities, truth, "multilabel", shrinkage=1e12)[0]
    assert fit_thresholds(probabilities, truth, "multilabel")[2] == pytest.approx(shared)


def test_rarer_labels_are_shrunk_further() -> None:
    probabilities, truth = signal(rows=2000, labels=6, seed=3)
    unshrunk = fit_thresholds(probabilities, truth, "multilabel", shrinkage=0)
    fitted = fit_thresholds(probabilities, truth, "multilabel")
    shared = fit_thresholds(probabilities, truth, "multilabel", shrinkage=1e12)
    kept = (np.log(fitted / (1 - fitted)) - np.log(shared / (1 - shared))) / (
        np.log(unshrunk / (1 - unshrunk)) - np.log(shared / (1 - shared))
    )
    assert kept == pytest.approx(truth.sum(axis=0) / (truth.sum(axis=0) + 20))


def crossed(
    probabilities: Probabilities, truth: Indicator, task: Task, *, seed: int, seen: Indicator | None = None
) -> Indicator:
    """Return decisions cross-fitted over halves of independent rows."""
    parts = deal_blocks(truth, single_rows(len(truth)), folds=2, seed=seed)
    return cross_fitted_decisions(probabilities, truth, task, parts=parts, seen=seen)


def test_a_label_unseen_in_training_is_never_predicted() -> None:
    probabilities, truth = signal(rows=200, labels=3, seed=4)
    seen = np.array([True, False, True])
    assert not crossed(probabilities, truth, "multilabel", seed=0, seen=seen)[:, 1].any()


def test_a_constant_output_is_decided_negative_not_positive() -> None:
    truth = signal(rows=200, labels=3, seed=5)[1]
    assert not crossed(np.full(truth.shape, 0.7), truth, "multilabel", seed=0).any()


@pytest.mark.parametrize("task", ["multilabel", "binary"])
@pytest.mark.parametrize("tied", [0.7, 1.0])
def test_a_constant_output_is_decided_positive_where_most_rows_are(task: Task, tied: float) -> None:
    targets = np.arange(200) % 50 > 0
    truth = as_indicator(targets.astype(int), 2)
    probabilities = as_binary(np.full(200, tied))
    if task == "multilabel":
        # another label with a high threshold raises the shared one
        truth = np.column_stack([targets, np.arange(200) % 4 == 0])
        probabilities = np.column_stack([np.full(200, tied), np.where(truth[:, 1], 0.99, 0.9)])
    column = 0 if task == "multilabel" else 1
    assert crossed(probabilities, truth, task, seed=0)[:, column].all()
    assert decide(probabilities, fit_thresholds(probabilities, truth, task), task)[:, column].all()


@pytest.mark.parametrize("n_true", range(44, 57))
def test_a_constant_output_is_decided_alike_on_both_halves_whatever_each_half_holds(n_true: int) -> None:
    # otherwise a constant model would have decisions that vary, and no penalty
    generator = np.random.default_rng(n_true)
    truth = np.column_stack([np.arange(100) < n_true, generator.random((100, 3)) < 0.2])
    truth = truth[generator.permutation(100)]
    decided = crossed(np.full(truth.shape, 0.7), truth, "multilabel", seed=0)[:, 0]
    assert decided.all() == (n_true > 50)
    assert decided.any() == (n_true > 50)


def test_several_classes_take_the_most_probable() -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]])
    thresholds = fit_thresholds(probabilities, as_indicator(np.array([0, 1]), 3), "multiclass")
    assert thresholds.shape == (0,)
    assert decide(probabilities, thresholds, "multiclass").argmax(axis=1).tolist() == [1, 0]


def test_a_fitting_part_of_one_class_leaves_the_binary_threshold_in_the_middle() -> None:
    probabilities = as_binary(np.array([0.1, 0.2]))
    assert fit_thresholds(probabilities, as_indicator(np.array([0, 0]), 2), "binary").tolist() == [0.5]


def test_cross_fitting_is_the_same_every_time() -> None:
    probabilities, truth = signal(rows=300, labels=4, seed=6)
    first, second = (crossed(probabilities, truth, "multilabel", seed=9) for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize("task", ["multilabel", "binary"])
def test_a_row_is_not_judged_by_a_threshold_that_saw_it(task: Task) -> None:
    # 200 distinct random numbers and random truth: fitted on themselves they have skill, cross-fitted they have less
    fitted, judged = [], []
    for seed in range(30):
        generator = np.random.default_rng(seed)
        targets = (generator.random(200) < 0.1).astype(int)
        probabilities, truth = as_binary(generator.random(200)), as_indicator(targets, 2)
        if task == "multilabel":
            probabilities, truth = probabilities[:, 1:], truth[:, 1:]
        thresholds = fit_thresholds(probabilities, truth, task, shrinkage=0)
        fitted.append(macro_f1(decide(probabilities, thresholds, task), truth))
        judged.append(macro_f1(crossed(probabilities, truth, task, seed=seed), truth))
    assert np.mean(judged) < np.mean(fitted) - 0.02


def test_random_probabilities_have_no_skill() -> None:
    skills = []
    for seed in range(20):
        generator = np.random.default_rng(seed)
        truth = generator.random((500, 5)) < 0.2
        decisions = crossed(generator.random((500, 5)), truth, "multilabel", seed=seed)
        skills.append(measure(decisions, truth, "multilabel").skill)
    assert -0.08 < np.mean(skills) < 0.01


def test_two_rows_of_a_rare_class_never_fall_into_one_fold() -> None:
    # otherwise each would be judged by thresholds fitted without a positive, and both would be missed
    targets = np.zeros(100, dtype=np.int64)
    targets[:2] = 1
    probabilities, truth = as_binary(np.where(targets == 1, 0.2, 0.1)), as_indicator(targets, 2)
    for seed in range(20):
        assert (crossed(probabilities, truth, "binary", seed=seed) == truth).all()


def test_a_report_of_goemotions_size_is_cross_fitted_in_a_fraction_of_a_second() -> None:
    probabilities, truth = signal(rows=5426, labels=28, seed=7)
    start = time.process_time()
    crossed(probabilities, truth, "multilabel", seed=0)
    assert time.process_time() - start < 0.3  # 0.02 s when it was written
