from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tuner.baselines.baseline import Baseline, to_beat
from tuner.baselines.linear import linear_probabilities
from tuner.baselines.probe import seen_share
from tuner.baselines.rules import guess_by_prevalence
from tuner.baselines.run import CHARACTERS, CONTROL, PROBE, run_baselines
from tuner.data.dataset import Dataset, RowInputs, Split, take_inputs
from tuner.data.load import load_data
from tuner.data.sequences import Sequences
from tuner.data.token_lists import join_tokens
from tuner.scoring.blocks import single_rows
from tuner.scoring.bootstrap import intervals
from tuner.scoring.f1 import macro_f1
from tuner.scoring.indicator import as_indicator
from tuner.scoring.paired import paired_difference
from tuner.scoring.verdict import reach_verdict
from tuner.space.settings import DataSettings
from tuner.space.task import Inputs, Task

Part = tuple[RowInputs, np.ndarray]

WORDS = ["red", "green", "blue"]
SHARED_DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def texts_and_classes(rows: int, n_classes: int, seed: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Return texts with one word, a colour, that gives away the class, among random words."""
    generator = np.random.default_rng(seed)
    classes = generator.choice(n_classes, size=rows, p=np.array([6, 3, 1])[:n_classes] / sum([6, 3, 1][:n_classes]))
    texts = tuple(f"the {WORDS[label]} one , number {generator.integers(5)}" for label in classes)
    return texts, classes


def sequences_of(classes: np.ndarray) -> Sequences:
    """Return sequences of 3 to 8 steps and 3 channels of noise, where the channel of the class rises from 100 to 109."""
    generator = np.random.default_rng(0)
    rows = [generator.normal(100, 1, (length, 3)) for length in generator.integers(3, 9, len(classes))]
    for row, label in zip(rows, classes, strict=True):
        row[:, label] += np.linspace(0, 9, len(row))
    return Sequences.of(rows)


def a_dataset(
    task: Task, train: Part, validation: Part, test: Part, *, n_labels: int, folds: np.ndarray | None = None
) -> Dataset:
    """Return a data set of three splits, each given as inputs and targets."""
    splits = {
        name: Split(inputs, targets, np.arange(len(targets)), name, np.arange(len(targets)))
        for name, (inputs, targets) in {"train": train, "validation": validation, "test": test}.items()
    }
    labels, seen = tuple("abc"[:n_labels]), np.ones(n_labels, bool)
    return Dataset(task=task, labels=labels, seen=seen, notes=(), fingerprints={}, folds=folds, **splits)


def dataset_of(task: Task, n_labels: int = 3, *, inputs: Inputs = "text", folds: int = 0) -> Dataset:
    """Return 100 training, 60 validation and 40 test rows; with folds, validation is the training rows."""
    texts, classes = texts_and_classes(200, n_labels, seed=0)
    targets = as_indicator(classes, n_labels).astype(np.uint8) if task == "multilabel" else classes
    everything = texts if inputs == "text" else sequences_of(classes)
    train, validation, test = (
        (take_inputs(everything, rows), targets[rows]) for rows in np.split(np.arange(200), [100, 160])
    )
    numbers = np.arange(100) % folds if folds else None
    return a_dataset(task, train, train if folds else validation, test, n_labels=n_labels, folds=numbers)


def run(dataset: Dataset) -> dict[str, Baseline]:
    return {baseline.name: baseline for baseline in to_beat(run_baselines(dataset, seed=0))}


TASKS = [("binary", 2), ("multiclass", 3), ("multilabel", 3)]
EVERY_INPUT: list[Inputs] = ["text", "sequence"]


@pytest.mark.parametrize(
    ("task", "n_labels", "constants"),
    [
        ("binary", 2, ["majority class"]),
        ("multiclass", 3, ["majority class"]),
        ("multilabel", 3, ["all positive", "all negative"]),
    ],
)
def test_every_task_has_its_constants_a_guess_and_a_model(task: Task, n_labels: int, constants: list[str]) -> None:
    baselines = run(dataset_of(task, n_labels))
    assert list(baselines) == [*constants, "stratified guess", "tfidf + logistic regression"]
    assert {baseline.validation.shape for baseline in baselines.values()} == {(60, n_labels)}
    assert {baseline.test.shape for baseline in baselines.values()} == {(40, n_labels)}


def test_the_model_on_sequences_is_called_flattened() -> None:
    assert list(run(dataset_of("binary", 2, inputs="sequence")))[-1] == "flattened + logistic regression"


@pytest.mark.parametrize("folds", [0, 5])
@pytest.mark.parametrize("inputs", EVERY_INPUT)
@pytest.mark.parametrize(("task", "n_labels"), TASKS)
def test_the_model_learns_what_one_word_or_channel_tells(task: Task, n_labels: int, inputs: Inputs, folds: int) -> None:
    dataset = dataset_of(task, n_labels, inputs=inputs, folds=folds)
    model = list(run(dataset).values())[-1]
    assert macro_f1(model.test, as_indicator(dataset.test.targets, n_labels)) > 0.95
    assert macro_f1(model.validation, as_indicator(dataset.validation.targets, n_labels)) > 0.95


@pytest.mark.parametrize("inputs", EVERY_INPUT)
def test_with_folds_no_row_is_judged_by_a_model_that_has_seen_it(inputs: Inputs) -> None:
    """Classes are random: a model that has seen a row knows it by heart, any other is at chance."""
    generator = np.random.default_rng(0)
    classes = generator.integers(2, size=90)
    texts = tuple(f"word{row}" for row in range(90))
    sequences = Sequences.of(generator.normal(size=(90, 40, 3)))
    rows = (texts if inputs == "text" else sequences, classes)
    seen = a_dataset("binary", rows, rows, rows, n_labels=2)
    truth = as_indicator(classes, 2)
    assert macro_f1(list(run(seen).values())[-1].validation, truth) > 0.95
    held_out = a_dataset("binary", rows, rows, rows, n_labels=2, folds=np.arange(90) % 3)
    assert macro_f1(list(run(held_out).values())[-1].validation, truth) < 0.7


@pytest.mark.parametrize(("factor", "constant"), [(1, 1_700_000_000), (1, 10**12), (1e-12, 0), (-1e12, 0)])
def test_the_units_of_a_channel_do_not_change_what_the_linear_model_says(factor: float, constant: int) -> None:
    generator = np.random.default_rng(0)
    classes = generator.integers(0, 2, 60)
    steps = [generator.integers(0, 10, (5, 2)) + 3 * label for label in classes]
    plain, moved = (Sequences.of(row * a + b for row in steps) for a, b in ((1, 0), (factor, constant)))
    targets = np.eye(2, dtype=bool)[classes]
    (expected,), (probabilities,) = (linear_probabilities(rows, targets, [rows], "binary") for rows in (plain, moved))
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)


def test_the_length_of_a_sequence_is_seen_by_the_model() -> None:
    classes = np.arange(60) % 2
    rows = (Sequences.of(np.ones(3 + 4 * label) for label in classes), classes)
    model = list(run(a_dataset("binary", rows, rows, rows, n_labels=2)).values())[-1]
    assert macro_f1(model.test, as_indicator(classes, 2)) == 1


def test_the_majority_is_that_of_training() -> None:
    assert run(dataset_of("multiclass"))["majority class"].test[:, 0].all()


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_guess_decides_as_often_as_training_has_the_label(task: Task) -> None:
    train = as_indicator(np.array([0] * 6 + [1] * 3 + [2]), 3)
    rates = guess_by_prevalence(train, 20_000, task, seed=0).mean(axis=0)
    assert rates == pytest.approx([0.6, 0.3, 0.1], abs=0.02)


@pytest.mark.parametrize("inputs", EVERY_INPUT)
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_label_without_a_training_row_is_never_predicted(task: Task, inputs: Inputs) -> None:
    texts, classes = texts_and_classes(100, 2, seed=1)
    rows = texts if inputs == "text" else sequences_of(classes)
    is_several = task == "multilabel"
    train = (rows, as_indicator(classes, 3).astype(np.uint8) if is_several else classes)
    validation = (rows, np.ones((100, 3), np.uint8) if is_several else classes + 1)
    baselines = to_beat(run_baselines(a_dataset(task, train, validation, train, n_labels=3), seed=0))
    assert not baselines[-1].test[:, 2].any()


def test_texts_that_share_no_word_are_still_fitted() -> None:
    train = (("one", "two", "three"), np.array([0, 1, 1]))
    judged = (("one", "three"), np.array([0, 1]))
    baselines = to_beat(run_baselines(a_dataset("multiclass", train, judged, judged, n_labels=2), seed=0))
    assert baselines[-1].test.argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize("inputs", EVERY_INPUT)
def test_an_empty_test_split_has_no_decisions(inputs: Inputs) -> None:
    dataset = dataset_of("binary", 2, inputs=inputs)
    emptied = replace(dataset, test=dataset.test.take(np.arange(0)))
    assert {baseline.test.shape for baseline in run(emptied).values()} == {(0, 2)}


def test_the_test_targets_are_not_looked_at() -> None:
    dataset = dataset_of("multilabel")
    other = replace(dataset, test=replace(dataset.test, targets=1 - dataset.test.targets))
    for one, two in zip(run(dataset).values(), run(other).values(), strict=True):
        assert (one.test == two.test).all()


def test_labels_that_the_text_does_not_explain_are_not_called_a_victory() -> None:
    path = SHARED_DATA / "mlma_hate_en" / "all.parquet"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    data = DataSettings(train=str(path), labels="labels", split_column="suggested_split")
    dataset = load_data(data, "multilabel", seed=0)
    *constants, _, model = to_beat(run_baselines(dataset, seed=0))
    truth = as_indicator(dataset.test.targets, len(dataset.labels))
    differences = {
        rule.name: paired_difference(model.test, rule.test, truth, blocks=single_rows(len(truth)), seed=0)
        for rule in constants
    }
    drawn = intervals(model.test, truth, "multilabel", blocks=single_rows(len(truth)), seed=0)
    assert reach_verdict(drawn, differences) == "no_better_than_constant"


def noise(rows: int) -> tuple[tuple[str, ...], np.ndarray]:
    """Return texts that are unrelated to their classes."""
    generator = np.random.default_rng(1)
    texts = tuple(" ".join(generator.choice(WORDS, size=4)) for _ in range(rows))
    return texts, generator.integers(2, size=rows)


@pytest.mark.parametrize("folds", [0, 4])
def test_where_the_model_learns_nothing_a_probe_and_a_control_with_shuffled_labels_stand_beside_it(folds: int) -> None:
    rows = noise(120)
    numbers = np.arange(120) % folds if folds else None
    *others, probe, control = run_baselines(a_dataset("binary", rows, rows, rows, n_labels=2, folds=numbers), seed=0)
    assert (control.name, control.kind) == (CONTROL, "control")
    assert (probe.name, probe.kind) == (PROBE, "probe")
    assert control.on_validation.probabilities is not None
    assert to_beat([*others, probe, control]) == tuple(others)


@pytest.mark.parametrize("inputs", EVERY_INPUT)
def test_where_the_model_learns_no_time_goes_into_a_control(inputs: Inputs) -> None:
    assert {each.kind for each in run_baselines(dataset_of("binary", 2, inputs=inputs), seed=0)} == {
        "constant",
        "chance",
        "model",
    }


def test_the_control_is_the_same_for_a_seed() -> None:
    rows = noise(120)
    one, two = (run_baselines(a_dataset("binary", rows, rows, rows, n_labels=2), seed=5)[-1] for _ in range(2))
    assert (one.on_test.probabilities == two.on_test.probabilities).all()


def test_a_label_that_is_true_on_all_training_rows_but_not_on_all_others_is_always_decided() -> None:
    dataset = dataset_of("multilabel")

    def with_common_label(split: Split, false_rows: Sequence[int]) -> Split:
        targets = np.column_stack([split.targets, np.ones(len(split), np.uint8)])
        targets[false_rows, -1] = 0
        return replace(split, targets=targets)

    dataset = replace(
        dataset,
        labels=("a", "b", "c", "d"),
        seen=np.ones(4, bool),
        train=with_common_label(dataset.train, []),
        validation=with_common_label(dataset.validation, [3]),
        test=with_common_label(dataset.test, [5]),
    )
    (model,) = [baseline for baseline in run_baselines(dataset, seed=0) if baseline.kind == "model"]
    assert model.validation[:, -1].all()
    assert model.test[:, -1].all()


@pytest.mark.parametrize(
    ("texts", "least", "most"),
    [
        (["the goods are good", "the goods came late", "late goods"] * 4, 0.9, 1.0),
        ([f"这个手机{number}收到很好。" for number in range(40)], 0.0, 0.2),
        ([f"reading {number * 7919} of {number * 104729}" for number in range(40)], 0.0, 0.2),
        (["", " "], 0.0, 0.0),
    ],
)
def test_a_model_of_words_sees_what_two_training_texts_share(texts: list[str], least: float, most: float) -> None:
    assert least <= seen_share(texts, texts) <= most


@pytest.mark.parametrize("seed", range(6))
def test_the_control_leaves_every_part_its_labels_where_they_are_rare(seed: int) -> None:
    targets = np.zeros(40, np.int64)
    targets[[4, 9]] = 1  # one in each fold
    part = (tuple(f"text {row % 7}" for row in range(40)), targets)
    dataset = a_dataset("binary", part, part, part, n_labels=2, folds=np.arange(40) % 2)
    assert any(baseline.kind == "control" for baseline in run_baselines(dataset, seed=seed))


def test_a_script_without_spaces_is_read_by_character_and_needs_no_probe() -> None:
    words = {0: "喜欢", 1: "失望"}
    texts = tuple(f"这个手机{'昨天收到屏幕'[row % 5 :]}{words[int(row % 4 == 0)]}{row}" for row in range(200))
    targets = np.array([int(row % 4 == 0) for row in range(200)])
    parts = [(texts[first:last], targets[first:last]) for first, last in ((0, 100), (100, 160), (160, 200))]
    baselines = run_baselines(a_dataset("binary", *parts, n_labels=2), seed=0)
    model = next(baseline for baseline in baselines if baseline.kind == "model")
    assert (model.name, model.seen_share) == (CHARACTERS, None)
    assert macro_f1(model.validation, as_indicator(parts[1][1], 2)) > 0.95
    assert PROBE not in {baseline.name for baseline in baselines}


def test_tokens_are_counted_as_they_are() -> None:
    texts = tuple(join_tokens(["New York" if row % 4 else "new york", f"{row}"]) for row in range(200))
    targets = np.array([int(row % 4 == 0) for row in range(200)])
    parts = [(texts[first:last], targets[first:last]) for first, last in ((0, 100), (100, 160), (160, 200))]
    model = list(run(a_dataset("binary", *parts, n_labels=2)).values())[-1]
    assert macro_f1(model.validation, as_indicator(parts[1][1], 2)) > 0.95
