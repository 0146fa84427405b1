from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tuner.data.dataset import Dataset, Split
from tuner.data.load import load_data
from tuner.data.profile import MOST_LABELS, profile, summarise
from tuner.data.sequences import Sequences
from tuner.data.token_lists import join_tokens
from tuner.space.settings import DataSettings
from tuner.space.task import Task

LABELS = ("a", "b", "c")


def split(inputs: Any, targets: Sequence[Any]) -> Split:
    kind = np.uint8 if np.ndim(targets) == 2 else np.int64
    return Split(
        inputs=inputs,
        targets=np.array(targets, kind),
        rows=np.arange(1, len(inputs) + 1),
        source="rows",
        blocks=np.arange(len(inputs)),
    )


def dataset(train: Split, validation: Split, test: Split, *, task: Task, **more: Any) -> Dataset:
    return Dataset(
        task=task,
        labels=LABELS,
        seen=np.ones(3, bool),
        train=train,
        validation=validation,
        test=test,
        notes=("said by load_data",),
        fingerprints={},
        **more,
    )


@pytest.fixture
def by_hand() -> Dataset:
    """Train has one copy with the same labels, and a row with two copies: one conflicts with it, one agrees."""
    train = split(
        ("One two.", "one  TWO.", "three", "three", "three", "...", "a a a a"),
        [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 1, 0], [0, 0, 0], [1, 1, 0]],
    )
    validation = split(("three", "Three", "four five three !"), [[1, 0, 0], [1, 0, 0], [0, 0, 1]])
    test = split(("six", "seven"), [[0, 0, 1], [0, 0, 1]])
    return dataset(train, validation, test, task="multilabel")


def test_rows_and_labels_are_counted(by_hand: Dataset) -> None:
    train = profile(by_hand)["splits"]["train"]
    assert train["rows"] == 7
    assert train["labels"] == {"a": 3, "b": 4, "c": 1}
    assert train["labels_per_row"] == {"mean": pytest.approx(8 / 7), "max": 2, "none": 1}


def test_copies_are_counted_regardless_of_case_and_spaces(by_hand: Dataset) -> None:
    counts = {name: each["duplicates"] for name, each in profile(by_hand)["splits"].items()}
    assert counts == {"train": 3, "validation": 1, "test": 0}


def test_a_copy_conflicts_if_its_labels_differ_from_those_of_the_first(by_hand: Dataset) -> None:
    counts = {name: each["conflicting_duplicates"] for name, each in profile(by_hand)["splits"].items()}
    assert counts == {"train": 1, "validation": 0, "test": 0}


def test_copies_of_one_label_tasks_conflict_too() -> None:
    rows = split(("x", "y", "X", "x"), [0, 1, 2, 0])
    train = profile(dataset(rows, rows, rows, task="multiclass"))["splits"]["train"]
    assert (train["duplicates"], train["conflicting_duplicates"]) == (2, 1)
    assert train["labels_per_row"] == {"mean": 1.0, "max": 1, "none": 0}


def test_rows_that_are_also_in_train_are_counted_as_overlap(by_hand: Dataset) -> None:
    assert profile(by_hand)["overlap"] == {"validation": 2, "test": 0}


def test_the_share_of_words_not_in_train_counts_every_occurrence(by_hand: Dataset) -> None:
    # of three, three, four, five, three and the punctuation mark, only the threes are known
    assert profile(by_hand)["unknown_words"] == {"validation": pytest.approx(3 / 6), "test": 1.0}


def test_lengths_are_in_the_words_of_the_word_tokeniser(by_hand: Dataset) -> None:
    lengths = profile(by_hand)["splits"]["train"]["lengths"]  # 3 3 1 1 1 3 4
    assert lengths["unit"] == "words"
    assert [lengths[each] for each in ("0", "50", "100")] == [1, 3, 4]
    assert list(lengths) == ["unit", "0", "5", "25", "50", "75", "95", "100"]


def test_a_row_without_a_word_is_empty() -> None:
    rows = split(("one", " ", ""), [0, 1, 2])
    profiled = profile(dataset(rows, rows, rows, task="multiclass"))
    assert profiled["splits"]["train"]["empty_rows"] == 2
    assert "2 of 3 rows of test have no word" in profiled["notes"]


def test_labels_on_the_same_row_are_counted_most_frequent_first(by_hand: Dataset) -> None:
    table = profile(by_hand)["cooccurrence"]
    assert table == {"labels": ["b", "a", "c"], "counts": [[4, 1, 1], [1, 3, 0], [1, 0, 1]]}


def test_cooccurrence_has_the_most_frequent_labels_only() -> None:
    targets = np.tri(MOST_LABELS + 5, dtype=np.uint8)
    rows = split(tuple(f"w{row}" for row in range(len(targets))), targets.tolist())
    names = tuple(f"label {number}" for number in range(len(targets)))
    many = Dataset(
        task="multilabel", labels=names, seen=np.ones(len(names), bool), train=rows, validation=rows, test=rows,
        notes=(), fingerprints={},
    )  # fmt: skip
    table = profile(many)["cooccurrence"]
    assert table["labels"] == list(names[:MOST_LABELS])
    assert np.shape(table["counts"]) == (MOST_LABELS, MOST_LABELS)


