"""Describe the rows of a data set as plain JSON values: labels, lengths, copies, overlap and unknown words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuner.data.dataset import Dataset, Split, count_targets
from tuner.data.encoded import to_offsets
from tuner.data.scripts import find_scripts, lacks_spaces
from tuner.data.sequences import Sequences
from tuner.data.stratification import row_keys
from tuner.data.token_lists import are_token_lists

if TYPE_CHECKING:
    from tuner.data.tokenisers import SplitTexts

QUANTILES = (0, 5, 25, 50, 75, 95, 100)
"""The quantiles of lengths, in per cent."""

MOST_LABELS = 30
"""The most labels in the co-occurrence table; nobody can read a larger table."""


def profile(dataset: Dataset, max_lengths: Sequence[int] = ()) -> dict[str, Any]:
    """Describe the rows of every split before any training, as JSON values. `max_lengths` are lengths to cut rows at.

    Keys are task, inputs, scripts, splits, cooccurrence, overlap, unknown_words and notes. `splits` maps the name of a split to
    its rows, labels (rows of each), labels_per_row (mean, max, and none: rows without a label), lengths (unit, the lengths
    at the quantiles "0" to "100" per cent, and cut: the rows longer than each of `max_lengths`), empty_rows, duplicates and
    conflicting_duplicates.

    - `scripts` are what `tuner.data.scripts.find_scripts` finds: the scripts seen, and rows and letters without spaces.
    - Lengths are in steps, tokens, or words as the word tokeniser splits them by default: in lower case, with punctuation marks.
      In a script without spaces they are in characters. A row without a word is empty.
    - A duplicate repeats the input of an earlier row of its split (texts compare without case and spacing). It conflicts if
      its labels differ from those of the first such row.
    - `cooccurrence` counts the training rows with both of two labels; on the diagonal, the rows with one label. It covers at
      most the 30 most frequent labels. None if every row has one label.
    - `overlap` counts the rows of validation and test with an input that is also in train. `unknown_words` is the share of
      their words, tokens or characters that no training text has; it is empty for sequences. With folds, both leave out
      validation, which is train.
    """
    read = _number_inputs(dataset)
    judged = [name for name in ("validation", "test") if name in read.inputs]
    in_train = np.isin(np.arange(read.n_inputs), read.inputs["train"])
    profiled: dict[str, Any] = {
        "task": dataset.task,
        "inputs": dataset.inputs,
        "scripts": vars(find_scripts(dataset.train.inputs)),
        "splits": {name: _profile_split(name, dataset, read, max_lengths) for name in dataset.splits},
        "cooccurrence": _cooccurrence(dataset) if dataset.task == "multilabel" else None,
        "overlap": {name: int(in_train[read.inputs[name]].sum()) for name in judged},
        "unknown_words": _unknown_words(read, judged),
    }
    return {**profiled, "notes": [*dataset.notes, *_notes(dataset, profiled["splits"])]}


def summarise(profiled: Mapping[str, Any]) -> list[str]:
    """Return one line per split that sums up a profile for people."""
    lines = []
    for name, split in profiled["splits"].items():
        lengths, labels = split["lengths"], split["labels"]
        rarest, commonest = min(labels, key=labels.__getitem__), max(labels, key=labels.__getitem__)
        facts = [
            f"{name}: {split['rows']:,} rows",
            f"{lengths['unit']} per row: half have {lengths['50']} or fewer, 95 % {lengths['95']} or fewer",
            f"rows per label: from {labels[commonest]:,} ({commonest}) to {labels[rarest]:,} ({rarest})",
        ]
        counts = {
            "without a label": split["labels_per_row"]["none"],
            "empty": split["empty_rows"],
            "copies": split["duplicates"],
            "copies with other labels": split["conflicting_duplicates"],
            "also in train": profiled["overlap"].get(name, 0),
        }
        facts += [f"{what}: {count:,}" for what, count in counts.items() if count]
        if name in profiled["unknown_words"]:
            facts.append(f"{lengths['unit']} not in train: {profiled['unknown_words'][name]:.1%}")
        lines.append("; ".join(facts))
    return lines


@dataclass(frozen=True, eq=False)
class _NumberedInputs:
    """The rows of all splits with numbered inputs and words. With folds, validation is train and left out.

    `inputs` maps a split to the number of each row's input (rows,); copies share a number. `lengths` maps it to the words or
    steps of each row (rows,), and `words` to the occurrences of each word (distinct words,). `words` is empty for sequences.
    `unit` says what is counted: words, tokens, characters or steps.
    """

    inputs: Mapping[str, NDArray[np.int64]]
    n_inputs: int
    lengths: Mapping[str, NDArray[np.int64]]
    words: Mapping[str, NDArray[np.int64]]
    unit: str


def _number_inputs(dataset: Dataset) -> _NumberedInputs:
    splits = {name: s for name, s in dataset.splits.items() if name != "validation" or dataset.folds is None}
    numbers: dict[str | bytes, int] = {}
    inputs = {
        name: np.array([numbers.setdefault(key, len(numbers)) for key in row_keys(split.inputs)], np.int64)
        for name, split in splits.items()
    }
    sequences = {name: s.inputs.lengths for name, s in splits.items() if isinstance(s.inputs, Sequences)}
    if sequences:
        return _NumberedInputs(inputs, len(numbers), lengths=sequences, words={}, unit="steps")
    from tuner.data.tokenisers import split_characters, split_words  # imports the `tokenizers` library

    texts = {name: s.inputs for name, s in splits.items() if isinstance(s.inputs, tuple)}
    if are_token_lists(texts["train"]):
        unit, (lengths, words) = "tokens", _count_pieces(texts, partial(split_words, lower_case=False))
    elif lacks_spaces(texts["train"]):
        unit, (lengths, words) = "characters", _count_pieces(texts, partial(split_characters, lower_case=True))
    else:
        unit, (lengths, words) = "words", _count_words(texts)
    return _NumberedInputs(inputs, len(numbers), lengths=lengths, words=words, unit=unit)


def _count_pieces(
    texts: Mapping[str, Sequence[str]], split: Callable[[Sequence[str]], SplitTexts]
) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]]:
    """Return the number of pieces of each text, and the occurrences of each distinct piece in each split."""
    pieces = split([text for rows in texts.values() for text in rows])
    lengths, counts = {}, {}
    first = 0
    for name, rows in texts.items():
        offsets = pieces.offsets[first : first + len(rows) + 1]
        lengths[name] = np.diff(offsets)
        counts[name] = np.bincount(pieces.numbers[offsets[0] : offsets[-1]], minlength=len(pieces.words))
        first += len(rows)
    return lengths, counts


def _count_words(
    texts: Mapping[str, Sequence[str]],
) -> tuple[dict[str, NDArray[np.int64]], dict[str, NDArray[np.int64]]]:
    """Return the number of words of each text, and the occurrences of each distinct word in each split.

    No word contains a space. So only the distinct runs between spaces, a tenth of all runs, go through the tokeniser.
    """
    runs: dict[str, int] = {}
    numbers, sizes = {}, {}
    for name, rows in texts.items():
        pieces = [text.split() for text in rows]
        sizes[name] = np.array([len(row) for row in pieces], np.int64)
        numbers[name] = np.array([runs.setdefault(run, len(runs)) for row in pieces for run in row], np.int64)
    from tuner.data.tokenisers import split_words

    split = split_words(tuple(runs), lower_case=True)
    words_of_run = np.diff(split.offsets)
    run_of_word = np.repeat(np.arange(len(runs)), words_of_run)
    lengths, counts = {}, {}
    for name, runs_in_split in numbers.items():
        before = to_offsets(words_of_run[runs_in_split])
        ends = np.cumsum(sizes[name])
        lengths[name] = before[ends] - before[ends - sizes[name]]
        times = np.bincount(runs_in_split, minlength=len(runs))[run_of_word]
        counted = np.bincount(split.numbers, weights=times, minlength=len(split.words))
        counts[name] = counted.astype(np.int64)
    return lengths, counts


def _profile_split(name: str, dataset: Dataset, read: _NumberedInputs, max_lengths: Sequence[int]) -> dict[str, Any]:
    split = dataset.splits[name]
    source = name if name in read.inputs else "train"
    lengths, inputs = read.lengths[source], read.inputs[source]
    _, first, copy_of = np.unique(inputs, return_index=True, return_inverse=True)
    first = first[copy_of.ravel()]
    differs = split.targets != split.targets[first]
    counts = count_targets(split.targets, len(dataset.labels)).tolist()
    return {
        "rows": len(split),
        "labels": dict(zip(dataset.labels, counts, strict=True)),
        "labels_per_row": _labels_per_row(split),
        "lengths": {
            "unit": read.unit,
            **dict(zip(map(str, QUANTILES), _quantiles(lengths), strict=True)),
            **({"cut": {str(most): int((lengths > most).sum()) for most in max_lengths}} if max_lengths else {}),
        },
        "empty_rows": int((lengths == 0).sum()),
        "duplicates": int((first < np.arange(len(split))).sum()),
        "conflicting_duplicates": int((differs.any(axis=1) if differs.ndim == 2 else differs).sum()),
    }


def _quantiles(lengths: NDArray[np.int64]) -> list[int]:
    """Return quantiles that are lengths in the data, not means of two lengths."""
    return [int(length) for length in np.percentile(lengths, QUANTILES, method="inverted_cdf")]


def _labels_per_row(split: Split) -> dict[str, Any]:
    if split.targets.ndim == 1:
        return {"mean": 1.0, "max": 1, "none": 0}
    counts = split.targets.sum(axis=1, dtype=np.int64)
    return {"mean": float(counts.mean()), "max": int(counts.max()), "none": int((counts == 0).sum())}


def _cooccurrence(dataset: Dataset) -> dict[str, Any]:
    targets = dataset.train.targets.astype(np.float32)  # exact up to 16 million rows, and faster
    order = np.argsort(-targets.sum(axis=0), kind="stable")[:MOST_LABELS]
    counts = (targets[:, order].T @ targets[:, order]).astype(np.int64)
    return {"labels": [dataset.labels[label] for label in order.tolist()], "counts": counts.tolist()}


def _unknown_words(read: _NumberedInputs, judged: Sequence[str]) -> dict[str, float]:
    return {
        name: float(read.words[name][read.words["train"] == 0].sum() / max(int(read.words[name].sum()), 1))
        for name in judged
        if read.words
    }


def _notes(dataset: Dataset, splits: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return notes that call for action, apart from the notes of `load_data`."""
    notes = []
    if dataset.folds is not None:
        n_folds = int(dataset.folds.max()) + 1
        notes.append(f"validation has the rows of train, which are dealt out to {n_folds} folds")
    word = splits["train"]["lengths"]["unit"].removesuffix("s")
    for name in splits if dataset.folds is None else ("train", "test"):
        split = splits[name]
        if split["empty_rows"]:
            notes.append(f"{split['empty_rows']:,} of {split['rows']:,} rows of {name} have no {word}")
        if split["conflicting_duplicates"]:
            conflict = "have the input of an earlier row but not its labels, so no model is right on all of them"
            notes.append(f"{split['conflicting_duplicates']:,} of {split['rows']:,} rows of {name} {conflict}")
    return notes
