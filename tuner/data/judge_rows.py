"""Fresh labelled rows that judge the champion once, after the test: read before the search, used at its end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tuner.data.builtin import Say
from tuner.data.dataset import Columns, Dataset, JudgeRows
from tuner.data.load import read_labelled
from tuner.data.name_lists import number_of_rows
from tuner.data.sequences import Sequences
from tuner.data.stratification import row_keys
from tuner.data.table_reader import fingerprint
from tuner.data.token_lists import are_token_lists
from tuner.errors import DataError, Fault
from tuner.space.settings import DataSettings

_SETTING = "data.judge"


def with_judge_rows(dataset: Dataset, settings: DataSettings, say: Say | None = None) -> Dataset:
    """Return the data set with the rows of `settings.judge`, or as it is without that setting.

    Rows whose input is in train, validation or test are left out, and a note counts them: they are not fresh. Raises
    DataError if the file cannot be used, or if no row is left.
    """
    if settings.judge is None:
        return dataset
    columns = replace(Columns.of(settings), split=None, **dataset.label_reading)
    inputs = dataset.train.inputs
    if not isinstance(inputs, Sequences):
        columns = replace(columns, is_tokenised=are_token_lists(inputs))
    try:
        rows, notes = read_labelled(
            settings.judge,
            columns,
            task=dataset.task,
            labels=dataset.labels,
            skip_unusable=settings.skip_unusable,
            say=say,
            text_format=settings.text_format,
            setting=_SETTING,
        )
    except DataError as error:
        raise DataError([_with_columns_of_train(fault) for fault in error.faults]) from error
    keys = row_keys(rows.inputs)
    known = {name: set(row_keys(split.inputs)) for name, split in dataset.splits.items()}
    shares = {
        name: sum(key in known[name] for key in keys) for name in known if dataset.folds is None or name != "validation"
    }
    found = ", ".join(f"{count:,} in {name}" for name, count in shares.items() if count)
    is_fresh = np.array([not any(key in inputs for inputs in known.values()) for key in keys], dtype=bool)
    if not is_fresh.any():
        what = f"all of its {number_of_rows(len(keys))} are rows of this run: {found}"
        raise DataError([Fault(f"{_SETTING}: {settings.judge}", what, "name a file of rows that the run has not read")])
    if found:
        counted = f"{(~is_fresh).sum():,} of {number_of_rows(len(keys))}"
        notes = (*notes, f"{settings.judge}: left out, because the run has read them: {counted} ({found})")
    judge = JudgeRows(
        split=rows.take(np.flatnonzero(is_fresh)), sha256=fingerprint(settings.judge), left_out=int((~is_fresh).sum())
    )
    return replace(dataset, judge=judge, notes=(*dataset.notes, *notes))


def _with_columns_of_train(fault: Fault) -> Fault:
    """Return a fault whose remedy names no other column: then train would be read from there too."""
    is_other_column = fault.remedy.endswith("=COLUMN")
    return replace(fault, remedy=f"rename it: {_SETTING} has the columns of train") if is_other_column else fault
