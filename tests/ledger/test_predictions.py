"""Predictions are read as they were written, also from runs recorded before a column existed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from builders.ledgers import create
from tuner.baselines.baseline import Decided
from tuner.errors import LedgerError
from tuner.ledger.predictions import PREDICTIONS, blocks_of, predictions_of, predictions_table, read_predictions

TRUTH = np.array([[1, 0], [0, 1], [1, 1]], dtype=bool)
PREDICTED = [
    {"model": "champion", "row": 4, "block": 2, "truth": [0, 2], "decided": [], "probabilities": [0.5, 0.25, 0.125]},
    {"model": "all negative", "row": 4, "block": 2, "truth": [0, 2], "decided": [], "probabilities": None},
]


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    create(tmp_path / "run").write_table("predictions/test", pa.Table.from_pylist(PREDICTED, schema=PREDICTIONS))
    assert read_predictions(tmp_path / "run", "test").to_pylist() == PREDICTED


def test_older_predictions_without_blocks_are_read_with_a_block_for_each_row(tmp_path: Path) -> None:
    before = pa.Table.from_pylist(PREDICTED, schema=PREDICTIONS).drop_columns(["block"])
    create(tmp_path / "run").write_table("predictions/test", before)
    read = read_predictions(tmp_path / "run", "test")
    assert read.schema == PREDICTIONS
    assert blocks_of(read).tolist() == [0, 1]


def test_a_run_without_predictions_is_an_error(tmp_path: Path) -> None:
    create(tmp_path / "run")
    with pytest.raises(LedgerError, match=r"predictions/test\.parquet: the run has no predictions on this split"):
        read_predictions(tmp_path / "run", "test")


def test_broken_predictions_are_named_with_a_remedy(tmp_path: Path) -> None:
    create(tmp_path / "run").folder.write("predictions/test.parquet", b"half")
    with pytest.raises(LedgerError, match=r"predictions/test\.parquet: .*restore it from a copy"):
        read_predictions(tmp_path / "run", "test")


@pytest.mark.parametrize("column", ["truth", "decided"])
def test_a_row_without_a_list_of_labels_is_not_read_as_one_without_labels(column: str) -> None:
    rows = [PREDICTED[0], {**PREDICTED[0], column: None}]
    table = pa.Table.from_pylist(rows, schema=PREDICTIONS)
    with pytest.raises(ValueError, match="1 of 2 rows have no list of labels"):
        predictions_of("champion", table, 3)


def test_the_table_has_each_row_of_each_model(make_dataset: Any) -> None:
    split = make_dataset("multilabel").test.take(np.array([4, 2, 9]))
    probabilities = np.array([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]])
    models = {"champion": Decided(TRUTH, probabilities), "all negative": Decided(np.zeros_like(TRUTH))}
    table = predictions_table(models, TRUTH, split)
    assert table.schema == PREDICTIONS
    rows = table.to_pylist()
    assert rows[0] == {
        "model": "champion",
        "row": 5,
        "block": 4,
        "truth": [0],
        "decided": [0],
        "probabilities": [0.75, 0.25],
    }
    assert rows[5] == {
        "model": "all negative",
        "row": 10,
        "block": 9,
        "truth": [0, 1],
        "decided": [],
        "probabilities": None,
    }
    assert len(rows) == 6


def test_a_models_rows_are_read_back_as_they_were_decided(make_dataset: Any) -> None:
    split = make_dataset("multilabel").test.take(np.array([4, 2, 9]))
    decisions, probabilities = ~TRUTH, np.array([[0.75, 0.25], [0.5, 0.5], [1.0, 0.0]])
    models = {"all negative": Decided(np.zeros_like(TRUTH)), "champion": Decided(decisions, probabilities)}
    table = predictions_table(models, TRUTH, split)
    champion = predictions_of("champion", table, 2)
    assert (champion.rows.tolist(), champion.blocks.tolist()) == (split.rows.tolist(), split.blocks.tolist())
    assert (champion.truth == TRUTH).all()
    assert (champion.decisions == decisions).all()
    assert champion.probabilities is not None
    assert champion.probabilities.tolist() == probabilities.tolist()
    assert predictions_of("all negative", table, 2).probabilities is None
    assert predictions_of("unknown", table, 2).decisions.shape == (0, 2)
