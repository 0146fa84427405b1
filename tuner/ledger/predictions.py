"""Predictions of a run, written and read: what each model decided on each row of a split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.errors import Fault, LedgerError, MissingFileError
from tuner.ledger.tables import read_parquet, take_rows
from tuner.scoring.indicator import Indicator, indicator_from_lists
from tuner.storage import Folder

if TYPE_CHECKING:
    from tuner.baselines.baseline import Decided
    from tuner.data.dataset import Split

PREDICTIONS = pa.schema(
    [
        ("model", pa.string()),  # "champion" or a baseline's name
        ("row", pa.int64()),  # its number in the source, from 1
        ("block", pa.int64()),  # rows that depend on each other share a number; null in runs recorded before
        ("truth", pa.list_(pa.int32())),  # indices of labels
        ("decided", pa.list_(pa.int32())),
        ("probabilities", pa.list_(pa.float32())),  # by label; null for a rule that has none
    ]
)
CHAMPION = "champion"
"""The champion's name in the column `model`."""
_LATER = ("block",)  # columns that the first tables of this format did not have


@dataclass(frozen=True, eq=False)
class ModelPredictions:
    """What one model decided on a split.

    `rows` and `blocks` are (rows,), `truth` and `decisions` bool (rows, labels), `probabilities` (rows, labels), or None for
    a rule that has none.
    """

    rows: NDArray[np.int64]
    blocks: NDArray[np.int64]
    truth: Indicator
    decisions: Indicator
    probabilities: NDArray[np.float64] | None


def predictions_table(models: Mapping[str, Decided], truth: Indicator, split: Split) -> pa.Table:
    """Return the decisions of models, by name, on each row of a split, in the columns of PREDICTIONS."""
    true_lists = _label_lists(truth)
    tables = []
    for name, decided in models.items():
        probabilities = decided.probabilities
        columns = {
            "model": pa.array([name] * len(truth), pa.string()),
            "row": pa.array(split.rows, pa.int64()),
            "block": pa.array(split.blocks, pa.int64()),
            "truth": true_lists,
            "decided": _label_lists(decided.decisions),
            "probabilities": (
                pa.nulls(len(truth), pa.list_(pa.float32())) if probabilities is None else _row_lists(probabilities)
            ),
        }
        tables.append(pa.table(columns, schema=PREDICTIONS))
    return pa.concat_tables(tables)


def read_predictions(location: str | Path, split: str) -> pa.Table:
    """Read a run's predictions on a split, "validation" or "test": one row for each model and row, as in PREDICTIONS.

    Raises LedgerError if there are none, or if they cannot be read.
    """
    folder, name = Folder.at(location), f"predictions/{split}.parquet"
    remedy = "restore it from a copy; the rest of the run can still be read"
    try:
        return read_parquet(folder, name, PREDICTIONS, later=_LATER, remedy=remedy)
    except MissingFileError as error:
        remedy = "a run writes them when it has a champion; `tuner show` says how far this run came"
        what = "the run has no predictions on this split"
        raise LedgerError([Fault(f"{folder}/{name}", what, remedy)]) from error


def predictions_of(model: str, table: pa.Table, n_labels: int) -> ModelPredictions:
    """Return one model's rows of a table of predictions; empty arrays if the table has none."""
    is_its = np.array([name == model for name in table["model"].to_pylist()], bool)
    rows = take_rows(table, np.flatnonzero(is_its))
    return ModelPredictions(
        rows=_numbers(rows["row"]),
        blocks=blocks_of(rows),
        truth=indicator_from_lists(rows["truth"], n_labels),
        decisions=indicator_from_lists(rows["decided"], n_labels),
        probabilities=_probabilities(rows["probabilities"]),
    )


def blocks_of(predictions: pa.Table) -> NDArray[np.int64]:
    """Return the block of each row, (rows,). If the run recorded no blocks, each row is a block of its own."""
    column = predictions["block"]
    return np.arange(len(column)) if column.null_count else _numbers(column)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.from_dlpack(column.combine_chunks()).astype(np.int64)


def _probabilities(lists: pa.ChunkedArray) -> NDArray[np.float64] | None:
    if not len(lists) or lists.null_count:
        return None
    values = np.from_dlpack(pc.list_flatten(lists).combine_chunks())
    return values.reshape(len(lists), -1).astype(np.float64)


def _label_lists(indicator: Indicator) -> pa.Array:
    """Turn a bool indicator (rows, labels) into lists of label indices."""
    offsets = np.concatenate([[0], indicator.sum(axis=1).cumsum()])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(np.nonzero(indicator)[1], pa.int32()))


def _row_lists(values: NDArray[np.floating[Any]]) -> pa.Array:
    rows, columns = values.shape
    offsets = np.arange(rows + 1) * columns
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values.ravel().astype(np.float32)))
