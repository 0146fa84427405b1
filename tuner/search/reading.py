"""From a space to what its search works on: the data, checked against what the space asks of it, and prepared."""

from __future__ import annotations

from collections.abc import Callable

from tuner.data.dataset import Dataset
from tuner.data.load import load_data
from tuner.data.prepare import TrialData, prepare
from tuner.errors import SpaceError
from tuner.imbalance.feasible import resampling_faults
from tuner.space.load import Space


def read_data(space: Space, say: Callable[[str], None]) -> tuple[Dataset, TrialData]:
    """Read a space's data, check and prepare them. Raises as `load_checked` does."""
    dataset = load_checked(space, say)
    return dataset, prepare(dataset, space.parameters, say)


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
        f"{space.source}: space",
        folds=dataset.folds,
    )
    if faults:
        raise SpaceError(faults)
    return dataset
