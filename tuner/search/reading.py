"""Read and prepare the data of a space, and check them against what the space asks for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from tuner.data.dataset import Dataset
from tuner.data.judge_rows import with_judge_rows
from tuner.data.load import load_data
from tuner.data.prepared_settings import options_of
from tuner.data.trial_data import TrialData, prepare
from tuner.errors import Fault
from tuner.imbalance.feasibility import border_faults
from tuner.imbalance.training_pass import TrainingRows
from tuner.search.adaptation import adapt, apply, leave_out
from tuner.search.lengths import length_notes
from tuner.search.task_check import check_labels
from tuner.search.time_budget import ClosingWork
from tuner.space.domains import OptionChoice
from tuner.space.load import Space

_FIT_S = {"word": 0.35e-6, "character": 0.05e-6, "bpe": 1.6e-6, "wordpiece": 1.6e-6}
"""Seconds to fit a tokeniser, per character of text, measured on one core of an AMD EPYC."""
_MOST_ROWS = (
    50_000  # beyond, the search for neighbours is too slow: 60,000 rows took 6 s, and time grows with the square
)


def read_data(space: Space, say: Callable[[str], None]) -> tuple[Space, Dataset, TrialData]:
    """Read, check and prepare a space's data. Return what `load_checked` returns, and the prepared data; raises the same."""
    adapted, dataset = load_checked(space, say)
    data = prepare(dataset, adapted.parameters, say)
    changes = leave_out(adapted, _border_faults(adapted, data), dataset)
    return apply(adapted, changes), _with_notes(dataset, [change.note for change in changes]), data


def load_checked(space: Space, say: Callable[[str], None]) -> tuple[Space, Dataset]:
    """Read a space's data. Return the space as it can run on them, and the data, whose notes say what was changed.

    Raises DataError for faults in the data. Raises SpaceError for options that the data do not allow, such as more
    neighbours than a class has rows. If there are other choices, such an option is left out instead.
    """
    dataset = load_data(space.data, space.task, space.search.seed, say, partial(check_labels, space))
    dataset = with_judge_rows(dataset, space.data, say)
    changes = adapt(space, dataset)
    adapted = apply(space, changes)
    notes = [*(change.note for change in changes), *(adapted.notes if adapted is not space else ())]
    return adapted, _with_notes(dataset, [*notes, *length_notes(adapted, dataset)])


def _with_notes(dataset: Dataset, notes: Sequence[str]) -> Dataset:
    return replace(dataset, notes=(*dataset.notes, *notes))


def measure_closing_work(dataset: Dataset, space: Space) -> ClosingWork:
    """Return how much of a data set the end of a search has to process."""
    inputs = dataset.train.inputs
    characters = sum(map(len, inputs)) if isinstance(inputs, tuple) else 0
    tokenisers = options_of(space.parameters["tokens"]) if characters else ()
    return ClosingWork(
        validation=len(dataset.validation),
        test=len(dataset.test),
        labels=len(dataset.labels),
        fitting_s=characters * max((_FIT_S.get(name, 1.6e-6) for name, _ in tokenisers), default=0.0),
        are_validation_rows_predicted=dataset.folds is None,
    )


def check_vectors(space: Space, dataset: Dataset, say: Callable[[str], None]) -> None:
    """Read the files of word vectors in a space, if it has any, and say how much of the vocabulary they cover.

    Raises DataError if a file cannot be used.
    """
    embeddings = options_of(space.parameters["embedding"]) if "embedding" in space.parameters else ()
    files = tuple(option for option in embeddings if option[0] == "file")
    if files:  # prepare these only, without slow resampling
        only = {"embedding": OptionChoice(files), "resampling": OptionChoice((("none", {}),))}
        prepare(dataset, {**space.parameters, **only}, say)


def _border_faults(space: Space, data: TrialData) -> list[Fault]:
    """Return the resamplings that add no row to any class. With folds, check the rows without the first fold."""
    if data.vectors is None or len(data.vectors[0]) > _MOST_ROWS:
        return []
    targets = data.train_targets if data.folds is None else data.train_targets[data.folds != 0]
    faults = border_faults(space.parameters, TrainingRows(targets, data.task, data.vectors[0]), data.labels, "space")
    suffix = "" if data.folds is None else ", with one fold left out"
    return [replace(fault, what=fault.what + suffix) for fault in faults]
