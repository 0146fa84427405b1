"""If labels are unrelated to the inputs, the average over many seeds is not above chance, whatever the task."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tuner.baselines.linear import linear_probabilities
from tuner.data.builtin import builtin_table
from tuner.data.sequences import Sequences
from tuner.scoring.blocks import halves, single_rows
from tuner.scoring.f1 import Reals, chance_macro_f1, macro_f1
from tuner.scoring.indicator import Indicator, as_indicator
from tuner.scoring.measures import Measures, measure
from tuner.scoring.thresholds import cross_fitted_decisions, decide, fit_thresholds
from tuner.space.task import Task

SEEDS = 50
TASKS: tuple[Task, ...] = ("multilabel", "binary", "multiclass")
SHARES = {"multilabel": [0.5, 0.2, 0.05], "binary": [0.8, 0.2], "multiclass": [0.7, 0.2, 0.1]}


def judge(
    probabilities: tuple[Reals, Reals], truth: tuple[Indicator, Indicator], task: Task
) -> tuple[Measures, Measures]:
    """Measure validation with cross-fitted thresholds, as for trials, and test with thresholds fitted on validation."""
    crossed = cross_fitted_decisions(
        probabilities[0], truth[0], task, parts=halves(truth[0], single_rows(len(truth[0])))
    )
    fitted = decide(probabilities[1], fit_thresholds(probabilities[0], truth[0], task), task)
    return measure(crossed, truth[0], task), measure(fitted, truth[1], task)


def guess(task: Task, seed: int, rows: int = 600) -> tuple[Measures, Measures]:
    """Return probabilities near the labels' shares, drawn independently of the truth."""
    generator = np.random.default_rng(seed)
    shares = np.array(SHARES[task])
    if task == "multilabel":
        truth = generator.random((2 * rows, len(shares))) < shares
        probabilities = 1 / (1 + np.exp(generator.normal(scale=0.5, size=truth.shape) - np.log(shares / (1 - shares))))
    else:
        truth = as_indicator(generator.choice(len(shares), size=2 * rows, p=shares), len(shares))
        probabilities = shares * np.exp(generator.normal(size=truth.shape))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
    return judge((probabilities[:rows], probabilities[rows:]), (truth[:rows], truth[rows:]), task)


@cache
def digits() -> tuple[Sequences, np.ndarray]:
    table = builtin_table("builtin:digits")
    sequences = Sequences.of([np.array(row, np.float32) for row in table["sequence"].to_pylist()])
    return sequences, np.array([int(label) for label in table["label"].to_pylist()])


def learn_shuffled(task: Task, seed: int) -> tuple[Measures, Measures]:
    """Measure the linear baseline on handwritten digits with shuffled labels."""
    sequences, numbers = digits()
    generator = np.random.default_rng(seed)
    numbers = generator.permutation(numbers)
    truth = {
        "multilabel": np.column_stack([numbers % 2 == 0, numbers >= 5, numbers == 8]),
        "binary": as_indicator((numbers >= 4).astype(int), 2),
        "multiclass": as_indicator(numbers // 3, 4),
    }[task]
    train, validation, test = np.split(generator.permutation(len(numbers)), [250, 500])
    judged = (sequences.take(validation), sequences.take(test))
    on_validation, on_test = linear_probabilities(sequences.take(train), truth[train], judged, task)
    return judge((on_validation, on_test), (truth[validation], truth[test]), task)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("model", [guess, learn_shuffled])
def test_shuffled_labels_are_not_above_chance(model: object, task: Task) -> None:
    results = [model(task, seed) for seed in range(SEEDS)]  # type: ignore[operator]
    for split in (0, 1):
        assert np.mean([each[split].above_chance for each in results]) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("model", [guess, learn_shuffled])
def test_shuffled_labels_are_no_better_than_the_best_constant_rule(model: object) -> None:
    """This holds in multi-label only. With one label per row, a guess beats the majority class, so skill alone proves nothing."""
    results = [model("multilabel", seed) for seed in range(SEEDS)]  # type: ignore[operator]
    for split in (0, 1):
        assert np.mean([each[split].skill for each in results]) < 0.01


@given(arrays(bool, (12, 3)), arrays(bool, (12, 3)), st.integers(0, 10))
def test_chance_is_the_mean_of_the_same_decisions_dealt_to_the_rows_at_random(
    decisions: Indicator, truth: Indicator, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    dealt = np.mean([macro_f1(generator.permuted(decisions, axis=0), truth) for _ in range(400)])
    assert chance_macro_f1(decisions, truth) == pytest.approx(dealt, abs=0.06)
