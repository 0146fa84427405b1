from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score

from tuner.scoring.f1 import constant_macro_f1, f1_per_label, macro_f1
from tuner.scoring.indicator import Indicator, as_indicator
from tuner.scoring.measures import measure
from tuner.scoring.penalty import constant_penalty
from tuner.space.task import Task

TASKS: tuple[Task, ...] = ("binary", "multiclass", "multilabel")


def indicators(task: Task, rows: int, labels: int) -> st.SearchStrategy[Indicator]:
    if task == "multilabel":
        return arrays(bool, (rows, labels))
    classes = st.lists(st.integers(0, labels - 1), min_size=rows, max_size=rows)
    return classes.map(lambda drawn: as_indicator(np.array(drawn), labels))


@st.composite
def judged(draw: st.DrawFn) -> tuple[Task, Indicator, Indicator]:
    """Draw a task with decisions and truth of up to 12 rows and 4 labels."""
    task = draw(st.sampled_from(TASKS))
    rows, labels = draw(st.integers(1, 12)), 2 if task == "binary" else draw(st.integers(2, 4))
    return task, draw(indicators(task, rows, labels)), draw(indicators(task, rows, labels))


def varies(truth: Indicator) -> bool:
    return bool((truth.any(axis=0) & ~truth.all(axis=0)).any())


@given(judged())
def test_a_constant_predictor_never_scores_above_zero(case: tuple[Task, Indicator, Indicator]) -> None:
    task, decisions, truth = case
    constant = np.tile(decisions[0], (len(truth), 1))
    if varies(truth):  # if the truth is constant, a constant predictor may match it
        assert measure(constant, truth, task).score <= 0


@given(judged())
def test_the_truth_itself_has_macro_f1_1_and_no_penalty(case: tuple[Task, Indicator, Indicator]) -> None:
    task, _, truth = case
    measures = measure(truth, truth, task)
    assert measures.macro_f1 == (1.0 if truth.any() else 0.0)
    assert measures.constant_penalty == 0


