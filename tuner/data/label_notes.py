"""Notes about labels that have too few rows in a split, or none."""

from __future__ import annotations

import numpy as np

from tuner.data.dataset import Dataset, label_counts
from tuner.data.name_lists import list_names, number_of_rows
from tuner.scoring.measures import FEWEST_TRUE
from tuner.space.assignment import set_option


def label_notes(dataset: Dataset) -> list[str]:
    """Name labels that are missing from train, missing from a judged split, or rare in one."""
    counts = label_counts(dataset)
    notes = []
    unseen = [
        f"{dataset.labels[i]!r} ({number_of_rows(counts['validation'][i])} of validation, {counts['test'][i]:,} of test)"
        for i in np.flatnonzero(~dataset.seen)
    ]
    if unseen:
        notes.append(
            f"no row of train has these labels, so they cannot be learnt and count with F1 0: {list_names(unseen)}"
        )
    for name in ("validation", "test"):
        held = counts[name]
        absent = [
            f"{dataset.labels[i]!r} ({number_of_rows(counts['train'][i])} of train)"
            for i in np.flatnonzero(dataset.seen & (held == 0))
        ]
        if absent:
            notes.append(f"no row of {name} has these labels, so they are not judged there: {list_names(absent)}")
        is_rare = dataset.seen & (held > 0) & (held < FEWEST_TRUE)
        rare = [f"{dataset.labels[i]!r} ({number_of_rows(held[i])})" for i in np.flatnonzero(is_rare)]
        if rare:
            note = f"fewer than {FEWEST_TRUE} rows of {name} have these labels, so their F1 there is largely chance"
            notes.append(f"{note}: {list_names(rare)}; {_more_rows(name, dataset)}")
    return notes


def _more_rows(split: str, dataset: Dataset) -> str:
    """Return the remedy for a split with too few rows of a label."""
    others = "a larger part, or more rows of these labels"
    if split == "test" or dataset.folds is not None:
        return f"use {others}"
    folds = f"{set_option('data.folds', 5)} {set_option('data.validation', None)}"
    return f"use folds, which judge every training row ({folds}), {others}"
