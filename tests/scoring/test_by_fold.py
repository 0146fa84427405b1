"""The measures of a model judged fold by fold are means over its folds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tuner.scoring.by_fold import AVERAGED, measure_by_fold
from tuner.scoring.evaluation import FOLDS_NOTE, evaluate, intervals_of
from tuner.scoring.indicator import Indicator, as_indicator
from tuner.scoring.measures import measure


def judged(rows: int = 90) -> tuple[Indicator, np.ndarray, Indicator]:
    """Return decisions, probabilities and truth of three classes."""
    generator = np.random.default_rng(0)
    truth = generator.choice(3, size=rows, p=[0.6, 0.3, 0.1])
    probabilities = generator.dirichlet([1, 1, 1], size=rows) + 0.3 * np.eye(3)[truth]
    return as_indicator(probabilities.argmax(axis=1), 3), probabilities / 1.3, as_indicator(truth, 3)


def evaluate_folds(
    decisions: Indicator, probabilities: np.ndarray | None, truth: Indicator, fold: np.ndarray | None
) -> dict[str, Any]:
    return evaluate(
        decisions,
        probabilities,
        truth,
        task="multiclass",
        labels=("a", "b", "c"),
        seen=np.ones(3, bool),
        penalty_weight=1.0,
        blocks=np.arange(len(truth)),
        seed=0,
        fold=fold,
    )


def test_each_mean_is_over_the_folds_measured_separately() -> None:
    decisions, probabilities, truth = judged()
    fold = np.arange(len(truth)) % 3
    result = measure_by_fold(decisions, truth, "multiclass", fold, penalty_weight=2.0, probabilities=probabilities)
    apart = [
        measure(
            decisions[fold == number],
            truth[fold == number],
            "multiclass",
            penalty_weight=2.0,
            probabilities=probabilities[fold == number],
        )
        for number in range(3)
    ]
    assert result.means == pytest.approx({name: np.mean([getattr(each, name) for each in apart]) for name in AVERAGED})
    assert result.spread == pytest.approx(np.std([each.score for each in apart], ddof=1))


def test_without_folds_all_rows_are_one_fold() -> None:
    decisions, probabilities, truth = judged()
    result = measure_by_fold(decisions, truth, "multiclass", None, probabilities=probabilities)
    whole = measure(decisions, truth, "multiclass", probabilities=probabilities)
    assert result.means == pytest.approx({name: getattr(whole, name) for name in AVERAGED})
    assert math.isnan(result.spread)


def test_a_fold_without_an_auc_is_left_out_of_the_mean() -> None:
    truth = np.array([[True], [False], [True], [True]])
    probabilities = np.array([[0.9], [0.1], [0.8], [0.7]])
    result = measure_by_fold(truth, truth, "multilabel", np.array([0, 0, 1, 1]), probabilities=probabilities)
    assert result.means["auc"] == 1


@pytest.mark.parametrize("is_folded", [False, True])
def test_an_evaluation_with_folds_has_means_and_rows_that_pool_all_folds(is_folded: bool) -> None:
    decisions, probabilities, truth = judged()
    fold = np.arange(len(truth)) % 3 if is_folded else None
    result = evaluate_folds(decisions, probabilities, truth, fold)
    means = measure_by_fold(decisions, truth, "multiclass", fold, probabilities=probabilities).means
    assert {name: result[name] for name in AVERAGED} == pytest.approx(dict(means))
    assert result["skill"] == pytest.approx(result["macro_f1"] - result["constant_macro_f1"])
    assert [row["support"] for row in result["labels"]] == truth.sum(axis=0).tolist()
    assert (FOLDS_NOTE in result["notes"]) is is_folded
    assert intervals_of(result).skill.low == result["skill_ci"][0]


def test_with_folds_a_value_lies_within_its_interval() -> None:
    # Each fold has a single class, so the mean over folds is far above the macro-F1 of all rows together.
    truth = as_indicator(np.repeat(np.arange(3), 40), 3)
    decisions = truth.copy()
    decisions[::4] = np.roll(truth[::4], 1, axis=1)
    result = evaluate_folds(decisions, None, truth, np.repeat(np.arange(3), 40))
    for name in ("macro_f1", "skill", "above_chance"):
        low, high = result[f"{name}_ci"]
        assert low <= result[name] <= high
