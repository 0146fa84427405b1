"""From a space to what its search works on: the data, checked against what the space asks of it, and prepared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tuner.data.dataset import Dataset
from tuner.data.load import load_data
from tuner.data.preparation import options_of
from tuner.data.trial_data import TrialData, prepare
from tuner.errors import Fault, SpaceError
from tuner.imbalance.feasibility import border_faults, resampling_faults
from tuner.imbalance.training_pass import TrainingRows
from tuner.search.time_budget import Sizes
from tuner.space.document import dotted
from tuner.space.domains import OptionChoice
from tuner.space.load import Space

_FIT_S = {"word": 0.35e-6, "character": 0.05e-6, "bpe": 1.6e-6, "wordpiece": 1.6e-6}
"""Seconds to fit a tokeniser, a character of text, measured on one core of an AMD EPYC."""
_MOST_ROWS = 50_000  # whose neighbours are looked for here: 60,000 took 6 s, and twice the rows take four times as long


def read_data(space: Space, say: Callable[[str], None]) -> tuple[Dataset, TrialData]:
    """Read a space's data, check and prepare them. Raises as `load_checked` does."""
    dataset = load_checked(space, say)
    data = prepare(dataset, space.parameters, say)
    _check_borders(space, data)
    return dataset, data


def load_checked(space: Space, say: Callable[[str], None]) -> Dataset:
    """Read a space's data.

    Raises DataError for what is wrong with the data, and SpaceError where the space may choose what cannot be done with
    them, as neighbours that a class has not.
    """
    dataset = load_data(space.data, space.task, space.search.seed, say)
    faults = resampling_faults(
        space.parameters,
        dataset.train.targets,
        space.task,
        dataset.labels,
        "space",
        folds=dataset.folds,
    )
    _refuse(space, faults)
    return dataset


def sizes_of(dataset: Dataset, space: Space) -> Sizes:
    """Return what of a data set the end of a search takes longer for."""
    inputs = dataset.train.inputs
    characters = sum(map(len, inputs)) if isinstance(inputs, tuple) else 0
    tokenisers = options_of(space.parameters["tokens"]) if characters else ()
    return Sizes(
        validation=len(dataset.validation),
        test=len(dataset.test),
        labels=len(dataset.labels),
        fitting_s=characters * max((_FIT_S[name] for name, _ in tokenisers), default=0.0),
        are_validation_rows_predicted=dataset.folds is None,
    )


def check_vectors(space: Space, dataset: Dataset, say: Callable[[str], None]) -> None:
    """Read the file of word vectors that a space may choose, if it may, and say how much of the vocabulary it has.

    Raises DataError where it cannot be used.
    """
    embeddings = options_of(space.parameters["embedding"]) if "embedding" in space.parameters else ()
    own = tuple(option for option in embeddings if option[0] == "file")
    if own:  # and nothing else that takes long
        only = {"embedding": OptionChoice(own), "resampling": OptionChoice((("none", {}),))}
        prepare(dataset, {**space.parameters, **only}, say)


def _check_borders(space: Space, data: TrialData) -> None:
    """Refuse what adds no row to any class of the training rows, with folds of those of the first part."""
    if data.vectors is None or len(data.vectors[0]) > _MOST_ROWS:
        return
    targets = data.train_targets if data.folds is None else data.train_targets[data.folds != 0]
    faults = border_faults(space.parameters, TrainingRows(targets, data.task, data.vectors[0]), data.labels, "space")
    beside = "" if data.folds is None else ", with one fold left out"
    _refuse(space, [replace(fault, what=fault.what + beside) for fault in faults])


def _refuse(space: Space, faults: Sequence[Fault]) -> None:
    if faults:
        raise SpaceError([_placed(space, fault) for fault in faults])


def _placed(space: Space, fault: Fault) -> Fault:
    """Return a fault of an option as "space.resampling.smote", with the line, or the --set, that asks for it."""
    *parameter, name = fault.where.split(".")
    key = space.document.option(tuple(parameter), name)
    place = space.document.place((*key, "neighbours"))  # what nearly every resampling may ask too much of
    return Fault(place.text, f"{dotted(key)}: {fault.what}", fault.remedy)
