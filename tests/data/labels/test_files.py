"""Labels of several files: one form, one spelling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from builders.fixtures import Write
from tuner.data.dataset import Columns
from tuner.data.load import load_data, read_labelled
from tuner.errors import DataError
from tuner.space.settings import DataSettings


def _settings(**values: Any) -> DataSettings:
    return DataSettings(**values)


def _texts(n: int, start: int = 0) -> list[str]:
    return [f"Text number {i}" for i in range(start, start + n)]


def test_spellings_of_a_label_in_two_files_are_one_label(write: Write) -> None:
    train = write("t.parquet", text=_texts(40), label=["Spam", "ham", "ham", "ham"] * 10)
    test = write("u.parquet", text=_texts(4), label=["spam", " ham", "HAM", "SPAM"])
    dataset = load_data(_settings(train=train, label="label", test=test), "binary", seed=0)
    assert dataset.labels == ("ham", "Spam")
    assert dataset.test.targets.tolist() == [1, 0, 0, 1]
    assert any("'Spam' (10 rows) and 'SPAM' (1 row) and 'spam' (1 row) as 'Spam'" in note for note in dataset.notes)


def test_names_that_differ_in_case_are_two_labels_on_request(write: Write) -> None:
    train = write("t.parquet", text=_texts(40), label=["a", "A"] * 20)
    assert load_data(_settings(train=train, label="label", label_case="keep"), "binary", seed=0).labels == ("A", "a")


@pytest.mark.parametrize("positive", ["SPAM", " spam", "spam"])
def test_the_positive_label_is_found_in_any_spelling(write: Write, positive: str) -> None:
    train = write("t.parquet", text=_texts(40), label=["Spam", "ham"] * 20)
    assert load_data(_settings(train=train, label="label", positive=positive), "binary", seed=0).labels[1] == "Spam"


def test_truth_values_in_two_spellings_are_the_same_labels(write: Write) -> None:
    train = write("t.parquet", text=_texts(40), label=[True, False] * 20)
    test = write("u.parquet", text=_texts(2), label=["1", "0"])
    dataset = load_data(_settings(train=train, label="label", test=test), "binary", seed=0)
    assert set(dataset.labels) == {"true", "false"}


def test_the_form_of_train_decides_how_vectors_of_another_file_are_read(write: Write) -> None:
    train = write("t.parquet", text=_texts(40), labels=[[1, 1], [0, 1]] * 20)
    test = write("u.parquet", text=_texts(2), labels=[[0, 1], [1, 0]])
    dataset = load_data(_settings(train=train, labels="labels", test=test), "multilabel", seed=0)
    assert dataset.test.targets.tolist() == [[0, 1], [1, 0]]
    assert dataset.label_reading["label_form"] == "vectors"
    assert dataset.label_reading["label_names"] == ("0", "1")


def test_a_place_that_is_1_on_no_row_is_still_a_label(write: Write) -> None:
    train = write("t.parquet", text=_texts(40), labels=[[1, 1, 0], [0, 1, 0]] * 20)
    assert load_data(_settings(train=train, labels="labels"), "multilabel", seed=0).labels == ("0", "1", "2")


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ([[1, 1, 0], [0, 1, 0]], [["a"], ["b"]], r"holds labels such as a, b, but .*t\.parquet has vectors of 0 and 1"),
        (
            [["a"], ["b", "a"]],
            [[1, 1, 0], [0, 1, 0]],
            r"holds vectors of 0 and 1, but .*t\.parquet has labels such as a, b",
        ),
        ([[1, 1, 0], [0, 1, 0]], [[1, 1], [0, 1]], "its vectors have 2 places, but there are 3 labels: 0, 1, 2"),
    ],
)
def test_labels_in_two_forms_are_refused(write: Write, train: list[Any], test: list[Any], message: str) -> None:
    path = write("t.parquet", text=_texts(40), labels=train * 20)
    other = write("u.parquet", text=_texts(2), labels=test)
    with pytest.raises(DataError, match=rf"u\.parquet: column 'labels': (it )?{message}"):
        load_data(_settings(train=path, labels="labels", test=other), "multilabel", seed=0)


def test_a_file_may_name_the_places_of_vectors_that_have_names(write: Write) -> None:
    train = write("t.parquet", text=_texts(40), labels=[[1, 1], [0, 1]] * 20)
    test = write("u.parquet", text=_texts(2), labels=[["joy"], ["anger", "joy"]])
    settings = _settings(train=train, labels="labels", test=test, label_names=("joy", "anger"))
    dataset = load_data(settings, "multilabel", seed=0)
    assert [dataset.labels[place] for place in np.flatnonzero(dataset.test.targets[0])] == ["joy"]


@pytest.mark.parametrize("settings", [{"label_names": ("a", "b")}, {"label_form": "vectors"}])
def test_settings_for_vectors_are_refused_if_there_are_none(write: Write, settings: dict[str, Any]) -> None:
    path = write("t.parquet", text=_texts(40), labels=[["a"], ["b"]] * 20)
    message = (
        rf"data\.{next(iter(settings))}: it is for vectors of 0 and 1, .* lists of names; leave it out: --set data\."
    )
    with pytest.raises(DataError, match=message):
        load_data(_settings(train=path, labels="labels", **settings), "multilabel", seed=0)


def test_the_separator_found_in_train_holds_for_other_files(write: Write) -> None:
    train = write("t.parquet", text=_texts(40), labels=["a b", "a", "b", "b a"] * 10)
    test = write("u.parquet", text=_texts(1), labels=["b a"])
    dataset = load_data(_settings(train=train, labels="labels", test=test), "multilabel", seed=0)
    assert dataset.labels == ("a", "b")
    assert dataset.test.targets.tolist() == [[1, 1]]


def test_another_file_may_spell_the_labels_of_a_model_in_another_way(write: Write) -> None:
    path = write("u.parquet", text=_texts(3), label=["SPAM", " ham", "spam"])
    split, notes = read_labelled(path, Columns("text", label="label"), task="binary", labels=("ham", "Spam"))
    assert split.targets.tolist() == [1, 0, 1]
    assert "'SPAM' (1 row) and 'spam' (1 row) as 'Spam'" in notes[0]


@pytest.mark.parametrize("written", ["{}, {}", "{}/{}", "<{}><{}>"])
def test_another_file_may_separate_its_labels_in_another_way(write: Write, written: str) -> None:
    train = write("t.parquet", text=_texts(40), labels=[["red", "green"], ["green", "blue"], ["red"], ["green"]] * 10)
    test = write("e.parquet", text=_texts(4, 50), labels=[written.format("Red", "blue"), "red", "green", "blue"])
    dataset = load_data(_settings(train=train, test=test, text="text", labels="labels"), "multilabel", seed=0)
    assert dataset.labels == ("blue", "green", "red")
    assert dataset.test.targets[0].tolist() == [1, 0, 1]
    assert any("Red" in note and "each is known alone" in note for note in dataset.notes)


@pytest.mark.parametrize("written", ["{}|{}", "{}, {}", "{}/{}", "<{}><{}>", "{} {}"])
def test_labels_of_a_model_may_be_separated_in_another_way(write: Write, written: str) -> None:
    uri = write("e.parquet", text=_texts(3), labels=[written.format("Red", "blue"), "green", ""])
    for separator in (" ", ",", "|"):
        columns = Columns(text="text", labels="labels", label_form="lists", label_separator=separator)
        split, _ = read_labelled(uri, columns, task="multilabel", labels=("blue", "green", "red"))
        assert split.targets.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_a_text_is_not_split_where_labels_of_the_model_hold_the_separator(write: Write) -> None:
    uri = write("e.parquet", text=_texts(3), labels=["a/b", "b/a", "a"])
    columns = Columns(text="text", labels="labels", label_form="lists", label_separator="|")
    split, notes = read_labelled(uri, columns, task="multilabel", labels=("a", "a/b", "b"))
    assert split.targets.tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert any("unknown to the model" in note for note in notes)


def test_label_columns_in_another_spelling_are_not_missing(write: Write) -> None:
    uri = write("e.parquet", text=_texts(2), RED=[1, 0], Blue=[0, 1])
    columns = Columns(text="text", label_columns=("RED", "Blue"))
    split, notes = read_labelled(uri, columns, task="multilabel", labels=("blue", "red"))
    assert split.targets.tolist() == [[0, 1], [1, 0]]
    assert not any("no column is named" in note for note in notes)


@pytest.mark.parametrize(("role", "task"), [("label", "multiclass"), ("labels", "multilabel")])
def test_names_of_places_are_recognised_in_another_spelling(write: Write, role: str, task: Any) -> None:
    vectors = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]] * 10
    train = write("t.parquet", text=_texts(40), y=vectors)
    test = write("e.parquet", text=_texts(3, 50), y=["Red", "GREEN", "blue"])
    settings = _settings(train=train, test=test, text="text", label_names=("red", "green", "blue"), **{role: "y"})
    dataset = load_data(settings, task, seed=0)
    assert set(dataset.labels) == {"red", "green", "blue"}


def test_a_file_without_any_label_of_train_is_refused(write: Write) -> None:
    train = write("t.parquet", text=_texts(40), label=["ham", "spam"] * 20)
    test = write("e.parquet", text=_texts(4, 50), label=[0, 1, 0, 1])
    settings = _settings(train=train, test=test, text="text", label="label")
    with pytest.raises(DataError, match=r"none of its labels, 0, 1, is in .*t\.parquet \(ham, spam\)"):
        load_data(settings, "multiclass", seed=0)
