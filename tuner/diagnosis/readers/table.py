"""A file of somebody's predictions: which columns say what, and what stands in them.

Labels may be written as in training data, see `tuner.data.labelled_rows`. Probabilities are one column a label, one column of
lists, or for two labels one column for the second.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tuner.data.dataset import Columns
from tuner.data.labelled_rows import Findings, to_labelled_rows
from tuner.data.name_lists import name_rows, nearest
from tuner.data.sequence_column import is_list
from tuner.data.table_reader import read_table
from tuner.diagnosis.facts.decisions import decide_plainly
from tuner.diagnosis.readers.probability_columns import listed, read_probabilities
from tuner.errors import DataError, Fault
from tuner.scoring.indicator import Indicator, indicator_from_pairs
from tuner.scoring.ranking import Probabilities
from tuner.space.settings import Task

PRED_NAMES = ("prediction", "predictions", "predicted", "pred", "preds", "y_pred", "decided")
TRUTH_NAMES = ("truth", "true", "y_true", "target", "targets", "label", "labels", "gold")
_WHOLE = re.compile(r"-?\d+\.0+")
_PLAINLY = {"multilabel": "from 0.5 on", "binary": "the larger one", "multiclass": "the largest"}
_STAND_IN = "\0input"  # what reads labels wants an input in each row; no file has a column of this name


@dataclass(frozen=True, eq=False)
class Answers:
    """Decisions and truth, bool (rows, labels), and probabilities of that shape if the file has them.

    `texts` are those of the same rows, where a column of them was named; `rows` (rows,) are their numbers in the file.
    """

    task: Task
    labels: tuple[str, ...]
    decisions: Indicator
    truth: Indicator
    probabilities: Probabilities | None
    texts: tuple[str, ...] | None
    rows: NDArray[np.int64]
    truth_columns: tuple[str, ...]
    notes: tuple[str, ...]


def read_answers(
    uri: str,
    *,
    pred: Sequence[str] = (),
    truth: Sequence[str] = (),
    probability: Sequence[str] = (),
    text: str | None = None,
) -> Answers:
    """Read a predictions file: Parquet, CSV or JSON Lines.

    `pred` and `truth` name one column each, or one of 0 and 1 for each label; a column that is not named is looked for
    under the usual names. Without decisions these are taken from the probabilities: at 0.5, or for the largest. Rows in
    which something is missing are left out and counted in `notes`. Raises DataError with every fault found.
    """
    table = read_table(uri)
    columns = _Columns.find(uri, table, pred=pred, truth=truth, probability=probability, text=text)
    notes = list(columns.notes)
    true = _Labels.read(uri, table, columns.truth)
    decided = _Labels.read(uri, table, columns.pred) if columns.pred else None
    if decided is not None:
        true, decided = _in_one_form(uri, columns, true, decided, table)
    task, labels = _task_and_labels(uri, columns, true, decided)
    probabilities = read_probabilities(uri, table, columns.probability, task, labels, notes)
    kept = _usable(uri, true, decided, notes)
    return Answers(
        task=task,
        labels=labels,
        decisions=_decisions(uri, table, decided, probabilities, task, labels, notes)[kept],
        truth=true.indicator(labels)[kept],
        probabilities=None if probabilities is None else probabilities[kept],
        texts=_texts(uri, table, columns.text, kept),
        rows=kept + 1,
        truth_columns=columns.truth,
        notes=tuple(notes),
    )


def _usable(uri: str, true: _Labels, decided: _Labels | None, notes: list[str]) -> NDArray[np.int64]:
    """The places of the rows in which nothing is missing; `notes` grows by what is said of the others."""
    missing = true.missing if decided is None else true.missing | decided.missing
    kept = np.flatnonzero(~missing)
    if not len(kept):
        raise DataError([Fault(uri, "no row has both a truth and a decision", "check which columns are named")])
    if missing.any():
        rows = name_rows((np.flatnonzero(missing) + 1).tolist())
        notes.append(f"{uri}: {rows} left out: no truth or no decision there")
    return kept


def _decisions(
    uri: str,
    table: pa.Table,
    decided: _Labels | None,
    probabilities: Probabilities | None,
    task: Task,
    labels: Sequence[str],
    notes: list[str],
) -> Indicator:
    """Decisions of all rows: those in the file, or those that its probabilities come to."""
    if decided is not None:
        return decided.indicator(labels)
    if probabilities is None:
        remedy = "name a column of decisions (--pred) or of probabilities (--probability)"
        raise DataError([Fault(uri, f"nothing is predicted in its columns {listed(table.column_names)}", remedy)])
    notes.append(f"{uri}: decisions are taken from the probabilities: {_PLAINLY[task]}")
    return decide_plainly(probabilities, task)


def read_training(
    uri: str, answers: Answers, text: str
) -> tuple[tuple[str, ...], NDArray[Any] | None, tuple[str, ...]]:
    """Read the rows that a model was trained on: texts, their targets by the labels of `answers`, and notes.

    Targets are None where the file has none of the columns that the truth is in. Raises DataError.
    """
    table = read_table(uri)
    if text not in table.column_names:
        raise DataError([Fault(f"{uri}: --text", f"there is no column {text!r}", nearest(text, table.column_names))])
    every = np.arange(table.num_rows)
    columns = answers.truth_columns
    absent = [name for name in columns if name not in table.column_names]
    if absent:
        told = f"{uri}: there is no column {listed(absent)}, so what labels it has is not known"
        return _texts(uri, table, text, every) or (), None, (told,)
    found = _Labels.read(uri, table, columns, as_lists=answers.task == "multilabel" and len(columns) == 1)
    unknown = sorted(set(found.names) - set(answers.labels))
    if unknown:
        told = f"labels that the predictions do not have: {listed(unknown)}"
        raise DataError(
            [Fault(f"{uri}: column {listed(columns)}", told, "give the file that the same model was trained on")]
        )
    kept = np.flatnonzero(~found.missing)
    indicator = found.indicator(answers.labels)[kept]
    targets = indicator.astype(np.uint8) if answers.task == "multilabel" else indicator.argmax(axis=1)
    return _texts(uri, table, text, kept) or (), targets, ()


@dataclass(frozen=True)
class _Columns:
    """Which columns are read, checked to be there."""

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
    ) -> _Columns:
        names = table.column_names
        given = {"--pred": pred, "--truth": truth, "--probability": probability, "--text": [text] if text else []}
        faults = [
            Fault(f"{uri}: {option}", f"there is no column {name!r}", nearest(name, names))
            for option, columns in given.items()
            for name in columns
            if name not in names
        ]
        notes = []
        found = {"--pred": tuple(pred), "--truth": tuple(truth)}
        for option, usual in (("--truth", TRUTH_NAMES), ("--pred", PRED_NAMES)):
            if found[option] or (option == "--pred" and probability):
                continue
            taken = [name for name in usual if name in names and name not in (*pred, *probability)]
            if taken:
                found[option] = (taken[0],)
                notes.append(f"{uri}: column {taken[0]!r} is taken for {option}")
            elif option == "--truth":
                remedy = f"name the column of true labels with --truth; there are {listed(names)}"
                faults.append(Fault(uri, "no column has a usual name for the truth", remedy))
        likely = tuple(name for name in names if name.startswith("p_")) if not probability else ()
        if likely:
            notes.append(f"{uri}: columns {listed(likely)} are taken for --probability")
        if faults:
            raise DataError(faults)
        return cls(found["--pred"], found["--truth"], tuple(probability) or likely, text, tuple(notes))


@dataclass(frozen=True, eq=False)
class _Labels:
    """Labels of rows as pairs of row and name; `missing` (rows,) says where there are none that can be read."""

    names: tuple[str, ...]
    owners: NDArray[np.int64]
    codes: NDArray[np.int64]
    missing: NDArray[np.bool_]
    is_several: bool

    @classmethod
    def read(cls, uri: str, table: pa.Table, columns: Sequence[str], *, as_lists: bool = False) -> _Labels:
        is_several = len(columns) > 1 or as_lists or _holds_lists(table.column(columns[0]))
        if len(columns) > 1:
            named = Columns(text=_STAND_IN, label_columns=tuple(columns))
        elif is_several:
            named = Columns(text=_STAND_IN, labels=columns[0])
        else:
            named = Columns(text=_STAND_IN, label=columns[0])
        own = pa.table({name: _whole(table.column(name)) for name in columns})
        own = own.append_column(_STAND_IN, pa.array(["-"] * table.num_rows))
        findings = Findings()
        rows = to_labelled_rows(own, uri, named, findings)
        if rows is None:
            raise DataError([Fault(fault.where, fault.what, "name another column") for fault in findings.faults])
        missing = np.zeros(table.num_rows, dtype=bool)
        for positions in findings.unusable.values():
            missing[positions] = True
        names = _without_common_start(rows.names) if len(columns) > 1 else rows.names
        return cls(names, rows.owners, rows.codes, missing, is_several)

    def indicator(self, labels: Sequence[str]) -> Indicator:
        """Return bool (rows, labels)."""
        place = {name: number for number, name in enumerate(labels)}
        columns = [place[self.names[code]] for code in self.codes]
        return indicator_from_pairs(self.owners, columns, shape=(len(self.missing), len(labels)))

    def renamed(self, names: Sequence[str]) -> _Labels:
        """Return the same rows with other names, in the order of the old ones."""
        return _Labels(tuple(names), self.owners, self.codes, self.missing, self.is_several)


def _without_common_start(names: Sequence[str]) -> tuple[str, ...]:
    """Columns such as true_a and true_b are of the labels a and b."""
    parts = [name.partition("_") for name in names]
    is_common = len({start for start, _, _ in parts}) == 1 and all(rest for _, _, rest in parts)
    return tuple(rest for _, _, rest in parts) if is_common else tuple(names)


def _holds_lists(column: pa.ChunkedArray) -> bool:
    """Whether a row may have several labels: lists, or text that is written as some."""
    if is_list(column.type):
        return True
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return False
    looks = pc.match_substring_regex(column.cast(pa.string()), r"^\s*\[|\|")
    return bool(pc.any(looks).as_py())


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text such as "1.0", which is how some programs write class numbers, as "1"."""
    if not pa.types.is_string(column.type):
        return column
    values = pc.drop_null(column)
    looks = len(values) and pc.all(pc.match_substring_regex(values, r"^-?\d+(\.0+)?$")).as_py()
    return pc.replace_substring_regex(column, r"\.0+$", "") if looks else column