def test_notes_of_the_data_come_before_those_of_the_profile(by_hand: Dataset) -> None:
    assert profile(by_hand)["notes"] == [
        "said by load_data",
        "1 of 7 rows of train have the input of an earlier row but not its labels, so no model is right on all of them",
    ]


def test_with_folds_one_note_says_that_validation_is_train(make_dataset: Any) -> None:
    profiled = profile(make_dataset("multilabel", folds=3))
    assert "validation has the rows of train, which are dealt out to 3 folds" in profiled["notes"]
    assert profiled["splits"]["validation"] == profiled["splits"]["train"]
    assert list(profiled["overlap"]) == list(profiled["unknown_words"]) == ["test"]


def test_sequences_are_measured_in_steps_and_have_no_words() -> None:
    inputs = Sequences.of([[[1.0, 2.0]] * 2, [[1.0, 2.0]] * 5, [[1.0, 2.0]] * 2])
    rows = split(inputs, [0, 1, 2])
    profiled = profile(dataset(rows, rows, rows, task="multiclass"))
    train = profiled["splits"]["train"]
    assert (train["lengths"]["unit"], train["lengths"]["100"]) == ("steps", 5)
    assert (train["duplicates"], train["conflicting_duplicates"]) == (1, 1)
    assert profiled["unknown_words"] == {}
    assert profiled["cooccurrence"] is None


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("inputs", ["text", "sequence"])
def test_a_profile_is_json(task: Task, inputs: Any, make_dataset: Any) -> None:
    profiled = profile(make_dataset(task, inputs=inputs))
    assert json.loads(json.dumps(profiled, allow_nan=False)) == profiled


def test_docstrings_are_profiled_as_they_are() -> None:
    settings = DataSettings(train="builtin:docstrings", validation=0.15, test=0.15, labels="labels")
    loaded = load_data(settings, "multilabel", seed=0)
    profiled = profile(loaded)
    train = profiled["splits"]["train"]
    # the set has only rows with a label, and one row per text; a few differ only in case or spaces
    assert (train["labels_per_row"]["none"], train["empty_rows"]) == (0, 0)
    assert train["duplicates"] <= 5
    assert profiled["overlap"] == {"validation": 0, "test": 0}
    assert 0.02 < profiled["unknown_words"]["test"] < 0.3
    assert sum(each["rows"] for each in profiled["splits"].values()) > 3000
    table = np.array(profiled["cooccurrence"]["counts"])
    assert (table == table.T).all()
    assert dict(zip(profiled["cooccurrence"]["labels"], table.diagonal().tolist(), strict=True)) == train["labels"]


def test_digits_are_profiled_as_they_are() -> None:
    settings = DataSettings(train="builtin:digits", validation=0.15, test=0.15, sequence="sequence", label="label")
    profiled = profile(load_data(settings, "multiclass", seed=0))
    assert {profiled["splits"]["train"]["lengths"][each] for each in ("0", "50", "100")} == {8}
    labels = [each["labels"] for each in profiled["splits"].values()]
    assert {name: sum(each[name] for each in labels) for name in ("0", "1", "9")} == {"0": 178, "1": 139, "9": 20}


def test_a_summary_has_one_line_per_split(by_hand: Dataset) -> None:
    assert summarise(profile(by_hand)) == [
        "train: 7 rows; words per row: half have 3 or fewer, 95 % 4 or fewer; rows per label: from 4 (b) to 1 (c); "
        "without a label: 1; copies: 3; copies with other labels: 1",
        "validation: 3 rows; words per row: half have 1 or fewer, 95 % 4 or fewer; rows per label: from 2 (a) to 0 (b); "
        "copies: 1; also in train: 2; words not in train: 50.0%",
        "test: 2 rows; words per row: half have 1 or fewer, 95 % 1 or fewer; rows per label: from 2 (c) to 0 (a); "
        "words not in train: 100.0%",
    ]


def test_texts_in_a_script_without_spaces_are_measured_in_characters() -> None:
    rows = split(("我喜欢这个手机", "很好，谢谢"), [0, 1])
    test = split(("我喜欢猫", "很好"), [0, 1])
    profiled = profile(dataset(rows, rows, test, task="multiclass"))
    lengths = profiled["splits"]["train"]["lengths"]
    assert (lengths["unit"], lengths["100"]) == ("characters", 7)
    assert profiled["scripts"] == {"rows": 1.0, "letters": {"Han": 1.0}, "seen": {"Han": 1.0}}
    assert profiled["unknown_words"]["test"] == pytest.approx(1 / 6)
    assert "characters not in train: 16.7%" in summarise(profiled)[-1]
    json.dumps(profiled)


def test_lists_of_tokens_are_measured_in_tokens() -> None:
    rows = split((join_tokens(["New York", "a"]), join_tokens(["b"]), join_tokens(["New York", "A"])), [0, 1, 0])
    profiled = profile(dataset(rows, rows, rows, task="multiclass"))
    train = profiled["splits"]["train"]
    assert (train["lengths"]["unit"], train["lengths"]["100"], train["duplicates"]) == ("tokens", 2, 0)
    assert profiled["scripts"] == {"rows": 0.0, "letters": {}, "seen": {}}
