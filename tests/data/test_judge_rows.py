"""Rows that judge the champion: read as train is read, without the rows that the run has seen."""

from __future__ import annotations

import numpy as np
import pytest

from builders.fixtures import Write
from tuner.data.dataset import Dataset
from tuner.data.judge_rows import with_judge_rows
from tuner.data.load import load_data
from tuner.errors import DataError
from tuner.space.settings import DataSettings


@pytest.fixture
def settings(write: Write) -> DataSettings:
    """Sixty rows of two labels, and 20 fresh rows to judge on."""
    train = write("mail.parquet", text=[f"Text number {i}" for i in range(60)], label=["ham", "ham", "spam"] * 20)
    fresh = write("fresh.parquet", text=[f"Fresh text {i}" for i in range(20)], label=["ham", "spam"] * 10)
    return DataSettings(train=train, label="label", judge=fresh)


def judged(settings: DataSettings, **changes: object) -> Dataset:
    settings = settings.model_copy(update=changes)
    return with_judge_rows(load_data(settings, "binary", seed=0), settings)


def test_the_rows_are_read_with_the_labels_of_train(settings: DataSettings) -> None:
    dataset = judged(settings)
    assert dataset.judge is not None
    assert (len(dataset.judge.split), dataset.judge.left_out) == (20, 0)
    assert dataset.judge.split.targets.tolist() == [0, 1] * 10
    assert settings.judge not in dataset.fingerprints  # those of a run's own rows


def test_without_the_setting_there_are_none(settings: DataSettings) -> None:
    assert judged(settings, judge=None).judge is None


def test_rows_that_the_run_has_read_are_left_out_and_counted(settings: DataSettings, write: Write) -> None:
    dataset = judged(settings)
    known = {name: split.inputs[0] for name, split in dataset.splits.items()}
    mixed = write(
        "mixed.parquet", text=[*known.values(), known["train"].upper(), "new", "newer"], label=["ham", "spam"] * 3
    )
    dataset = judged(settings, judge=mixed)
    assert dataset.judge is not None
    assert dataset.judge.split.inputs == ("new", "newer")
    assert np.unique(dataset.judge.split.blocks).size == 2
    note = (
        "mixed.parquet: left out, because the run has read them: 4 of 6 rows (2 in train, 1 in validation, 1 in test)"
    )
    assert any(each.endswith(note) for each in dataset.notes)


def test_a_file_with_no_fresh_row_is_refused(settings: DataSettings) -> None:
    with pytest.raises(DataError, match=r"data\.judge: .*all of its 60 rows are rows of this run: 42 in train, 9 in"):
        judged(settings, judge=settings.train)


def test_labels_that_train_does_not_have_are_counted(settings: DataSettings, write: Write) -> None:
    odd = write("odd.parquet", text=["one", "two", "three"], label=["ham", "eggs", "SPAM"])
    dataset = judged(settings, judge=odd)
    assert dataset.judge is not None
    assert dataset.judge.split.inputs == ("one", "three")
    assert any("unknown to the model, so their rows are left out: 'eggs' (1 row)" in note for note in dataset.notes)


def test_a_fault_of_the_file_names_settings_and_no_options(settings: DataSettings, write: Write) -> None:
    bad = write("bad.parquet", text=["one", None, "three"], label=["ham", "ham", "spam"])
    with pytest.raises(DataError, match=r"bad\.parquet: row 2: .*--set data\.skip_unusable=true"):
        judged(settings, judge=bad)
    with pytest.raises(DataError, match=r"no column 'label'.*; rename it: data\.judge has the columns of train"):
        judged(settings, judge=write("other.parquet", text=["one"], topic=["ham"]))
