from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tuner.baselines import Baseline, guess_by_prevalence, run_baselines
from tuner.scoring.bootstrap import intervals, paired_difference
from tuner.scoring.f1 import as_indicator, macro_f1
from tuner.scoring.verdict import verdict
from tuner.space.settings import Task

WORDS = ["red", "green", "blue"]
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def texts_and_classes(rows: int, n_classes: int, seed: int) -> tuple[list[str], np.ndarray]:
    """Texts whose one colour tells the class, among words that tell nothing."""
    generator = np.random.default_rng(seed)
    classes = generator.choice(n_classes, size=rows, p=np.array([6, 3, 1])[:n_classes] / sum([6, 3, 1][:n_classes]))
    return [f"the {WORDS[label]} one , number {generator.integers(5)}" for label in classes], classes


def run(task: Task, n_labels: int = 3) -> dict[str, Baseline]:
    texts, targets = texts_and_classes(200, n_labels, seed=0)
    if task == "multilabel":
        targets = as_indicator(targets, n_labels).astype(np.uint8)
    baselines = run_baselines(
        train_texts=texts[:100],
        train_targets=targets[:100],
        validation_texts=texts[100:160],
        validation_targets=targets[100:160],
        test_texts=texts[160:],
        task=task,
        n_labels=n_labels,
        seed=0,
    )
    return {baseline.name: baseline for baseline in baselines}


@pytest.mark.parametrize(
    ("task", "n_labels", "constants"),
    [
        ("binary", 2, ["majority class"]),
        ("multiclass", 3, ["majority class"]),
        ("multilabel", 3, ["all positive", "all negative"]),
    ],
)
def test_every_task_has_its_constants_a_guess_and_a_model(task: Task, n_labels: int, constants: list[str]) -> None:
    baselines = run(task, n_labels)
    assert list(baselines) == [*constants, "stratified guess", "tfidf + logistic regression"]
    assert {baseline.validation.shape for baseline in baselines.values()} == {(60, n_labels)}
    assert {baseline.test.shape for baseline in baselines.values()} == {(40, n_labels)}


@pytest.mark.parametrize(("task", "n_labels"), [("binary", 2), ("multiclass", 3), ("multilabel", 3)])
def test_the_model_learns_what_one_word_tells(task: Task, n_labels: int) -> None:
    truth = as_indicator(texts_and_classes(200, n_labels, seed=0)[1], n_labels)
    model = run(task, n_labels)["tfidf + logistic regression"]
    assert macro_f1(model.test, truth[160:]) == 1
    assert macro_f1(model.validation, truth[100:160]) > 0.95


def test_the_majority_is_that_of_training() -> None:
    assert run("multiclass")["majority class"].test[:, 0].all()


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_guess_decides_as_often_as_training_has_the_label(task: Task) -> None:
    train = as_indicator(np.array([0] * 6 + [1] * 3 + [2]), 3)
    rates = guess_by_prevalence(train, 20_000, task, seed=0).mean(axis=0)
    assert rates == pytest.approx([0.6, 0.3, 0.1], abs=0.02)


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_label_without_a_training_row_is_never_predicted(task: Task) -> None:
    texts, classes = texts_and_classes(100, 2, seed=1)
    baselines = run_baselines(
        train_texts=texts,
        train_targets=as_indicator(classes, 3) if task == "multilabel" else classes,
        validation_texts=texts,
        validation_targets=np.ones((100, 3)) if task == "multilabel" else classes + 1,
        test_texts=texts,
        task=task,
        n_labels=3,
        seed=0,
    )
    assert not baselines[-1].test[:, 2].any()


def test_texts_that_share_no_word_are_still_fitted() -> None:
    baselines = run_baselines(
        train_texts=["one", "two", "three"],
        train_targets=np.array([0, 1, 1]),
        validation_texts=["one", "two"],
        validation_targets=np.array([0, 1]),
        test_texts=["one", "three"],
        task="multiclass",
        n_labels=2,
        seed=0,
    )
    assert baselines[-1].test.argmax(axis=1).tolist() == [0, 1]


def test_an_empty_test_split_has_no_decisions() -> None:
    texts, classes = texts_and_classes(60, 2, seed=2)
    baselines = run_baselines(
        train_texts=texts,
        train_targets=classes,
        validation_texts=texts,
        validation_targets=classes,
        test_texts=[],
        task="binary",
        n_labels=2,
        seed=0,
    )
    assert {baseline.test.shape for baseline in baselines} == {(0, 2)}


def test_labels_that_the_text_does_not_explain_are_not_called_a_victory() -> None:
    path = SHARED_DATA / "mlma_hate_en" / "all.parquet"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    table = pq.read_table(path, columns=["text", "labels", "suggested_split"]).to_pydict()
    labels = sorted({label for row in table["labels"] for label in row})
    targets = np.array([[label in row for label in labels] for row in table["labels"]])
    split = np.array(table["suggested_split"])
    texts = {name: [table["text"][row] for row in np.flatnonzero(split == name)] for name in set(split.tolist())}
    *constants, _, model = run_baselines(
        train_texts=texts["train"],
        train_targets=targets[split == "train"],
        validation_texts=texts["validation"],
        validation_targets=targets[split == "validation"],
        test_texts=texts["test"],
        task="multilabel",
        n_labels=len(labels),
        seed=0,
    )
    truth = targets[split == "test"]
    differences = {rule.name: paired_difference(model.test, rule.test, truth, seed=0) for rule in constants}
    skill = intervals(model.test, truth, "multilabel", seed=0).skill
    assert verdict(skill, differences) == "no_better_than_constant"
