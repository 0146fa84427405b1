"""Divide labelled rows into train, validation and test, and deal training rows to folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuner.data.findings import Findings
from tuner.data.labelled_rows import LabelledRows
from tuner.data.name_lists import list_names, name_rows, number_of_rows
from tuner.data.overlap import input_word
from tuner.data.stratification import linked_rows, row_keys, stratify
from tuner.errors import DataError, Fault, did_you_mean
from tuner.space.assignment import set_options
from tuner.space.task import Task

if TYPE_CHECKING:
    from tuner.space.settings import DataSettings  # imports pydantic


SPLIT_NAMES = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
"""The words for each split in a column that divides the rows."""


def divide(
    settings: DataSettings, sources: Mapping[str, LabelledRows], seed: int, findings: Findings
) -> dict[str, LabelledRows]:
    """Return train, validation and test, in this order. With folds, validation is train. Raises DataError."""
    rows = sources[settings.train]
    splits = {"train": rows} if settings.split_column is None else _split_by_column(rows, settings.split_column)
    if settings.folds is not None and "validation" in splits:
        what = f"some rows of column {settings.split_column!r} are validation, but with folds every row of train is"
        raise DataError(
            [Fault(settings.train, what, f"call those rows train, or use no folds: {set_options(folds=None)}")]
        )
    fractions: dict[str, float] = {}
    for name, given in (("validation", settings.validation), ("test", settings.test)):
        if isinstance(given, str):
            splits[name] = sources[given]
        elif name not in splits and given is not None:
            fractions[name] = given
            if settings.split_column is not None:
                note = f"no row of column {settings.split_column!r} is {name}, so {given:g} of train is carved"
                findings.notes.append(f"{settings.train}: {note}")
    faults = [
        Fault(settings.train, f"no row of column {settings.split_column!r} is {name}", remedy)
        for name, remedy in (
            ("train", f"name another: {set_options(split_column='COLUMN')}"),
            ("validation", f"carve it out of train: {set_options(validation=0.15)}"),
            ("test", f"carve it out of train: {set_options(test=0.15)}"),
        )
        if name not in splits and name not in fractions and (name != "validation" or settings.folds is None)
    ]
    if faults:
        raise DataError(faults)
    if fractions:
        splits |= _carve(splits["train"], fractions, seed, findings)
    splits.setdefault("validation", splits["train"])
    return {name: splits[name] for name in SPLIT_NAMES}


def _split_by_column(rows: LabelledRows, column: str) -> dict[str, LabelledRows]:
    known = {word: name for name, words in SPLIT_NAMES.items() for word in words}
    words = np.array([(part or "").strip().lower() for part in rows.parts], dtype=object)
    present = sorted(set(words))
    faults = []
    for word in (word for word in present if word not in known):
        where = f"{rows.source}: {name_rows(rows.rows[words == word].tolist())}"
        what = f"{word!r} in column {column!r} is none of train, validation and test"
        faults.append(Fault(where, what, did_you_mean(word, known)))
    if faults:
        raise DataError(faults)
    names = np.array([known[word] for word in words], dtype=object)
    return {name: rows.take(names == name) for name in {known[word] for word in present}}


def _carve(
    rows: LabelledRows, fractions: Mapping[str, float], seed: int, findings: Findings
) -> dict[str, LabelledRows]:
    """Take the fractions out of the training rows. A note names a part with a very different size. Raises DataError for an
    empty part.
    """
    total = sum(fractions.values())
    if total >= 1:
        where = " and ".join(f"data.{name}" for name in fractions)
        what = f"together they take {total:g} of train and leave no training row"
        raise DataError([Fault(where, what, "use smaller fractions")])
    blocks = linked_rows(row_keys(rows.inputs), rows.groups)
    parts = stratify(rows.owners, rows.codes, blocks, tuple(fractions.values()), n_labels=len(rows.names), seed=seed)
    carved = {name: rows.take(parts == part) for part, name in enumerate(["train", *fractions])}
    why = _why_not_even(rows, len(carved))
    faults = []
    for name, fraction in {"train": 1 - total, **fractions}.items():
        asked, got = fraction * len(rows), len(carved[name])
        what = f"{fraction:g} of its {len(rows):,} rows should go to {name}, but {got or 'none'} did"
        if not got:
            faults.append(Fault(rows.source, what, f"give more rows or another fraction; {why}"))
        elif abs(got - asked) > 0.2 * asked + 2:
            findings.notes.append(f"{rows.source}: {what}, as {why}")
    if faults:
        raise DataError(faults)
    return carved


def _why_not_even(rows: LabelledRows, n_parts: int) -> str:
    """Say why the parts are uneven: some labels have too few rows, or rows must stay together."""
    counts = np.bincount(rows.codes, minlength=len(rows.names))
    is_of_rare_label = np.zeros(len(rows), dtype=bool)
    is_of_rare_label[rows.owners[counts[rows.codes] < n_parts]] = True
    if 2 * is_of_rare_label.sum() < len(rows):
        return f"rows with one {input_word(rows)} or one group stay together"
    return (
        f"{number_of_rows(is_of_rare_label.sum())} have a label with fewer than {n_parts} rows, and train comes first"
    )


def deal_folds(rows: LabelledRows, folds: int, task: Task, seed: int, findings: Findings) -> NDArray[np.int64]:
    """Return the fold of each training row, from 0, stratified as splits are. Raises DataError."""
    blocks = linked_rows(row_keys(rows.inputs), rows.groups)
    fractions = [1 / folds] * (folds - 1)
    fold_of = stratify(rows.owners, rows.codes, blocks, fractions, n_labels=len(rows.names), seed=seed)
    sizes = np.bincount(fold_of, minlength=folds)
    held = np.zeros((folds, len(rows.names)), dtype=np.int64)  # rows of each label in each fold
    np.add.at(held, (fold_of[rows.owners], rows.codes), 1)
    total = held.sum(axis=0)
    trained = ((total - held) > 0).sum(axis=1)  # labels to learn from when this fold is left out
    if not sizes.all():
        filled = f"its {len(rows):,} training rows fill only {np.count_nonzero(sizes)} of {folds} folds"
        what = f"{filled}, as rows with one {input_word(rows)} or one group are in one fold"
        raise DataError(
            [Fault("data.folds", what, f"use fewer folds, or instead {set_options(folds=None, validation=0.15)}")]
        )
    if trained.min() < (1 if task == "multilabel" else 2):
        what = f"without fold {trained.argmin() + 1} of {folds} there is nothing to learn from"
        raise DataError([Fault("data.folds", what, "give more rows of the rare labels")])
    is_in_one_fold = (total > 0) & (held == total).any(axis=0)
    lone = [f"{rows.names[i]!r} ({number_of_rows(total[i])})" for i in np.flatnonzero(is_in_one_fold)]
    if lone:
        note = "all rows of these labels are in one fold, so they cannot be learnt there and count with F1 0"
        findings.notes.append(f"{rows.source}: {note}: {list_names(lone)}")
    return fold_of
