"""The details beside a champion's measures: predictions, confusion, worst errors, how much the choice flatters it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tuner.baselines.baseline import Decided, to_beat
from tuner.baselines.run import run_baselines
from tuner.data.dataset import Dataset
from tuner.data.profile import profile
from tuner.scoring.indicator import Indicator, as_indicator
from tuner.scoring.measures import measure
from tuner.scoring.signal import SignalEvidence, gather_evidence
from tuner.search.champion_record import (
    confusion,
    describe_selection,
    finalist_differences,
    labels_at_half,
    most_wrong,
    row_losses,
    thresholds_by_label,
)
from tuner.search.champion_test import describe_baselines, judge, judge_test

TRUTH = np.array([[1, 0], [0, 1], [1, 1]], dtype=bool)


def test_labels_at_half_are_decided_at_half() -> None:
    probabilities = np.array([[0.6, 0.4], [0.5, 0.6], [0.4, 0.6]])
    rows = labels_at_half(probabilities, TRUTH, "multilabel", ("a", "b"))
    assert rows == [
        {"label": "a", "precision": 0.5, "recall": 0.5, "f1": 0.5, "decision_rate": pytest.approx(2 / 3)},
        {"label": "b", "precision": 1.0, "recall": 1.0, "f1": 1.0, "decision_rate": pytest.approx(2 / 3)},
    ]


def test_multi_class_has_no_thresholds() -> None:
    classes = as_indicator(np.array([0, 1, 2]), 3)
    assert labels_at_half(classes.astype(float), classes, "multiclass", ("a", "b", "c")) is None
    assert thresholds_by_label(np.zeros(0), "multiclass") is None


def test_thresholds_are_listed_by_label() -> None:
    assert thresholds_by_label(np.array([0.25, np.inf]), "multilabel") == [0.25, None]
    assert thresholds_by_label(np.array([0.25]), "binary") == [0.75, 0.25]


def test_a_confusion_counts_truth_by_decision() -> None:
    truth, decisions = as_indicator(np.array([0, 0, 1, 2]), 3), as_indicator(np.array([0, 1, 1, 0]), 3)
    assert confusion(decisions, truth, "multiclass") == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert confusion(decisions, truth, "multilabel") is None


def test_the_loss_of_a_row_is_its_cross_entropy() -> None:
    classes, probabilities = as_indicator(np.array([0, 1]), 2), np.array([[0.5, 0.5], [1.0, 0.0]])
    assert row_losses(probabilities, classes, "binary") == pytest.approx([np.log(2), -np.log(1e-7)])
    several = row_losses(np.array([[0.5, 0.25]]), np.array([[True, False]]), "multilabel")
    assert several == pytest.approx([-(np.log(0.5) + np.log(0.75)) / 2])


def test_the_worst_errors_come_by_their_loss(make_dataset: Any) -> None:
    dataset = make_dataset("binary")
    split = replace(dataset.test.take(np.arange(4)), inputs=("one", "two", "three" * 100, "four"))
    truth = as_indicator(np.array([1, 1, 1, 0]), 2)
    positive = np.array([0.4, 0.9, 0.1, 0.2])
    probabilities = np.column_stack([1 - positive, positive])
    decided = Decided(probabilities >= 0.5, probabilities)
    rows = most_wrong(decided, truth, split, dataset)
    assert [(row["row"], row["truth"], row["decided"]) for row in rows] == [
        (int(split.rows[2]), ["yes"], ["no"]),
        (int(split.rows[0]), ["yes"], ["no"]),
    ]
    assert rows[0]["excerpt"] == ("three" * 100)[:200]
    assert rows[0]["loss"] == pytest.approx(-np.log(0.1))


def test_at_most_thirty_errors_are_listed_and_sequences_have_no_excerpt(make_dataset: Any) -> None:
    dataset = make_dataset("multilabel", inputs="sequence")
    truth = dataset.truth("test")
    rows = most_wrong(Decided(~truth, np.full(truth.shape, 0.5)), truth, dataset.test, dataset)
    assert len(rows) == 30
    assert {row["excerpt"] for row in rows} == {None}


def test_a_search_trial_is_compared_with_its_repetitions_after_equal_training() -> None:
    curves = {
        0: [(1.0, 0.2), (2.0, 0.5), (7.0, 0.777)],
        5: [(1.0, 0.3), (2.0, 0.6), (3.0, 0.55)],
        6: [(1.0, 0.7), (2.0, 0.4)],
    }
    comparison = describe_selection(0, curves, {0: [5, 6]})
    assert comparison is not None
    assert (comparison["epochs"], comparison["search_score"], comparison["finalist_scores"]) == (2.0, 0.5, [0.6, 0.7])
    low, high = comparison["range"]
    assert low < 0.6 < 0.65 < 0.7 < high
    assert (low + high) / 2 == pytest.approx(0.65)


def test_several_search_trials_of_the_same_settings_are_compared_by_their_mean() -> None:
    curves = {0: [(1.0, 1.0)], 1: [(1.0, 0.8)], 2: [(1.0, 0.6), (2.0, 0.9)], 5: [(1.0, 0.7)], 6: [(1.0, 0.9)]}
    for parent in (0, 2):
        comparison = describe_selection(0, curves, {parent: [5, 6]}, repeats=[0, 1, 2])
        assert comparison is not None
        assert (comparison["search_score"], comparison["search_trials"]) == (pytest.approx(0.8), 3)
        assert comparison["finalist_scores"] == [0.7, 0.9]


def test_one_repetition_gives_no_range() -> None:
    comparison = describe_selection(0, {0: [(1.0, 0.5)], 3: [(1.0, 0.4)]}, {0: [3]})
    assert comparison == {"epochs": 1.0, "search_score": 0.5, "finalist_scores": [0.4], "range": None}


@pytest.mark.parametrize("runs", [{}, {4: [7]}, {0: []}])
def test_without_a_repetition_there_is_nothing_to_compare(runs: dict[int, list[int]]) -> None:
    assert describe_selection(0, {0: [(1.0, 0.5)], 7: [(1.0, 0.4)]}, runs) is None


def test_nine_in_ten_further_runs_lie_in_the_range_of_a_selection() -> None:
    generator, held = np.random.default_rng(4), 0
    for _ in range(400):
        scores = generator.normal(0.6, 0.02, 6).tolist()
        curves = {number: [(1.0, score)] for number, score in enumerate(scores)}
        comparison = describe_selection(0, curves, {0: [1, 2], 5: [3, 4]})
        assert comparison is not None
        held += comparison["range"][0] <= scores[5] <= comparison["range"][1]
    assert held / 400 == pytest.approx(0.9, abs=0.04)


def runs_of(truth: Indicator, accuracy: float, seed: int) -> list[Indicator]:
    generator = np.random.default_rng(seed)
    return [np.where(generator.random(truth.shape) < accuracy, truth, ~truth) for _ in range(2)]


def test_the_winner_is_compared_with_every_other_finalist() -> None:
    truth = np.random.default_rng(0).random((300, 3)) < 0.3
    runs = {7: runs_of(truth, 0.6, 1), 2: runs_of(truth, 0.9, 2), 5: runs_of(truth, 0.895, 3)}
    rows = {row["other"]: row for row in finalist_differences(runs, 2, truth, blocks=np.arange(300), seed=0)}
    assert set(rows) == {5, 7}
    assert {row["trial"] for row in rows.values()} == {2}
    assert rows[7]["low"] > 0
    assert rows[5]["low"] < 0 < rows[5]["high"]


@pytest.mark.parametrize("folds", [0, 4])
def test_baselines_are_measured_as_trials_are(folds: int, make_dataset: Any) -> None:
    dataset = make_dataset("multiclass", folds=folds)
    baselines = run_baselines(dataset, seed=0)
    described = describe_baselines(baselines, dataset, penalty_weight=1.0, seed=0)
    truth = dataset.truth("validation")
    for baseline, row in zip(baselines, described, strict=True):
        parts = [dataset.folds == number for number in range(folds)] if folds else [slice(None)]
        scores = [measure(baseline.validation[part], truth[part], "multiclass").score for part in parts]
        assert row["validation"]["score"] == pytest.approx(np.mean(scores))
        assert ("skill_ci" in row["validation"]) is (baseline.kind == "model")


def looks_at(dataset: Dataset) -> SignalEvidence:
    described = describe_baselines(run_baselines(dataset, seed=0), dataset, penalty_weight=1.0, seed=0)
    return gather_evidence(dataset.task, baselines=described, profile=profile(dataset))


def test_the_champion_is_tested_against_every_baseline_with_a_reason(make_dataset: Any) -> None:
    dataset = make_dataset("multilabel")
    truth = dataset.truth("test")
    baselines = run_baselines(dataset, seed=0)
    test = judge_test(
        Decided(truth, truth.astype(float)), baselines, dataset, penalty_weight=1.0, seed=0, looks=looks_at(dataset)
    )
    assert test["test"]["macro_f1"] == 1
    assert [row["name"] for row in test["test_baselines"]] == [each.name for each in to_beat(baselines)]
    assert test["verdict"] in ("beats_baselines", "no_better_than_baseline")  # the linear model knows the words, too
    assert test["reason"].startswith("on test the champion has macro-F1 1.000")


def test_a_constant_champion_hears_which_constant_is_as_good(make_dataset: Any) -> None:
    dataset = make_dataset("multiclass")
    truth = dataset.truth("test")
    constant = np.tile(truth[0], (len(truth), 1))
    test = judge_test(
        Decided(constant, constant.astype(float)),
        run_baselines(dataset, seed=0),
        dataset,
        penalty_weight=1.0,
        seed=0,
        looks=looks_at(dataset),
    )
    assert test["verdict"] == "no_better_than_constant"
    assert f"answering {dataset.labels[truth.sum(axis=0).argmax()]!r} on every row" in test["reason"]
    assert "there is something to learn" in test["reason"]
    assert test["signal"]["answer"] == "signal"


def test_without_a_seed_there_are_no_intervals(make_dataset: Any) -> None:
    dataset = make_dataset("binary")
    decided = Decided(dataset.truth("validation"))
    assert "skill_ci" not in judge(decided, dataset, "validation", penalty_weight=1.0, seed=None)
