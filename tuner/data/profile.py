"""What the rows of a data set are like: labels, lengths, copies, overlap and unknown words, as plain JSON values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Dataset, Split, count_targets
from tuner.data.sequences import Sequences
from tuner.data.stratification import row_keys

QUANTILES = (0, 5, 25, 50, 75, 95, 100)
"""Per cent at which lengths are told."""

MOST_LABELS = 30
"""Labels of the table of co-occurrence: more cannot be read."""


def profile(dataset: Dataset) -> dict[str, Any]:
    """Return what there is to know about the rows of every split before anything is trained, as JSON values.

    Keys are task, inputs, splits, cooccurrence, overlap, unknown_words and notes. `splits` maps the name of a split to its
    rows, labels (rows of each), labels_per_row (mean, max, and none: rows without a label), lengths (unit, and the lengths
    at the quantiles "0" to "100" per cent), empty_rows, duplicates and conflicting_duplicates.

    - Lengths are in steps, or in words as the word tokeniser has them by default: lower-cased, punctuation marks too.
      Rows without a word are empty.
    - A duplicate is a row whose input stands in an earlier row of its split (texts in any case, with any spaces between
      their words); it conflicts where its labels are not those of the first such row.
    - `cooccurrence` counts the training rows that have both of two labels, and on its diagonal those that have one, for
      the at most 30 labels with most rows; None where a row has one label.
    - `overlap` counts the rows of validation and test whose input stands in train, and `unknown_words` gives the share of
      their words that no training text has (of texts only; else empty). With folds validation is train, and in neither.
    """
    read = _read(dataset)
    judged = [name for name in ("validation", "test") if name in read.inputs]
    in_train = np.isin(np.arange(read.n_inputs), read.inputs["train"])
    profiled: dict[str, Any] = {
        "task": dataset.task,
        "inputs": dataset.inputs,
        "splits": {name: _profile_split(name, dataset, read) for name in dataset.splits},
        "cooccurrence": _cooccurrence(dataset) if dataset.task == "multilabel" else None,
        "overlap": {name: int(in_train[read.inputs[name]].sum()) for name in judged},
        "unknown_words": _unknown_words(read, judged),
    }
    return {**profiled, "notes": [*dataset.notes, *_notes(dataset, profiled["splits"])]}


def summarise(profiled: Mapping[str, Any]) -> list[str]:
    """Return a line a split for a person, of what `profile` found."""
    lines = []
    for name, split in profiled["splits"].items():
        lengths, labels = split["lengths"], split["labels"]
        rarest, commonest = min(labels, key=labels.__getitem__), max(labels, key=labels.__getitem__)
        told = [
            f"{name}: {split['rows']:,} rows",
            f"{lengths['unit']} a row: half have {lengths['50']} or fewer, 95 % {lengths['95']} or fewer",
            f"rows a label: from {labels[commonest]:,} ({commonest}) to {labels[rarest]:,} ({rarest})",
        ]
        counts = {
            "without a label": split["labels_per_row"]["none"],
            "empty": split["empty_rows"],
            "copies": split["duplicates"],
            "copies with other labels": split["conflicting_duplicates"],
            "also in train": profiled["overlap"].get(name, 0),
        }
        told += [f"{what}: {count:,}" for what, count in counts.items() if count]
        if name in profiled["unknown_words"]:
            told.append(f"words not in train: {profiled['unknown_words'][name]:.1%}")
        lines.append("; ".join(told))
    return lines


@dataclass(frozen=True, eq=False)
class _Read:
    """The rows of all splits, each input and each word numbered; with folds without validation, which is train.

    `inputs` maps a split to the number of each row's input (rows,), copies sharing one; `lengths` to the words or steps of
    each row (rows,); `words` to how often each word stands in it (distinct words,), and is empty for sequences.
    """

    inputs: Mapping[str, NDArray[np.int64]]
    n_inputs: int
    lengths: Mapping[str, NDArray[np.int64]]
    words: Mapping[str, NDArray[np.int64]]


def _read(dataset: Dataset) -> _Read:
    splits = {name: s for name, s in dataset.splits.items() if name != "validation" or dataset.folds is None}
    numbers: dict[str | bytes, int] = {}
    inputs = {
        name: np.array([numbers.setdefault(key, len(numbers)) for key in row_keys(split.inputs)], np.int64)
        for name, split in splits.items()
    }
    sequences = {name: s.inputs.lengths for name, s in splits.items() if isinstance(s.inputs, Sequences)}
    if sequences:
        return _Read(inputs, len(numbers), lengths=sequences, words={})
    lengths, words = _count_words({name: s.inputs for name, s in splits.items() if isinstance(s.inputs, tuple)})
    return _Read(inputs, len(numbers), lengths=lengths, words=words)


def _count_words(
    texts: Mapping[str, Sequence[str]],
) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]]:
    """Return the words of each text, and how often each distinct word stands in each split.

    No word goes across a space. So only distinct runs of non-space go through the tokeniser, a tenth of all.
    """
    from tuner.data.tokenisers import split_words  # which imports the `tokenizers` library

    runs: dict[str, int] = {}
    numbers, sizes = {}, {}
    for name, rows in texts.items():
        pieces = [text.split() for text in rows]
        sizes[name] = np.array([len(row) for row in pieces], np.int64)
        numbers[name] = np.array([runs.setdefault(run, len(runs)) for row in pieces for run in row], np.int64)
    split = split_words(tuple(runs), lower_case=True)
    words_of_run = np.diff(split.offsets)
    run_of_word = np.repeat(np.arange(len(runs)), words_of_run)
    lengths, counts = {}, {}
    for name, found in numbers.items():
        before = np.concatenate([np.zeros(1, np.int64), np.cumsum(words_of_run[found])])
        ends = np.cumsum(sizes[name])
        lengths[name] = before[ends] - before[ends - sizes[name]]
        times = np.bincount(found, minlength=len(runs))[run_of_word]
        counted = np.bincount(split.numbers, weights=times, minlength=len(split.words))
        counts[name] = counted.astype(np.int64)
    return lengths, counts


def _profile_split(name: str, dataset: Dataset, read: _Read) -> dict[str, Any]:
    split = dataset.splits[name]
    own = name if name in read.inputs else "train"
    lengths, inputs = read.lengths[own], read.inputs[own]
    _, first, copy_of = np.unique(inputs, return_index=True, return_inverse=True)
    first = first[copy_of.ravel()]
    differs = split.targets != split.targets[first]
    counts = count_targets(split.targets, len(dataset.labels)).tolist()
    return {
        "rows": len(split),
        "labels": dict(zip(dataset.labels, counts, strict=True)),
        "labels_per_row": _labels_per_row(split),
        "lengths": {
            "unit": "words" if dataset.inputs == "text" else "steps",
            **dict(zip(map(str, QUANTILES), _quantiles(lengths), strict=True)),
        },
        "empty_rows": int((lengths == 0).sum()),
        "duplicates": int((first < np.arange(len(split))).sum()),
        "conflicting_duplicates": int((differs.any(axis=1) if differs.ndim == 2 else differs).sum()),
    }


def _quantiles(lengths: NDArray[np.int64]) -> list[int]:
    """Return lengths that rows have, and no means of two."""
    found = np.percentile(lengths, QUANTILES, method="inverted_cdf")
    return [int(length) for length in found]


def _labels_per_row(split: Split) -> dict[str, Any]:
    if split.targets.ndim == 1:
        return {"mean": 1.0, "max": 1, "none": 0}
    counts = split.targets.sum(axis=1, dtype=np.int64)
    return {"mean": float(counts.mean()), "max": int(counts.max()), "none": int((counts == 0).sum())}


def _cooccurrence(dataset: Dataset) -> dict[str, Any]:
    targets = dataset.train.targets.astype(np.float32)  # exact up to 16 million rows, and multiplied faster
    order = np.argsort(-targets.sum(axis=0), kind="stable")[:MOST_LABELS]
    counts = (targets[:, order].T @ targets[:, order]).astype(np.int64)
    return {"labels": [dataset.labels[label] for label in order.tolist()], "counts": counts.tolist()}


def _unknown_words(read: _Read, judged: Sequence[str]) -> dict[str, float]:
    return {
        name: float(read.words[name][read.words["train"] == 0].sum() / max(int(read.words[name].sum()), 1))
        for name in judged
        if read.words
    }


def _notes(dataset: Dataset, splits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What a person should act on and `load_data` does not say."""
    notes = []
    if dataset.folds is not None:
        n_folds = int(dataset.folds.max()) + 1
        notes.append(f"validation has the rows of train, which are dealt out to {n_folds} folds")
    for name in splits if dataset.folds is None else ("train", "test"):
        split = splits[name]
        if split["empty_rows"]:
            notes.append(f"{split['empty_rows']:,} of {split['rows']:,} rows of {name} have no word")
        if split["conflicting_duplicates"]:
            told = "have the input of an earlier row but not its labels, so no model is right on all of them"
            notes.append(f"{split['conflicting_duplicates']:,} of {split['rows']:,} rows of {name} {told}")
    return notes