def _in_one_form(
    uri: str, columns: _Columns, true: _Labels, decided: _Labels, table: pa.Table
) -> tuple[_Labels, _Labels]:
    """Read both as lists if one is, and give both the same names. Raises DataError where they have nothing in common."""
    if true.is_several != decided.is_several:
        if not true.is_several:
            true = _Labels.read(uri, table, columns.truth, as_lists=True)
        else:
            decided = _Labels.read(uri, table, columns.pred, as_lists=True)
    if len(columns.truth) > 1 and len(columns.pred) > 1:
        if len(columns.truth) != len(columns.pred):
            told = f"--truth names {len(columns.truth)} columns, --pred {len(columns.pred)}"
            raise DataError([Fault(uri, told, "name one column for each label, in the same order")])
        return true, decided.renamed(true.names)
    for one, other in ((true, decided), (decided, true)):
        if {name.lower() for name in one.names} <= {"true", "false"} and set(other.names) <= {"0", "1"}:
            as_numbers = one.renamed(["1" if name.lower() == "true" else "0" for name in one.names])
            return (as_numbers, decided) if one is true else (true, as_numbers)
    if true.names and decided.names and not set(true.names) & set(decided.names):
        told = f"decisions are {listed(decided.names)}, but the truth is {listed(true.names)}: no label in common"
        where = f"{uri}: columns {listed(columns.pred)} and {listed(columns.truth)}"
        raise DataError([Fault(where, told, "write both in the same words, or name other columns")])
    return true, decided


