"""Read a file of predictions from any model: decisions, truth and probabilities.

Probabilities are one column per label, one column of lists, or for two labels one column for the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tuner.data.formats.content import Reading
from tuner.data.labels.spellings import join_to_known
from tuner.data.name_lists import name_rows, near_name, suggest_name
from tuner.data.table_reader import read_table
from tuner.data.token_column import holds_tokens, read_token_lists
from tuner.data.token_lists import as_plain_text
from tuner.diagnosis.facts.decisions import decide_plainly
from tuner.diagnosis.readers.label_columns import RowLabels, align, task_and_labels
from tuner.diagnosis.readers.probability_columns import listed, read_probabilities, refuse_fractions
from tuner.errors import DataError, Fault
from tuner.scoring.indicator import Indicator
from tuner.scoring.ranking import Probabilities
from tuner.space.assignment import column_option
from tuner.space.task import Task
from tuner.space.text_format import FOUND_OUT, TextFormat

PRED_NAMES = ("prediction", "predictions", "predicted", "pred", "preds", "y_pred", "decided")
TRUTH_NAMES = ("truth", "true", "y_true", "target", "targets", "label", "labels", "gold")
_RULES = {"multilabel": "0.5 and above", "binary": "the larger one", "multiclass": "the largest"}


@dataclass(frozen=True, eq=False)
class PredictionsFile:
    """Decisions and truth, bool (rows, labels), and probabilities of that shape if the file has them.

    `true` are the labels that `truth` was made from. `texts` holds the texts of the same rows, if their column was named. `rows`
    (rows,) are row numbers in the file, from 1.
    """

    task: Task
    labels: tuple[str, ...]
    decisions: Indicator
    truth: Indicator
    true: RowLabels
    probabilities: Probabilities | None
    texts: tuple[str, ...] | None
    rows: NDArray[np.int64]
    truth_columns: tuple[str, ...]
    notes: tuple[str, ...]
    text_format: TextFormat


def read_predictions_file(
    uri: str,
    *,
    pred: Sequence[str] = (),
    truth: Sequence[str] = (),
    probability: Sequence[str] = (),
    text: str | None = None,
    text_format: TextFormat = FOUND_OUT,
) -> PredictionsFile:
    """Read a predictions file: Parquet, CSV or JSON Lines. `text_format` is how the text of a CSV is written.

    `pred` and `truth` each name one column, or one column of 0 and 1 per label. Columns that are not named are found
    by their usual names. If the file has no decisions, they come from the probabilities: 0.5 and above, or the largest. Rows
    with a missing value are left out and counted in `notes`. Raises DataError with every fault.
    """
    notes: list[str] = []
    table = read_table(uri, reading=Reading(text_format, "--", note=notes.append))
    columns = _ColumnNames.find(uri, table, pred=pred, truth=truth, probability=probability, text=text)
    notes += columns.notes
    refuse_fractions(uri, table, columns.pred, columns.truth)
    true = RowLabels.read(uri, table, columns.truth, option="--truth")
    decided = RowLabels.read(uri, table, columns.pred, option="--pred") if columns.pred else None
    if decided is not None:
        true, decided = align(uri, table, true, decided, truth=columns.truth, pred=columns.pred)
    notes += [*true.notes, *(decided.notes if decided is not None else ())]
    task, labels = task_and_labels(uri, true, decided, truth=columns.truth)
    probabilities = read_probabilities(uri, table, columns.probability, task, labels, notes)
    kept = _usable_rows(uri, true, decided, notes)
    decisions = decided.indicator(labels) if decided is not None else _decide(uri, table, probabilities, task, notes)
    return PredictionsFile(
        task=task,
        labels=labels,
        decisions=decisions[kept],
        truth=true.indicator(labels)[kept],
        true=true,
        probabilities=None if probabilities is None else probabilities[kept],
        texts=_read_texts(uri, table, columns.text, kept),
        rows=kept + 1,
        truth_columns=columns.truth,
        notes=tuple(notes),
        text_format=text_format,
    )


def read_training(
    uri: str, predictions: PredictionsFile, text: str
) -> tuple[tuple[str, ...], NDArray[Any] | None, tuple[str, ...]]:
    """Read the rows that a model was trained on: texts, targets by the labels of `predictions`, and notes.

    Targets are None if the file lacks the columns of the truth. Raises DataError.
    """
    notes: list[str] = []
    table = read_table(uri, reading=Reading(predictions.text_format, "--", note=notes.append))
    if text not in table.column_names:
        raise DataError(
            [Fault(f"{uri}: --text", f"there is no column {text!r}", _suggest("--text", text, table.column_names))]
        )
    all_rows = np.arange(table.num_rows)
    columns = predictions.truth_columns
    absent = [name for name in columns if name not in table.column_names]
    if absent:
        note = f"{uri}: there is no column {listed(absent)}, so the training labels are not known"
        return _read_texts(uri, table, text, all_rows) or (), None, (*notes, note)
    true = RowLabels.read(uri, table, columns, option="--truth", like=predictions.true)
    joined = join_to_known(true.count_names(), predictions.labels, is_single=predictions.task != "multilabel")
    true = true.rename(joined.names)
    unknown = sorted(set(true.names) - set(predictions.labels))
    if unknown:
        message = f"the predictions do not have the labels {listed(unknown)}"
        remedy = "give the file that the same model was trained on"
        raise DataError([Fault(f"{uri}: column {listed(columns)}", message, remedy)])
    kept = _complete_rows(true)
    indicator = true.indicator(predictions.labels)[kept]
    targets = indicator.astype(np.uint8) if predictions.task == "multilabel" else indicator.argmax(axis=1)
    return _read_texts(uri, table, text, kept) or (), targets, tuple(notes)


def _suggest(option: str, name: str, names: Sequence[str]) -> str:
    near = near_name(name, names)
    return f"did you mean {near!r}? Then {column_option(option, near)}" if near else suggest_name(name, names)


@dataclass(frozen=True)
class _ColumnNames:
    """The columns to read. All of them exist."""

    pred: tuple[str, ...]
    truth: tuple[str, ...]
    probability: tuple[str, ...]
    text: str | None
    notes: tuple[str, ...]

    @classmethod
    def find(
        cls,
        uri: str,
        table: pa.Table,
        *,
        pred: Sequence[str],
        truth: Sequence[str],
        probability: Sequence[str],
        text: str | None,
    ) -> _ColumnNames:
        """Check the given names, and look for the others under their usual names. Raises DataError with every fault."""
        names = table.column_names
        given = {"--pred": pred, "--truth": truth, "--probability": probability, "--text": [text] if text else []}
        faults = [
            Fault(f"{uri}: {option}", f"there is no column {name!r}", _suggest(option, name, names))
            for option, columns in given.items()
            for name in columns
            if name not in names
        ]
        notes = []
        chosen = {"--pred": tuple(name for name in pred if name not in probability), "--truth": tuple(truth)}
        for option, usual in (("--truth", TRUTH_NAMES), ("--pred", PRED_NAMES)):
            if chosen[option] or (option == "--pred" and probability):
                continue
            candidates = [name for name in usual if name in names and name not in (*pred, *probability)]
            if candidates:
                chosen[option] = (candidates[0],)
                notes.append(f"{uri}: column {candidates[0]!r} is used for {option}")
            elif option == "--truth":
                remedy = f"name the column of true labels with --truth; the columns are {listed(names)}"
                faults.append(Fault(uri, "no column has a usual name for the truth", remedy))
        is_free = {name for name in names if name not in (*chosen["--pred"], *chosen["--truth"])}
        likely = () if probability else tuple(name for name in names if name.startswith("p_") and name in is_free)
        if likely:
            notes.append(f"{uri}: columns {listed(likely)} are used for --probability")
        if faults:
            raise DataError(faults)
        return cls(chosen["--pred"], chosen["--truth"], tuple(probability) or likely, text, tuple(notes))


def _usable_rows(uri: str, true: RowLabels, decided: RowLabels | None, notes: list[str]) -> NDArray[np.int64]:
    """Return the positions of complete rows; report the others in `notes`. Raises DataError if none is complete."""
    given = [true] if decided is None else [true, decided]
    kept = _complete_rows(*given)
    reasons = {reason: rows for labels in given for reason, rows in labels.missing.items()}
    lines = [f"{name_rows((rows + 1).tolist())} left out, as {reason}" for reason, rows in reasons.items()]
    if not len(kept):
        what = "no row has both a truth and a decision" + (f": {'; '.join(lines)}" if lines else "")
        raise DataError([Fault(uri, what, "check the names of the columns")])
    notes += [f"{uri}: {line}" for line in lines]
    return kept


def _complete_rows(*labels: RowLabels) -> NDArray[np.int64]:
    """Return the positions of the rows that are readable in all columns."""
    is_missing = np.zeros(labels[0].rows, dtype=bool)
    for read in labels:
        for rows in read.missing.values():
            is_missing[rows] = True
    return np.flatnonzero(~is_missing)


def _decide(uri: str, table: pa.Table, probabilities: Probabilities | None, task: Task, notes: list[str]) -> Indicator:
    """Make the decisions of all rows from their probabilities. Raises DataError if there are none."""
    if probabilities is None:
        message = f"columns {listed(table.column_names)} hold no predictions"
        remedy = "name a column of decisions (--pred) or of probabilities (--probability)"
        raise DataError([Fault(uri, message, remedy)])
    notes.append(f"{uri}: decisions are made from the probabilities: {_RULES[task]}")
    return decide_plainly(probabilities, task)


def _read_texts(uri: str, table: pa.Table, name: str | None, kept: NDArray[np.int64]) -> tuple[str, ...] | None:
    if name is None:
        return None
    column = table.column(name)
    if holds_tokens(column.type):
        rows = read_token_lists(column, name).rows
        return tuple(rows[row] for row in kept)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise DataError(
            [Fault(f"{uri}: --text {name}", f"the column holds {column.type}, not text", "name the column of texts")]
        )
    texts = column.fill_null("").to_pylist()
    return tuple(as_plain_text(texts[row]) for row in kept)
