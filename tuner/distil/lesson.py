"""What a distilled model learns: the probabilities of the run's champion on training rows, and on rows without labels.

On the rows that a champion was trained on, its probabilities are closer to the labels than on new ones: it knows them. With folds
there are better ones, of the models that were trained on the other folds. Rows without labels are new to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tuner.bundle.known_rows import KnownRows, fingerprints
from tuner.bundle.model_bundle import Bundle
from tuner.data.dataset import Dataset, RowInputs, Split, join_inputs, take_inputs
from tuner.data.input_batches import InputFile, check_inputs
from tuner.data.name_lists import number_of_rows
from tuner.errors import DataError, Fault, LedgerError
from tuner.ledger.predictions import CHAMPION, predictions_of, read_predictions
from tuner.ledger.run_directory import Run
from tuner.space.assignment import shell_word
from tuner.storage import join

_EVERY_PART = -1  # the fold of a row that every fold model trains on
_ROWS = {"trained": "of train", "chosen": "of validation", "tested": "of the test split", "judged": "of data.judge"}


@dataclass(frozen=True, eq=False)
class Lesson:
    """Rows to learn from: `dataset` has the unlabelled rows after its training rows, `targets` are float32 (rows, labels).

    `are_out_of_fold` says that no model has seen the training row that it gave the probabilities of. `left_out` counts the rows
    of the unlabelled files that the run knows.
    """

    dataset: Dataset
    targets: NDArray[np.float32]
    are_out_of_fold: bool
    unlabelled: int
    left_out: int


def make_lesson(
    run: Run,
    bundle: Bundle,
    dataset: Dataset,
    files: Sequence[InputFile],
    *,
    truth_share: float,
    say: Callable[[str], None],
) -> Lesson:
    """Let the champion label the training rows of `dataset` and the rows of `files`, with a probability for each label.

    The probabilities of training rows are mixed with the truth, of which `truth_share` is the share. Rows of files that the run
    has read are left out. Raises InputError.
    """
    answers = _answers(run, bundle, dataset)
    truth = dataset.truth("train")
    targets = [(1 - truth_share) * answers + truth_share * truth]
    unlabelled, left_out = list[RowInputs](), 0
    known = _known_rows(dataset)
    for file in files:
        for inputs, count in _new_rows(file, known, say):
            left_out += count
            unlabelled.append(inputs)
            targets.append(bundle.predict_proba(inputs))
    joined = np.concatenate(targets)
    return Lesson(
        dataset=_with_unlabelled(dataset, unlabelled, joined, bundle),
        targets=joined.astype(np.float32),
        are_out_of_fold=dataset.folds is not None,
        unlabelled=len(joined) - len(truth),
        left_out=left_out,
    )


def _answers(run: Run, bundle: Bundle, dataset: Dataset) -> NDArray[np.float64]:
    """Return the champion's probabilities on the training rows; with folds, those of models that did not see the row."""
    if dataset.folds is None:
        return bundle.predict_proba(dataset.train.inputs)
    recorded = predictions_of(CHAMPION, read_predictions(run.location, "validation"), len(dataset.labels))
    if recorded.probabilities is None or not np.array_equal(recorded.rows, dataset.train.rows):
        where, what = join(run.location, "predictions/validation.parquet"), "it is not of the run's training rows"
        raise LedgerError([Fault(where, what, "restore it from a copy; `tuner verify` checks the run")])
    return recorded.probabilities


# --- rows without labels --------------------------------------------------------------------------------------------------


def _known_rows(dataset: Dataset) -> dict[str, NDArray[np.uint64]]:
    """Return the fingerprints of the rows of each use, ascending. Rows of data.judge must stay fresh, too."""
    known: dict[str, NDArray[np.uint64]] = dict(vars(KnownRows.of(dataset)))
    if dataset.judge is not None:
        known["judged"] = np.unique(fingerprints(dataset.judge.split.inputs))
    return known


def _new_rows(
    file: InputFile, known: dict[str, NDArray[np.uint64]], say: Callable[[str], None]
) -> Iterator[tuple[RowInputs, int]]:
    """Yield the rows of a file that the run does not know, in batches, and how many of each batch it knows. Say how many."""
    rows = check_inputs(file, note=lambda text: say(f"note: {text}"))
    counts = dict.fromkeys(known, 0)
    new = 0
    for batch in rows.batches():
        keys = fingerprints(batch.inputs)
        is_new = np.ones(len(keys), bool)
        for use, fingerprints_of_use in known.items():
            is_found = np.isin(keys, fingerprints_of_use) & is_new
            counts[use] += int(is_found.sum())
            is_new &= ~is_found
        new += int(is_new.sum())
        yield take_inputs(batch.inputs, np.flatnonzero(is_new)), int((~is_new).sum())
    found = ", ".join(f"{count:,} {_ROWS[use]}" for use, count in counts.items() if count)
    usable = number_of_rows(int(rows.is_usable.sum()))
    if not new:
        what = f"the run knows all of its {usable}: {found}"
        raise DataError([Fault(f"--unlabelled {shell_word(file.uri)}", what, "name other rows, or leave it out")])
    say(f"{file.uri}: {new:,} of {usable} are new{f'; left out: {found}' if found else ''}")


def _with_unlabelled(
    dataset: Dataset, unlabelled: Sequence[RowInputs], targets: NDArray[np.float64], bundle: Bundle
) -> Dataset:
    """Return the data set with more training rows, labelled by the champion's decisions. No fold's validation has them."""
    if not unlabelled:
        return dataset
    train = dataset.train
    inputs = join_inputs([train.inputs, *unlabelled])
    more = np.arange(len(inputs) - len(train))
    decided = bundle.decide(targets[len(train) :])
    labels = decided.astype(np.uint8) if dataset.task == "multilabel" else decided.argmax(1)
    split = Split(
        inputs=inputs,
        targets=np.concatenate([train.targets, labels]),
        rows=np.concatenate([train.rows, more + 1]),
        source=train.source,
        blocks=np.concatenate([train.blocks, more + train.blocks.max() + 1]),
    )
    folds = None if dataset.folds is None else np.concatenate([dataset.folds, np.full(len(more), _EVERY_PART)])
    return replace(dataset, train=split, folds=folds)
