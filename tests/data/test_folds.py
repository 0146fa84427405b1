"""`data.folds`: every training row is judged once, by a model fitted on the other folds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuner.data.dataset import Dataset
from tuner.data.load import load_data
from tuner.errors import DataError
from tuner.space.settings import DataSettings
from tuner.space.task import Task

Load = Callable[..., Dataset]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Return a function that writes columns to a file and loads the file with folds."""

    def write_and_load(task: Task, settings: dict[str, Any], *, seed: int = 0, **columns: Any) -> Dataset:
        path = tmp_path / "t.parquet"
        pq.write_table(pa.table(columns), path)
        return load_data(DataSettings(**{"train": str(path), "folds": 5, "label": "label"} | settings), task, seed)

    return write_and_load


def _texts(n: int) -> list[str]:
    return [f"text number {row}" for row in range(n)]


def test_validation_is_train_and_every_row_has_a_fold(load: Load) -> None:
    dataset = load("binary", {"test": 0.2}, text=_texts(100), label=["a", "b", "b", "b"] * 25)
    assert [len(split) for split in dataset.splits.values()] == [80, 80, 20]
    assert np.bincount(dataset.folds).tolist() == [16] * 5
    assert dataset.validation.rows.tolist() == dataset.train.rows.tolist()
    assert not set(dataset.train.rows) & set(dataset.test.rows)
    assert dataset.notes == ()


def test_every_fold_has_its_share_of_every_label(load: Load) -> None:
    dataset = load("multiclass", {"test": 0.2}, text=_texts(200), label=["a", "b", "b", "c", "c", "c", "c", "c"] * 25)
    counts = np.stack([np.bincount(dataset.train.targets[dataset.folds == fold], minlength=3) for fold in range(5)])
    assert np.abs(counts - counts.mean(axis=0)).max() <= 1


def test_rows_of_several_labels_are_stratified_too(load: Load) -> None:
    labels = [["a", "b"], ["b"], [], ["c"]] * 50
    dataset = load("multilabel", {"label": None, "labels": "labels", "folds": 4}, text=_texts(200), labels=labels)
    counts = np.stack([dataset.train.targets[dataset.folds == fold].sum(axis=0) for fold in range(4)])
    assert np.abs(counts - counts.mean(axis=0)).max() <= 1


def test_copies_and_groups_are_in_one_fold(load: Load) -> None:
    texts = [f"text {row % 50}" for row in range(100)] + _texts(100)
    who = [None] * 100 + [row // 4 for row in range(100)]
    dataset = load("binary", {"group": "who"}, text=texts, label=["a", "b"] * 100, who=who)
    fold_of = dict(zip(dataset.train.rows.tolist(), dataset.folds.tolist(), strict=True))
    assert all(fold_of[row] == fold_of[row + 50] for row in range(1, 51) if row in fold_of)
    groups = [range(first, first + 4) for first in range(101, 201, 4)]
    assert all(len({fold_of.get(row) for row in group}) == 1 for group in groups)


def test_the_same_seed_gives_the_same_folds_and_another_seed_others(load: Load) -> None:
    columns = {"text": _texts(100), "label": ["a", "b"] * 50}
    first, again, other = (load("binary", {}, seed=seed, **columns) for seed in (0, 0, 1))
    assert first.folds.tolist() == again.folds.tolist() != other.folds.tolist()


def test_without_folds_there_are_none(load: Load) -> None:
    assert load("binary", {"folds": None}, text=_texts(40), label=["a", "b"] * 20).folds is None


def test_a_test_file_and_a_column_of_splits_leave_the_rest_to_the_folds(load: Load) -> None:
    dataset = load(
        "binary",
        {"split_column": "part", "test": None},
        text=_texts(60),
        label=["a", "b"] * 30,
        part=["train", "train", "train", "test", "test", "train"] * 10,
    )
    assert [len(split) for split in dataset.splits.values()] == [40, 40, 20]


def test_rows_called_validation_are_refused(load: Load) -> None:
    part = ["train", "dev", "test"] * 20
    with pytest.raises(
        DataError,
        match=r"are validation, but with folds .*call those rows train, or use no folds: --set data\.folds=null",
    ):
        load("binary", {"split_column": "part"}, text=_texts(60), label=["a", "b"] * 30, part=part)


def test_rows_that_do_not_fill_the_folds_are_refused(load: Load) -> None:
    who = [0] * 40 + [1] * 40 + [None] * 2
    with pytest.raises(
        DataError, match=r"data\.folds: .* fill only \d of 20 folds, as rows with one text or one group"
    ):
        load("binary", {"folds": 20, "group": "who"}, text=_texts(82), label=["a", "b"] * 41, who=who)


def test_folds_are_refused_if_a_class_is_in_one_fold_and_nothing_else_is_left(load: Load) -> None:
    with pytest.raises(DataError, match="there is nothing to learn from; give more rows of the rare labels"):
        load("binary", {}, text=_texts(41), label=["a"] * 40 + ["b"])


def test_a_label_that_only_one_fold_has_is_noted(load: Load) -> None:
    dataset = load("multiclass", {}, text=_texts(81), label=["a", "b"] * 40 + ["rare"])
    assert any(
        "all rows of these labels are in one fold" in note and "'rare' (1 row)" in note for note in dataset.notes
    )