def _task_and_labels(
    uri: str, columns: _Columns, true: _Labels, decided: _Labels | None
) -> tuple[Task, tuple[str, ...]]:
    names = {*true.names, *(decided.names if decided is not None else ())}
    labels = tuple(sorted(names, key=_order))
    where = f"{uri}: column {listed(columns.truth)}"
    if true.is_several:
        if not labels:
            raise DataError([Fault(where, "no row has a label", "name another column with --truth")])
        return "multilabel", labels
    if len(labels) < 2:
        told = f"every row is {labels[0]!r}" if labels else "no row has a label"
        raise DataError([Fault(where, f"{told}, so nothing can be told apart", "give rows of at least two labels")])
    if len(labels) * 2 > max(len(true.missing), 20):
        told = f"{len(labels):,} different values on {len(true.missing):,} rows are no labels"
        raise DataError([Fault(where, told, "name the column of labels with --truth")])
    return ("binary" if len(labels) == 2 else "multiclass"), labels


def _order(name: str) -> tuple[int, float, str]:
    """Numbers by size, before words by letters; in a pair of yes and no, yes is last."""
    if re.fullmatch(r"-?\d+", name):
        return 0, float(name), name
    return 1, float(name.lower() in ("true", "yes", "positive", "pos")), name


def _texts(uri: str, table: pa.Table, name: str | None, kept: NDArray[np.int64]) -> tuple[str, ...] | None:
    if name is None:
        return None
    column = table.column(name)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise DataError(
            [Fault(f"{uri}: --text {name}", f"it holds {column.type}, not text", "name the column of texts")]
        )
    texts = column.fill_null("").to_pylist()
    return tuple(texts[row] for row in kept)
