"""A model trained to probabilities: real training on small data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from builders.configurations import configure, fixed_domains, prepare_for
from builders.datasets import make_dataset
from builders.measurements import make_measurement
from tuner.data.dataset import Dataset
from tuner.distil.lesson import Lesson
from tuner.distil.student import Student, beside_best, train_student
from tuner.errors import SearchFailed
from tuner.space.task import Inputs, Task
from tuner.trial.order import TrialSettings
from tuner.trial.trial import Trial


def settings_of(epochs: float) -> TrialSettings:
    return TrialSettings(max_epochs=epochs, reports_per_epoch=1, penalty_weight=1.0)


def certain_lesson(dataset: Dataset) -> Lesson:
    """The truth as probabilities of 0 and 1."""
    return Lesson(dataset, dataset.truth("train").astype(np.float32), False, 0, 0)


def train(lesson: Lesson, dataset: Dataset, *, epochs: float, inputs: Inputs = "text", **given: Any) -> Student:
    configuration = configure(inputs=inputs, learning_rate=0.03, batch_size=8, hidden=12)
    domains = fixed_domains(configuration, inputs)
    common: dict[str, Any] = {"seed": 0, "time_s": None, "say": lambda _: None} | given
    return train_student(configuration, domains, lesson, dataset, settings_of(epochs), **common)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
def test_probabilities_of_0_and_1_train_the_same_model_as_the_labels(task: Task) -> None:
    dataset, configuration = make_dataset(task), configure(learning_rate=0.03)
    data = prepare_for(dataset, configuration)
    soft = replace(data, soft_targets=dataset.truth("train").astype(np.float32))
    trials = [Trial(configuration, each, settings_of(1), seed=3) for each in (data, soft)]
    for trial in trials:
        trial.next_measurement()
    first, second = (trial.probabilities for trial in trials)
    assert first is not None
    np.testing.assert_allclose(first, second, atol=1e-4)


@pytest.mark.parametrize(("inputs", "folds"), [("text", 0), ("sequence", 0), ("text", 2)])
def test_a_student_answers_as_it_was_told_and_is_as_sure_as_it_was_told(inputs: Inputs, folds: int) -> None:
    dataset = make_dataset("multiclass", inputs=inputs, folds=folds)
    answers = (0.1 + 0.7 * dataset.truth("train")).astype(np.float32)
    student = train(Lesson(dataset, answers, False, 0, 0), dataset, epochs=4, inputs=inputs)
    truth = dataset.truth("validation")
    assert student.probabilities.shape == truth.shape
    assert (student.probabilities.argmax(1) == truth.argmax(1)).mean() > 0.85
    assert 0.6 < student.probabilities.max() < 0.95


def test_the_time_limit_ends_the_training_with_the_model_so_far() -> None:
    dataset = make_dataset("multiclass")
    said: list[str] = []
    student = train(certain_lesson(dataset), dataset, epochs=10_000, time_s=0.2, say=said.append)
    assert student.is_cut
    assert 0 < student.best_epochs <= student.epochs < 10_000
    assert "of 10000: score " in said[-1]


@pytest.mark.parametrize(
    ("score", "part"),
    [(0.4, ", the best is 0.500"), (0.5, ", the best so far"), (0.6, ", the best is 0.500, of a healthier model")],
)
def test_a_measurement_is_said_to_be_the_best_or_worse(score: float, part: str) -> None:
    best = make_measurement(0.5)
    assert beside_best(best if score == best.score else make_measurement(score), best) == part


def test_a_model_without_a_score_is_no_student() -> None:
    dataset = make_dataset("multiclass")
    lesson = replace(certain_lesson(dataset), targets=np.full((len(dataset.train), 3), np.nan, np.float32))
    with pytest.raises(SearchFailed, match=r"no measurement .* has a score.*try another --seed"):
        train(lesson, dataset, epochs=1)


def test_rows_without_labels_are_trained_on_beside_the_folds() -> None:
    dataset = make_dataset("multiclass", folds=2)
    more = make_dataset("multiclass", rows=24, seed=4)
    inputs = (*dataset.train.inputs, *more.train.inputs)
    count = len(more.train)
    split = replace(
        dataset.train,
        inputs=inputs,
        targets=np.concatenate([dataset.train.targets, more.train.targets]),
        blocks=np.arange(len(inputs)),
    )
    folds = np.concatenate([dataset.folds, np.full(count, -1)])
    targets = np.concatenate([dataset.truth("train"), more.truth("train")]).astype(np.float32)
    student = train(Lesson(replace(dataset, train=split, folds=folds), targets, True, count, 0), dataset, epochs=3)
    assert student.probabilities.shape == (len(dataset.train), 3)
    assert (student.probabilities.argmax(1) == dataset.train.targets).mean() > 0.8