@given(judged(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(case: tuple[Task, Indicator, Indicator], random: object) -> None:
    task, decisions, truth = case
    order = list(range(len(truth)))
    random.shuffle(order)  # type: ignore[attr-defined]
    first, second = measure(decisions, truth, task), measure(decisions[order], truth[order], task)
    assert first.score == pytest.approx(second.score, abs=1e-12)


@given(judged())
def test_f1_is_scikit_learns(case: tuple[Task, Indicator, Indicator]) -> None:
    _, decisions, truth = case
    theirs = f1_score(truth, decisions, average=None, zero_division=0)
    np.testing.assert_allclose(f1_per_label(decisions, truth), theirs, atol=1e-12)


@given(judged())
def test_the_penalty_lies_within_0_and_1(case: tuple[Task, Indicator, Indicator]) -> None:
    task, decisions, truth = case
    assert 0 <= constant_penalty(decisions, truth, task) <= 1


@given(judged())
def test_no_constant_rule_has_skill(case: tuple[Task, Indicator, Indicator]) -> None:
    task, decisions, truth = case
    constant = np.tile(decisions[0], (len(truth), 1))
    measures = measure(constant, truth, task)
    assert measures.skill <= 1e-12
    assert measures.above_chance == pytest.approx(0, abs=1e-12)


def test_macro_f1_leaves_out_labels_without_a_true_row() -> None:
    truth = np.array([[1, 0], [0, 0]], dtype=bool)
    assert macro_f1(np.array([[1, 1], [0, 0]], dtype=bool), truth) == 1


def test_the_best_constant_rule_of_several_classes_is_the_majority() -> None:
    truth = as_indicator(np.array([0, 0, 0, 1]), 3)
    assert constant_macro_f1(truth, "multiclass") == pytest.approx(2 * 0.75 / 1.75 / 2)


def test_the_best_constant_rule_of_several_labels_is_all_positive() -> None:
    truth = np.array([[1, 0], [1, 0], [0, 0], [0, 1]], dtype=bool)
    assert constant_macro_f1(truth, "multilabel") == pytest.approx((2 * 2 / 6 + 2 * 1 / 5) / 2)


def test_a_rare_label_predicted_half_as_often_is_not_punished() -> None:
    truth, decisions = np.zeros((1000, 1), dtype=bool), np.zeros((1000, 1), dtype=bool)
    truth[:2], decisions[500] = True, True
    assert constant_penalty(decisions, truth, "multilabel") == 0


def test_the_penalty_falls_straight_to_zero_at_a_tenth_of_the_truths_impurity() -> None:
    truth = as_indicator(np.arange(1000) % 2, 2)
    decisions = as_indicator((np.arange(1000) < 10).astype(int), 2)
    expected = 1 - (2 * 0.01 * 0.99 / 0.5) / 0.1
    assert constant_penalty(decisions, truth, "binary") == pytest.approx(expected)


def test_a_label_that_is_always_true_neither_earns_nor_dilutes_a_penalty() -> None:
    truth = np.array([[1, 0], [1, 1]], dtype=bool)
    assert constant_penalty(np.ones((2, 2), dtype=bool), truth, "multilabel") == 1


def test_never_deciding_rare_labels_costs_only_their_f1() -> None:
    truth = np.zeros((1000, 3), dtype=bool)
    truth[:500, 0], truth[:1, 1], truth[1:2, 2] = True, True, True
    decisions = truth.copy()
    decisions[:, 1:] = False
    measures = measure(decisions, truth, "multilabel")
    assert measures.constant_penalty == 0
    assert measures.score == pytest.approx(1 / 3)


def test_deciding_one_rare_label_alone_is_nearly_constant() -> None:
    truth = np.zeros((1000, 3), dtype=bool)
    truth[:500, 0], truth[:1, 1], truth[1:2, 2] = True, True, True
    decisions = truth.copy()
    decisions[:, 0] = False
    share = 2 * 2 * 0.001 * 0.999 / (0.5 + 2 * 2 * 0.001 * 0.999)
    assert constant_penalty(decisions, truth, "multilabel") == pytest.approx(1 - share / 0.1)


def test_labels_that_are_always_decided_earn_nothing() -> None:
    truth = np.random.default_rng(0).random((1000, 4)) < 0.4
    decisions = truth.copy()
    decisions[:, 1:] = True
    measures = measure(decisions, truth, "multilabel")
    assert measures.macro_f1 > 0.6
    assert measures.score == pytest.approx(1 / 4)


def test_a_guess_does_not_outscore_a_model_that_is_perfect_on_the_frequent_half_of_200_zipf_labels() -> None:
    generator = np.random.default_rng(0)
    rates = 0.3 / np.arange(1, 201)
    truth = generator.random((2000, 200)) < rates
    perfect_on_half = truth & (np.arange(200) < 100)
    guess = generator.random(truth.shape) < 0.2
    assert measure(perfect_on_half, truth, "multilabel").score > measure(guess, truth, "multilabel").score + 0.3


def test_the_penalty_weight_scales_the_penalty() -> None:
    truth = np.array([[1, 0], [0, 1]], dtype=bool)
    everything = np.ones((2, 2), dtype=bool)
    heavy = measure(everything, truth, "multilabel", penalty_weight=2)
    assert heavy.score == pytest.approx(heavy.macro_f1 - 2)


def test_notes_name_labels_that_are_absent_everywhere_or_never_seen() -> None:
    truth = np.array([[1, 0, 1], [1, 0, 0]], dtype=bool)
    seen = np.array([True, True, False])
    notes = measure(truth, truth, "multilabel", seen=seen, names=["always", "never", "new"]).notes
    assert [note.split(":")[0] for note in notes] == ["'never'", "'always'", "'new'"]


def test_a_note_names_labels_with_too_few_true_rows() -> None:
    truth = np.arange(20)[:, None] < [1, 4, 5, 20, 0, 2]
    notes = measure(truth, truth, "multilabel", seen=np.arange(6) < 5).notes
    assert "'0', '1': fewer than 5 true rows in this split: F1 there is largely chance" in notes
    classes = as_indicator(np.repeat([0, 1], [19, 1]), 2)
    assert [note.split(":")[0] for note in measure(classes, classes, "binary").notes] == ["'1'"]


def test_a_long_list_of_labels_in_a_note_is_cut_and_counted() -> None:
    truth = np.zeros((2, 8), dtype=bool)
    assert "'4' and 3 more" in measure(truth, truth, "multilabel").notes[0]


def test_label_rows_have_rates_and_precision_of_each_label() -> None:
    truth = np.array([[1, 0], [1, 0], [0, 1], [0, 1]], dtype=bool)
    decisions = np.array([[1, 0], [0, 0], [1, 0], [1, 1]], dtype=bool)
    row = measure(decisions, truth, "multilabel").labels[0]
    assert (row.support, row.prevalence, row.decision_rate) == (2, 0.5, 0.75)
    assert (row.precision, row.recall, row.f1) == pytest.approx((1 / 3, 0.5, 0.4))


def test_the_brief_measure_has_the_same_score_and_no_rows() -> None:
    truth = np.array([[1, 0], [0, 1]], dtype=bool)
    brief = measure(truth, truth, "multilabel", is_detailed=False)
    assert (brief.score, brief.labels, brief.notes) == (1.0, (), ())
