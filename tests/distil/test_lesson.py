"""What a distilled model learns: the champion's probabilities, the truth, and rows without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from builders.distillable import write_rows
from tuner.bundle.model_bundle import Bundle, load
from tuner.data.dataset import Columns, Dataset
from tuner.data.input_batches import InputFile
from tuner.data.load import load_data
from tuner.distil.lesson import Lesson, make_lesson
from tuner.errors import DataError
from tuner.ledger.predictions import predictions_of, read_predictions
from tuner.ledger.run_directory import Run, read_run
from tuner.space.load import read_space


@pytest.fixture(scope="module")
def location(plain: Path) -> Path:
    return plain / "runs" / "first"


def read(location: Path) -> tuple[Run, Bundle, Dataset]:
    run = read_run(location)
    space = read_space(run.space)
    return run, load(location), load_data(space.data, space.task, space.search.seed)


def lesson_of(location: Path, *files: Path, truth_share: float = 0.0, said: list[str] | None = None) -> Lesson:
    run, bundle, dataset = read(location)
    opened = [InputFile(uri=str(file), columns=Columns(text="text", is_tokenised=False)) for file in files]
    say = [].append if said is None else said.append
    return make_lesson(run, bundle, dataset, opened, truth_share=truth_share, say=say)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_training_rows_have_the_champions_probabilities_and_a_share_of_the_truth(location: Path, share: float) -> None:
    _, bundle, dataset = read(location)
    lesson = lesson_of(location, truth_share=share)
    answers = bundle.predict_proba(dataset.train.inputs)
    np.testing.assert_allclose(lesson.targets, (1 - share) * answers + share * dataset.truth("train"), rtol=1e-5)
    assert not lesson.are_out_of_fold


def test_with_folds_each_training_row_has_the_probabilities_of_models_that_did_not_see_it(folded: Path) -> None:
    recorded = predictions_of("champion", read_predictions(folded, "validation"), 3).probabilities
    assert recorded is not None
    lesson = lesson_of(folded)
    np.testing.assert_allclose(lesson.targets, recorded, rtol=1e-5)
    assert lesson.are_out_of_fold


def test_unlabelled_rows_have_the_champions_probabilities_and_its_decisions_as_labels(
    location: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path / "new.csv", rows=30, seed=9)
    said: list[str] = []
    lesson = lesson_of(location, tmp_path / "new.csv", truth_share=0.5, said=said)
    _, bundle, dataset = read(location)
    train, texts = lesson.dataset.train, lesson.dataset.train.inputs[len(dataset.train) :]
    assert lesson.unlabelled == len(texts) == len(lesson.targets) - len(dataset.train) == 30
    answers = bundle.predict_proba(texts)
    np.testing.assert_allclose(lesson.targets[-30:], answers, rtol=1e-5)
    np.testing.assert_array_equal(train.targets[-30:], bundle.decide(answers).argmax(1))
    assert len(np.unique(train.blocks[-30:])) == 30
    assert not np.isin(train.blocks[-30:], dataset.train.blocks).any()
    assert said == [f"{tmp_path / 'new.csv'}: 30 of 30 rows are new"]


def test_rows_that_the_run_has_read_are_left_out_and_counted(location: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "new.csv", rows=10, seed=9)
    _, _, dataset = read(location)
    known = [*dataset.train.inputs[:4], *dataset.validation.inputs[:3], dataset.test.inputs[0].upper()]
    (tmp_path / "both.csv").write_text((tmp_path / "new.csv").read_text() + "".join(f"{text},?\n" for text in known))
    said: list[str] = []
    lesson = lesson_of(location, tmp_path / "both.csv", said=said)
    assert (lesson.unlabelled, lesson.left_out) == (10, 8)
    assert said == [
        f"{tmp_path / 'both.csv'}: 10 of 18 rows are new; left out: 4 of train, 3 of validation, 1 of the test split"
    ]


def test_a_file_without_a_new_row_is_refused(location: Path) -> None:
    with pytest.raises(DataError, match=r"--unlabelled .*rows\.csv: the run knows all of its 120 rows: .*; name other"):
        lesson_of(location, location.parents[1] / "rows.csv")


def test_with_folds_an_unlabelled_row_is_in_every_models_training_and_in_no_validation(
    folded: Path, tmp_path: Path
) -> None:
    write_rows(tmp_path / "new.csv", rows=10, seed=9)
    lesson = lesson_of(folded, tmp_path / "new.csv")
    assert lesson.dataset.folds is not None
    assert lesson.dataset.folds[-10:].tolist() == [-1] * 10
    assert len(lesson.dataset.folds) == len(lesson.dataset.train) == len(lesson.dataset.validation) + 10
