"""What of a data set the end of a search takes longer for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tuner.search.reading import measure_closing_work
from tuner.space.load import load_space


def sizes(folder: Path, dataset: Any, tokens: str) -> Any:
    space = folder / "space.yaml"
    inputs = f"text: text, labels: labels}}\nsearch: {{trials: 1}}\nspace: {{tokens: {tokens}}}\n"
    space.write_text(f"task: multilabel\ndata: {{train: rows.csv, {inputs}")
    return measure_closing_work(dataset, load_space(str(space)))


def test_the_slowest_tokeniser_of_the_space_tells_how_long_fitting_one_takes(tmp_path: Path, make_dataset: Any) -> None:
    dataset = make_dataset("multilabel")
    characters = sum(map(len, dataset.train.inputs))
    found = sizes(tmp_path, dataset, "[word, bpe]")
    assert (found.validation, found.test, found.labels) == (48, 48, 3)
    assert found.fitting_s == pytest.approx(characters * 1.6e-6)
    assert sizes(tmp_path, dataset, "character").fitting_s < found.fitting_s


def test_with_folds_only_the_test_rows_are_predicted_at_the_end(tmp_path: Path, make_dataset: Any) -> None:
    assert not sizes(tmp_path, make_dataset("multilabel", folds=3), "word").are_validation_rows_predicted
